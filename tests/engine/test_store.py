"""The record changes in one way: an act and all that follows from it, together or not at all."""

import asyncio
import contextlib
import itertools

import asyncpg
import msgspec
import pytest
from tests.engine.desks import CIRCLE, DESKS

from saqtau.engine import outbox, postgres, store
from saqtau.engine.items import load
from saqtau.engine.journal import FEED, replay
from saqtau.engine.lines import ItemLine, Outgoing, StatusLine
from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import RULE
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Actor, Fire, Open
from saqtau.kernel.signal import Status

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)
OPERATOR = Actor("op1", "operator", regions=frozenset({2}))
PATROL = Actor("p1", "patrol", unit="u1", regions=frozenset({2}))
MACHINE = Actor("rule", RULE)


@pytest.fixture
def ids():
    count = itertools.count()
    start = next(_starts)
    return lambda: f"item-{start}-{next(count)}"


_starts = itertools.count()


@pytest.fixture
async def units(pg_worker):
    await pg_worker.executemany(
        "insert into unit (id, call_sign, region, status) values ($1, $1, 2, 'available') on conflict (id) "
        "do update set status = 'available', status_item = null",
        [("u1",), ("u2",)],
    )


async def opened(pg, ids, **data):
    async with pg.transaction():
        return await store.act(pg, DESKS, [Open(desk="chase", data=data, region=2, lat=43.2, lon=76.9)], NOW, ids)


async def entries(pg, item):
    return [row["edge"] for row in await pg.fetch("select edge from entry where item = $1 order by seq", item)]


async def test_an_item_is_read_back_as_it_was_opened(pg_worker, ids):
    done = await opened(pg_worker, ids, plate="123ABC02", odd='\x00"\u2028')
    (item,) = done.items
    assert await load(pg_worker, item.id) == item
    assert item.due == NOW + 60_000
    assert await entries(pg_worker, item.id) == ["open"]


async def test_the_line_in_the_outbox_carries_only_what_the_desk_shows(pg_worker, ids):
    done = await opened(pg_worker, ids, plate="A1", secret="never")
    (parcel,) = done.outbox
    (line,) = msgspec.json.decode(parcel.payload, type=list[ItemLine])
    assert line.title == {"plate": "A1"}
    assert b"never" not in parcel.payload
    assert (line.region, line.rev, line.owner) == (2, 0, "operator")
    stored = await pg_worker.fetchrow("select topic, payload from outbox where id = $1", parcel.id)
    assert tuple(stored) == ("items", parcel.payload)


async def test_two_operators_on_one_item_the_second_is_told_that_it_is_stale(pg_app, pg_worker, ids):
    (item,) = (await opened(pg_worker, ids)).items
    await store.fire(pg_app, DESKS, item.id, "note", OPERATOR, {"text": "a"}, 0, NOW, ids)
    with pytest.raises(Refused) as refused:
        await store.fire(pg_app, DESKS, item.id, "note", OPERATOR, {"text": "b"}, 0, NOW, ids)
    assert refused.value.kind is Kind.STALE
    assert (await load(pg_worker, item.id)).data["text"] == "a"
    assert await entries(pg_worker, item.id) == ["open", "note"]


async def test_steps_by_machines_at_the_same_time_are_all_taken_one_after_the_other(database, pg_worker, ids):
    (item,) = (await opened(pg_worker, ids)).items
    async with postgres.pool(database, postgres.WORKER, 8) as pool:

        async def tick():
            async with pool.acquire() as pg:
                while True:
                    with contextlib.suppress(Refused):
                        return await store.fire(pg, DESKS, item.id, "tick", MACHINE, {}, None, NOW, ids)

        await asyncio.gather(*(tick() for _ in range(8)))
    assert (await load(pg_worker, item.id)).rev == 8
    assert await pg_worker.fetchval("select count(*) from entry where item = $1", item.id) == 9


async def test_an_item_of_another_region_does_not_exist_for_the_web(pg_app, pg_worker, ids):
    (item,) = (await opened(pg_worker, ids)).items
    stranger = Actor("op9", "operator", regions=frozenset({5}))
    with pytest.raises(Refused) as refused:
        await store.fire(pg_app, DESKS, item.id, "drop", stranger, {}, None, NOW, ids)
    assert refused.value.kind is Kind.NOT_FOUND
    assert await pg_app.fetchval("select count(*) from item") == 0


async def test_what_follows_from_an_item_is_committed_with_it(pg_worker, units, ids):
    done = await opened(pg_worker, ids, help=True)
    chase, help_ = done.items
    assert (help_.parent, help_.unit, help_.state) == (chase.id, "u1", "offered")
    unit = await pg_worker.fetchrow("select status, status_item from unit where id = 'u1'")
    assert tuple(unit) == ("reserved", help_.id)
    told = next(one for one in done.outbox if one.topic == "status")
    (line,) = msgspec.json.decode(told.payload, type=list[StatusLine])
    assert (line.unit, line.status, line.item) == ("u1", "reserved", help_.id)


async def test_an_accepted_offer_moves_the_item_that_asked(pg_app, pg_worker, units, ids):
    chase, help_ = (await opened(pg_worker, ids, help=True)).items
    done = await store.fire(pg_app, DESKS, help_.id, "accept", PATROL, {}, 0, NOW, ids)
    assert {one.id: one.state for one in done.items} == {help_.id: "accepted", chase.id: "helped"}
    assert await pg_worker.fetchval("select status from unit where id = 'u1'") == "en_route"


async def test_a_refused_cascade_has_written_nothing(pg_worker, ids):
    before = await pg_worker.fetchval("select count(*) from item")
    async with pg_worker.transaction():
        with pytest.raises(Refused) as refused:
            await store.act(pg_worker, CIRCLE, [Open(desk="echo", data={}, region=2)], NOW, ids)
    assert refused.value.fields == {"signal": "in_a_circle"}
    assert await pg_worker.fetchval("select count(*) from item") == before


async def test_a_machine_does_not_take_a_unit_from_the_item_that_holds_it(pg_worker, units, ids):
    first = (await opened(pg_worker, ids, help=True)).items[1]
    second = (await opened(pg_worker, ids, help=True)).items[1]
    assert (first.unit, second.unit) == ("u1", "u2")
    third = (await opened(pg_worker, ids, help=True)).items[1]
    assert third.unit == "u2"  # both are held: the offer stands, nobody's unit is taken
    held = {row[0]: row[1] for row in await pg_worker.fetch("select id, status_item from unit")}
    assert held == {"u1": first.id, "u2": second.id}


async def test_only_the_item_that_holds_a_unit_frees_it(pg_app, pg_worker, units, ids):
    first = (await opened(pg_worker, ids, help=True)).items
    await pg_worker.execute("update unit set status_item = 'other', status = 'busy' where id = 'u1'")
    await store.fire(pg_app, DESKS, first[0].id, "drop", OPERATOR, {}, None, NOW, ids)
    assert (await load(pg_worker, first[1].id)).state == "over"
    assert await pg_worker.fetchval("select status from unit where id = 'u1'") == "busy"


async def test_a_held_unit_does_not_go_off_duty(pg_app, pg_worker, units, ids):
    await opened(pg_worker, ids, help=True)
    with pytest.raises(Refused) as refused:
        await store.set_status(pg_app, "u1", Status.OFF_DUTY, NOW)
    assert refused.value.kind is Kind.CONFLICT
    done = await store.set_status(pg_app, "u2", Status.OFF_DUTY, NOW)
    assert b'"off_duty"' in done.outbox[0].payload


async def test_an_edge_that_is_gone_is_passed_over_for_a_rule_and_refused_to_a_person(pg_worker, pg_app, ids):
    (item,) = (await opened(pg_worker, ids)).items
    await store.fire(pg_app, DESKS, item.id, "drop", OPERATOR, {}, None, NOW, ids)
    async with pg_worker.transaction():
        assert (await store.act(pg_worker, DESKS, [Fire(item=item.id, edge="tick")], NOW, ids)).items == []
    with pytest.raises(Refused) as refused:
        await store.fire(pg_app, DESKS, item.id, "drop", OPERATOR, {}, None, NOW, ids)
    assert refused.value.kind is Kind.CONFLICT


@pytest.mark.parametrize("role", ["app", "worker", "owner"])
@pytest.mark.parametrize("verb", ["update entry set actor = 'x'", "delete from entry", "truncate entry"])
async def test_nobody_edits_the_past(pg_worker, pg_app, pg_owner, ids, role, verb):
    await opened(pg_worker, ids)
    pg = {"app": pg_app, "worker": pg_worker, "owner": pg_owner}[role]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pg.execute(verb)


@pytest.mark.parametrize(
    "question",
    [
        "select token_hash from camera",
        "select payload from outbox",
        "select * from read_recent",
        "select * from partition_offset",
    ],
)
async def test_the_web_sees_no_token_no_parcel_no_recent_read(pg_app, question):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pg_app.execute(question)


async def test_nobody_but_the_owner_owns_and_nobody_passes_row_level_security(pg_owner):
    owners = await pg_owner.fetch("select distinct tableowner from pg_tables where schemaname = 'public'")
    assert [row[0] for row in owners] == [postgres.OWNER]
    roles = await pg_owner.fetch("select rolname from pg_roles where rolname like 'saqtau%' and rolbypassrls")
    assert {row[0] for row in roles} <= {postgres.ADMIN}


async def test_a_parcel_is_told_once_however_often_it_is_sent(pg_worker, js, ids):
    done = await opened(pg_worker, ids)
    await outbox.send(js, done.outbox)
    await outbox.publish(js, pg_worker, done.outbox)
    assert await pg_worker.fetchval("select count(*) from outbox where id = $1", done.outbox[0].id) == 0
    batches = replay(js, FEED, "items", 0, wait=0.3)
    assert [one.data for one in await anext(batches)] == [done.outbox[0].payload]
    await batches.aclose()


async def test_what_a_crash_left_in_the_outbox_is_swept(database, pg_worker, js, ids):
    await pg_worker.execute("delete from outbox")
    await opened(pg_worker, ids)
    await pg_worker.execute("insert into outbox values ('x', 'items', $1, '[]')", NOW + 10_000)
    async with postgres.pool(database, postgres.WORKER) as pool:
        assert await outbox.sweep(pool, js, Instant(NOW + 1_000)) == 1
    assert [row[0] for row in await pg_worker.fetch("select id from outbox")] == ["x"]


async def test_parcels_stay_when_the_broker_is_away(pg_worker, nc, ids):
    done = await opened(pg_worker, ids)
    away = nc.jetstream(timeout=0.2)
    await outbox.publish(away, pg_worker, [Outgoing(one.id, "no.such.topic", one.payload) for one in done.outbox])
    assert await pg_worker.fetchval("select count(*) from outbox where id = $1", done.outbox[0].id) == 1
