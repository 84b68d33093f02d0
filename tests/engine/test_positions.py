"""From a tablet's positions in the journal to the record, the last place of each unit, and the screens."""

import asyncio

import pytest

from saqtau.engine import postgres
from saqtau.engine.journal import POSITIONS
from saqtau.engine.pack import Packer
from saqtau.engine.positions import LIVE, Positions, hear, last_fixes
from saqtau.engine.worker import Worker
from saqtau.kernel.clock import Instant
from saqtau.kernel.signal import Flag, Position

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)


def position(seq, unit="u1", *, device="d1", flags=(), at=None, lat=51.0):
    at = NOW + seq * 1000 if at is None else at
    return Position(unit, device, seq, Instant(at), Instant(NOW + seq * 1000), lat, 71.0, 5.0, 30.0, 90.0, 0.8, flags)


@pytest.fixture
async def house(js, nc, database, pg_owner):
    await pg_owner.execute(
        "truncate partition_offset, unit_position, unit, quarantine, journal_stream cascade; delete from position"
    )
    await pg_owner.execute("select make_partition('position', $1, $2)", NOW - 3_600_000, NOW + 7_200_000)
    await pg_owner.execute(
        "insert into unit (id, call_sign, region, status) values ('u1', 'A', 2, 'available'), ('u2', 'B', 3, 'busy')"
    )
    heard = []

    async def listen(message):
        heard.extend(hear(message.data))

    await nc.subscribe(LIVE, cb=listen)
    async with postgres.pool(database, postgres.WORKER, 4) as pool:
        handler = Positions(None, lambda: NOW, nc.publish)
        stop = asyncio.Event()
        working = asyncio.create_task(Worker(pool, nc, js, {POSITIONS: handler}, lambda: NOW).run(stop))
        names = iter(range(10_000))
        packer = Packer(js, lambda: NOW, lambda: f"p{next(names)}", key=lambda one: one.unit, stream=POSITIONS)
        yield packer, pg_owner, heard
        stop.set()
        await working


async def until(ask):
    for _ in range(500):
        if found := await ask():
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come about")


async def stored(pg, count):
    return await until(lambda: pg.fetchval("select count(*) >= $1 from position", count))


async def test_positions_are_stored_and_the_last_of_each_unit_is_told(house):
    packer, pg, heard = house
    await packer.put_all([position(1), position(2, flags=(Flag.COARSE, Flag.GAP)), position(1, "u2", device="d2")])
    await stored(pg, 3)
    rows = {row["unit"]: row for row in await pg.fetch("select * from unit_position")}
    assert (rows["u1"]["seq"], rows["u1"]["flags"], rows["u1"]["region"]) == (2, ["coarse", "gap"], 2)
    assert rows["u2"]["flags"] == []

    async def told():
        return {fix.unit: fix.status for fix in heard} == {"u1": "A", "u2": "B"}

    await until(told)
    assert {fix.unit for fix in await last_fixes(pg, None)} == {"u1", "u2"}


async def test_what_was_sent_twice_is_stored_once(house):
    packer, pg, _ = house
    for _ in range(3):
        await packer.put_all([position(1), position(2)])
    await packer.put(position(3))
    await stored(pg, 3)
    assert await pg.fetchval("select count(*) from position") == 3


async def test_a_stored_position_sent_late_does_not_move_the_unit_back(house):
    packer, pg, _ = house
    await packer.put(position(5))
    await stored(pg, 1)
    await packer.put(position(6, at=NOW - 60_000, lat=50.0, flags=(Flag.REPLAYED,)))
    await stored(pg, 2)
    assert await pg.fetchval("select lat from unit_position where unit = 'u1'") == 51.0


async def test_a_position_of_a_unit_nobody_knows_stops_nobody(house):
    packer, pg, _ = house
    await packer.put_all([position(1, "stranger"), position(1)])
    await stored(pg, 1)
    assert await pg.fetchval("select count(*) from quarantine") == 0
