-- What is left of an item whose retention class is over: that it was forgotten, when, and how much went.
-- Its entries stay; they say what was done, not what was seen.
create table forgotten (
    item text primary key references item,
    at bigint not null,
    pictures int not null,
    reads bigint not null
);
grant select on forgotten to saqtau_worker, saqtau_app;

-- Forget an item's pictures and hot reads; returns the pictures' SHA-256 that nothing else refers to.
-- Only for an item that has ended; the caller knows its class's term.
create function forget_item(item_id text, now_ms bigint) returns setof bytea
    language plpgsql security definer set search_path = public, pg_temp as $$
declare
    digests bytea[];
    reads bigint;
begin
    if not exists (select from item where id = item_id and ended is not null and ended <= now_ms) then
        raise exception 'item % has not ended', item_id using errcode = 'insufficient_privilege';
    end if;
    with gone as (delete from picture where item = item_id returning sha256)
    select coalesce(array_agg(distinct sha256), '{}') into digests from gone;
    delete from read_history where item = item_id;
    get diagnostics reads = row_count;
    insert into forgotten (item, at, pictures, reads) values (item_id, now_ms, cardinality(digests), reads)
        on conflict do nothing;
    return query select d from unnest(digests) d where not exists (select from picture where sha256 = d);
end $$;

revoke execute on function forget_item from public;
grant execute on function forget_item to saqtau_worker;
