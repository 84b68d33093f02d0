-- CUSTODY: which days of which places have been drawn for the prosecutor's random review, and out of what.
-- A day on which chance spared a place has its row too: nobody draws again until he likes what comes.

create table custody_drawn (
    site text not null references site,
    day date not null,
    seed text not null check (length(seed) between 10 and 300),  -- origin, size and root of the checkpoint
    at bigint not null,
    primary key (site, day)
);
create trigger custody_drawn_is_for_good before update or delete on custody_drawn
    for each row execute function refuse_change();
create trigger custody_drawn_is_for_good_whole before truncate on custody_drawn
    for each statement execute function refuse_change();
grant select on custody_drawn to saqtau_app, saqtau_worker;
grant insert on custody_drawn to saqtau_worker;
