"""A web process for the tests: the real application, served by uvicorn on a port of its own, over the real engine."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
from tests.running import free_ports

from saqtau import jurisdiction, policies
from saqtau.engine import broker, postgres
from saqtau.engine.access import Access
from saqtau.engine.blobs import Blobs
from saqtau.engine.history import History
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.late import Late
from saqtau.engine.ledger import Ledger
from saqtau.engine.looked import read_access
from saqtau.kernel.access import AccessRequest, Action, Purpose, Viewer
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.desk import Desks, gather
from saqtau.kernel.ids import uuid7_source
from saqtau.web.accounts import Accounts
from saqtau.web.app import create_app
from saqtau.web.device_certs import load_authority, make_authority
from saqtau.web.limits import Limits
from saqtau.web.parts import Parts
from saqtau.web.people import Person, add_person
from saqtau.web.serve import server

__all__ = ["House", "Time", "free_ports", "move_in", "standing"]

PASSWORD = "correct-horse-battery"
ACCOUNTS = Accounts(key=b"a key of the tests that is long enough", rp="localhost", origins=("http://localhost:8470",))
AUTHORITY = load_authority(make_authority(Instant(time.time_ns() // 1_000_000)))
WIDE = Limits(session_rate=10_000, session_burst=100_000, address_rate=10_000, address_burst=100_000)


class Time:
    """A clock that tests move."""

    def __init__(self):
        self.ahead = 0

    def __call__(self):
        return Instant(time.time_ns() // 1_000_000 + self.ahead)


class House:
    """The running web and ways to look behind it."""

    def __init__(self, parts, app, url, owner):
        self.parts = parts
        self.app = app
        self.url = url
        self.owner = owner  # a connection that sees everything
        self.clients = contextlib.AsyncExitStack()

    async def client(self, **options):
        """A browser without a session."""
        return await self.clients.enter_async_context(httpx.AsyncClient(base_url=self.url, timeout=20, **options))

    async def signed_in(self, name):
        """A browser with a session of this person, that sends its token."""
        client = await self.client()
        answer = await client.post("/api/login", json={"name": name, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        client.headers["X-CSRF-Token"] = answer.json()["csrf"]
        return client

    async def closed(self, count, **wanted):
        """So many entries, once they are closed: what left is told after it has left."""
        async with asyncio.timeout(10):
            while True:
                found = await self.entries(**wanted)
                if len(found) >= count and all(entry["closed"] for entry in found):
                    return found
                await asyncio.sleep(0.02)

    async def entries(self, **wanted):
        """Entries of the access log that this house has made, oldest first, read as an overseer reads them."""
        await self.parts.access.settle()
        request = AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT)
        grant = await self.parts.access.open(LOOKER, request)
        now = self.parts.clock()
        found = await read_access(grant, self.parts.pg, self.parts.keys, Instant(0), Instant(now + 10**12), now)
        rows = [msgspec.structs.asdict(line) for line in reversed(found.lines) if line.viewer != LOOKER.id]
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


POLICIES = policies.load()
LAW = jurisdiction.load()
SIGNERS = Signers("saqtau.test", bytes(range(32)))
MIRROR_TOKEN = "a-token-that-a-witness-was-given-0123456789"
LOOKER = Viewer("looker-of-the-tests", "auditor", frozenset())
"""Whoever reads the log for a test's sake."""


def door(ledger_pool, pool, js, folder, clock):
    """The access of a house and the keys of its log, in a folder of the test's own."""
    keys = Keys(folder / "keys")
    ledger = Ledger(ledger_pool, SIGNERS, keys, clock, os.urandom)
    late = Late(js, bytes(32), os.urandom)
    return Access(ledger, POLICIES, clock, uuid7_source(clock, os.urandom), late, pg=pool), keys


@contextlib.asynccontextmanager
async def standing(
    engine, database, folder: Path, *, desks: Desks | None = None, clock=None, limits=WIDE, port=0, **more
) -> AsyncIterator[House]:
    """A house with its people: one of each role, of region 2 (Almaty) unless the name says otherwise."""
    clock = clock or Time()
    async with contextlib.AsyncExitStack() as stack:
        nc = await broker.connect(engine.broker, "web-test")
        stack.push_async_callback(nc.close)
        pictures = await broker.connect(engine.pictures, "web-test-pictures")
        stack.push_async_callback(pictures.close)
        owner = await postgres.connect(database, postgres.OWNER)
        stack.push_async_callback(owner.close)
        pool = await stack.enter_async_context(postgres.pool(database, postgres.APP, 8))
        ledger_pool = await stack.enter_async_context(postgres.pool(database, postgres.APP, 2))
        access, keys = door(ledger_pool, pool, broker.context(nc), folder, clock)
        more = {"accounts": ACCOUNTS, "authority": AUTHORITY} | more
        more = {"signers": SIGNERS, "mirror_token": MIRROR_TOKEN, **more}
        parts = Parts(
            pg=pool, nc=nc, js=broker.context(nc), pictures=pictures, access=access, keys=keys,
            desks=desks or gather(), clock=clock, ids=uuid7_source(clock, os.urandom), limits=limits, law=LAW,
            blobs=Blobs(folder / "blobs"), history=History(folder / "history", b"k" * 32), **more,
        )  # fmt: skip
        app = create_app(parts)
        house = House(parts, app, await stack.enter_async_context(serving(app, port)), owner)
        async with house.clients:
            yield house


@contextlib.asynccontextmanager
async def serving(app, port=0) -> AsyncIterator[str]:
    """The application on a port of its own; its address."""
    running = server(app, "127.0.0.1", port)
    task = asyncio.create_task(running._serve())
    try:
        while not running.started and not task.done():
            await asyncio.sleep(0.01)
        if task.done():
            task.result()
        yield f"http://127.0.0.1:{running.servers[0].sockets[0].getsockname()[1]}"
    finally:
        app.state.hub.stop()
        running.should_exit = True
        await task


PEOPLE = (
    Person("operator", "Айгүл Операторова", ("operator",), frozenset({2})),
    Person("operator7", "Оператор седьмой", ("operator",), frozenset({7})),
    Person("duty", "Дежурный", ("duty_officer",), frozenset({2})),
    Person("inspector", "Инспектор", ("inspector",), frozenset({2})),
    Person("school", "Мектеп инспекторы", ("school_officer",), frozenset({2})),
    Person("supervisor", "Қадағалаушы", ("custody_supervisor",), frozenset({2})),
    Person("patrol1", "Экипаж 1", ("patrol",), frozenset({2}), "U1"),
    Person("patrol2", "Экипаж 2", ("patrol",), frozenset({2}), "U2"),
    Person("prosecutor", "Прокурор", ("prosecutor",)),
    Person("auditor", "Аудитор", ("auditor",)),
    Person("administrator", "Администратор", ("administrator",)),
)


async def move_in(owner, now) -> None:
    """Everybody gets an account, once a database."""
    if await owner.fetchval("select count(*) from people"):
        return
    for person in PEOPLE:
        await add_person(owner, person, PASSWORD, now)
        for day in range(-2, 60, 2):
            since = now + day * DAY
            await owner.execute("insert into shifts values ($1, $2, $3)", person.id, since, since + 2 * DAY)
    await owner.execute(
        "insert into cases (number, region, opened, closed, sites) values ('УД-12/2026', 2, 0, null, '{S1}'), "
        "('УД-7/2026', 7, 0, null, '{}'), ('УД-1/2025', 2, 0, 1, '{}'), ('УД-14/2026', 2, 0, null, '{}')"
    )
