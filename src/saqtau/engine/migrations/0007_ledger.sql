-- THE LEDGER: leaves, tiles and signed checkpoints of the logs, and the sealed records their leaves commit to.
--
-- The web and the workers read these tables and call the functions below; no role but the owner writes a row, and a
-- trigger keeps the owner from changing one. Whoever takes the triggers away changes what others already hold: tiles at
-- the mirror, checkpoints with the witness. That is the ledger's protection; this file is only its order.
--
-- An entry exists when its leaf, the tiles it completed and the checkpoint that covers it are committed, in one
-- transaction. `ledger_append` does it in one call; the head of a log is compared and set, so that several processes
-- may append and none can fork.

-- A log and its head. `edge`: the unfinished tiles above the leaves, as they were at the last multiple of 256 leaves
-- (they change no sooner); the leaves after it are hashed again from their packs when a process needs the whole edge.
create table ledger_log (
    id int2 primary key,
    origin text not null unique,      -- authority/region/kind/year, also the name of its key
    kind text not null check (kind in ('access', 'evidence')),
    region int2 not null check (region between 0 and 99),
    year int2 not null check (year between 2020 and 2199),
    vkey text not null,
    size bigint not null,
    root bytea not null check (octet_length(root) = 32),
    edge bytea not null,
    note text not null,               -- the signed checkpoint of `size`
    at bigint not null
) with (fillfactor = 10);             -- a handful of rows, rewritten at every commit: on their own pages
alter table ledger_log alter column edge set storage external;

-- Leaves in the form of tile/entries: a 16-bit length before each. A pack never crosses a bundle of 256, so a bundle is
-- the packs whose `first` lies in it. `batch` names what was committed together, on its first pack only.
create table ledger_pack (
    log int2 not null,
    first bigint not null,
    count int not null check (count between 1 and 256),
    batch uuid unique,
    leaves bytea not null,
    primary key (log, first)
);
alter table ledger_pack alter column leaves set storage external;  -- commitments are random: nothing to compress

-- Records under lock, beside the pack of their leaves, a row a class of retention and day: msgpack
-- [[index, wrapped key, content], ...]. Null after erasure; the leaf stays.
create table ledger_records (
    log int2 not null,
    first bigint not null,
    part int2 not null,
    retention text not null,
    day date not null,
    records bytea,
    primary key (log, first, part)
);
alter table ledger_records alter column records set storage external;
create index ledger_records_due on ledger_records (retention, day) where records is not null;

-- Records that a case keeps beyond their day, their keys wrapped under the key of the hold.
create table ledger_held (
    log int2 not null,
    index bigint not null,
    hold text not null,
    wrapped bytea not null,
    content bytea not null,
    primary key (log, index, hold)
);
create index ledger_held_by_hold on ledger_held (hold);

-- Full tiles only: a partial tile is a prefix of a full one, of the edge, or of the hashes of the last leaves.
create table ledger_tile (
    log int2 not null,
    level int2 not null,
    index bigint not null,
    hashes bytea not null check (octet_length(hashes) = 8192),
    primary key (log, level, index)
);
alter table ledger_tile alter column hashes set storage external;

-- What was signed, one a commit; thinned to those that were cosigned, and the last.
create table ledger_checkpoint (
    log int2 not null,
    size bigint not null,
    at bigint not null,
    note text not null,
    primary key (log, size)
);

-- Lines of witnesses over a checkpoint; of what is older than a day, of each witness the last in ten minutes.
create table ledger_cosigned (
    log int2 not null,
    size bigint not null,
    witness text not null,
    line text not null check (octet_length(line) <= 8192),
    at bigint not null,
    over bytea not null check (octet_length(over) = 32),  -- SHA-256 of the signed checkpoint that it is over
    primary key (log, size, witness, over)
);

-- Cosignatures over what the log says now. A line over a checkpoint that the log does not have (any more) is none of
-- its own: it is held against it, and nothing may call an entry witnessed for its sake.
create view ledger_upheld as
    select s.log, s.size, s.witness, s.line, s.at from ledger_cosigned s
    join ledger_log l on l.id = s.log and s.size <= l.size
    join ledger_checkpoint c on c.log = s.log and c.size = s.size
    where s.over = sha256(convert_to(c.note, 'UTF8'));

-- Times in which entries waited longer than a minute for a witness; written with the cosignature that ended one.
create table ledger_gap (
    log int2 not null,
    size bigint not null,             -- whose cosignature ended it
    began bigint not null,
    ended bigint not null,
    entries bigint not null,
    primary key (log, size)
);
create index ledger_gap_ended on ledger_gap (ended);

-- A witness as the notary knows it, for each log: the last size it cosigned, and since when it has not answered.
create table ledger_witness (
    log int2 not null,
    name text not null,
    vkey text not null,
    url text not null,
    size bigint not null default 0,
    seen bigint,                      -- last cosignature
    away bigint,                      -- since when it does not answer or refuses; null: all is well
    trouble text check (length(trouble) <= 200),
    against text check (against in ('fork', 'seen_more')),  -- what it holds against the log
    against_key text,                 -- whose cosignature ends that: another key under this name takes nothing back
    primary key (log, name)
);

-- What the oversight page counts: no person, no object. Raised in the transaction of the entries.
create table ledger_count (
    day date not null,
    log int2 not null,
    class text not null,
    action text not null,
    purpose text not null,
    role text not null,
    decision text not null,
    policy text not null,
    entries bigint not null,
    delivered bigint not null,
    primary key (day, log, class, action, purpose, role, decision, policy)
) with (fillfactor = 50);


-- NOBODY EDITS THE PAST

create trigger ledger_pack_is_for_good before update or delete on ledger_pack
    for each row execute function refuse_change();
create trigger ledger_tile_is_for_good before update or delete on ledger_tile
    for each row execute function refuse_change();
create trigger ledger_gap_is_for_good before update or delete on ledger_gap
    for each row execute function refuse_change();

-- A change that a function below makes by policy, and says so for the length of its statement.
create function ledger_by_policy(named text) returns boolean
    language sql stable as $$ select current_user = 'saqtau_owner' and current_setting('app.ledger', true) = named $$;

create function ledger_only_grows() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.size > old.size and row(new.id, new.origin, new.kind, new.region, new.year, new.vkey)
        is not distinct from row(old.id, old.origin, old.kind, old.region, old.year, old.vkey) then
        return new;
    end if;
    raise exception 'nobody edits the past: a log only grows' using errcode = 'insufficient_privilege';
end $$;
create trigger ledger_log_only_grows before update or delete on ledger_log
    for each row execute function ledger_only_grows();

create function ledger_only_erases() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.records is null and ledger_by_policy('erase')
        and row(new.log, new.first, new.part, new.retention, new.day)
            is not distinct from row(old.log, old.first, old.part, old.retention, old.day) then
        return new;
    end if;
    raise exception 'nobody edits the past: records are erased by policy only' using errcode = 'insufficient_privilege';
end $$;
create trigger ledger_records_are_for_good before update or delete on ledger_records
    for each row execute function ledger_only_erases();

create function ledger_only_by_policy() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and ledger_by_policy(tg_argv[0]) then
        return old;
    end if;
    raise exception 'nobody edits the past: % on %', tg_op, tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger ledger_held_until_released before update or delete on ledger_held
    for each row execute function ledger_only_by_policy('release');
-- What a witness signed later stands for what it signed before, so only its last word is for good.
create function ledger_cosigned_thins() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and ledger_by_policy('thin') and exists (select from ledger_cosigned s
        where s.log = old.log and s.witness = old.witness and s.size > old.size) then
        return old;
    end if;
    raise exception 'nobody edits the past: % on %', tg_op, tg_table_name using errcode = 'insufficient_privilege';
end $$;
create trigger ledger_cosigned_is_for_good before update or delete on ledger_cosigned
    for each row execute function ledger_cosigned_thins();
create trigger ledger_checkpoint_is_for_good before update or delete on ledger_checkpoint
    for each row execute function ledger_only_by_policy('thin');

create function ledger_only_counts_up() returns trigger language plpgsql as $$
begin
    if tg_op = 'UPDATE' and new.entries >= old.entries and new.delivered >= old.delivered and row(new.day, new.log,
        new.class, new.action, new.purpose, new.role, new.decision, new.policy) is not distinct from row(old.day,
        old.log, old.class, old.action, old.purpose, old.role, old.decision, old.policy) then
        return new;
    end if;
    raise exception 'nobody edits the past: a count only rises' using errcode = 'insufficient_privilege';
end $$;
create trigger ledger_count_only_rises before update or delete on ledger_count
    for each row execute function ledger_only_counts_up();

do $$
declare
    named text;
begin
    foreach named in array array['ledger_log', 'ledger_pack', 'ledger_records', 'ledger_held', 'ledger_tile',
        'ledger_checkpoint', 'ledger_cosigned', 'ledger_gap', 'ledger_count'] loop
        execute format('create trigger %I before truncate on %I for each statement execute function refuse_change()',
            named || '_is_for_good_whole', named);
        execute format('grant select on %I to saqtau_app, saqtau_worker', named);
    end loop;
end $$;
grant select on ledger_witness, ledger_upheld to saqtau_app, saqtau_worker;


-- APPENDING

-- The head of a log with the leaves after the last multiple of 256: all that is needed to append.
create type ledger_head as (
    id int2, vkey text, size bigint, root bytea, edge bytea, tail bytea, note text, at bigint
);

create function ledger_head_of(origin_ text) returns ledger_head
    language sql stable as $$
    select row(l.id, l.vkey, l.size, l.root, l.edge, coalesce((
        select string_agg(p.leaves, ''::bytea order by p.first) from ledger_pack p
        where p.log = l.id and p.first >= l.size - l.size % 256), ''::bytea), l.note, l.at)::ledger_head
    from ledger_log l where l.origin = origin_
$$;

-- Make a log unless it is there; its head. The empty log has a signed checkpoint too, so that a witness may begin with it.
create function ledger_open(origin_ text, kind_ text, region_ int2, year_ int2, vkey_ text, note_ text, at_ bigint)
    returns ledger_head
    language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '5s' as $$
begin
    if not exists (select from ledger_log where origin = origin_) then
        if length(origin_) > 200 or right(origin_, length(origin_) - position('/' in origin_))
            <> format('%s/%s/%s', lpad(region_::text, 2, '0'), kind_, year_)
            or not starts_with(vkey_, origin_ || '+')
            or not starts_with(note_, origin_ || E'\n0\n' || encode(sha256(''), 'base64') || E'\n\n— ' || origin_ || ' ')
        then
            raise exception 'ledger: % is no name of this log', origin_ using errcode = 'check_violation';
        end if;
        perform pg_advisory_xact_lock(23153, 7);
        insert into ledger_log (id, origin, kind, region, year, vkey, size, root, edge, note, at)
            select coalesce(max(id), 0) + 1, origin_, kind_, region_, year_, vkey_, 0, sha256(''), '', note_, at_
            from ledger_log on conflict (origin) do nothing;
    end if;
    return ledger_head_of(origin_);
end $$;

-- The head, held until the transaction ends: for whoever appends within a transaction of his own. Last of all his locks,
-- and of several logs in the order of their origins: every entry of this log waits for him.
create function ledger_lock(origin_ text) returns ledger_head
    language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '5s' as $$
begin
    perform from ledger_log where origin = origin_ for update;
    return ledger_head_of(origin_);
end $$;

-- Whether what shall be written has the shape of a log that grew from `old` to `new` leaves.
create function ledger_well_shaped(origin_ text, old bigint, new bigint, root_ bytea, edge_ bytea, note_ text,
    pack_first bigint[], pack_count int[], pack_leaves bytea[],
    tile_level int2[], tile_index bigint[], tile_hashes bytea[]) returns boolean
    language plpgsql immutable as $$
declare
    after bigint := old;
    leaves bytea;
    length_ int;
    at_ int;
begin
    if new <= old or new - old > 65536 or octet_length(root_) <> 32
        or cardinality(pack_first) <> cardinality(pack_count) or cardinality(pack_first) <> cardinality(pack_leaves)
        or cardinality(tile_level) <> cardinality(tile_index) or cardinality(tile_level) <> cardinality(tile_hashes)
        or not starts_with(note_, origin_ || E'\n' || new || E'\n' || encode(root_, 'base64') || E'\n\n— ' || origin_ || ' ')
        or octet_length(note_) > 4096
    then
        return false;
    end if;
    for n in 1 .. cardinality(pack_first) loop
        leaves := pack_leaves[n];
        length_ := octet_length(leaves);
        if pack_first[n] <> after or pack_count[n] not between 1 and 256 - after % 256
            or length_ > pack_count[n] * 514 then
            return false;
        end if;
        at_ := 0;
        for leaf in 1 .. pack_count[n] loop
            if at_ + 2 > length_ then
                return false;
            end if;
            at_ := at_ + 2 + (get_byte(leaves, at_) << 8) + get_byte(leaves, at_ + 1);
        end loop;
        if at_ <> length_ then
            return false;
        end if;
        after := after + pack_count[n];
    end loop;
    if after <> new then
        return false;
    end if;
    if old / 256 = new / 256 then
        return edge_ is null and cardinality(tile_level) = 0;
    end if;
    return octet_length(edge_) = 32 * (select sum((new >> 8 * l) % 256) from generate_series(1, 7) l)
        and cardinality(tile_level) = (
            select sum((new >> 8 * (l + 1)) - (old >> 8 * (l + 1))) from generate_series(0, 6) l)
        and (select bool_and(octet_length(t.hashes) = 8192 and t.level between 0 and 6
                 and t.index >= old >> 8 * (t.level + 1) and t.index < new >> 8 * (t.level + 1))
             from unnest(tile_level, tile_index, tile_hashes) t (level, index, hashes));
end $$;

-- Append one batch, or say that somebody was faster. `placed` is the index of the batch's first entry, also when an
-- earlier call wrote it and the answer was lost; null: nothing was written, and `head` is what to compute from again.
-- Raises check_violation for what could not be a continuation of this log.
create function ledger_append(origin_ text, expected bigint, expected_root bytea, batch_ uuid, at_ bigint,
    size_ bigint, root_ bytea, edge_ bytea, note_ text,
    pack_first bigint[], pack_count int[], pack_leaves bytea[],
    tile_level int2[], tile_index bigint[], tile_hashes bytea[],
    record_first bigint[], record_part int2[], record_retention text[], record_day date[], record_sealed bytea[],
    count_day date[], count_class text[], count_action text[], count_purpose text[], count_role text[],
    count_decision text[], count_policy text[], count_entries bigint[], count_delivered bigint[],
    out placed bigint, out head ledger_head)
    language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '5s' as $$
declare
    found_ record;
begin
    select l.id, l.size, l.root into found_ from ledger_log l where l.origin = origin_ for update;
    if not found then
        raise exception 'ledger: % has not been opened', origin_ using errcode = 'check_violation';
    end if;
    if found_.size <> expected or found_.root <> expected_root then
        select p.first into placed from ledger_pack p where p.batch = batch_ and p.log = found_.id;
        head := ledger_head_of(origin_);
        return;
    end if;
    if ledger_well_shaped(origin_, expected, size_, root_, edge_, note_, pack_first, pack_count, pack_leaves,
        tile_level, tile_index, tile_hashes) is not true then
        raise exception 'ledger: mis-shaped batch for %', origin_ using errcode = 'check_violation';
    end if;
    -- an acknowledged entry is on disk, whatever the session asked for
    if current_setting('synchronous_commit') in ('off', 'local') then
        perform set_config('synchronous_commit', 'on', true);
    end if;
    insert into ledger_pack (log, first, count, batch, leaves)
        select found_.id, p.first, p.count, case when p.first = expected then batch_ end, p.leaves
        from unnest(pack_first, pack_count, pack_leaves) p (first, count, leaves);
    if cardinality(tile_level) > 0 then
        insert into ledger_tile (log, level, index, hashes)
            select found_.id, t.level, t.index, t.hashes
            from unnest(tile_level, tile_index, tile_hashes) t (level, index, hashes);
    end if;
    if cardinality(record_first) > 0 then
        insert into ledger_records (log, first, part, retention, day, records)
            select found_.id, r.first, r.part, r.retention, r.day, r.sealed
            from unnest(record_first, record_part, record_retention, record_day, record_sealed)
                r (first, part, retention, day, sealed)
            where r.first = any (pack_first);
    end if;
    if cardinality(count_day) > 0 then
        insert into ledger_count as c
            (log, day, class, action, purpose, role, decision, policy, entries, delivered)
            select found_.id, n.* from unnest(count_day, count_class, count_action, count_purpose, count_role,
                count_decision, count_policy, count_entries, count_delivered) n
        on conflict (day, log, class, action, purpose, role, decision, policy)
            do update set entries = c.entries + excluded.entries, delivered = c.delivered + excluded.delivered;
    end if;
    insert into ledger_checkpoint (log, size, at, note) values (found_.id, size_, at_, note_);
    update ledger_log l set size = size_, root = root_, edge = coalesce(edge_, l.edge), note = note_, at = at_
        where l.id = found_.id;
    placed := expected;
end $$;


-- WHAT FOLLOWS

-- A witness has cosigned; if it was the first, and what it covers had to wait for long, that is kept.
create function ledger_cosign(log_ int2, size_ bigint, witness_ text, line_ text, at_ bigint) returns void
    language sql security definer set search_path = public, pg_temp as $$
    with made as (
        insert into ledger_cosigned (log, size, witness, line, at, over)
            select log_, size_, witness_, line_, at_, sha256(convert_to(c.note, 'UTF8'))
            from ledger_checkpoint c where c.log = log_ and c.size = size_
            on conflict do nothing returning log
    )
    insert into ledger_gap (log, size, began, ended, entries)
        select log_, size_, w.began, at_, size_ - b.size
        from made
        cross join lateral (  -- as it was before this cosignature
            select coalesce(max(s.size), 0) as size from ledger_cosigned s where s.log = log_
        ) b
        cross join lateral (
            select min(c.at) as began from ledger_checkpoint c
            where c.log = log_ and c.size > b.size and c.size <= size_
        ) w
        where at_ - w.began > 60000
        on conflict do nothing
$$;

-- How a witness does. size null: it gave no cosignature, and `trouble` says why. `against` stays, whatever else goes
-- wrong afterwards, until the same key cosigns again.
create function ledger_witnessed(log_ int2, name_ text, vkey_ text, url_ text, size_ bigint, trouble_ text, at_ bigint,
    against_ text default null)
    returns void language sql security definer set search_path = public, pg_temp as $$
    insert into ledger_witness as w (log, name, vkey, url, size, seen, away, trouble, against, against_key)
        values (log_, name_, vkey_, url_, coalesce(size_, 0), case when size_ is not null then at_ end,
            case when size_ is null then at_ end, case when size_ is null then left(trouble_, 200) end, against_,
            case when against_ is not null then vkey_ end)
        on conflict (log, name) do update set
            vkey = excluded.vkey,
            url = excluded.url,
            size = greatest(w.size, excluded.size),
            seen = coalesce(excluded.seen, w.seen),
            away = case when excluded.away is null then null else coalesce(w.away, excluded.away) end,
            trouble = excluded.trouble,
            against = case when excluded.away is not null or w.against_key <> excluded.vkey
                then coalesce(excluded.against, w.against) end,
            against_key = case when excluded.away is not null or w.against_key <> excluded.vkey
                then coalesce(excluded.against_key, w.against_key) end
$$;

-- Remove checkpoints older than an instant that no witness cosigned; the last one stays, and so does each that was the
-- first to wait for a witness longer than a minute: it says since when nobody watched. Returns how many went.
create function ledger_thin(log_ int2, before_ bigint) returns bigint
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    gone bigint;
begin
    perform set_config('app.ledger', 'thin', true);
    delete from ledger_checkpoint c where c.log = log_ and c.at < before_
        and c.size < (select l.size from ledger_log l where l.id = log_)
        and not exists (select from ledger_cosigned s where s.log = c.log and s.size = c.size)
        and (
            (select s.at from ledger_cosigned s where s.log = c.log and s.size > c.size order by s.size limit 1)
                <= c.at + 60000
            or exists (select from ledger_checkpoint p where p.log = c.log and p.size < c.size and p.size > coalesce(
                (select s.size from ledger_cosigned s where s.log = c.log and s.size < c.size
                    order by s.size desc limit 1), 0))
        );
    get diagnostics gone = row_count;
    perform set_config('app.ledger', '', true);
    return gone;
end $$;

-- Of the cosigned checkpoints before an instant keep the last that each witness signed in ten minutes, as a witness itself
-- does, and those that ended a gap. A proof of any entry is made against a later one as well; gaps have their own table.
-- Returns how many checkpoints went.
create function ledger_thin_cosigned(log_ int2, before_ bigint) returns bigint
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    step constant bigint := 600000;
    sizes bigint[];
    gone bigint;
begin
    perform set_config('app.ledger', 'thin', true);
    with numbered as (
        select s.size, s.witness,
            row_number() over (partition by s.witness, c.at / step order by s.size desc) as nth
        from ledger_cosigned s join ledger_checkpoint c on c.log = s.log and c.size = s.size
        where s.log = log_ and c.at < before_ - before_ % step
    ), out as (
        delete from ledger_cosigned s using numbered n
        where s.log = log_ and s.size = n.size and s.witness = n.witness and n.nth > 1
            and not exists (select from ledger_gap g where g.log = s.log and g.size = s.size)
        returning s.size
    )
    select coalesce(array_agg(distinct size), '{}') into sizes from out;
    delete from ledger_checkpoint c using unnest(sizes) u (size) where c.log = log_ and c.size = u.size
        and not exists (select from ledger_cosigned s where s.log = c.log and s.size = c.size)
        and c.size < (select l.size from ledger_log l where l.id = log_);
    get diagnostics gone = row_count;
    perform set_config('app.ledger', '', true);
    return gone;
end $$;

-- Keep records for a case: their keys under the key of the hold.
create function ledger_hold(log_ int2, hold_ text, indices bigint[], wrapped_ bytea[], contents bytea[]) returns void
    language sql security definer set search_path = public, pg_temp as $$
    insert into ledger_held (log, index, hold, wrapped, content)
        select log_, h.index, hold_, h.wrapped, h.content
        from unnest(indices, wrapped_, contents) h (index, wrapped, content)
        where length(hold_) between 3 and 40
        on conflict do nothing
$$;

-- The case is over: what it kept goes; returns how many.
create function ledger_release(hold_ text) returns bigint
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    gone bigint;
begin
    perform set_config('app.ledger', 'release', true);
    delete from ledger_held where hold = hold_;
    get diagnostics gone = row_count;
    perform set_config('app.ledger', '', true);
    return gone;
end $$;

-- The key of this class and day is destroyed: its records go from one log; returns how many rows. The caller appends
-- the `erase` leaf in the same transaction.
create function ledger_erase(log_ int2, retention_ text, day_ date) returns bigint
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    gone bigint;
begin
    perform set_config('app.ledger', 'erase', true);
    update ledger_records set records = null
        where log = log_ and retention = retention_ and day = day_ and records is not null;
    get diagnostics gone = row_count;
    perform set_config('app.ledger', '', true);
    return gone;
end $$;

-- Lives that end leave an `erase` leaf too, so the function now says which went (0005 counted them only): their ids and
-- regions, and the SHA-256 of pictures that nothing names any more, whose files are the caller's to remove.
drop function erase_ended;
create function erase_ended(class text, before_ bigint, now_ bigint, most int,
    out lives text[], out regions int2[], out entries_ bigint, out pictures_ bigint, out files bytea[])
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    digests bytea[];
begin
    select coalesce(array_agg(id order by id), '{}'), coalesce(array_agg(region order by id), '{}')
    into lives, regions from (
        select i.id, i.region from item i
        where i.retention = class and i.ended < before_ and not exists (select 1 from item c where c.parent = i.id)
        order by i.ended limit most for update skip locked
    ) due;
    files := '{}';
    entries_ := 0;
    pictures_ := 0;
    if cardinality(lives) = 0 then
        return;
    end if;
    perform set_config('app.erasing', 'on', true);
    with out as (delete from picture where item = any (lives) returning sha256)
        select array_agg(distinct sha256), count(*) into digests, pictures_ from out;
    with out as (delete from entry where item = any (lives) returning 1) select count(*) into entries_ from out;
    delete from read_history where item = any (lives);  -- what is sealed goes with its file
    delete from item where id = any (lives);
    perform set_config('app.erasing', '', true);
    insert into erasure (at, retention, before, items, entries, pictures)
        values (now_, class, before_, cardinality(lives), entries_, pictures_);
    select coalesce(array_agg(d), '{}') into files from unnest(digests) d
        where not exists (select 1 from picture p where p.sha256 = d);
end $$;
revoke execute on function erase_ended from public;
grant execute on function erase_ended to saqtau_worker;

revoke execute on function ledger_head_of, ledger_open, ledger_lock, ledger_well_shaped, ledger_append, ledger_cosign,
    ledger_witnessed, ledger_thin, ledger_thin_cosigned, ledger_hold, ledger_release, ledger_erase from public;
grant execute on function ledger_head_of, ledger_open, ledger_lock, ledger_append, ledger_hold, ledger_release
    to saqtau_app, saqtau_worker;
grant execute on function ledger_cosign, ledger_witnessed, ledger_thin, ledger_thin_cosigned, ledger_erase
    to saqtau_worker;
