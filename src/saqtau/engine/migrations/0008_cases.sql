-- CASES AND SHIFTS: what a claim of purpose is held against. A case number that nobody registered opens nothing; pictures,
-- history and exports are for a shift. Help is bound to neither.

-- Investigations. `region` null: led for the whole republic. `closed`: a closed case is named in vain.
create table cases (
    number text primary key check (length(number) between 3 and 40),
    region int2 check (region between 1 and 99),
    opened bigint not null,
    closed bigint,
    authority text not null default ''
);

-- Who is on shift when: an account, from, until before. Shifts of one person may touch or overlap.
create table shifts (
    person text not null,
    since bigint not null,
    until bigint not null,
    primary key (person, since),
    check (since < until and until - since <= 172800000)  -- two days: a longer one is a mistyped date
);
create index shifts_now on shifts (person, until);

insert into register_revision (kind) values ('cases'), ('shifts');
grant select, insert, update, delete on cases, shifts to saqtau_worker;

-- Whether this person has broken the glass over this very thing and it is still open. Replaced where that table is made.
create function open_break_glass(who text, thing text, moment bigint) returns boolean
    language sql stable return false;

-- What the record says of a wish, in one answer: nobody vouches for himself. A patrol is on shift while its unit is on
-- duty. The web sees neither table, only these answers about one name.
create function access_facts(
    who text, own_unit text, own_regions int2[], everywhere boolean, named text, thing text, moment bigint
) returns table (on_shift boolean, case_known boolean, incident_known boolean, incident_open boolean, break_glass boolean)
    language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
    return query select
        exists (select from shifts s where s.person = who and s.since <= moment and moment < s.until)
            or exists (select from unit u where u.id = own_unit and u.status <> 'off_duty'),
        exists (select from cases c where c.number = named and c.opened <= moment
            and (c.closed is null or moment < c.closed)
            and (everywhere or c.region is null or c.region = any (own_regions))),
        exists (select from item i where i.id = named),
        exists (select from item i where i.id = named and i.ended is null),
        open_break_glass(who, thing, moment);
end $$;
revoke all on function access_facts(text, text, int2[], boolean, text, text, bigint) from public;
grant execute on function access_facts(text, text, int2[], boolean, text, text, bigint) to saqtau_app, saqtau_worker;
revoke all on function open_break_glass(text, text, bigint) from public;

-- Entries that came late (the ledger could not write when help was needed): where each stands, and when what it tells
-- happened, so that it is found under that hour. It says nothing of a person, and stays.
create table late_done (
    entry text primary key check (entry ~ '^[^#]{1,200}#(0|[1-9][0-9]{0,15})$'),  -- origin#index
    id text not null check (length(id) <= 64),
    moment bigint not null
);
create index late_done_id on late_done (id);
create index late_done_moment on late_done (moment);
grant select, insert on late_done to saqtau_worker;
grant select (entry, moment) on late_done to saqtau_app;

-- How far the journal's stream LATE stands in the ledger, moved in the transaction that appends. `created`: of the stream,
-- for one that was made anew begins at 1 again. What lies between here and its next letter was taken out of it.
create table late_mark (
    one boolean primary key default true check (one),
    created text not null,
    sequence bigint not null
);
grant select, insert, update on late_mark to saqtau_worker;

-- Who looked at what stands in the ledger now, sealed; the table in the clear goes, and with it what it said.
drop table access_entry;
drop function close_once();
