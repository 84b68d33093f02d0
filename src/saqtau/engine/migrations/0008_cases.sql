-- The number is kept for cases and shifts.
select 1;
