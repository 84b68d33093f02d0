"""`kill -9` of any part of the house at any moment: what a camera was answered for is in the record, once.

`saqtau run` as it is typed, over the generated city. Eight kills here, `SAQTAU_KILLS=200` in the long run;
`SAQTAU_SEED` repeats a run's choices.
"""

import asyncio
import contextlib
import os
import random
import secrets
import signal
from collections import Counter

import httpx
import pytest
from tests.engine.commanded import Home, until
from tests.faults.cameras import Cameras
from tests.running import CLUSTER, short_folder

from saqtau.bootstrap import admin
from saqtau.bootstrap.demonstration import KINDS
from saqtau.bootstrap.ground import now, stand
from saqtau.config import read_config
from saqtau.engine import postgres
from saqtau.engine.atlas import need, open_atlas
from saqtau.engine.failures import is_passing
from saqtau.engine.postgres import WORKER
from saqtau.simulate.city import make_city
from saqtau.simulate.files import REGISTERS, WATCHLIST, write_registers
from saqtau.simulate.pbf import write_pbf
from saqtau.simulate.register import draw_registers

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(CLUSTER, reason="SKIPPED: this house starts an engine of its own; it is killed in make engine"),
]

KILLS = int(os.environ.get("SAQTAU_KILLS", "8"))
SEED = int(os.environ.get("SAQTAU_SEED", "0")) or random.randrange(1, 10**6)
PARTS = ("intake", "web", "worker-1", "worker-2", "postgres", "nats")
WATCHED, OTHERS = 8, 10
_OPENED = "select desk, data ->> 'plate' from item where desk in ('dangerous_drivers', 'cloned_plates')"
_TWICE = """
    select item, read from (
        select item, coalesce(data -> 'read' ->> 'id', data -> 'reads' -> 0 ->> 'id') as read from entry
    ) moved
    where read is not null group by item, read having count(*) > 1
"""


class House(Home):
    """The house with its map before it starts, and what its record says."""

    def __init__(self, folder):
        super().__init__(folder)
        self.config.write_text(self.config.read_text().replace("workers = 1", "workers = 2"))
        self.ground = stand(read_config(self.config))
        extract = folder / "city.osm.pbf"
        write_pbf(make_city(2026), extract)
        admin.read_map(self.ground, extract, lambda _line: None)
        graph = need(open_atlas(self.ground.map)).graph
        self.registers = draw_registers(graph, 2026, region=3, now=now(), secret=lambda: secrets.token_hex(32))

    async def register(self):
        """Import the registers while it runs."""
        cast = self.outside / "cast"
        write_registers(self.registers, cast)
        async with admin.record(self.ground, WORKER) as pg:
            for name in (*REGISTERS, WATCHLIST):
                kind = KINDS.get(name, "vehicles")
                report = await admin.import_file(self.ground, pg, kind, name, (cast / name).read_bytes(), "test")
                assert not report.refusals, report.refusals[:3]

    def cameras(self, chance):
        """Some that see a listed vehicle each, and some that do not; and which vehicles those are."""
        ids = [camera.id for camera in self.registers.cameras]
        listed = [vehicle.plate for vehicle in self.registers.vehicles if vehicle.region is None]
        watched = dict(zip(ids[:WATCHED], listed, strict=False))
        others, told = ids[WATCHED : WATCHED + OTHERS], [vehicle.plate for vehicle in self.registers.vehicles]
        return Cameras(f"http://127.0.0.1:{self.intake}", self.registers.tokens, watched, others, told, chance), watched

    async def ask(self, query, *values):
        """Rows of the record; None while it cannot be asked."""
        try:
            pg = await postgres.connect(self.ground.server(WORKER), WORKER)
            try:
                return await pg.fetch(query, *values)
            finally:
                pg.terminate()
        except Exception as error:
            if not is_passing(error):
                raise
            return None

    async def kept(self, table):
        """How often each (camera, at) is there."""
        found = await self.ask(f"select camera, at, count(*) from {table} group by camera, at")
        return Counter({(camera, at): count for camera, at, count in found})

    def well(self):
        """Whether the web says that all is well."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.web}/healthz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def house():
    with short_folder() as folder:
        made = House(folder)
        made.process = made.start()
        yield made
        made.process.send_signal(signal.SIGINT)
        made.process.wait(20)
        for pid in made.processes():  # only after a failure; they are ours by their folder
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


async def eventually(look, patience, why):
    """As `until`, for what is asked of the record."""
    for _ in range(int(patience / 0.2)):
        if found := await look():
            return found
        await asyncio.sleep(0.2)
    raise AssertionError(f"it did not come about {why()}")


async def goes_on(house, since, cameras):
    """Every part is up, and a read that was received since then has taken effect."""

    async def look():
        if {one["state"] for one in house.health().values()} != {"up"}:
            return False
        return bool(await house.ask("select 1 from read_history where received > $1 limit 1", since))

    await eventually(look, 90, lambda: f"{house.health()} {dict(cameras.statuses)} {house.said()[-2000:]}")


async def kill(house, name):
    """The part's process as it is now, or as soon as it has one."""
    pid = await until(lambda: house.health()[name]["pid"], 30, house.said)
    os.kill(pid, signal.SIGKILL)


async def test_nothing_that_was_answered_is_lost_or_doubled_whatever_is_killed(house):
    print(f"seed {SEED}, {KILLS} kills")
    chance = random.Random(SEED)
    await until(lambda: "Saqtau is up" in house.said(), 120, house.said)
    await house.register()
    cameras, watched = house.cameras(chance)
    pushing = asyncio.create_task(cameras.run())
    await goes_on(house, now(), cameras)
    victims = [*PARTS, *chance.choices(PARTS, k=max(0, KILLS - len(PARTS)))][:KILLS]
    chance.shuffle(victims)
    for name in victims:
        await asyncio.sleep(chance.uniform(0.1, 1.2))
        began = now()
        await kill(house, name)
        if chance.random() < 0.5:  # else the next one is killed while this one comes back
            await goes_on(house, began, cameras)
    await goes_on(house, now(), cameras)
    cameras.stop()
    await asyncio.wait_for(pushing, 90)
    await compare(house, cameras, set(watched.values()))
    await until(house.well, 30, house.said)


async def compare(house, cameras, plates):
    """What was answered against what is in the record and what it led to."""

    async def missing():
        hits, others = await house.kept("read_history"), await house.kept("read_recent")
        return cameras.listed - set(hits) | cameras.unlisted - set(others)

    async def settled():
        return not await missing()

    with contextlib.suppress(AssertionError):  # told below, with what is missing
        await eventually(settled, 30, str)
    lost = await missing()
    hits, others = await house.kept("read_history"), await house.kept("read_recent")
    doubled = {one: count for kept in (hits, others) for one, count in kept.items() if count > 1}
    print(f"answered {cameras.answered}, lost {len(lost)}, doubled {len(doubled)}, {dict(cameras.statuses)}")
    assert not lost
    assert not doubled
    assert set(hits) == cameras.listed
    assert set(others) == cameras.unlisted
    assert await house.ask("select reason from quarantine") == []
    opened = await house.ask(_OPENED)
    assert Counter(map(tuple, opened)) == Counter(("dangerous_drivers", plate) for plate in plates)
    assert await house.ask(_TWICE) == []
    assert await admin.check(house.ground, print) == []
