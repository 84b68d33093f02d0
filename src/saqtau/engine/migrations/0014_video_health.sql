-- HOW A CAMERA LOOKS WHEN IT IS WELL: what its newest picture is compared with.
--
-- 128x72 grey points, the median of some pictures of an empty minute. It is small, and still a picture of a school or a
-- cell: nobody but the workers reads it, whatever his region or role.

create table video_reference (
    camera text not null references video_camera,
    light text not null check (light in ('day', 'infra_red')),
    at bigint not null,               -- when it was learned
    reference bytea not null check (length(reference) < 16384),
    primary key (camera, light)
);
alter table video_reference enable row level security;
alter table video_reference force row level security;
create policy all_regions on video_reference to saqtau_worker, saqtau_owner using (true);
grant select, insert, update, delete on video_reference to saqtau_worker;

-- Where deletions are looked for whose minutes are to be told again.
create index video_deleted_at on video_deleted (at);
