"""What a case keeps from erasure, and that two people lift it."""

import asyncio

import pytest
from structlog.testing import capture_logs
from tests.api.desks import open_hit

from saqtau.bootstrap.web import watch_policies
from saqtau.engine.holds import lift_hold
from saqtau.kernel.access import AccessRequest, Action, Decision, Purpose, Viewer, granted
from saqtau.kernel.errors import Refused

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


async def looked_at(house, case):
    """An item with an entry about it, and the case that shall keep it."""
    await house.owner.execute(
        "insert into cases (number, region, opened) values ($1, 2, 0) on conflict do nothing", case
    )
    item, _ = await open_hit(house)
    await (await house.signed_in("operator")).get(f"/api/items/{item.id}")
    await house.parts.access.settle()
    return item


async def kept(house, case):
    """Records that the case keeps, and whether its key is there."""
    rows = await house.owner.fetchval("select count(*) from ledger_held where hold = $1", case)
    try:
        house.parts.keys.find_hold(case)
    except Refused:
        return rows, False
    return rows, True


async def test_a_lift_that_broke_off_is_finished_by_the_same_call(ruled):
    item = await looked_at(ruled, "Q-3")
    inspector, answer = await placed(ruled, item.id, case="Q-3")
    name = answer.json()["id"]
    await inspector.post(f"/api/holds/{name}/lift", json={"why": "the trial is over"})
    prosecutor = await ruled.signed_in("prosecutor")
    (release,) = await ruled.owner.fetchrow("select 'ledger_release'::regproc::oid::regprocedure::text")
    await ruled.owner.execute(f"revoke execute on function {release} from saqtau_app")
    try:
        with capture_logs():
            assert (await prosecutor.post(f"/api/holds/{name}/agree")).status_code >= 500
    finally:
        await ruled.owner.execute(f"grant execute on function {release} to saqtau_app")
    assert (await kept(ruled, "Q-3"))[0] > 0
    done = await prosecutor.post(f"/api/holds/{name}/agree")
    assert (done.status_code, await kept(ruled, "Q-3")) == (200, (0, False)), done.text


async def test_what_another_hold_of_the_case_keeps_is_not_released(ruled):
    item = await looked_at(ruled, "Q-4")
    _, answer = await placed(ruled, item.id, case="Q-4")
    assert answer.status_code == 201
    before = await kept(ruled, "Q-4")
    wish = AccessRequest(action=Action.LIFT_HOLD, purpose=Purpose.OVERSIGHT, object="another", case="Q-4")
    viewer, now = Viewer("prosecutor", "prosecutor", frozenset()), ruled.parts.clock()
    grant = granted(Decision(allow=True), "log#1", viewer, wish, now)
    done = await lift_hold(grant, ruled.parts.pg, ruled.parts.access.ledger, ruled.parts.keys, now)
    assert (done, await kept(ruled, "Q-4")) == (None, before)


async def test_of_two_holds_lifted_at_once_one_takes_the_key(ruled):
    names = []
    for item in (await looked_at(ruled, "Q-5"), await looked_at(ruled, "Q-5")):
        inspector, answer = await placed(ruled, item.id, case="Q-5")
        names.append(answer.json()["id"])
        await inspector.post(f"/api/holds/{names[-1]}/lift", json={"why": "the trial is over"})
    prosecutor = await ruled.signed_in("prosecutor")
    done = await asyncio.gather(*(prosecutor.post(f"/api/holds/{name}/agree") for name in names))
    assert ([one.status_code for one in done], await kept(ruled, "Q-5")) == ([200, 200], (0, False))


async def test_a_hold_is_placed_before_or_after_a_lift_of_its_case_never_between(ruled):
    item = await looked_at(ruled, "Q-6")
    async with ruled.owner.transaction():
        await ruled.owner.execute("select pg_advisory_xact_lock(23156, hashtext('Q-6'))")
        placing = asyncio.create_task(placed(ruled, item.id, case="Q-6"))
        waits = "select exists (select from pg_locks where locktype = 'advisory' and classid = 23156 and not granted)"
        async with asyncio.timeout(20):
            while not await ruled.owner.fetchval(waits):
                await asyncio.sleep(0.01)
        assert not await ruled.owner.fetchval("select exists (select from legal_hold where case_number = 'Q-6')")
    assert (await placing)[1].status_code == 201


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
