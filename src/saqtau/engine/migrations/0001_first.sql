-- The record: what happened, who was told, who looked.
--
-- Three roles use it, none but the owner owns anything, none may pass row-level security by right:
--   saqtau_owner   owns and migrates; its functions below make and drop partitions
--   saqtau_app     the web; sees only rows of the regions in the setting app.regions, of this transaction
--   saqtau_worker  workers and intake; all regions
--
-- Instants are Unix milliseconds UTC (bigint). A region is a small number; null means everywhere.
-- Identifiers are text: UUIDv7 for what happens, the authority's own codes for what it has.

-- The regions this transaction may see. An unset setting is null, one that was set in an earlier transaction is the
-- empty text: both mean none.
create function app_regions() returns int2[]
    language sql stable parallel safe
    return nullif(current_setting('app.regions', true), '')::int2[];


-- REGISTERS: what the authority has. They are imported whole and changed by import only; the counter of a register
-- tells workers to read it again.

create table register_revision (
    kind text primary key,
    revision bigint not null default 0,
    changed bigint not null default 0
);
insert into register_revision (kind) values ('sites'), ('cameras'), ('units'), ('officers'), ('vehicles');

create table site (
    id text primary key,
    name text not null,
    region int2 not null,
    lat float8 not null,
    lon float8 not null
);

-- A camera's token stands in the path of its pushes; only its SHA-256 is kept. Without a certificate in force the
-- camera's speed founds nothing.
create table camera (
    id text primary key,
    site text not null references site,
    name text not null,
    region int2 not null,
    lat float8 not null,
    lon float8 not null,
    heading float8 not null,
    speed_limit float8 not null,
    certificate_number text,
    certificate_from bigint,
    certificate_until bigint,
    address text,
    token_hash bytea unique,
    check ((certificate_number is null) = (certificate_from is null)),
    check ((certificate_number is null) = (certificate_until is null))
);

-- A unit and what it does now. `status_item` is the item that holds it: only that item, or a person, frees it.
create table unit (
    id text primary key,
    call_sign text not null,
    region int2 not null,
    plate text,
    skills text[] not null default '{}',
    token_hash bytea unique,
    status text not null default 'off_duty',
    status_item text,
    status_since bigint not null default 0,
    status_rev bigint not null default 0
);

create table officer (
    id text primary key,
    name text not null,
    region int2 not null,
    unit text references unit deferrable initially deferred
);

-- A vehicle on the list. One plate may be there on several grounds and by several authorities; each entry expires.
create table listed_vehicle (
    plate text not null,
    ground text not null,
    authority text not null,
    basis text not null,
    expires bigint not null,
    region int2,
    note text not null default '',
    primary key (plate, ground, authority)
);

-- What an import took and refused: a line for each refused row.
create table import_report (
    seq bigint generated always as identity primary key,
    at bigint not null,
    by text not null,
    kind text not null,
    file text not null,
    total int not null,
    accepted int not null,
    refused int not null,
    lines json not null
);


-- ITEMS: the life of a case. The item is where it is now, its entries are how it came there.

-- Every version of a desk that an item was ever opened under.
create table desk_spec (
    hash text primary key,
    name text not null,
    version int not null,
    first_seen bigint not null,
    spec json not null
);

create table item (
    id text primary key,
    desk text not null,
    spec text not null,
    state text not null,
    rev int not null,
    region int2 not null,
    priority int2 not null,
    opened bigint not null,
    changed bigint not null,
    opened_by text not null,
    owner text,                       -- role that must act now; null only at the end
    unit text,                        -- the one unit that may act
    due bigint,                       -- the timer: when the clock acts in the owner's place
    paused_for text,                  -- what is missing while the deadline stands still
    remaining bigint,                 -- ms left on the paused deadline
    parent text references item,
    lat float8,
    lon float8,
    retention text not null,
    ended bigint,
    data json not null                -- json, not jsonb: kept byte by byte, any text a person can type
) with (fillfactor = 70);             -- room for the next revision beside the last one

create index item_due on item (due) where due is not null;
create index item_open on item (region, priority, opened) where ended is null;
create index item_parent on item (parent) where parent is not null;
create index item_unit on item (unit) where ended is null and unit is not null;
create index item_ended on item (retention, ended) where ended is not null;

-- What happened to an item, for good. One entry a revision; "read" and "export" stand at the revision that was seen.
create table entry (
    seq bigint generated always as identity,
    item text not null,
    rev int not null,
    at bigint not null,
    edge text not null,
    start text,
    came_to text,
    actor text not null,
    role text not null,
    purpose text,
    region int2 not null,
    warnings text[] not null default '{}',
    data json not null,
    primary key (item, rev, seq)
);

-- Pictures of an item. The bytes lie in files named by their SHA-256, on disk before this row is.
create table picture (
    item text not null,
    name text not null,
    media text not null,
    sha256 bytea not null,
    size int not null,
    region int2 not null,
    at bigint not null,
    primary key (item, name)
);
create index picture_sha256 on picture (sha256);

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'nobody edits the past: % on %', tg_op, tg_table_name using errcode = 'insufficient_privilege';
end $$;

create trigger entry_is_for_good before update or delete on entry
    for each row execute function refuse_change();
create trigger entry_is_for_good_whole before truncate on entry
    for each statement execute function refuse_change();


-- WAYS OUT AND IN

-- What has to be told once the transaction is committed. Published with the row's id as Nats-Msg-Id, then deleted.
create table outbox (
    id text primary key,
    topic text not null,
    created bigint not null,
    payload bytea not null
);
create index outbox_created on outbox (created);

-- How far each partition of the journal has taken effect. Compared and set in the transaction of the effects.
create table partition_offset (
    stream text not null,
    partition int2 not null,
    seq bigint not null default 0,
    primary key (stream, partition)
) with (fillfactor = 50);

-- When each stream was made. Another time means another stream, which counts from the beginning: its offsets are void.
create table journal_stream (
    stream text primary key,
    made text not null
);

-- What could not be understood, kept as it came: a part of a camera's push, or a message of the journal that a worker
-- gave up on. `raw` is cut at 64 KiB.
create table quarantine (
    seq bigint generated always as identity primary key,
    at bigint not null,
    source text not null,             -- "device" | "journal"
    camera text,
    stream text,
    partition int2,
    sequence bigint,
    reason text not null,
    raw bytea not null check (octet_length(raw) <= 65536)
);
create index quarantine_at on quarantine (at);


-- READS AND POSITIONS, partitioned by when we received them: a camera's own clock may be anything.

-- Reads that hit nothing: the plate only as hash under a key that dies with the window. No region, no name, nothing the
-- web may see; dropped a quarter of an hour at a time.
create table read_recent (
    received bigint not null,
    partition int2 not null,
    plate_key bytea not null,
    camera text not null,
    at bigint not null,
    speed float4
) partition by range (received);
create index read_recent_key on read_recent (plate_key, at);

-- Reads that hit. Hot here by the hour, then sealed to Parquet (`sealed_file`).
create table read_history (
    received bigint not null,
    at bigint not null,
    plate text not null,
    camera text not null,
    region int2 not null,
    lat float4 not null,
    lon float4 not null,
    speed float4,
    item text,
    retention text not null
) partition by range (received);
create index read_history_plate on read_history (plate, at);

create table position (
    received bigint not null,
    at bigint not null,
    unit text not null,
    device text not null,
    seq bigint not null,
    lat float8 not null,
    lon float8 not null,
    accuracy float4,
    speed float4,
    heading float4,
    flags text[] not null default '{}'
) partition by range (received);
create index position_unit on position (unit, at);

-- The last position of each unit, with its region for row-level security.
create table unit_position (
    unit text primary key,
    region int2 not null,
    at bigint not null,
    received bigint not null,
    device text not null,
    seq bigint not null,
    lat float8 not null,
    lon float8 not null,
    accuracy float4,
    speed float4,
    heading float4,
    battery float4,
    flags text[] not null default '{}'
) with (fillfactor = 50);

-- Files of sealed history. A row stands here exactly when its rows are in no partition any more: written in the
-- transaction that drops the partition. Times are those of the rows inside.
create table sealed_file (
    path text primary key,
    retention text not null,
    lower bigint not null,            -- hours of receipt it covers, [lower, upper)
    upper bigint not null,
    first_at bigint not null,
    last_at bigint not null,
    rows bigint not null,
    bytes bigint not null,
    sha256 bytea not null,
    sealed bigint not null
);
create index sealed_file_time on sealed_file (last_at, first_at);


-- ACCESS: every wish to look at protected data, allowed or denied, committed before the first byte flows.

create table access_entry (
    id text primary key,
    at bigint not null,
    viewer text not null,
    role text not null,
    action text not null,
    purpose text not null,
    object text not null,
    case_number text,
    region int2,
    unit text,
    decision text not null check (decision in ('allow', 'deny')),
    policy text not null,
    delivered bigint,                 -- records or bytes that really left, told at the end
    closed bigint
);
create index access_entry_at on access_entry (at);
create index access_entry_viewer on access_entry (viewer, at);
create index access_entry_object on access_entry (object, at);

create function close_once() returns trigger language plpgsql as $$
begin
    if old.closed is not null or (new is distinct from old and row(
        new.id, new.at, new.viewer, new.role, new.action, new.purpose, new.object, new.case_number, new.region,
        new.unit, new.decision, new.policy
    ) is distinct from row(
        old.id, old.at, old.viewer, old.role, old.action, old.purpose, old.object, old.case_number, old.region,
        old.unit, old.decision, old.policy
    )) then
        raise exception 'nobody edits the past: an access entry is closed once' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger access_entry_closes_once before update on access_entry for each row execute function close_once();
create trigger access_entry_is_for_good before delete on access_entry for each row execute function refuse_change();
create trigger access_entry_is_for_good_whole before truncate on access_entry
    for each statement execute function refuse_change();


-- WHO SEES WHAT. Forced, so that the owner too goes through a policy.

do $$
declare
    named text;
begin
    foreach named in array array[
        'site', 'camera', 'unit', 'officer', 'listed_vehicle', 'item', 'entry', 'picture', 'unit_position',
        'read_history'
    ] loop
        execute format('alter table %I enable row level security', named);
        execute format('alter table %I force row level security', named);
        execute format('create policy all_regions on %I to saqtau_worker, saqtau_owner using (true)', named);
        execute format('create policy own_regions on %I to saqtau_app using (%s)', named,
            case named when 'listed_vehicle' then 'region is null or region = any (app_regions())'
                       else 'region = any (app_regions())' end);
    end loop;
end $$;

-- The web reads, moves items, and writes what it did. It sees no token, no offset, no recent read, no outbox text.
grant select (id, name, region, lat, lon) on site to saqtau_app;
grant select (id, site, name, region, lat, lon, heading, speed_limit, certificate_number, certificate_from,
    certificate_until, address) on camera to saqtau_app;
grant select (id, call_sign, region, plate, skills, status, status_item, status_since, status_rev),
    update (status, status_item, status_since, status_rev) on unit to saqtau_app;
grant select on officer, listed_vehicle, item, entry, picture, unit_position, read_history, sealed_file, desk_spec,
    register_revision, import_report, access_entry to saqtau_app;
grant insert on item, entry, picture, outbox, access_entry, desk_spec to saqtau_app;
grant update on item to saqtau_app;
grant update (delivered, closed) on access_entry to saqtau_app;
grant select (id, created), delete on outbox to saqtau_app;

grant select, insert, update, delete on site, camera, unit, officer, listed_vehicle, register_revision to saqtau_worker;
grant select, insert, update on item, unit_position to saqtau_worker;
grant select, insert on entry, picture, desk_spec, import_report, quarantine, read_recent, read_history, position,
    access_entry to saqtau_worker;
grant update (delivered, closed) on access_entry to saqtau_worker;
grant select, insert, update, delete on outbox, partition_offset, journal_stream, sealed_file to saqtau_worker;


-- PARTITIONS. Workers make them ahead and drop them, through these three functions only.

create function partition_name(parent text, lower_bound bigint) returns text
    language sql immutable return parent || '_' || to_char(to_timestamp(lower_bound / 1000) at time zone 'UTC', 'YYYYMMDDHH24MI');

create function must_be_partitioned(parent text) returns void language plpgsql as $$
begin
    if parent not in ('read_recent', 'read_history', 'position') then
        raise exception '% is not partitioned', parent using errcode = 'insufficient_privilege';
    end if;
end $$;

-- Make the partition [lower, upper) unless it is there; true when it was made. Attached rather than created in place:
-- that does not wait for readers of the other partitions.
create function make_partition(parent text, lower_bound bigint, upper_bound bigint) returns boolean
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    named text := partition_name(parent, lower_bound);
begin
    perform must_be_partitioned(parent);
    if to_regclass(named) is not null then
        return false;
    end if;
    perform pg_advisory_xact_lock(23153, hashtext(named));
    if to_regclass(named) is not null then
        return false;
    end if;
    execute format('create table %I (like %I including all)', named, parent);
    execute format('alter table %I attach partition %I for values from (%s) to (%s)', parent, named, lower_bound, upper_bound);
    return true;
end $$;

-- Partitions that are there, with their bounds.
create function partitions_of(parent text) returns table (name text, lower_bound bigint, upper_bound bigint)
    language sql stable security definer set search_path = public, pg_temp as $$
    select c.relname::text, (bound.found)[1]::bigint, (bound.found)[2]::bigint
    from pg_inherits i
    join pg_class c on c.oid = i.inhrelid
    cross join lateral (
        select regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?(-?\d+)''?\) TO \(''?(-?\d+)''?\)') as found
    ) bound
    where i.inhparent = to_regclass(parent) and bound.found is not null
    order by 2
$$;

-- Nobody writes into this partition until the transaction ends; readers read on. False when it is not there.
create function hold_partition(parent text, lower_bound bigint) returns boolean
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    named text := partition_name(parent, lower_bound);
begin
    perform must_be_partitioned(parent);
    if to_regclass(named) is null then
        return false;
    end if;
    execute format('lock table %I in share row exclusive mode', named);
    return to_regclass(named) is not null;
end $$;

create function drop_partition(parent text, lower_bound bigint) returns boolean
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    named text := partition_name(parent, lower_bound);
begin
    perform must_be_partitioned(parent);
    if to_regclass(named) is null then
        return false;
    end if;
    execute format('drop table %I', named);
    return true;
end $$;

revoke execute on function make_partition, hold_partition, drop_partition, partitions_of from public;
grant execute on function make_partition, hold_partition, drop_partition, partitions_of to saqtau_worker;
