-- RECORDINGS THAT LEAVE THE HOUSE: what a camera recorded in a time, for a case. Two people, and the prosecutor besides
-- for schools, police offices and colonies; the fences of 0009 stand here as well.

create table recording_wish (
    id text primary key,
    camera text not null references video_camera,
    region int2 not null,
    began bigint not null,
    ended bigint not null,
    redaction json,                   -- null: as it was recorded. Else who stays visible: [[at, left, top, right, bottom]]
    sensitive text[] not null default '{}',
    asked_by text not null,
    asked_role text not null,
    asked_at bigint not null,
    purpose text not null,
    case_number text not null check (length(case_number) between 3 and 40),
    recipient text not null check (length(recipient) between 2 and 120),
    reason text not null check (length(reason) between 10 and 300),
    standing text not null default 'requested'
        check (standing in ('requested', 'awaits_prosecutor', 'approved', 'refused', 'lapsed')),
    entry text not null,
    closed_by text,
    closed_at bigint,
    closed_why text,
    check (began < ended and ended <= asked_at and ended - began <= 86400000)
);
create index recording_wish_camera on recording_wish (camera, began);
create index recording_wish_waiting on recording_wish (asked_at) where standing in ('requested', 'awaits_prosecutor');

-- A redacted copy, made once, sealed as packages are. Whoever agrees has seen it whole, and signs its SHA-256.
create table recording_draft (
    wish text primary key references recording_wish,
    made_at bigint not null,
    sha256 bytea not null check (length(sha256) = 32),
    size bigint not null,
    frames bigint not null,
    parent json not null,             -- which links of the camera's chain it was made from
    retention text not null,
    day date not null,
    wrapped bytea not null,
    sealed bytea not null,
    blob bytea not null
);
create table recording_draft_seen (
    wish text not null references recording_draft,
    viewer text not null,
    at bigint not null,
    entry text not null,
    primary key (wish, viewer)
);

-- What was handed out. The recording itself lies where it was recorded, and is read again each time; here is all else.
create table recording_package (
    wish text not null references recording_wish,
    standing text not null check (standing in ('PROVISIONAL', 'witnessed')),
    issued_at bigint not null,
    issued_by text not null,
    entry text not null,              -- of the issue; its record holds the manifest's SHA-256
    manifest bytea not null check (length(manifest) = 32),
    retention text not null,
    day date not null,
    wrapped bytea not null,
    sealed bytea not null,
    core bytea not null,              -- blob: manifest and files, and where the parts of the recording lie
    proofs bytea,                     -- blob: what lies under ledger/; null until its checkpoint may be told
    primary key (wish, standing)
);

-- Where the minutes of a place stand in the evidence log: found for a package without opening a city's records.
create table recording_leaf (
    site text not null,
    at bigint not null,               -- the minute's first millisecond
    origin text not null,
    index bigint not null,
    primary key (site, at, origin, index)
);
create index recording_leaf_at on recording_leaf (at);
grant select on recording_leaf to saqtau_app;
grant select, insert, delete on recording_leaf to saqtau_worker;

create or replace function asked_for(kind text, wish text) returns text
    language plpgsql stable set search_path = public, pg_temp as $$
begin
    return case kind
        when 'export' then (select asked_by from export_wish where id = wish)
        when 'recording' then (select asked_by from recording_wish where id = wish)
        when 'policy' then (select asked_by from policy_set where id = wish)
        when 'video_hold' then (select lift_asked_by from video_hold where id = split_part(wish, '@', 1))
        when 'hold' then (select asked_by from legal_hold where id = split_part(wish, '@', 1)) end;
end $$;
alter table signature add constraint signature_of_recording check (kind <> 'recording' or state is not null);
create trigger recording_is_asked before insert on recording_wish for each row execute function must_be_asked();
create trigger recording_is_agreed before update on recording_wish for each row execute function must_be_agreed();
create trigger recording_wish_is_for_good before delete on recording_wish
    for each row execute function refuse_change();
create trigger recording_draft_is_for_good before update on recording_draft
    for each row execute function refuse_change();
create trigger recording_draft_seen_is_for_good before update or delete on recording_draft_seen
    for each row execute function refuse_change();

alter table recording_wish enable row level security;
alter table recording_wish force row level security;
create policy all_regions on recording_wish to saqtau_worker, saqtau_owner using (true);
create policy own_regions on recording_wish to saqtau_app using (region = any (app_regions()));
grant select, insert on recording_wish, recording_draft, recording_draft_seen, recording_package
    to saqtau_app, saqtau_worker;
grant update (standing, sensitive, closed_by, closed_at, closed_why) on recording_wish to saqtau_app, saqtau_worker;
grant update (proofs) on recording_package to saqtau_app;
grant delete on recording_package to saqtau_worker;
