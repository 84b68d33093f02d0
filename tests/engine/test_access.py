"""No grant, no data: the entry is durable before the grant, and every reading function looks at the grant first."""

import itertools

import asyncpg
import pytest
from tests.engine.desks import DESKS

from saqtau.engine import access, postgres, reading
from saqtau.engine.blobs import Blobs, keep_pictures
from saqtau.engine.store import act
from saqtau.kernel.access import LIFETIME, AccessRequest, Action, Purpose, Viewer
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Open
from saqtau.kernel.signal import Picture

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)
OPERATOR = Viewer("op1", "operator", frozenset({2}))
PATROL = Viewer("p1", "patrol", frozenset({2}), "u1")
PROSECUTOR = Viewer("pr1", "prosecutor", frozenset())
_count = itertools.count()


def ids():
    return f"id-{next(_count)}"


@pytest.fixture
async def item(pg_worker):
    await pg_worker.execute(
        "insert into unit (id, call_sign, region, status) values ('u1', 'U1', 2, 'available'), "
        "('u2', 'U2', 2, 'available'), ('u9', 'U9', 9, 'available') "
        "on conflict (id) do update set status_item = null, status = 'available'"
    )
    async with pg_worker.transaction():
        wish = Open(desk="chase", data={"plate": "123ABC02", "help": True}, region=2, lat=43.0, lon=77.0)
        return (await act(pg_worker, DESKS, [wish], NOW, ids)).items[0]


def asks(action, item=None, region=2, **more):
    by = {"purpose": Purpose.INCIDENT, "case": item} if item else {"purpose": Purpose.DUTY}
    return AccessRequest(**{"action": action, "object": item or "", "region": region, **by, **more})


async def grant_of(pg, viewer, request):
    return await access.open_grant(pg, viewer, request, NOW, ids)


async def test_the_entry_is_on_disk_when_the_grant_is_in_the_hand(pg_app, pg_worker, item):
    grant = await grant_of(pg_app, OPERATOR, asks(Action.READ_ITEM, item.id))
    row = await pg_worker.fetchrow("select * from access_entry where id = $1", grant.entry)
    assert (row["viewer"], row["action"], row["object"], row["decision"]) == ("op1", "item.read", item.id, "allow")
    await access.close_grant(pg_app, grant, 7, Instant(NOW + 5))
    await access.close_grant(pg_app, grant, 99, Instant(NOW + 9))
    row = await pg_worker.fetchrow("select delivered, closed from access_entry where id = $1", grant.entry)
    assert tuple(row) == (7, NOW + 5)


async def test_a_denial_leaves_an_entry_too(pg_app, pg_worker, item):
    with pytest.raises(Refused) as refused:
        await grant_of(pg_app, OPERATOR, asks(Action.READ_HISTORY, item.id))
    assert refused.value.kind is Kind.DENIED
    row = await pg_worker.fetchrow("select decision, policy from access_entry order by at desc, id desc limit 1")
    assert await pg_worker.fetchval("select count(*) from access_entry where decision = 'deny'") >= 1
    assert row is not None
    assert refused.value.fields == {"policy": "role-and-purpose"}


async def test_an_entry_that_could_be_rolled_back_gives_no_grant(pg_app):
    async with pg_app.transaction():
        with pytest.raises(RuntimeError):
            await grant_of(pg_app, OPERATOR, asks(Action.WATCH_QUEUE))


async def test_without_a_record_there_is_no_grant(pg_app):
    await pg_app.close()
    with pytest.raises(Refused) as refused:
        await grant_of(pg_app, OPERATOR, asks(Action.WATCH_QUEUE))
    assert refused.value.kind is Kind.UNAVAILABLE


@pytest.mark.parametrize(
    "verb",
    [
        "update access_entry set viewer = 'x'",
        "update access_entry set closed = 1, delivered = 1 where closed is not null",
        "delete from access_entry",
        "truncate access_entry",
    ],
)
async def test_nobody_edits_who_looked(pg_app, pg_worker, pg_owner, item, verb):
    grant = await grant_of(pg_app, OPERATOR, asks(Action.READ_ITEM, item.id))
    await access.close_grant(pg_app, grant, 1, NOW)
    for pg in (pg_app, pg_worker, pg_owner):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pg.execute(verb)


async def test_an_item_is_read_whole_under_its_grant(pg_app, item):
    grant = await grant_of(pg_app, OPERATOR, asks(Action.READ_ITEM, item.id))
    view = await reading.read_item(grant, pg_app, item.id, NOW)
    assert view.item == item
    assert [entry.edge for entry in view.entries] == ["open"]
    assert [child.desk for child in view.children] == ["help"]


async def test_a_grant_serves_its_own_object_action_and_time_only(pg_app, item):
    grant = await grant_of(pg_app, OPERATOR, asks(Action.READ_ITEM, item.id))
    for call, told in (
        (reading.read_item(grant, pg_app, "another", NOW), "other_object"),
        (reading.read_queue(grant, pg_app, DESKS, NOW), "other_action"),
        (reading.read_item(grant, pg_app, item.id, Instant(NOW + LIFETIME)), "expired"),
    ):
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.fields == {"grant": told}


async def test_a_request_that_lies_about_the_region_reads_nothing(pg_app, pg_worker, item):
    everywhere = Viewer("d1", "duty_officer", frozenset({2, 5}))
    grant = await grant_of(pg_app, everywhere, asks(Action.READ_ITEM, item.id, region=5))
    with pytest.raises(Refused) as refused:
        await reading.read_item(grant, pg_app, item.id, NOW)
    assert refused.value.kind is Kind.DENIED
    unsaid = await grant_of(pg_app, Viewer("d2", "duty_officer", frozenset({5})), asks(Action.READ_ITEM, item.id, None))
    with pytest.raises(Refused) as refused:
        await reading.read_item(unsaid, pg_app, item.id, NOW)
    assert refused.value.kind is Kind.NOT_FOUND


async def test_a_patrol_reaches_the_item_behind_its_own_offer_and_its_own_line(pg_app, item):
    where = await reading.where_is(pg_app, item.id, PATROL)
    assert (where.region, where.unit) == (2, "u1")
    assert (await reading.where_is(pg_app, item.id, OPERATOR)).unit is None
    grant = await grant_of(pg_app, PATROL, asks(Action.WATCH_OWN, unit="u1"))
    lines = await reading.read_queue(grant, pg_app, DESKS, NOW)
    assert {(line.desk, line.unit) for line in lines} == {("help", "u1")}
    units = await reading.read_positions(grant, pg_app, NOW)
    assert [(unit.id, unit.status) for unit in units] == [("u1", "reserved")]


async def test_the_queue_holds_the_regions_of_the_viewer_and_a_prosecutor_sees_all(pg_app, pg_worker, item):
    async with pg_worker.transaction():
        await act(pg_worker, DESKS, [Open(desk="chase", data={}, region=9, priority=0)], NOW, ids)
    grant = await grant_of(pg_app, OPERATOR, asks(Action.WATCH_QUEUE, region=None))
    assert {line.region for line in await reading.read_queue(grant, pg_app, DESKS, NOW)} == {2}
    overseer = AccessRequest(action=Action.WATCH_QUEUE, purpose=Purpose.OVERSIGHT)
    grant = await grant_of(pg_app, PROSECUTOR, overseer)
    lines = await reading.read_queue(grant, pg_app, DESKS, NOW)
    assert {line.region for line in lines} == {2, 9}
    assert lines[0].priority == 0


async def test_a_picture_is_read_back_and_a_damaged_one_is_not(pg_app, pg_worker, item, tmp_path):
    blobs = Blobs(tmp_path / "blobs")
    async with pg_worker.transaction():
        pictures = [Picture("crop", "image/jpeg", b"bytes"), Picture("scene", "image/jpeg", b"bytes")]
        await keep_pictures(pg_worker, blobs, item.id, 2, pictures, NOW)
    grant = await grant_of(pg_app, OPERATOR, asks(Action.READ_PICTURE, item.id))
    assert await reading.read_picture(grant, pg_app, blobs, item.id, "crop", NOW) == ("image/jpeg", b"bytes")
    with pytest.raises(Refused) as refused:
        await reading.read_picture(grant, pg_app, blobs, item.id, "none", NOW)
    assert refused.value.kind is Kind.NOT_FOUND
    files = [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()]
    assert len(files) == 1
    assert files[0].stat().st_mode & 0o77 == 0
    files[0].write_bytes(b"other")
    with pytest.raises(Refused) as refused:
        await reading.read_picture(grant, pg_app, blobs, item.id, "scene", NOW)
    assert refused.value.fields == {"blob": "damaged"}


async def test_what_was_delivered_is_counted_to_the_end_of_the_access(database, pg_worker, item):
    async with postgres.pool(database, postgres.APP, 2) as pool:
        request = AccessRequest(action=Action.WATCH_QUEUE, purpose=Purpose.DUTY)

        async def broken_off():
            async with access.reading(pool, OPERATOR, request, lambda: NOW, ids) as (grant, delivered):
                async with pool.acquire() as pg:
                    delivered.count += len(await reading.read_queue(grant, pg, DESKS, NOW))
                raise ZeroDivisionError(grant.entry)

        with pytest.raises(ZeroDivisionError) as error:
            await broken_off()
    row = await pg_worker.fetchrow("select delivered, closed from access_entry where id = $1", str(error.value))
    assert row["closed"] == NOW
    assert row["delivered"] > 0


async def test_the_overseer_reads_who_looked_and_nobody_else_does(pg_app, item):
    grant = await grant_of(pg_app, OPERATOR, asks(Action.READ_ITEM, item.id))
    overseer = await grant_of(pg_app, PROSECUTOR, AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT))
    lines = await reading.read_access(overseer, pg_app, NOW, Instant(NOW + 1), NOW, about=item.id)
    assert [line.id for line in lines] == [grant.entry]
    with pytest.raises(Refused):
        await grant_of(pg_app, OPERATOR, AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT))


async def test_the_list_of_vehicles_is_not_part_of_the_other_registers(pg_app, pg_worker):
    await pg_worker.execute(
        "insert into listed_vehicle values ('A1', 'stolen', 'x', 'y', 1, null, ''), "
        "('B1', 'stolen', 'x', 'y', 1, 9, '') on conflict do nothing"
    )
    operator = await grant_of(pg_app, OPERATOR, asks(Action.READ_REGISTER, region=None))
    assert [row["id"] for row in await reading.read_register(operator, pg_app, "units", NOW)] == ["u1", "u2"]
    with pytest.raises(Refused):
        await reading.read_register(operator, pg_app, "vehicles", NOW)
    officer = Viewer("d1", "duty_officer", frozenset({2}))
    grant = await grant_of(pg_app, officer, asks(Action.READ_LIST, region=None))
    assert [row["plate"] for row in await reading.read_register(grant, pg_app, "vehicles", NOW)] == ["A1"]
