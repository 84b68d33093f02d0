-- What a read asks of the record: is there an item about this plate already?
create index item_plate on item ((data ->> 'plate'), opened desc)
    where desk in ('dangerous_drivers', 'cloned_plates');

-- Only a read on the trusted path can found anything together with a later one.
alter table read_recent add column sure boolean not null default true;

