-- ERASURE: what has ended goes when its class of retention says so. By policy only: no role may delete an entry, this
-- function takes whole lives whose time has come, and what it took is counted for good.
create table erasure (
    seq bigint generated always as identity primary key,
    at bigint not null,
    retention text not null,
    before bigint not null,           -- lives that ended before this
    items int not null,
    entries int not null,
    pictures int not null
);
create trigger erasure_is_for_good before update or delete on erasure for each row execute function refuse_change();
grant select on erasure to saqtau_app, saqtau_worker;

create function refuse_change_but_by_policy() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_user = 'saqtau_owner' and current_setting('app.erasing', true) = 'on' then
        return old;
    end if;
    raise exception 'nobody edits the past: % on %', tg_op, tg_table_name using errcode = 'insufficient_privilege';
end $$;
drop trigger entry_is_for_good on entry;
create trigger entry_is_for_good before update or delete on entry
    for each row execute function refuse_change_but_by_policy();

-- Erase at most `most` lives of a class that ended before an instant. A life that another still hangs on waits for it.
-- Returns the SHA-256 of pictures that nothing names any more: their files are the caller's to remove.
create function erase_ended(class text, before_ bigint, now_ bigint, most int) returns setof bytea
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    gone text[];
    digests bytea[];
    entries_ int;
    pictures_ int;
begin
    select array_agg(id) into gone from (
        select i.id from item i
        where i.retention = class and i.ended < before_ and not exists (select 1 from item c where c.parent = i.id)
        order by i.ended limit most for update skip locked
    ) due;
    if gone is null then
        return;
    end if;
    perform set_config('app.erasing', 'on', true);
    with out as (delete from picture where item = any (gone) returning sha256)
        select array_agg(distinct sha256), count(*) into digests, pictures_ from out;
    with out as (delete from entry where item = any (gone) returning 1) select count(*) into entries_ from out;
    delete from read_history where item = any (gone);  -- what is sealed goes with its file
    delete from item where id = any (gone);
    perform set_config('app.erasing', '', true);
    insert into erasure (at, retention, before, items, entries, pictures)
        values (now_, class, before_, cardinality(gone), entries_, pictures_);
    return query select d from unnest(digests) d where not exists (select 1 from picture p where p.sha256 = d);
end $$;
revoke execute on function erase_ended from public;
grant execute on function erase_ended to saqtau_worker;
