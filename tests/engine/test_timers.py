"""Deadlines: whatever is due takes effect, once, however late and however many workers look."""

import asyncio
import itertools

import pytest
from tests.engine.desks import CIRCLE, DESKS

from saqtau.engine import postgres, store, timers
from saqtau.engine.items import load
from saqtau.kernel.clock import Instant
from saqtau.kernel.item import Open

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)
_count = itertools.count()


def ids():
    return f"id-{next(_count)}"


@pytest.fixture
async def pool(database, pg_owner):
    await pg_owner.execute("truncate item cascade; delete from unit; delete from outbox")
    await pg_owner.execute("insert into unit (id, call_sign, region, status) values ('u1', 'U1', 2, 'available')")
    async with postgres.pool(database, postgres.WORKER, 8) as made:
        yield made


async def opened(pool, count=1, now=NOW, desks=DESKS, desk="chase", **data):
    async with pool.acquire() as pg, pg.transaction():
        wishes = [Open(desk=desk, data=data, region=2)] * count
        return (await store.act(pg, desks, wishes, now, ids)).items


async def test_nothing_expires_before_its_time(pool):
    await opened(pool)
    assert await timers.expire_due(pool, DESKS, Instant(NOW + 59_999), ids) == (0, [])


async def test_what_is_due_moves_along_the_edge_its_state_names(pool, pg_worker):
    (item,) = await opened(pool)
    expired, parcels = await timers.expire_due(pool, DESKS, Instant(NOW + 60_000), ids)
    assert (expired, len(parcels)) == (1, 1)
    after = await load(pg_worker, item.id)
    assert (after.state, after.rev, after.due, after.ended) == ("closed", 1, None, NOW + 60_000)
    entry = await pg_worker.fetchrow("select edge, role from entry where item = $1 and rev = 1", item.id)
    assert tuple(entry) == ("forget", "clock")


async def test_a_deadline_that_passed_while_all_was_down_takes_effect_late(pool):
    await opened(pool)
    assert (await timers.expire_due(pool, DESKS, Instant(NOW + 10**9), ids))[0] == 1


async def test_several_workers_expire_each_item_once(pool, pg_worker):
    await opened(pool, 1200)
    later = Instant(NOW + 60_000)
    done = await asyncio.gather(*(timers.expire_due(pool, DESKS, later, ids) for _ in range(4)))
    assert sum(expired for expired, _ in done) == 1200
    assert await pg_worker.fetchval("select count(*) from item where rev = 1 and ended is not null") == 1200
    assert await pg_worker.fetchval("select count(*) from entry e join item i on i.id = e.item where e.rev = 1") == 1200


async def test_an_expired_offer_frees_its_unit_and_tells_the_item_that_asked(pool, pg_worker):
    chase, help_ = await opened(pool, help=True)
    assert await pg_worker.fetchval("select status from unit") == "reserved"
    await timers.expire_due(pool, DESKS, Instant(NOW + 15_000), ids)
    assert (await load(pg_worker, help_.id)).state == "over"
    assert (await load(pg_worker, chase.id)).data["alone"] is True
    assert await pg_worker.fetchval("select status from unit") == "available"


async def test_a_deadline_whose_consequence_is_refused_is_put_off_and_stops_no_other(pool, pg_worker):
    (unknown,) = await opened(pool)
    await pg_worker.execute("update item set spec = 'gone' where id = $1", unknown.id)
    (other,) = await opened(pool)
    later = Instant(NOW + 60_000)
    assert (await timers.expire_due(pool, DESKS, later, ids))[0] == 2
    assert (await load(pg_worker, other.id)).state == "closed"
    assert (await load(pg_worker, unknown.id)).due == later + timers.PUT_OFF
    assert await pg_worker.fetchval("select count(*) from entry where item = $1", unknown.id) == 1


async def test_a_circle_of_signals_is_refused_at_its_start(pool):
    with pytest.raises(Exception, match="in a circle"):
        await opened(pool, desks=CIRCLE, desk="echo")
