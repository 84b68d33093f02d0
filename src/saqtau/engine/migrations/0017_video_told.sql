-- WHAT CAMERAS TELL OF THEMSELVES (ONVIF events): somebody is at it, no signal, a contact, its clock was set.
-- Told is not seen: it never changes video_health, which is what we saw. Each change is an entry of the evidence log too.

create table video_told (
    id text primary key,
    camera text not null references video_camera,
    word text not null check (word ~ '^told_[a-z_]{1,40}$'),
    source text not null check (length(source) <= 60),       -- which sensor, rule or contact of the device
    began bigint not null,                                   -- when we heard it
    ended bigint check (ended >= began),                     -- null: it goes on. An instant ends where it began
    moved_ms bigint,                                         -- by how much the clock was set
    confirmed boolean check (confirmed is null or ended is not null),  -- whether the camera said that it is over
    entry text not null,                                     -- in the ledger: "<origin>#<index>"
    ended_entry text
);
create unique index video_told_open on video_told (camera, word, source) where ended is null;
create index video_told_time on video_told (camera, began);
create trigger video_told_is_for_good before delete on video_told for each row execute function refuse_change();
create trigger video_told_closes before update on video_told
    for each row execute function only_closes('ended', 'confirmed', 'ended_entry');
alter table video_told enable row level security;
alter table video_told force row level security;
create policy all_regions on video_told to saqtau_worker, saqtau_owner using (true);
create policy own_regions on video_told to saqtau_app using
    (exists (select from video_camera c where c.id = video_told.camera));
grant select on video_told to saqtau_app, saqtau_worker;
grant insert on video_told to saqtau_worker;
grant update (ended, confirmed, ended_entry) on video_told to saqtau_worker;
