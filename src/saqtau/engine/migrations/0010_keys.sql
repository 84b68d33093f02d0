-- How people prove who they are, and how their tablets do: passkeys, codes, other houses' identities, certificates.

-- What an authenticator knows a person by: random, so that a lost key tells nobody's name.
alter table people add column handle bytea not null unique default uuid_send(gen_random_uuid());

-- How the person proved himself, when last, and whether the session serves only to set up a second factor.
alter table sessions
    add column methods text[] not null default '{password}' check (cardinality(methods) between 1 and 4),
    add column proved  bigint not null default 0,
    add column limited boolean not null default false;

-- Of whom and from where, as hashes too, so that a blocked account or address can be freed without knowing its pairs.
alter table login_throttle
    add column account bytea,
    add column address bytea;
create index login_throttle_of_account on login_throttle (account) where account is not null;
create index login_throttle_of_address on login_throttle (address) where address is not null;

-- A question put to a browser, answered once and within minutes. Only its SHA-256 is kept.
-- Unlogged: after a crash the question is put again.
create unlogged table challenges (
    digest      bytea primary key check (length(digest) = 32),
    kind        text not null,
    person      text,                       -- to whom it was put, where that is known
    session     bytea,                      -- in which session
    told        bytea not null default '' check (length(told) <= 1000),
    ends        bigint not null
);
create index challenges_by_end on challenges (ends);

-- A public key whose other half lies in an authenticator that checks its holder by finger, face or PIN.
create table passkeys (
    id          bytea primary key check (length(id) between 1 and 1023),
    person      text not null references people (id),
    name        text not null check (length(name) between 1 and 60),
    public_key  bytea not null check (length(public_key) between 16 and 2048),     -- COSE
    counter     bigint not null,            -- must grow, unless the authenticator does not count
    backed_up   boolean not null,           -- it lives in more than one device
    transports  text[] not null default '{}',
    made        bigint not null,
    used        bigint
);
create index passkeys_of_person on passkeys (person);

-- A secret shared with an application that shows six digits, sealed under a key that is not in the database.
create table code_makers (
    person      text primary key references people (id),
    sealed      bytea not null check (length(sealed) between 29 and 200),
    made        bigint not null,
    confirmed   bigint,                     -- null: not in force yet
    step        bigint not null default 0,  -- newest step that was used: each code works once
    failures    int not null default 0      -- in a row; too many block this way until somebody frees it
);

-- Codes on paper for the day when everything else is lost: argon2id under the salt of the set, each once.
create table recovery_codes (
    person      text not null references people (id),
    digest      bytea not null check (length(digest) = 32),
    salt        bytea not null check (length(salt) = 16),
    made        bigint not null,
    primary key (person, digest)
);

-- Who an identity of another house is here. Made by hand only: no identity provider makes an account.
create table identities (
    issuer      text not null check (length(issuer) between 8 and 300),
    subject     text not null check (length(subject) between 1 and 255),
    person      text not null references people (id),
    made        bigint not null,
    primary key (issuer, subject)
);
create index identities_of_person on identities (person);

-- A tablet speaks under a certificate of a week.
alter table devices
    add column certificate bytea check (length(certificate) <= 4096),
    add column ends        bigint;
-- Tablets that were enrolled before there were certificates are enrolled anew.
update devices set ends = 0;
alter table devices alter column ends set not null;

grant select, insert, update, delete on challenges to saqtau_app;
grant select, insert, update, delete on passkeys, code_makers to saqtau_app;
grant select, insert, delete on recovery_codes, identities to saqtau_app;
