-- VIDEO: the cameras that are recorded, where their pictures lie, and what became of each second.
--
-- The files are the record; what stands here of them is an index that can be made anew from them. What people did
-- (switching off, holding, looking) and what went (deletions) stands here and in the ledger.
-- Instants are Unix milliseconds UTC, `first` and `last` sequences of links in a camera's chain.

-- Never a user or a password in an address; those are files of the secrets, named by `credentials`.
-- A camera is never deleted: one that is gone is `retired`, its pictures and gaps keep their place.
create table video_camera (
    id text primary key check (id ~ '^[A-Za-z0-9._-]{1,32}$' and id not in ('.', '..')),
    site text not null references site,
    name text not null check (length(name) between 1 and 120),
    region int2 not null check (region between 1 and 99),
    place text not null check (place in ('street', 'school', 'police_office', 'penal_colony')),
    room text check (room in ('hall', 'corridor', 'cell', 'interview', 'duty_desk', 'yard')),  -- others are not recorded
    lat float8 not null,
    lon float8 not null,
    heading float8,
    field_of_view float8 not null default 70,
    reach float8 not null default 40,
    address text not null check (length(address) <= 780 and address !~ '^[a-z]+://[^/?]*@'),
    credentials text,
    audio boolean not null default false,
    keep_days int not null check (keep_days between 1 and 1826),
    back_fill text,
    added bigint not null,
    added_by text not null,
    retired bigint
);
create index video_camera_site on video_camera (site);
create index video_camera_place on video_camera (region, place);

-- Whoever changes a camera, recorders read the register again.
insert into register_revision (kind) values ('video_cameras');
create function video_camera_moves() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update register_revision set revision = revision + 1, changed = (extract(epoch from now()) * 1000)::bigint
        where kind = 'video_cameras';
    return null;
end $$;
create trigger video_camera_moves after insert or update on video_camera
    for each statement execute function video_camera_moves();

-- Parts of the picture that are masked in the camera. A new version is a new row; what was masked when stays told.
create table video_mask (
    camera text not null references video_camera,
    version int not null,
    boxes json not null,              -- [{"left":0..1,"top":..,"right":..,"bottom":..}]; an empty list: nothing is masked
    since bigint not null,
    by text not null,
    primary key (camera, version)
);

-- A folder that files are written to, and how it stands. `name` lies in the folder too: an empty mount point has none.
create table video_volume (
    folder text primary key,
    name text not null,
    bytes bigint not null default 0,  -- of the files that are indexed; kept by the trigger below
    may bigint,                       -- what they may come to
    free bigint,                      -- of the disk
    rate float8,                      -- bytes a second, over the last minutes
    trouble text check (trouble in ('low', 'full', 'short', 'away')),  -- short: holds less than the days that cameras need
    at bigint not null
) with (fillfactor = 50);

-- A file of minutes. `closed` false while it is written; then `last`, `ended` and the sums are some seconds old.
create table video_segment (
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
    closed boolean not null default false,
    primary key (camera, first),
    check (last >= first - 1)         -- a file that was just begun has no link yet
) with (fillfactor = 80);
create index video_segment_time on video_segment (camera, began);
create index video_segment_began on video_segment (began);

create function video_volume_weighs() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if tg_op = 'INSERT' then
        update video_volume v set bytes = v.bytes + d.by from (
            select volume, sum(bytes) as by from added group by volume order by volume) d where v.folder = d.volume;
    elsif tg_op = 'DELETE' then
        update video_volume v set bytes = v.bytes - d.by from (
            select volume, sum(bytes) as by from gone group by volume order by volume) d where v.folder = d.volume;
    else
        update video_volume v set bytes = v.bytes + d.by from (
            select volume, sum(bytes) as by from (
                select volume, bytes from added union all select volume, -bytes from gone) both_ group by volume
        ) d where v.folder = d.volume and d.by <> 0;
    end if;
    return null;
end $$;
create trigger video_volume_gains after insert on video_segment referencing new table as added
    for each statement execute function video_volume_weighs();
create trigger video_volume_loses after delete on video_segment referencing old table as gone
    for each statement execute function video_volume_weighs();
create trigger video_volume_grows after update on video_segment referencing old table as gone new table as added
    for each statement execute function video_volume_weighs();

-- Files whose recording has gone from the index and the log, and that still lie on the disk for a moment.
create table video_garbage (
    path text primary key,
    volume text not null,
    since bigint not null
);

-- Time without picture. `id`: <camera>/<sequence of the link that opened it>; of a gap that the index alone knows, a UUID.
create table video_gap (
    id text primary key,
    camera text not null references video_camera,
    began bigint not null,
    ended bigint,                     -- null while it lasts
    kind text not null check (kind in ('packet_loss', 'source_silent', 'reconnect', 'recorder_down', 'disabled',
        'disk_full', 'expired', 'undecodable')),
    packets bigint,
    by text,                          -- whoever switched it off
    why text,
    item text                         -- what it opened
);
create index video_gap_time on video_gap (camera, began);
create index video_gap_open on video_gap (camera) where ended is null;

-- The account of an hour: a byte a minute, MinuteState.
create table video_hour (
    camera text not null references video_camera,
    hour bigint not null check (hour % 3600000 = 0),       -- its first millisecond
    minutes bytea not null check (length(minutes) = 60),
    primary key (camera, hour)
) with (fillfactor = 70);
create index video_hour_hour on video_hour (hour);

-- How a camera is, and when that changed.
create table video_health (
    camera text primary key references video_camera,
    at bigint not null,
    verdict text not null,
    since bigint not null,
    measures jsonb not null,
    drift_ms bigint,
    oldest bigint,                    -- of the pictures that are still there
    reference_at bigint
) with (fillfactor = 70);
create table video_health_log (
    seq bigint generated always as identity primary key,
    camera text not null references video_camera,
    at bigint not null,
    verdict text not null,
    before_ text,
    measures jsonb not null,
    entry text                        -- in the ledger: "<origin>#<index>"
);
create index video_health_log_time on video_health_log (camera, at);

-- A person switches a camera off (nothing is recorded) or announces work on it (recording goes on where it can).
create table video_disable (
    id text primary key,
    camera text not null references video_camera,
    kind text not null check (kind in ('disabled', 'maintenance')),
    began bigint not null,
    ended bigint check (ended >= began),                   -- null: until somebody ends it
    by text not null,
    role text not null,
    why text not null check (length(why) between 10 and 300),
    entry text not null,
    ended_by text,
    ended_entry text
);
create index video_disable_time on video_disable (camera, began);
create index video_disable_open on video_disable (camera) where ended is null;

-- Pictures of this time are kept for a case, whatever their term says. It takes another person to lift it.
create table video_hold (
    id text primary key,
    camera text not null references video_camera,
    began bigint not null,
    ended bigint not null,
    case_number text not null check (length(case_number) between 3 and 40),
    by text not null,
    role text not null,
    why text not null check (length(why) between 10 and 300),
    asked bigint not null,
    entry text not null,
    acknowledged bigint,              -- the recorder has read it: nothing of this time goes any more
    kept_ms bigint,                   -- what it found there
    lift_asked_by text,
    lift_asked_role text,
    lift_asked_at bigint,
    lift_asked_why text,
    lift_asked_entry text,
    lifted bigint,
    check (began < ended),
    check ((lift_asked_by is null) = (lift_asked_at is null)),
    check (lifted is null or lift_asked_by is not null)
);
create index video_hold_open on video_hold (camera, began) where lifted is null;
create index video_hold_new on video_hold (asked) where acknowledged is null;

-- Who looks at a camera now, and who did. `seen`: the process that serves him said so last.
create table video_watch (
    id text primary key,
    camera text not null references video_camera,
    viewer text not null,
    role text not null,
    purpose text not null,
    session text not null,
    kind text not null default 'live' check (kind in ('live', 'recording')),
    since bigint not null,
    seen bigint not null,
    until bigint,
    entry text not null               -- of the access
);
create index video_watch_now on video_watch (camera) where until is null;
create index video_watch_time on video_watch (camera, since);

-- What went, for good: the picture is gone, its place in the chain stays told.
create table video_deleted (
    camera text not null references video_camera,
    first bigint not null,
    last bigint not null,
    began bigint not null,
    ended bigint not null,
    bytes bigint not null,
    chain bytea not null check (length(chain) = 32),
    at bigint not null,
    why text not null check (why in ('term', 'room')),     -- its days are over, or the volume had no room
    entry text not null,
    primary key (camera, first)
);
create index video_deleted_time on video_deleted (camera, began);


-- THE FENCE

create trigger video_mask_is_for_good before update or delete on video_mask
    for each row execute function refuse_change();
create trigger video_health_log_is_for_good before delete on video_health_log
    for each row execute function refuse_change();
create trigger video_deleted_is_for_good before update or delete on video_deleted
    for each row execute function refuse_change();
create trigger video_camera_is_for_good before delete on video_camera
    for each row execute function refuse_change();
create trigger video_gap_is_for_good before delete on video_gap
    for each row execute function refuse_change();
create trigger video_disable_is_for_good before delete on video_disable
    for each row execute function refuse_change();
create trigger video_hold_is_for_good before delete on video_hold
    for each row execute function refuse_change();
create trigger video_watch_is_for_good before delete on video_watch
    for each row execute function refuse_change();

-- What is written stays; only what was open is closed, once. `fixed`: columns that may change, from null only.
create function only_closes() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
declare
    name text;
begin
    if (to_jsonb(new) - tg_argv)::text <> (to_jsonb(old) - tg_argv)::text then
        raise exception 'nobody edits the past: %', tg_table_name using errcode = 'insufficient_privilege';
    end if;
    foreach name in array tg_argv loop
        if (to_jsonb(old) -> name) <> 'null'::jsonb and (to_jsonb(old) -> name) <> (to_jsonb(new) -> name) then
            raise exception 'nobody edits the past: % of %', name, tg_table_name using errcode = 'insufficient_privilege';
        end if;
    end loop;
    return new;
end $$;
create trigger video_gap_closes before update on video_gap
    for each row execute function only_closes('ended', 'packets', 'item', 'why', 'by');
create trigger video_disable_closes before update on video_disable
    for each row execute function only_closes('ended', 'ended_by', 'ended_entry');
create trigger video_health_log_closes before update on video_health_log
    for each row execute function only_closes('entry');

create function video_watch_closes() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
declare
    moving text[] := array['seen', 'until'];
begin
    if (to_jsonb(new) - moving)::text <> (to_jsonb(old) - moving)::text or new.seen < old.seen or old.until is not null then
        raise exception 'nobody edits the past: who watched' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger video_watch_closes before update on video_watch for each row execute function video_watch_closes();

-- Nothing of a recording goes without its line in video_deleted, nor while somebody holds it.
create function video_segment_goes() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
begin
    if not exists (select from video_deleted d where d.camera = old.camera and d.first = old.first and d.chain = old.chain) then
        raise exception 'a recording goes only with its entry' using errcode = 'insufficient_privilege';
    end if;
    if exists (select from video_hold h where h.camera = old.camera and h.lifted is null
            and h.began < old.ended and old.began < h.ended) then
        raise exception 'this recording is held' using errcode = 'insufficient_privilege';
    end if;
    return old;
end $$;
create trigger video_segment_goes before delete on video_segment for each row execute function video_segment_goes();
create function video_segment_grows() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
begin
    if old.closed and new is distinct from old or new.previous <> old.previous or new.began <> old.began then
        raise exception 'nobody edits the past: a closed segment' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger video_segment_grows before update on video_segment for each row execute function video_segment_grows();

-- A hold is lifted by two people, as every hold.
alter table signature drop constraint signature_kind_check;
alter table signature add constraint signature_kind_check
    check (kind in ('export', 'policy', 'hold', 'video_hold', 'recording'));
create function asked_for(kind text, wish text) returns text
    language plpgsql stable set search_path = public, pg_temp as $$
begin
    return case kind
        when 'export' then (select asked_by from export_wish where id = wish)
        when 'policy' then (select asked_by from policy_set where id = wish)
        when 'video_hold' then (select lift_asked_by from video_hold where id = split_part(wish, '@', 1))
        when 'hold' then (select asked_by from legal_hold where id = split_part(wish, '@', 1)) end;
end $$;
do $$
declare
    before_ text := pg_get_functiondef('must_be_another'::regproc);
    after_ text := regexp_replace(before_, 'asked := case new\.kind.*? end;', 'asked := asked_for(new.kind, new.wish);');
begin
    if after_ = before_ then
        raise exception 'must_be_another does not ask as it did';
    end if;
    execute after_;
end $$;

create function video_hold_is_lifted_by_two() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
declare
    moving text[] := array['acknowledged', 'kept_ms', 'lift_asked_by', 'lift_asked_role', 'lift_asked_at',
        'lift_asked_why', 'lift_asked_entry', 'lifted'];
begin
    if (to_jsonb(new) - moving)::text <> (to_jsonb(old) - moving)::text or old.lifted is not null
        or old.acknowledged is not null and new.acknowledged is distinct from old.acknowledged then
        raise exception 'nobody edits the past: a hold' using errcode = 'insufficient_privilege';
    end if;
    if new.lifted is not null and (new.lift_asked_by is distinct from old.lift_asked_by or not exists (
        select from signature s where s.kind = 'video_hold' and s.wish = old.id || '@' || old.lift_asked_at
            and s.signer <> old.lift_asked_by
    )) then
        raise exception 'it takes two people' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger video_hold_is_lifted_by_two before update on video_hold
    for each row execute function video_hold_is_lifted_by_two();


-- WHO MAY WHAT. Rows by the region of their camera.

alter table video_camera enable row level security;
alter table video_camera force row level security;
create policy all_regions on video_camera to saqtau_worker, saqtau_owner using (true);
create policy own_regions on video_camera to saqtau_app using (region = any (app_regions()));
do $$
declare
    named text;
begin
    foreach named in array array['video_mask', 'video_segment', 'video_gap', 'video_hour', 'video_health',
        'video_health_log', 'video_disable', 'video_hold', 'video_watch', 'video_deleted'] loop
        execute format('alter table %I enable row level security', named);
        execute format('alter table %I force row level security', named);
        execute format('create policy all_regions on %I to saqtau_worker, saqtau_owner using (true)', named);
        -- the camera's row is itself seen only in its regions
        execute format('create policy own_regions on %I to saqtau_app using
            (exists (select from video_camera c where c.id = %I.camera))', named, named);
    end loop;
end $$;

grant select on video_volume to saqtau_app;  -- no region: it says nothing of a camera
grant select, insert, update on video_volume to saqtau_worker;
grant select, insert, delete on video_garbage to saqtau_worker;
grant select on video_camera, video_mask, video_segment, video_gap, video_hour, video_health, video_health_log,
    video_disable, video_hold, video_watch, video_deleted to saqtau_app, saqtau_worker;
grant insert on video_camera, video_mask, video_disable, video_hold, video_watch to saqtau_app, saqtau_worker;
grant update (name, site, region, place, room, lat, lon, heading, field_of_view, reach, address, credentials, audio,
    keep_days, back_fill, retired) on video_camera to saqtau_app, saqtau_worker;
grant update (ended, ended_by, ended_entry) on video_disable to saqtau_app, saqtau_worker;
grant update (lift_asked_by, lift_asked_role, lift_asked_at, lift_asked_why, lift_asked_entry, lifted) on video_hold
    to saqtau_app, saqtau_worker;
grant update (seen, until) on video_watch to saqtau_app, saqtau_worker;
grant update (acknowledged, kept_ms) on video_hold to saqtau_worker;
grant insert, update, delete on video_segment to saqtau_worker;
grant insert on video_gap, video_hour, video_health, video_health_log, video_deleted to saqtau_worker;
grant update (ended, packets, by, why, item) on video_gap to saqtau_worker;
grant update on video_hour, video_health to saqtau_worker;
grant update (entry) on video_health_log to saqtau_worker;
