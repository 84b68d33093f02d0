-- People who may log in, their sessions and their devices.
-- Nothing here is protected content, so there is no row-level security; what an account may see is decided elsewhere.

-- A person. `password` is an argon2id hash; null: this person cannot log in with a password.
-- Accounts are disabled, never deleted: their names stand in entries that must stay readable.
create table people (
    id          text primary key check (id ~ '^[a-z0-9._-]{1,32}$'),
    name        text not null check (length(name) between 1 and 120),
    roles       text[] not null check (cardinality(roles) between 1 and 8),
    regions     smallint[] not null default '{}',
    unit        text,                       -- of a patrol
    language    text not null default 'kk' check (language in ('kk', 'ru', 'en')),
    password    text,
    created     bigint not null,
    changed     bigint not null,
    disabled    bigint                      -- since when; null: may log in
);

-- A session lives on the server. The cookie holds 32 random bytes; here is only their SHA-256, so a stolen table opens nothing.
-- `idle` and `ends` are checked at every request; ending is deleting the row, which works at once in every process.
create table sessions (
    digest      bytea primary key check (length(digest) = 32),
    id          text not null unique,       -- for the log; opens nothing
    person      text not null references people (id),
    opened      bigint not null,
    seen        bigint not null,
    ends        bigint not null,            -- absolute end
    idle        bigint not null,            -- ms of silence after which it ends
    address     inet
);
create index sessions_of_person on sessions (person);
create index sessions_by_end on sessions (ends);

-- Failed log-ins. The key is a hash (people type passwords into the field of the name).
create table login_throttle (
    key         bytea primary key check (length(key) = 32),
    since       bigint not null,            -- start of the window
    failures    int not null
);
create index login_throttle_by_age on login_throttle (since);

-- A code that enrols one device of one unit, once, for ten minutes. Only its SHA-256 is kept.
create table enrolment_codes (
    digest      bytea primary key check (length(digest) = 32),
    unit        text not null,
    officer     text not null references people (id),
    made        bigint not null,
    made_by     text not null,
    ends        bigint not null
);

-- A tablet with the public half of the key that signs its positions (SPKI, DER).
create table devices (
    id          text primary key,
    unit        text not null,
    officer     text not null references people (id),
    public_key  bytea not null unique check (length(public_key) between 40 and 600),
    enrolled    bigint not null,
    revoked     bigint
);
create index devices_of_unit on devices (unit) where revoked is null;

grant select, insert, update on people to saqtau_app;
grant select, insert, update, delete on sessions to saqtau_app;
grant select, insert, update, delete on login_throttle to saqtau_app;
grant select, insert, delete on enrolment_codes to saqtau_app;
grant select, insert, update on devices to saqtau_app;
grant select on people, devices to saqtau_worker;
