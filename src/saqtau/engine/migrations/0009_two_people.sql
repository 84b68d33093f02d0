-- The number is kept for acts that take two people.
select 1;
