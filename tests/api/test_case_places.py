"""The insider with a case number: it opens a school or a cell only where somebody else's word ties it to that place."""

import pytest
from tests.api.cameras import put_up
from tests.api.desks import open_hit
from tests.api.recordings import asked, recorded

from saqtau.bootstrap.web import watch_policies
from saqtau.kernel.clock import HOUR
from saqtau.kernel.register import PlaceKind

pytestmark = pytest.mark.anyio

CASE = "УД-14/2026"
"""A case of the inspector's region that is led about no place."""
ELSEWHERE = (403, {"case": "elsewhere"})
CLEAR = "delete from {table} where case_number = $1 and id not in (select wish from recording_draft)"
EXPORT = """
    insert into {table} (id, {what}, region, {time} asked_by, asked_role, asked_at, purpose, case_number, recipient,
        reason, standing, entry)
    values ('11111111-1111-1111-1111-111111111111', $1, 2, {times} 'inspector', 'inspector', 9, 'case', $2, 'the court',
        'for the trial of May', $3, 'e')
"""


@pytest.fixture
async def places(house):
    """Cameras of every kind of place, and nothing that ties a case to one."""
    await put_up(house.owner, house.parts.clock())
    await house.owner.execute("update cases set sites = '{}' where number = $1", CASE)
    for table in ("recording_wish", "export_wish", "video_hold", "legal_hold"):
        await house.owner.execute(f"alter table {table} disable trigger user")
        await house.owner.execute(CLEAR.format(table=table), CASE)
    yield house
    for table in ("recording_wish", "export_wish", "video_hold", "legal_hold"):
        await house.owner.execute(CLEAR.format(table=table), CASE)
        await house.owner.execute(f"alter table {table} enable trigger user")


async def looked(house, camera="SCHOOL", *, purpose="case", case=CASE):
    """What an inspector hears who asks for a recording: 409 where he is let in, for there is none."""
    client, now = await house.signed_in("inspector"), house.parts.clock()
    query = {"from": now - HOUR, "to": now - HOUR + 1000, "purpose": purpose, "case": case}
    answer = await client.get(f"/api/cameras/{camera}/recording", params=query)
    return answer.status_code, answer.json()["fields"]


LET_IN = (409, {"recording": "nothing"})


@pytest.mark.parametrize("camera", ["SCHOOL", "OFFICE", "COLONY"])
async def test_a_case_that_is_led_about_no_place_opens_no_school_and_no_cell(places, camera):
    assert await looked(places, camera) == ELSEWHERE
    (entry,) = await places.entries(viewer="inspector", action="recording.play", object=camera)
    assert (entry["decision"], entry["case"], entry["policy"]) == ("deny", CASE, "camera-at-its-place")
    assert await looked(places, "STREET") == LET_IN, "a street is for any case of his region"


async def test_the_register_of_cases_names_the_places_that_a_case_is_led_about(places):
    await places.owner.execute("update cases set sites = '{S9,S1}' where number = $1", CASE)
    assert await looked(places) == LET_IN
    await places.owner.execute("update cases set sites = '{S9}' where number = $1", CASE)
    assert await looked(places) == ELSEWHERE


async def test_an_export_ties_its_case_once_it_was_agreed_to(places):
    item, _ = await open_hit(places)
    recording = EXPORT.format(table="recording_wish", what="camera", time="began, ended,", times="1, 2,")
    for standing, told in (("requested", ELSEWHERE), ("awaits_prosecutor", ELSEWHERE), ("approved", LET_IN)):
        await places.owner.execute("delete from recording_wish where case_number = $1", CASE)
        await places.owner.execute(recording, "SCHOOL", CASE, standing)
        assert await looked(places) == told, standing
    assert await looked(places, "COLONY") == ELSEWHERE, "it is about that camera"
    of_item = EXPORT.format(table="export_wish", what="item", time="", times="")
    for standing, told in (("refused", ELSEWHERE), ("approved", LET_IN)):
        await places.owner.execute("delete from export_wish where case_number = $1", CASE)
        await places.owner.execute(of_item, item.id, CASE, standing)
        assert await looked(places, "COLONY") == told, standing


async def test_what_somebody_else_holds_for_a_case_ties_it_and_his_own_hold_does_not(places):
    item, _ = await open_hit(places)
    client = await places.signed_in("inspector")
    wish = {"kind": "item", "object": item.id, "case": CASE, "reason": "it is needed for the trial"}
    assert (await client.post("/api/holds", json=wish)).status_code == 201
    assert await looked(places) == ELSEWHERE
    await places.owner.execute("update legal_hold set placed_by = 'inspector9' where case_number = $1", CASE)
    assert await looked(places) == LET_IN
    await places.owner.execute(
        "update legal_hold set asked_by = 'duty', asked_at = 1, lifted_at = 2 where case_number = $1", CASE
    )
    assert await looked(places) == ELSEWHERE, "it is held no more"
    held = """insert into video_hold (id, camera, began, ended, case_number, by, role, why, asked, entry)
              values ($1, 'SCHOOL', 1, 2, $2, $3, 'inspector', 'needed for the trial', 1, 'e')"""
    await places.owner.execute(held, f"a{places.parts.ids()}", CASE, "inspector")
    assert await looked(places) == ELSEWHERE
    await places.owner.execute(held, f"b{places.parts.ids()}", CASE, "prosecutor")
    assert await looked(places) == LET_IN


async def test_what_a_prosecutor_refers_to_a_case_ties_it_to_that_place(places):
    item, _ = await open_hit(places)
    answer = """update item set desk = 'custody', data = data::jsonb || jsonb_build_object('answered_by', $3::text)
        || jsonb_build_object('answer', jsonb_build_object('case_number', $2::text)) where id = $1"""
    await places.owner.execute(answer, item.id, CASE, "inspector")
    assert await looked(places) == ELSEWHERE
    await places.owner.execute(answer, item.id, CASE, "prosecutor")
    assert await looked(places) == LET_IN
    await places.owner.execute("update item set lat = 43.3, data = (data::jsonb - 'camera') where id = $1", item.id)
    assert await looked(places) == ELSEWHERE, "it is seven kilometres away"


async def test_an_incident_that_he_opened_himself_opens_no_place(places):
    item, _ = await open_hit(places)
    assert await looked(places, purpose="incident", case=item.id) == LET_IN
    await places.owner.execute("update item set opened_by = 'inspector' where id = $1", item.id)
    assert await looked(places, purpose="incident", case=item.id) == ELSEWHERE
    assert await looked(places, "STREET", purpose="incident", case=item.id) == LET_IN


async def test_a_redacted_copy_is_no_way_round_the_place(places, tmp_path):
    """What is shown in it whoever asks chooses himself: it may be everything."""
    await watch_policies(places.parts.pg, places.parts.access)
    school = await recorded(places, tmp_path / "volume", 30, PlaceKind.SCHOOL)
    everything = [{"at": school.began + 2_000, "left": 0, "top": 0, "right": 1, "bottom": 1}]
    inspector, answer = await asked(school, since=2_000, until=3_000, keep=everything, case=CASE)
    path = f"/api/recording-exports/{answer.json()['id']}"
    assert (await inspector.post(f"{path}/redact")).status_code == 200
    early = await inspector.get(f"{path}/draft")
    assert (early.status_code, early.json()["fields"]) == ELSEWHERE
    for who in ("duty", "prosecutor"):
        client = await places.signed_in(who)
        assert (await client.get(f"{path}/draft")).status_code == 200
        agreed = await client.post(f"{path}/approve")
        assert agreed.status_code == 200, agreed.text
    assert agreed.json()["standing"] == "approved"
    assert (await inspector.get(f"{path}/draft")).status_code == 200


async def test_a_number_is_no_incident_and_an_incident_is_no_case(places):
    item, _ = await open_hit(places)
    assert (await looked(places, purpose="incident", case=CASE))[1]["policy"].endswith("incident-exists")
    assert (await looked(places, case=item.id))[1]["policy"].endswith("case-exists")
