-- EVIDENCE OF PICTURES: which bytes a picture was, entered in the evidence log soon after it was kept.

-- Pictures that have no entry yet. The notary takes a row away in the transaction that appends the entry.
create table picture_waiting (
    seq bigint generated always as identity primary key,
    item text not null,
    name text not null,
    foreign key (item, name) references picture (item, name) on delete cascade
);

-- Where the entry of a picture stands. The leaf outlives the picture; this line goes with it.
create table picture_entry (
    item text not null,
    name text not null,
    entry text not null,              -- origin#index
    primary key (item, name),
    foreign key (item, name) references picture (item, name) on delete cascade
);

create function picture_waits() returns trigger
    language plpgsql security definer set search_path = public, pg_temp as $$
begin
    insert into picture_waiting (item, name) values (new.item, new.name);
    return null;
end $$;
create trigger picture_waits after insert on picture for each row execute function picture_waits();

insert into picture_waiting (item, name) select item, name from picture order by at;

-- Pictures are erased with their items only, so a line can go no other way.
create trigger picture_entry_is_for_good before update on picture_entry
    for each row execute function refuse_change();

grant select on picture_entry to saqtau_app;
grant select, insert on picture_entry to saqtau_worker;
grant select, delete on picture_waiting to saqtau_worker;
