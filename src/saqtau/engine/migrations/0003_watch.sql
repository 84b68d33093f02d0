-- What a read asks of the record: is there an item about this plate already?
create index item_plate on item ((data ->> 'plate'), opened desc)
    where desk in ('dangerous_drivers', 'cloned_plates');
