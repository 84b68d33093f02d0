"""The web while the ledger cannot write: help goes on and is entered later, power says clearly that it stops."""

import secrets

import pytest
from structlog.testing import capture_logs
from tests.api.desks import open_hit
from tests.api.test_live import line, opened, tell

from saqtau.engine import journal, postgres
from saqtau.engine.journal import LATE
from saqtau.engine.late import Late
from saqtau.engine.ledger import Ledger

pytestmark = pytest.mark.anyio

WRITING = "ledger_head_of, ledger_open, ledger_lock, ledger_append"


@pytest.fixture
async def broken(house):
    """The ledger of this house cannot write: the right to is gone. The function gives it back."""
    await house.parts.js.purge_stream(LATE.name)
    await house.owner.execute(f"revoke execute on function {WRITING} from saqtau_app")

    async def mend():
        await house.owner.execute(f"grant execute on function {WRITING} to saqtau_app")

    with capture_logs():  # each refusal is logged with its trace
        yield mend
    await mend()


async def drain(house, database):
    """What the notary does."""
    access = house.parts.access
    ledger = access._ledger
    async with postgres.pool(database, postgres.WORKER, 2) as pool:
        own = Ledger(pool, ledger._signers, house.parts.keys, house.parts.clock, secrets.token_bytes)
        return await Late(house.parts.js, bytes(32), secrets.token_bytes).drain(pool, own, house.parts.clock)


async def test_dispatch_goes_on_and_is_entered_afterwards(house, database, broken):
    item, offer = await open_hit(house)
    client, patrol = await house.signed_in("operator"), await house.signed_in("patrol1")
    overview = (await client.get("/api/overview")).json()
    assert item.id in {one["id"] for one in overview["items"]}
    assert overview["units"]
    assert overview["cameras"]
    assert (await client.get("/api/items")).status_code == 200
    assert (await client.get(f"/api/items/{item.id}")).json()["data"]["plate"] == "777AAA02"
    alert = (await patrol.get("/api/tablet")).json()["alert"]
    assert alert["id"] == offer.id
    for edge in ("accept", "depart", "arrive", "finish"):
        seen = (await patrol.get(f"/api/items/{offer.id}")).json()
        taken = await patrol.post(f"/api/items/{offer.id}/edges/{edge}", json={"rev": seen["rev"], "data": {}})
        assert taken.status_code == 200, taken.text
    await house.parts.access.settle()
    await broken()
    assert await drain(house, database) > 5
    entries = await house.entries(late=True)
    assert {"queue.watch", "units.watch", "register.read", "item.read", "own.watch", "item.act", "login"} <= {
        entry["action"] for entry in entries
    }
    assert await drain(house, database) == 0


async def test_power_says_that_it_stops_and_why(house, broken):
    item, _ = await open_hit(house)
    now = house.parts.clock()
    asked = {"from": now - 1000, "to": now, "purpose": "case", "case": "УД-12/2026"}
    for who, path, params in (
        ("operator", f"/api/items/{item.id}/pictures/crop", {}),
        ("inspector", "/api/plates/777AAA02/reads", asked),
        ("operator", "/api/registers/officers", {}),
        ("duty", "/api/registers/vehicles", {}),
        ("prosecutor", f"/api/items/{item.id}", {}),
        ("auditor", "/api/oversight/entries", {"from": now - 1000, "to": now}),
    ):
        answer = await (await house.signed_in(who)).get(path, params=params)
        assert (answer.status_code, answer.json()["fields"]) == (503, {"ledger": "unavailable"}), path
        assert answer.headers["retry-after"]
        assert "entry" in answer.json()["message"]
    code = {"unit": "U1", "officer": "patrol1"}
    answer = await (await house.signed_in("duty")).post("/api/tablet/codes", json=code)
    assert (answer.status_code, answer.json()["fields"]) == (503, {"ledger": "unavailable"})
    assert await house.owner.fetchval("select count(*) from enrolment_codes") == 0


async def test_a_live_picture_outlives_its_grant_while_the_ledger_is_away(house, database, broken):
    stream = await opened(house, await house.signed_in("operator"))
    house.parts.clock.ahead += 15 * 60_000
    assert await stream.next("beat") is not None
    await tell(house, line("after"))
    assert [one["id"] for one in await stream.next("items")] == ["after"]
    await house.parts.access.settle()
    await broken()
    await drain(house, database)
    watched = [entry for entry in await house.entries(late=True) if entry["action"] == "queue.watch"]
    assert len(watched) == 2
    assert watched[0]["closed"]


async def test_a_denial_is_a_denial_while_the_ledger_is_away_and_its_entry_comes_late(house, database, broken):
    client = await house.signed_in("operator")
    assert (await client.get("/api/registers/vehicles")).status_code == 403
    await house.parts.access.settle()
    assert await journal.last_sequence(house.parts.js, LATE) > 0
    await broken()
    await drain(house, database)
    (entry,) = await house.entries(action="list.read")
    assert (entry["decision"], entry["late"]) == ("deny", True)
