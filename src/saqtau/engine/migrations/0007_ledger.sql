-- The number is kept for the ledger's tables.
select 1;
