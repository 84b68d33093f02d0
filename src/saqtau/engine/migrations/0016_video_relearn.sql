-- A CAMERA WAS MOVED ON PURPOSE: how it looks when it is well is learned anew. An act of a person with a reason, entered.
-- Who would hide a covered lens behind it stands there by name, and so does the new picture's instant.

create table video_relearn (
    id text primary key,
    camera text not null references video_camera,
    at bigint not null,
    by text not null,
    role text not null,
    why text not null check (length(why) between 10 and 300),
    entry text not null
);
create index video_relearn_camera on video_relearn (camera, at);
create trigger video_relearn_is_for_good before update or delete on video_relearn
    for each row execute function refuse_change();
alter table video_relearn enable row level security;
alter table video_relearn force row level security;
create policy all_regions on video_relearn to saqtau_worker, saqtau_owner using (true);
create policy own_regions on video_relearn to saqtau_app using
    (exists (select from video_camera c where c.id = video_relearn.camera));
grant select, insert on video_relearn to saqtau_app, saqtau_worker;
