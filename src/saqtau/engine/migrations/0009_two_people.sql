-- ACTS THAT TAKE TWO PEOPLE: exports, policies, lifting a hold; and one that takes a review: break-glass.
-- What is decided in kernel/two_people.py is refused here once more: whoever takes over the web's process cannot approve
-- in nobody's name, in his own, in a role that the signer has not, or without an entry of the ledger. In the name of a
-- real colleague, or of an account he makes, he still can: docs/oversee/attacks.md.

-- A yes to a wish. One a person; written once.
create table signature (
    kind text not null check (kind in ('export', 'policy', 'hold')),
    wish text not null,
    signer text not null,
    role text not null,
    at bigint not null,
    entry text not null,              -- in the ledger: "<origin>#<index>"
    state bytea check (length(state) = 32),        -- of an export: what the item was when it was agreed to
    primary key (kind, wish, signer),
    check (kind <> 'export' or state is not null)
);
create trigger signature_is_for_good before update or delete on signature
    for each row execute function refuse_change();
create trigger signature_is_for_good_whole before truncate on signature
    for each statement execute function refuse_change();

-- A case file that shall leave the house. Who asked, for whom, and why.
create table export_wish (
    id text primary key,
    item text not null,
    region int2 not null,
    sensitive text[] not null default '{}',        -- minors, custody: the prosecutor agrees besides
    asked_by text not null,
    asked_role text not null,
    asked_at bigint not null,
    purpose text not null,
    case_number text not null check (length(case_number) between 3 and 40),
    recipient text not null check (length(recipient) between 2 and 120),
    reason text not null check (length(reason) between 10 and 300),
    standing text not null default 'requested'
        check (standing in ('requested', 'awaits_prosecutor', 'approved', 'refused', 'lapsed')),
    entry text not null,
    closed_by text,                   -- who refused it
    closed_at bigint,
    closed_why text
);
create index export_wish_item on export_wish (item);
create index export_wish_waiting on export_wish (asked_at) where standing in ('requested', 'awaits_prosecutor');

-- What was handed out: the same bytes for whoever fetches it again. Provisional while no witness stands behind it.
-- The bytes lie sealed among the blobs; their key is sealed under the key of (retention, day) and dies with that.
create table export_package (
    export text not null references export_wish,
    standing text not null check (standing in ('PROVISIONAL', 'witnessed')),
    issued_at bigint not null,
    issued_by text not null,
    entry text not null,              -- of the issue; its record holds the manifest's SHA-256
    manifest bytea not null check (length(manifest) = 32),
    retention text not null,
    day date not null,
    wrapped bytea not null,
    sealed bytea not null,            -- the package's key
    core bytea not null,              -- blob: all but the part under ledger/
    package bytea,                    -- blob: the whole; null until its checkpoint may be told
    sha256 bytea check (length(sha256) = 32),
    size bigint,
    primary key (export, standing)
);

-- What decides who may do what. The newest `in_force` is in force; the first came with the package.
create table policy_set (
    id text primary key,
    hash text not null check (hash ~ '^[0-9a-f]{64}$'),
    texts json not null,              -- name of the file -> its text
    base text,                        -- hash that was in force when it was proposed; null for the first
    why text not null check (length(why) between 1 and 300),
    asked_by text not null,
    asked_role text not null,
    asked_at bigint not null,
    standing text not null default 'requested' check (standing in ('requested', 'approved', 'refused', 'lapsed')),
    entry text not null,
    closed_by text,
    closed_at bigint,
    closed_why text,
    in_force bigint unique            -- since when; null: was never
);
create index policy_set_waiting on policy_set (asked_at) where standing = 'requested';
-- One row that every process compares, five times a second: which set is in force.
create table policy_force (
    whole boolean primary key default true check (whole),
    id text not null references policy_set,
    hash text not null,
    since bigint not null
);

-- A glass that was broken. Its review is an item of desk `oversight`; whether it was reviewed is read there.
create table broken_glass (
    id text primary key,
    officer text not null references people,
    role text not null,
    region int2 not null,
    object_kind text not null check (object_kind in ('item')),
    object text not null,
    reason text not null check (length(reason) between 10 and 300),
    at bigint not null,
    until bigint not null,
    review_due bigint not null,
    entry text not null,
    review text not null,             -- the item
    check (until > at and until <= at + 900000 and review_due <= at + 259200000)
);
create index broken_glass_officer on broken_glass (officer, at);
create index broken_glass_object on broken_glass (object, until);
create trigger broken_glass_is_for_good before update or delete on broken_glass
    for each row execute function refuse_change();
create trigger broken_glass_is_for_good_whole before truncate on broken_glass
    for each statement execute function refuse_change();

-- Computed, never stored: an account is locked while a review is open and its time is over. `security definer`, for the
-- lock holds whatever regions the asker may see.
create function broken_glass_unreviewed(officer_ text) returns table (id text, at bigint, review_due bigint, review text)
    language sql stable security definer set search_path = public, pg_temp as $$
    select b.id, b.at, b.review_due, b.review from broken_glass b join item i on i.id = b.review
    where b.officer = officer_ and i.ended is null order by b.at
$$;
create function account_locked(person_ text, now_ bigint) returns boolean
    language sql stable security definer set search_path = public, pg_temp as $$
    select exists (select from broken_glass_unreviewed(person_) where review_due <= now_)
$$;
-- Whether this person has broken the glass over this very thing and it is still open (asked by `access_facts`). A review
-- that finds it not justified closes it at once.
create or replace function open_break_glass(who text, thing text, moment bigint) returns boolean
    language sql stable set search_path = public, pg_temp as $$
    select exists (select from broken_glass b where b.officer = who and b.object = thing
        and b.at <= moment and moment < b.until
        and not exists (select from item i where i.id = b.review and i.state = 'not_justified'))
$$;
revoke execute on function broken_glass_unreviewed, account_locked from public;
grant execute on function broken_glass_unreviewed, account_locked to saqtau_app, saqtau_worker;

-- What must not be erased while a case needs it: an item with all that belongs to it, or an entry of the ledger.
create table legal_hold (
    id text primary key,
    kind text not null check (kind in ('item', 'entry')),
    object text not null,             -- item's id, or "<origin>#<index>"
    region int2 not null,
    case_number text not null check (length(case_number) between 3 and 40),
    reason text not null check (length(reason) between 10 and 300),
    placed_by text not null,
    placed_role text not null,
    placed_at bigint not null,
    entry text not null,
    asked_by text,                    -- who wants it lifted; another person agrees
    asked_role text,
    asked_at bigint,
    asked_why text,
    asked_entry text,
    lifted_at bigint,
    check ((asked_by is null) = (asked_at is null)),
    check (lifted_at is null or asked_by is not null)
);
create index legal_hold_object on legal_hold (object) where lifted_at is null;

-- THE SECOND FENCE

-- `search_path`: a temporary table of the same name would be asked instead.
create function must_be_another() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
declare
    asked text;
    place text[] := regexp_match(new.entry, '^([^#]+)#([0-9]{1,18})$');
begin
    asked := case new.kind
        when 'export' then (select asked_by from export_wish where id = new.wish)
        when 'policy' then (select asked_by from policy_set where id = new.wish)
        else (select asked_by from legal_hold where id = split_part(new.wish, '@', 1)) end;
    if asked is null or asked = new.signer then
        raise exception 'nobody approves what he asked for himself' using errcode = 'insufficient_privilege';
    end if;
    if not exists (select from people where id = new.signer and disabled is null and new.role = any (roles)) then
        raise exception 'nobody signs in a role that he has not' using errcode = 'insufficient_privilege';
    end if;
    if not exists (select from ledger_log where origin = place[1] and size > place[2]::bigint) then
        raise exception 'nobody signs without an entry' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger signature_of_another before insert on signature for each row execute function must_be_another();

create function must_be_agreed() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
declare
    signers int;
    prosecutors int;
    fixed text[] := array['standing', 'closed_by', 'closed_at', 'closed_why', 'in_force', 'sensitive'];
begin
    -- what it concerns may grow until it is agreed to, and never shrinks
    if (to_jsonb(new) - fixed)::text <> (to_jsonb(old) - fixed)::text
        or not coalesce(to_jsonb(new) -> 'sensitive', '[]') @> coalesce(to_jsonb(old) -> 'sensitive', '[]')
        or (old.standing in ('approved', 'refused', 'lapsed') and new.standing <> old.standing) then
        raise exception 'nobody edits the past: a wish on %', tg_table_name using errcode = 'insufficient_privilege';
    end if;
    if new.standing = 'approved' and old.standing <> 'approved' then
        select count(*), count(*) filter (where role = 'prosecutor') into signers, prosecutors
            from signature where wish = new.id;
        if signers < 1 or (coalesce((to_jsonb(new) -> 'sensitive'), '[]') <> '[]' and (signers < 2 or prosecutors < 1)) then
            raise exception 'it takes two people' using errcode = 'insufficient_privilege';
        end if;
    end if;
    return new;
end $$;
-- Wishes begin as wishes. Only the very first policies, those of the package, are there without having been asked for.
create function must_be_asked() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
begin
    if new.standing = 'requested' and new.closed_at is null and (to_jsonb(new) ->> 'in_force') is null then
        return new;
    end if;
    if tg_table_name = 'policy_set' and not exists (select from policy_set) then
        return new;
    end if;
    raise exception 'a wish begins as a wish' using errcode = 'insufficient_privilege';
end $$;
create trigger export_is_asked before insert on export_wish for each row execute function must_be_asked();
create trigger policy_is_asked before insert on policy_set for each row execute function must_be_asked();
create trigger export_is_agreed before update on export_wish for each row execute function must_be_agreed();
create trigger policy_is_agreed before update on policy_set for each row execute function must_be_agreed();
create trigger export_wish_is_for_good before delete on export_wish for each row execute function refuse_change();
create trigger policy_set_is_for_good before delete on policy_set for each row execute function refuse_change();
create trigger legal_hold_is_for_good before delete on legal_hold for each row execute function refuse_change();

create function must_be_approved() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
begin
    if not exists (select from policy_set p where p.id = new.id and p.hash = new.hash and p.standing = 'approved')
        or (tg_op = 'UPDATE' and (new.since <= old.since
            or not exists (select from signature s where s.kind = 'policy' and s.wish = new.id))) then
        raise exception 'this policy was not approved' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger policy_force_is_approved before insert or update on policy_force
    for each row execute function must_be_approved();
create trigger policy_force_is_for_good before delete on policy_force for each row execute function refuse_change();

create function hold_is_lifted_by_two() returns trigger
    language plpgsql set search_path = public, pg_temp as $$
declare
    fixed text[] := array['asked_by', 'asked_role', 'asked_at', 'asked_why', 'asked_entry', 'lifted_at'];
begin
    if (to_jsonb(new) - fixed)::text <> (to_jsonb(old) - fixed)::text or old.lifted_at is not null then
        raise exception 'nobody edits the past: a hold' using errcode = 'insufficient_privilege';
    end if;
    if new.lifted_at is not null and (new.asked_by is distinct from old.asked_by or not exists (
        select from signature s where s.kind = 'hold' and s.wish = old.id || '@' || old.asked_at and s.signer <> old.asked_by
    )) then
        raise exception 'it takes two people' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;
create trigger hold_is_lifted_by_two before update on legal_hold for each row execute function hold_is_lifted_by_two();

-- Erasure leaves alone what is held: the item, and what hangs on it. The function is 0007's with one condition more, put
-- in where it chooses lives, so that there is one text of it.
do $$
declare
    chooses constant text := 'not exists (select 1 from item c where c.parent = i.id)';
    before_ text := pg_get_functiondef('erase_ended'::regproc);
    after_ text := replace(before_, chooses, chooses || '
            and not exists (select 1 from legal_hold h where h.lifted_at is null and h.object in (i.id, i.parent))');
begin
    if after_ = before_ then
        raise exception 'erase_ended does not choose lives as it did';
    end if;
    execute after_;
end $$;

do $$
declare
    named text;
begin
    foreach named in array array['export_wish', 'broken_glass', 'legal_hold'] loop
        execute format('alter table %I enable row level security', named);
        execute format('alter table %I force row level security', named);
        execute format('create policy all_regions on %I to saqtau_worker, saqtau_owner using (true)', named);
        execute format('create policy own_regions on %I to saqtau_app using (region = any (app_regions()))', named);
    end loop;
end $$;
grant select, insert on signature, export_wish, export_package, policy_set, policy_force, broken_glass, legal_hold
    to saqtau_app, saqtau_worker;
grant update (standing, sensitive, closed_by, closed_at, closed_why) on export_wish to saqtau_app, saqtau_worker;
grant update (package, sha256, size) on export_package to saqtau_app;
grant delete on export_package to saqtau_worker;
grant update (standing, closed_by, closed_at, closed_why, in_force) on policy_set to saqtau_app, saqtau_worker;
grant update (id, hash, since) on policy_force to saqtau_app, saqtau_worker;
grant update (asked_by, asked_role, asked_at, asked_why, asked_entry, lifted_at) on legal_hold to saqtau_app;
