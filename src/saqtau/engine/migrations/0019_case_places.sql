-- WHAT A CASE HAS TO DO WITH A PLACE. Any number that somebody has heard of opened any school and any cell of his regions:
-- now an incident or a case opens a camera of such a place only where the record ties it to that place, and nobody ties
-- it himself.

-- The sites a case is led about, by whoever keeps the register.
alter table cases add column sites text[] not null default '{}' check (cardinality(sites) <= 100);

-- A word out of what an item holds. Null too where the item holds a letter that is none in this database (U+0000, as a
-- camera may send it): such an item is kept, and ties nothing.
create function word_of(content json, variadic way text[]) returns text
    language plpgsql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
begin
    return content #>> way;
exception when untranslatable_character then
    return null;
end $$;

-- Which of his findings a prosecutor has referred to which case (`refer` of the desk `custody`).
create index item_referred on item (word_of(data, 'answer', 'case_number')) where desk = 'custody';

-- Whether an incident is about this camera's place: it names the camera or its site, or lies within a kilometre. What
-- this person has opened by hand himself says nothing.
create function incident_is_about(who text, incident text, thing text) returns boolean
    language sql stable set search_path = public, pg_temp as $$
    select exists (select from item i join video_camera v on v.id = thing
        where i.id = incident and i.opened_by <> who and (
            word_of(i.data, 'camera') = v.id or word_of(i.data, 'site') = v.site
            or exists (select from camera c where c.id = word_of(i.data, 'camera') and c.site = v.site)
            or i.lat is not null and i.lon is not null and 111320 * sqrt(power(i.lat - v.lat, 2)
                + power((i.lon - v.lon) * cos(radians(v.lat)), 2)) <= 1000))
$$;

-- Whether a case is about this camera's place: its row names the site; a prosecutor referred an incident there to it; an
-- export for it, of such an incident or of this camera, was agreed to; or somebody else holds such an incident or what
-- this camera recorded for it.
create function case_is_about(who text, number text, thing text) returns boolean
    language sql stable set search_path = public, pg_temp as $$
    select exists (select from cases c join video_camera v on v.id = thing
            where c.number = case_is_about.number and v.site = any (c.sites))
        or exists (select from recording_wish w where w.camera = thing and w.case_number = number
            and w.standing = 'approved')
        or exists (select from video_hold h where h.camera = thing and h.case_number = number
            and h.lifted is null and h.by <> who)
        or exists (select from (
                select i.id from item i where i.desk = 'custody' and word_of(i.data, 'answer', 'case_number') = number
                    and word_of(i.data, 'answered_by') <> who
                union select w.item from export_wish w where w.case_number = number and w.standing = 'approved'
                union select h.object from legal_hold h where h.case_number = number and h.kind = 'item'
                    and h.lifted_at is null and h.placed_by <> who) tied (incident)
            where incident_is_about(who, tied.incident, thing))
$$;
create index recording_wish_case on recording_wish (case_number) where standing = 'approved';
create index export_wish_case on export_wish (case_number) where standing = 'approved';
revoke all on function incident_is_about(text, text, text), case_is_about(text, text, text) from public;

-- As before, and besides what the named incident or case has to do with the camera that is asked for.
drop function access_facts(text, text, int2[], boolean, text, text, bigint);
create function access_facts(
    who text, own_unit text, own_regions int2[], everywhere boolean, named text, thing text, moment bigint
) returns table (on_shift boolean, case_known boolean, incident_known boolean, incident_open boolean,
    break_glass boolean, about_place boolean)
    language plpgsql stable security definer set search_path = public, pg_temp as $$
begin
    return query select
        exists (select from shifts s where s.person = who and s.since <= moment and moment < s.until)
            or exists (select from unit u where u.id = own_unit and u.status <> 'off_duty'),
        exists (select from cases c where c.number = named and c.opened <= moment
            and (c.closed is null or moment < c.closed)
            and (everywhere or c.region is null or c.region = any (own_regions))),
        exists (select from item i where i.id = named),
        exists (select from item i where i.id = named and i.ended is null),
        open_break_glass(who, thing, moment),
        named is not null and exists (select from video_camera v where v.id = thing)
            and (incident_is_about(who, named, thing) or case_is_about(who, named, thing));
end $$;
revoke all on function access_facts(text, text, int2[], boolean, text, text, bigint) from public;
grant execute on function access_facts(text, text, int2[], boolean, text, text, bigint) to saqtau_app, saqtau_worker;
