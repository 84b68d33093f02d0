"""The live picture: everything once, then what changes, to those who may see it, without a gap."""

import asyncio
import json

import msgspec
import pytest

from saqtau.engine import journal
from saqtau.engine.journal import FEED
from saqtau.engine.lines import ItemLine

pytestmark = pytest.mark.anyio


def line(name="i1", rev=0, region=2, unit=None, owner="operator", state="seeking"):
    return ItemLine(
        id=name, desk="dangerous_drivers", state=state, rev=rev, region=region, priority=2, opened=1, due=None,
        owner=owner, unit=unit, title={"plate": "123ABC02"}, lon=76.9, lat=43.2, parent=None,
    )  # fmt: skip


async def tell(house, *lines):
    """Put lines on the feed, as the outbox does; their sequence."""
    topic = "items" if isinstance(lines[0], ItemLine) else "status"
    tell.count = getattr(tell, "count", 0) + 1
    return await journal.publish(
        house.parts.js, f"{FEED.subject}.{topic}", msgspec.json.encode(lines), f"t{tell.count}"
    )


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
        async with asyncio.timeout(10):
            while True:
                kind, data = await self.event()
                if kind in kinds or kind is None:
                    return data if len(kinds) == 1 or kind is None else (kind, data)


async def opened(house, client, **query):
    response = await house.clients.enter_async_context(client.stream("GET", "/api/live", **query))
    assert response.status_code == 200, await response.aread()
    return Stream(response)


async def test_an_operator_sees_his_overview_and_an_entry_is_left_for_it(house):
    client = await house.signed_in("operator")
    overview = (await client.get("/api/overview")).json()
    assert overview["items"] == []
    assert overview["map"] == {"bounds": None, "tiles": None}
    entries = await house.entries(viewer="operator")
    assert {entry["action"] for entry in entries} == {"queue.watch", "units.watch", "register.read"}
    assert all(entry["closed"] is not None for entry in entries)


async def test_a_change_reaches_the_console_that_watches_its_region_and_no_other(house):
    here = await opened(house, await house.signed_in("operator"))
    elsewhere = await opened(house, await house.signed_in("operator7"))
    seq = await tell(house, line("a", region=2), line("b", region=7))
    assert [one["id"] for one in await here.next("items")] == ["a"]
    assert here.id == seq
    assert [one["id"] for one in await elsewhere.next("items")] == ["b"]
