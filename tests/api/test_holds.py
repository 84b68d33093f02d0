"""What a case keeps from erasure, and that two people lift it."""

import pytest
from tests.api.desks import open_hit

from saqtau.bootstrap.web import watch_policies

pytestmark = pytest.mark.anyio

CASE = "УД-12/2026"
PLACE = {"kind": "item", "case": CASE, "reason": "needed in the trial"}


@pytest.fixture
async def ruled(house):
    await watch_policies(house.parts.pg, house.parts.access)
    return house


async def placed(house, thing, **more):
    inspector = await house.signed_in("inspector")
    answer = await inspector.post("/api/holds", json={"object": thing, **PLACE, **more})
    return inspector, answer


async def test_an_item_is_held_with_all_that_the_ledger_says_of_it(ruled):
    item, _ = await open_hit(ruled)
    operator = await ruled.signed_in("operator")
    await operator.get(f"/api/items/{item.id}")
    await ruled.parts.access.settle()
    _, answer = await placed(ruled, item.id)
    assert answer.status_code == 201, answer.text
    held = await ruled.owner.fetch("select distinct hold from ledger_held")
    assert [row[0] for row in held] == [CASE]
    listed = (await (await ruled.signed_in("prosecutor")).get(f"/api/holds?object={item.id}")).json()["holds"]
    assert [(one["case"], one["placed_by"]) for one in listed] == [(CASE, "inspector")]
    again = (await placed(ruled, item.id))[1]
    assert (again.status_code, again.json()["id"]) == (201, answer.json()["id"]), "placed twice is one hold"


async def test_two_people_lift_it_and_the_key_of_the_case_dies(ruled):
    item, _ = await open_hit(ruled)
    inspector, answer = await placed(ruled, item.id, case="УД-12/2026")
    name = answer.json()["id"]
    prosecutor = await ruled.signed_in("prosecutor")
    early = await prosecutor.post(f"/api/holds/{name}/agree")
    assert (early.status_code, early.json()["fields"]) == (409, {"hold": "not_asked"})
    asked = await inspector.post(f"/api/holds/{name}/lift", json={"why": "the trial is over"})
    assert (asked.status_code, asked.json()["asked_by"]) == (200, "inspector"), asked.text
    assert (await inspector.post(f"/api/holds/{name}/agree")).status_code == 403
    done = await prosecutor.post(f"/api/holds/{name}/agree")
    assert done.status_code == 200, done.text
    assert done.json()["lifted_at"] is not None


async def test_the_prosecutor_does_not_lift_what_he_wants_lifted_himself(ruled):
    item, _ = await open_hit(ruled)
    prosecutor = await ruled.signed_in("prosecutor")
    answer = await prosecutor.post("/api/holds", json={"object": item.id, **PLACE, "case": "Н-55/2026"})
    assert answer.status_code == 201, answer.text
    name = answer.json()["id"]
    await prosecutor.post(f"/api/holds/{name}/lift", json={"why": "not needed any more"})
    assert (await prosecutor.post(f"/api/holds/{name}/agree")).status_code == 403


async def test_one_entry_of_the_ledger_is_held(ruled):
    item, _ = await open_hit(ruled)
    operator = await ruled.signed_in("operator")
    await operator.get(f"/api/items/{item.id}")
    (entry,) = await ruled.entries(viewer="operator", object=item.id)
    _, answer = await placed(ruled, entry["id"], kind="entry", case="УД-12/2026")
    assert answer.status_code in {201, 409}, answer.text
    unknown = (await placed(ruled, "saqtau.test/02/access/2026#999999", kind="entry"))[1]
    assert unknown.status_code == 404


async def test_a_wish_names_its_kind_and_is_refused_by_it(ruled):
    item, _ = await open_hit(ruled)
    _, answer = await placed(ruled, item.id, kind="everything")
    assert (answer.status_code, answer.json()["fields"]) == (400, {"kind": "invalid"})


async def test_an_operator_holds_nothing(ruled):
    item, _ = await open_hit(ruled)
    operator = await ruled.signed_in("operator")
    assert (await operator.post("/api/holds", json={"object": item.id, **PLACE})).status_code == 403
