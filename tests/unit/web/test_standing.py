"""Grants that serve for their time: whatever left under them is told by their entries, however requests overlap."""

import asyncio

import pytest

from saqtau.kernel.access import AccessRequest, Action, Decision, Purpose, Viewer, granted
from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.standing import Standing

pytestmark = pytest.mark.anyio

CREW = Viewer("patrol1", "patrol", frozenset({2}), "U1")
WISH = AccessRequest(action=Action.WATCH_OWN, purpose=Purpose.DUTY, unit="U1")


class Door:
    """Access as far as `Standing` knows it: opening waits until the test lets it, closing is kept."""

    def __init__(self):
        self.now = Instant(0)
        self.opened = 0
        self.closed = []
        self.allowed = True
        self.gate = asyncio.Event()
        self.gate.set()
        self.asked = asyncio.Event()
        self.asked.set()

    async def open(self, viewer, wish):
        self.opened += 1
        number = self.opened
        await self.gate.wait()
        return granted(Decision(allow=True), f"log#{number}", viewer, wish, self.now)

    async def allows(self, *_):
        await self.asked.wait()
        return self.allowed

    async def close(self, grant, delivered, _told=None):
        self.closed.append((grant.entry, delivered))


@pytest.fixture
def door():
    return Door()


@pytest.fixture
def standing(door):
    return Standing(door, lambda: door.now)


async def use(standing, count=100, until=None):
    async with standing.using(b"s", CREW, WISH) as (_, delivered):
        if until is not None:
            await until.wait()
        delivered.count = count


class BrokenOffError(Exception):
    """What ends a request early."""


async def breaks_off(standing):
    async with standing.using(b"s", CREW, WISH) as (_, delivered):
        delivered.count = 5
        raise BrokenOffError


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_requests_one_after_another_leave_one_entry_with_all_that_left(door, standing):
    for _ in range(3):
        await use(standing)
    await standing.end()
    assert door.closed == [("log#1", 300)]


async def test_a_grant_opened_five_times_at_once_tells_all_that_left(door, standing):
    door.gate.clear()
    reading = asyncio.Event()
    tasks = [asyncio.create_task(use(standing, until=reading)) for _ in range(5)]
    await until(lambda: door.opened == 5)
    door.gate.set()
    reading.set()
    await asyncio.gather(*tasks)
    await standing.end()
    assert sum(delivered for _, delivered in door.closed) == 500
    assert len({entry for entry, _ in door.closed}) == len(door.closed) == 5, "each is closed once"


async def test_a_grant_that_is_renewed_under_a_reader_is_closed_by_him(door, standing):
    done = asyncio.Event()
    slow = asyncio.create_task(use(standing, until=done))
    await until(lambda: door.opened == 1)
    door.now = Instant(15 * MINUTE)
    await use(standing, 7)
    assert (door.opened, door.closed) == (2, [])
    done.set()
    await slow
    await standing.end()
    assert door.closed == [("log#1", 100), ("log#2", 7)]


async def test_what_has_run_out_is_swept_once_nobody_reads_under_it(door, standing):
    done = asyncio.Event()
    slow = asyncio.create_task(use(standing, until=done))
    await until(lambda: door.opened == 1)
    door.now = Instant(15 * MINUTE)
    await standing.sweep()
    assert door.closed == []
    done.set()
    await slow
    await standing.sweep()
    assert door.closed == [("log#1", 100)]


async def test_a_grant_is_not_closed_while_policy_is_asked_about_it(door, standing):
    await use(standing)
    door.asked.clear()
    again = asyncio.create_task(use(standing))
    await asyncio.sleep(0)
    door.now = Instant(15 * MINUTE)
    await standing.sweep()
    door.asked.set()
    await again
    assert door.closed == [("log#1", 200)]


async def test_what_was_taken_away_is_used_by_nobody_and_what_a_failed_reader_took_is_told(door, standing):
    with pytest.raises(BrokenOffError):
        await breaks_off(standing)
    door.allowed = False

    async def refuses(*_):
        raise Refused(Kind.DENIED, "taken away", policy="x")

    door.open = refuses
    with pytest.raises(Refused):
        await use(standing)
    await standing.end()
    assert door.closed == [("log#1", 5)]
