"""The live picture: everything once, then what changes, to those who may see it, without a gap."""

import asyncio
import json
from uuid import uuid4

import msgspec
import pytest
from tests.api import house as building
from tests.api.desks import open_hit

from saqtau.engine import journal
from saqtau.engine.atlas import Fix
from saqtau.engine.journal import FEED
from saqtau.engine.lines import ItemLine, StatusLine
from saqtau.web.live import POSITIONS

pytestmark = pytest.mark.anyio


def line(name="i1", rev=0, region=2, unit=None, owner="operator", state="seeking"):
    return ItemLine(
        id=name, desk="dangerous_drivers", state=state, rev=rev, region=region, priority=2, opened=1, due=None,
        owner=owner, unit=unit, title={"plate": "123ABC02"}, lon=76.9, lat=43.2, parent=None,
    )  # fmt: skip


async def tell(house, *lines):
    """Put lines on the feed, as the outbox does; their sequence."""
    topic = "items" if isinstance(lines[0], ItemLine) else "status"
    return await journal.publish(house.parts.js, f"{FEED.subject}.{topic}", msgspec.json.encode(lines), uuid4().hex)


class Stream:
    """An open stream; `next` skips what was not asked for."""

    def __init__(self, response):
        self.response = response
        self.lines = response.aiter_lines()
        self.id = None

    async def event(self):
        kind, data = None, None
        async for text in self.lines:
            if text == "" and kind is not None:
                return kind, json.loads(data)
            name, _, value = text.partition(": ")
            match name:
                case "event":
                    kind = value
                case "data":
                    data = value
                case "id":
                    self.id = int(value)
        return None, None

    async def next(self, *kinds):
        async with asyncio.timeout(40):
            while True:
                kind, data = await self.event()
                if kind in kinds or kind is None:
                    return data if len(kinds) == 1 or kind is None else (kind, data)


async def opened(house, client, **query):
    response = await house.clients.enter_async_context(client.stream("GET", "/api/live", **query))
    assert response.status_code == 200, await response.aread()
    return Stream(response)


async def test_an_operator_sees_his_overview_and_an_entry_is_left_for_it(house):
    item, _ = await open_hit(house)
    elsewhere, _ = await open_hit(house, region=7)
    client = await house.signed_in("operator")
    overview = (await client.get("/api/overview")).json()
    ids = [line["id"] for line in overview["items"]]
    assert item.id in ids
    assert elsewhere.id not in ids
    assert [unit["id"] for unit in overview["units"]] == ["U1", "U2"]
    assert [camera["id"] for camera in overview["cameras"]] == ["C1"]
    assert overview["map"] == {"bounds": None, "tiles": None}
    entries = [entry for entry in await house.entries(viewer="operator") if entry["action"] != "item.read"]
    counted = {entry["action"]: entry["delivered"] for entry in entries[-3:]}
    assert counted == {"queue.watch": len(ids), "units.watch": 2, "register.read": 1}


async def test_a_change_reaches_the_console_that_watches_its_region_and_no_other(house):
    here = await opened(house, await house.signed_in("operator"))
    elsewhere = await opened(house, await house.signed_in("operator7"))
    seq = await tell(house, line("a", region=2), line("b", region=7))
    assert [one["id"] for one in await here.next("items")] == ["a"]
    assert here.id == seq
    assert [one["id"] for one in await elsewhere.next("items")] == ["b"]


async def test_a_sign_of_life_comes_every_two_seconds_and_never_runs_ahead_of_what_was_told(house):
    stream = await opened(house, await house.signed_in("operator"))
    await tell(house, line("far", region=7))  # nothing for this console, but the feed moves on
    kinds = [await stream.next("items", "beat") for _ in range(3)]
    beats = [data for kind, data in kinds if kind == "beat"]
    assert beats
    assert stream.id == beats[-1]["feed"]
    assert abs(beats[-1]["now"] - house.parts.clock()) < 10_000
    assert [data for kind, data in kinds if kind == "items"] in ([[]], [])


async def test_a_stream_that_comes_back_misses_nothing_and_hears_nothing_twice(house):
    client = await house.signed_in("operator")
    first = await opened(house, client)
    await tell(house, line("a"))
    assert [one["id"] for one in await first.next("items")] == ["a"]
    stood = first.id
    await first.response.aclose()
    for name in ("b", "c", "d"):
        await tell(house, line(name))
    await tell(house, StatusLine("U1", "busy", None, 1, 2, 1))
    back = await opened(house, client, headers={"Last-Event-ID": str(stood)}, params={"after": 0})
    assert await back.next("status") == [
        {"unit": "U1", "status": "busy", "item": None, "rev": 1, "region": 2, "since": 1}
    ]
    assert [one["id"] for one in await back.next("items")] == ["b", "c", "d"]
    await tell(house, line("e"))
    assert [one["id"] for one in await back.next("items")] == ["e"]


async def test_the_overview_and_the_stream_behind_it_leave_no_gap(house):
    client = await house.signed_in("operator")
    before = (await client.get("/api/overview")).json()["feed"]
    await tell(house, line("between"))
    stream = await opened(house, client, params={"after": before})
    assert "between" in [one["id"] for one in await stream.next("items")]


async def test_a_gap_that_is_too_old_is_answered_with_reload(house):
    house.app.state.hub._floor = house.app.state.hub.last + 1
    stream = await opened(house, await house.signed_in("operator"), params={"after": 0})
    assert await stream.next("reload") == {}
    assert await stream.next("items") is None  # and it ends


async def test_a_process_that_starts_anew_still_knows_the_last_hour(engine, database, streams, house, tmp_path):
    client = await house.signed_in("operator")
    stream = await opened(house, client)
    await tell(house, line("kept"))
    await stream.next("items")
    async with building.standing(engine, database, tmp_path) as second:
        back = await second.signed_in("operator")
        again = await opened(second, back, headers={"Last-Event-ID": str(stream.id - 1)})
        assert [one["id"] for one in await again.next("items")] == ["kept"]


async def test_positions_are_one_batch_a_tick_for_those_who_may_see_units(house):
    streams = {name: await opened(house, await house.signed_in(name)) for name in ("operator", "operator7", "patrol1")}
    rows = [
        Fix("U1", 76.9, 43.2, 90.0, "A", 1, (), 2),
        Fix("U2", 76.8, 43.1, None, "E", 2, ("jump",), 2),
        Fix("U7", 57.2, 50.3, 10.0, "A", 3, (), 7),
    ]
    await house.parts.nc.publish(POSITIONS, msgspec.msgpack.encode(rows))
    assert await streams["operator"].next("units") == [
        ["U1", 76.9, 43.2, 90.0, "A", 1, []], ["U2", 76.8, 43.1, None, "E", 2, ["jump"]]
    ]  # fmt: skip
    assert [row[0] for row in await streams["operator7"].next("units")] == ["U7"]
    assert [row[0] for row in await streams["patrol1"].next("units")] == ["U1"]


async def test_a_tablet_hears_of_its_own_unit_only_and_of_what_it_lost_without_facts(house):
    own, other = (
        await opened(house, await house.signed_in("patrol1")),
        await opened(house, await house.signed_in("patrol2")),
    )
    await tell(house, line("mine", rev=1, unit="U1"))
    (told,) = await own.next("items")
    assert (told["id"], told["title"]) == ("mine", {"plate": "123ABC02"})
    await tell(house, line("mine", rev=2, unit="U2"))
    (lost,) = await own.next("items")
    assert (lost["rev"], lost["title"], lost["unit"], lost["lat"]) == (2, {}, None, None)
    (got,) = await other.next("items")
    assert (got["rev"], got["title"]) == (2, {"plate": "123ABC02"})


async def test_an_act_of_a_patrol_reaches_the_operators_console(house):
    item, offer = await open_hit(house)
    console = await opened(house, await house.signed_in("operator"))
    patrol = await house.signed_in("patrol1")
    await patrol.post(f"/api/items/{offer.id}/edges/accept", json={"rev": offer.rev, "data": {}})
    seen = {}
    while seen.get(offer.id) != "accepted" or seen.get(item.id) != "accepted":
        for one in await console.next("items"):
            seen[one["id"]] = one["state"]


async def test_a_delivery_that_was_lost_before_a_silence_is_asked_for_again(house):
    console = await opened(house, await house.signed_in("operator"))
    await house.owner.execute("update unit set status = 'off_duty'")
    assert (await (await house.signed_in("patrol1")).post("/api/tablet/duty", json={"on": True})).is_success
    assert await console.next("status")
    house.app.state.hub.last -= 1  # as if it had not come
    (told,) = await console.next("status")
    assert (told["unit"], told["status"]) == ("U1", "available")


async def test_coming_on_duty_is_told_to_the_console_and_leaving_while_held_is_refused(house):
    await house.owner.execute("update unit set status = 'off_duty'")
    console, patrol = await opened(house, await house.signed_in("operator")), await house.signed_in("patrol1")
    on = await patrol.post("/api/tablet/duty", json={"on": True})
    assert on.json() == {"unit": "U1", "status": "available"}
    (told,) = await console.next("status")
    assert (told["unit"], told["status"]) == ("U1", "available")
    assert (await patrol.post("/api/tablet/duty", json={"on": True})).json()["status"] == "available"
    await open_hit(house)
    held = await patrol.post("/api/tablet/duty", json={"on": False})
    assert held.status_code == 409
    assert (await (await house.signed_in("operator")).post("/api/tablet/duty", json={"on": True})).status_code == 403


async def test_a_session_that_ends_takes_its_streams_with_it(house):
    client = await house.signed_in("operator")
    stream = await opened(house, client)
    await house.owner.execute("delete from sessions")  # as another process would
    assert await stream.next("reload") is None
    again = await house.signed_in("operator")
    stream = await opened(house, again)
    await again.post("/api/logout")
    assert await stream.next("reload") is None


async def test_a_stream_is_one_entry_that_is_closed_with_what_was_delivered(house):
    client = await house.signed_in("duty")
    stream = await opened(house, client)
    await tell(house, line("a"), line("b"))
    assert len(await stream.next("items")) == 2
    entries = await house.entries(viewer="duty")
    assert [entry["closed"] for entry in entries[-2:]] == [None, None]
    await stream.response.aclose()
    async with asyncio.timeout(10):
        while True:
            entries = {entry["action"]: entry for entry in (await house.entries(viewer="duty"))[-2:]}
            if all(entry["closed"] for entry in entries.values()):
                break
            await asyncio.sleep(0.02)
    assert entries["queue.watch"]["delivered"] == 2
    assert entries["units.watch"]["delivered"] == 0


async def test_a_grant_that_runs_out_is_renewed_with_a_new_entry(house):
    stream = await opened(house, await house.signed_in("auditor"))
    before = len(await house.entries(viewer="auditor", action="queue.watch"))
    house.parts.clock.ahead += 15 * 60_000
    await stream.next("beat")
    await stream.next("beat")
    entries = await house.entries(viewer="auditor", action="queue.watch")
    assert len(entries) == before + 1
    assert (entries[-2]["closed"] is not None, entries[-1]["closed"]) == (True, None)


async def test_a_session_opens_only_so_many_streams(engine, database, streams, tmp_path):
    limits = msgspec.structs.replace(building.WIDE, streams_per_session=2)
    async with building.standing(engine, database, tmp_path, limits=limits) as house:
        client = await house.signed_in("operator")
        first, _ = await opened(house, client), await opened(house, client)
        answer = await client.get("/api/live")
        assert (answer.status_code, answer.json()["fields"]["live"]) == (429, "too_many_streams")
        await first.response.aclose()
        async with asyncio.timeout(10):
            while house.app.state.hub.clients > 1:
                await asyncio.sleep(0.01)
        assert await opened(house, client)


async def test_a_client_that_reads_too_slowly_is_told_to_reload_and_costs_no_memory(
    engine, database, streams, tmp_path
):
    limits = msgspec.structs.replace(building.WIDE, frames_behind=8)
    async with building.standing(engine, database, tmp_path, limits=limits) as house:
        session = await house.signed_in("operator")
        host, port = house.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        cookie = session.cookies["saqtau_session"]
        writer.write(f"GET /api/live HTTP/1.1\r\nHost: {host}\r\nCookie: saqtau_session={cookie}\r\n\r\n".encode())
        assert b"200 OK" in await reader.readline()
        hub = house.app.state.hub
        (client,) = next(iter(hub._groups.values())).clients
        big = {"text": "x" * 100_000}
        async with asyncio.timeout(30):
            while not client.over:
                hub.hear(hub.last + 1, "items", msgspec.json.encode([msgspec.structs.replace(line(), title=big)]))
                await asyncio.sleep(0.03)
        assert len(client._frames) <= 1
        rest = b""
        async with asyncio.timeout(30):
            while chunk := await reader.read(1 << 20):
                rest = (rest + chunk)[-2000:]
                if b"event: reload" in rest:
                    break
        assert b"event: reload" in rest
        writer.close()


async def test_a_stopped_server_is_gone_although_streams_are_open(house):
    streams = [await opened(house, await house.signed_in("operator")) for _ in range(3)]
    house.app.state.hub.stop()
    for stream in streams:
        assert await stream.next("reload") is None
    late = await (await house.signed_in("operator")).get("/api/live")
    assert (late.status_code, late.headers["retry-after"]) == (503, "2")
