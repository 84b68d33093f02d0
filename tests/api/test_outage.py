"""The web while a part of the engine is away: it says so, it tells nothing wrong, and it comes back by itself."""

import asyncio

import anyio
import pytest
from tests.api.desks import open_hit
from tests.api.test_live import line, opened, tell

pytestmark = pytest.mark.anyio


async def test_a_killed_broker_leaves_no_gap_in_an_open_stream(house, engine):
    stream = await opened(house, await house.signed_in("operator"))
    await tell(house, line("before"))
    assert [one["id"] for one in await stream.next("items")] == ["before"]
    for name in engine.nodes:
        engine.kill(name)
    await stream.next("beat")  # it says that it lives, and how far the feed is
    for name in engine.nodes:
        engine.again(name)
    await anyio.to_thread.run_sync(lambda: engine.wait(*engine.nodes))
    await tell(house, line("after"))
    seen = []
    while "after" not in seen:
        told = await stream.next("items")
        assert told is not None, "the stream ended"
        seen += [one["id"] for one in told]
    assert seen == ["after"]


async def test_an_act_during_a_broker_outage_is_durable_and_told_afterwards(house, engine):
    _, offer = await open_hit(house)
    client = await house.signed_in("patrol1")
    for name in engine.nodes:
        engine.kill(name)
    try:
        taken = await client.post(f"/api/items/{offer.id}/edges/accept", json={"rev": offer.rev, "data": {}})
        assert (taken.status_code, taken.json()["state"]) == (200, "accepted")
        assert (await client.get("/healthz")).status_code == 503
    finally:
        for name in engine.nodes:
            engine.again(name)
        await anyio.to_thread.run_sync(lambda: engine.wait(*engine.nodes))
    assert await house.owner.fetchval("select state from item where id = $1", offer.id) == "accepted"


async def test_a_killed_database_is_told_as_such_and_the_same_call_works_when_it_is_back(house, engine):
    client = await house.signed_in("operator")
    stream = await opened(house, client)
    engine.kill("postgres")
    try:
        for path in ("/api/me", "/api/overview", "/api/items"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["kind"]) == (503, "unavailable"), answer.text
            assert answer.headers["retry-after"]
        health = await client.get("/healthz")
        assert (health.status_code, health.json()["database"]) == (503, "down")
        assert await stream.next("beat")  # what is open goes on: help fails open
    finally:
        engine.again("postgres")
        await anyio.to_thread.run_sync(lambda: engine.wait("postgres"))
    async with asyncio.timeout(20):
        while (await client.get("/api/me")).status_code != 200:
            await asyncio.sleep(0.05)
    assert (await client.get("/api/overview")).status_code == 200
