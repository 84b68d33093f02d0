-- WHAT A CAMERA'S OWN MEMORY HELD OF A GAP (ONVIF Profile G), fetched when the gap was over.
--
-- Tables of their own: nobody takes what was fetched afterwards for what was recorded, for it stands nowhere beside it.
-- The links of a camera's card are the chain `<camera>+card`, with files and leaves of its own.

-- A gap that is worth asking for, and what became of it. One row a gap, for good.
create table video_fetch (
    gap text primary key references video_gap,
    camera text not null references video_camera,
    began bigint not null,
    ended bigint not null check (ended > began),
    state text not null default 'wanted' check (state in ('wanted', 'fetching', 'fetched', 'nothing', 'refused',
        'given_up')),
    asked bigint not null,
    tries int not null default 0,
    next bigint not null,             -- not tried before
    reached bigint not null,          -- up to here it has been asked for, or is there
    found_ms bigint not null default 0,
    why text check (length(why) <= 40),
    changed bigint not null
) with (fillfactor = 70);
create index video_fetch_due on video_fetch (camera, next) where state in ('wanted', 'fetching');
create index video_fetch_time on video_fetch (camera, began);

-- A file of what was fetched; always a closed one. spans: begin and end of each stretch with pictures, within the gap.
create table video_card (
    camera text not null references video_camera,
    first bigint not null,
    last bigint not null,
    began bigint not null,
    ended bigint not null,
    path text not null unique,
    volume text not null references video_volume,
    bytes bigint not null,
    frames bigint not null,
    recorded_ms bigint not null,
    previous bytea not null check (length(previous) = 32),
    chain bytea not null check (length(chain) = 32),
    gap text not null references video_fetch,
    spans bigint[] not null check (cardinality(spans) % 2 = 0),
    fetched bigint not null,
    clock bigint not null,            -- ms the device's clock was ahead of ours
    entered bigint not null,
    entry text not null,              -- of its leaf
    primary key (camera, first),
    check (last >= first)
);
create index video_card_time on video_card (camera, began);
create index video_card_entered on video_card (entered);

create trigger video_volume_gains after insert on video_card referencing new table as added
    for each statement execute function video_volume_weighs();
create trigger video_volume_loses after delete on video_card referencing old table as gone
    for each statement execute function video_volume_weighs();

create table video_card_deleted (
    camera text not null references video_camera,
    first bigint not null,
    last bigint not null,
    began bigint not null,
    ended bigint not null,
    bytes bigint not null,
    chain bytea not null check (length(chain) = 32),
    spans bigint[] not null,          -- what it had shown of its gap
    at bigint not null,
    why text not null check (why in ('term', 'room')),
    entry text not null,
    primary key (camera, first)
);

create trigger video_card_deleted_is_for_good before update or delete on video_card_deleted
    for each row execute function refuse_change();
create trigger video_card_is_for_good before update on video_card
    for each row execute function refuse_change();
create trigger video_fetch_is_for_good before delete on video_fetch
    for each row execute function refuse_change();

create function video_fetch_goes_on() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
declare
    moving text[] := array['state', 'tries', 'next', 'reached', 'found_ms', 'why', 'changed'];
begin
    if (to_jsonb(new) - moving)::text <> (to_jsonb(old) - moving)::text or new.found_ms < old.found_ms
        or old.state not in ('wanted', 'fetching') then
        raise exception 'nobody edits the past: what was fetched' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger video_fetch_goes_on before update on video_fetch for each row execute function video_fetch_goes_on();

create function video_card_goes() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
begin
    if not exists (select from video_card_deleted d
            where d.camera = old.camera and d.first = old.first and d.chain = old.chain) then
        raise exception 'a recording goes only with its entry' using errcode = 'insufficient_privilege';
    end if;
    if exists (select from video_hold h where h.camera = old.camera and h.lifted is null
            and h.began < old.ended and old.began < h.ended) then
        raise exception 'this recording is held' using errcode = 'insufficient_privilege';
    end if;
    return old;
end $$;
create trigger video_card_goes before delete on video_card for each row execute function video_card_goes();

do $$
declare
    named text;
begin
    foreach named in array array['video_fetch', 'video_card', 'video_card_deleted'] loop
        execute format('alter table %I enable row level security', named);
        execute format('alter table %I force row level security', named);
        execute format('create policy all_regions on %I to saqtau_worker, saqtau_owner using (true)', named);
        execute format('create policy own_regions on %I to saqtau_app using
            (exists (select from video_camera c where c.id = %I.camera))', named, named);
    end loop;
end $$;
grant select on video_fetch, video_card, video_card_deleted to saqtau_app, saqtau_worker;
grant insert on video_fetch, video_card, video_card_deleted to saqtau_worker;
grant delete on video_card to saqtau_worker;
grant update (state, tries, next, reached, found_ms, why, changed) on video_fetch to saqtau_worker;
