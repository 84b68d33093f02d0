"""`kill -9` of anything at any moment: what was acknowledged is there, once, and the part comes back by itself.

Eight kills here, `SAQTAU_KILLS=200` in the long run; `SAQTAU_SEED` repeats a run.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

import msgspec
import pytest
from tests.faults.parts import Addresses
from tests.running import QUICK, short_folder

from saqtau.engine import broker, migrate, postgres
from saqtau.engine.part import Part
from saqtau.engine.place import open_place, write_private
from saqtau.engine.supervisor import Supervisor

pytestmark = pytest.mark.anyio

KILLS = int(os.environ.get("SAQTAU_KILLS", "8"))
SEED = int(os.environ.get("SAQTAU_SEED", "0")) or random.randrange(1, 10**6)
ROOT = Path(__file__).parents[2]
VICTIMS = ("worker-1", "postgres", "nats", "gateway", "worker-2")


@pytest.fixture
def folder():
    with short_folder() as made:
        yield made


async def bring_up(place, supervisor):
    """The whole of a small Saqtau: PostgreSQL, NATS, a gateway, two workers."""
    programs = postgres.binaries()
    postgres.prepare(place, programs)
    await supervisor.start(postgres.part(place, programs, QUICK))
    await supervisor.start(broker.part(place, broker.binary(), broker.choose_port(place), reserve=0))
    server, address = postgres.own_server(place), broker.own_broker(place)
    await migrate.set_up(server)
    owner = await postgres.connect(server, postgres.OWNER)
    await owner.execute("create table effect (read text, partition int); grant all on effect to saqtau_worker")
    await owner.close()
    where = Addresses(
        server.dsn, dict(server.passwords), address.urls, address.password, address.replicas, str(place.folder)
    )
    path = place.run / "addresses.json"
    write_private(path, msgspec.json.encode(where).decode())
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    for name in ("gateway", "worker-1", "worker-2"):
        command = (sys.executable, "-m", "tests.faults.parts", name.split("-")[0], str(path))
        await supervisor.start(Part(name, command, ROOT, {**os.environ, "PYTHONPATH": paths}))
    return server


def acknowledged(place):
    path = place.folder / "acknowledged"
    return path.read_text().split("\n")[:-1] if path.exists() else []


async def until(ask, patience):
    """Wait for a yes; the assertion that follows tells what is missing."""
    for _ in range(int(patience / 0.05)):
        if await ask():
            return True
        await asyncio.sleep(0.05)
    return False


async def kill(supervisor, place, name, chance):
    """Kill at a random moment of the work; wait until the part is up under a new number and work goes on."""
    await asyncio.sleep(chance.uniform(0.1, 1.2))
    old = supervisor.health[name].pid
    before = len(acknowledged(place))
    assert old is not None
    os.kill(old, 9)

    async def back():
        found = supervisor.health[name]
        return found.state == "up" and found.pid not in {None, old}

    async def going_on():
        return len(acknowledged(place)) > before + 50

    assert await until(back, 30), f"{name} did not come back: {supervisor.health}"
    assert await until(going_on, 60), f"nothing was acknowledged after {name} was killed"


async def test_nothing_acknowledged_is_lost_or_doubled_whatever_is_killed(folder):
    print(f"seed {SEED}, {KILLS} kills")
    chance = random.Random(SEED)
    place = open_place(folder / "s")
    supervisor = Supervisor(place)
    supervisor.claim()
    try:
        server = await bring_up(place, supervisor)

        async def begun():
            return len(acknowledged(place)) > 100

        assert await until(begun, 30)
        victims = [*VICTIMS, *chance.choices(VICTIMS, k=max(0, KILLS - len(VICTIMS)))][:KILLS]
        chance.shuffle(victims)
        for name in victims:
            await kill(supervisor, place, name, chance)
        (place.folder / "enough").touch()
        await compare(place, server)
    finally:
        await supervisor.stop()
    assert {each.state for each in supervisor.health.values()} == {"down"}


async def compare(place, server):
    """What was acknowledged against what took effect."""
    await asyncio.sleep(0.5)  # the gateway's last acknowledgements
    wanted = set(acknowledged(place))
    pg = await postgres.connect(server, postgres.OWNER)

    async def drained():
        await pg.execute("create temporary table wanted (read text)")
        await pg.copy_records_to_table("wanted", records=[(mark,) for mark in wanted])
        missing = await pg.fetchval("select count(*) from (select read from wanted except select read from effect) x")
        await pg.execute("drop table wanted")
        return missing == 0

    complete = await until(drained, 30)
    rows, different = await pg.fetchrow("select count(*), count(distinct read) from effect")
    there = {row["read"] for row in await pg.fetch("select distinct read from effect")}
    await pg.close()
    lost = wanted - there
    print(f"acknowledged {len(wanted)}, took effect {rows}, lost {len(lost)}, doubled {rows - different}")
    assert complete
    assert not lost
    assert rows == different
