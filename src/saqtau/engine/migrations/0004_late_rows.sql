-- Rows whose hour has no partition: a backlog after a long outage, or a machine whose clock was set wrong. They are kept
-- in a partition of their own instead of being refused, and are sealed and dropped by the hour like all others.

create table read_recent_late partition of read_recent default;
create table read_history_late partition of read_history default;
create table position_late partition of position default;

-- As before; but where late rows of that time are there already, they stay where they are and no partition is made.
create or replace function make_partition(parent text, lower_bound bigint, upper_bound bigint) returns boolean
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
exception when check_violation then
    return false;
end $$;

-- Nobody writes rows of this time until the transaction ends; readers read on.
create or replace function hold_partition(parent text, lower_bound bigint) returns boolean
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    named text := partition_name(parent, lower_bound);
begin
    perform must_be_partitioned(parent);
    execute format('lock table %I in share row exclusive mode', parent || '_late');
    if to_regclass(named) is null then
        return false;
    end if;
    execute format('lock table %I in share row exclusive mode', named);
    return to_regclass(named) is not null;
end $$;

-- Late rows of a time are gone after this; true when there were any.
create function drop_late(parent text, lower_bound bigint, upper_bound bigint) returns boolean
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    gone bigint;
begin
    perform must_be_partitioned(parent);
    execute format('delete from %I where received >= %s and received < %s', parent || '_late', lower_bound, upper_bound);
    get diagnostics gone = row_count;
    return gone > 0;
end $$;

-- The times (steps of `step` ms) that have late rows.
create function late_times(parent text, step bigint) returns setof bigint
    language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
    perform must_be_partitioned(parent);
    return query execute format(
        'select distinct floor(received::numeric / %s)::bigint * %s from %I order by 1', step, step, parent || '_late');
end $$;

revoke execute on function drop_late, late_times from public;
grant execute on function drop_late, late_times to saqtau_worker;
