"""One plate through time: hot or sealed, a read is there once, for whose duty it is, as long as its class says."""

import asyncio

import pytest
from tests.engine.door import on_shift, opened, register_case

from saqtau.engine import postgres, sealing
from saqtau.engine.history import Box, History
from saqtau.engine.sealing import Keeping
from saqtau.engine.verify import verify
from saqtau.kernel.access import AccessRequest, Action, Purpose, Viewer
from saqtau.kernel.clock import DAY, HOUR, Instant
from saqtau.kernel.errors import Kind, Refused

pytestmark = pytest.mark.anyio

START = 1_790_000_000_000 // DAY * DAY
KEEPING = Keeping(history={"short": 10 * DAY, "long": 100 * DAY}, hot=HOUR)
INSPECTOR = Viewer("i1", "inspector", frozenset({2}))
PROSECUTOR = Viewer("p1", "prosecutor", frozenset())


@pytest.fixture
async def history(pg_owner, pg_worker, database, tmp_path):
    for parent in sealing.STEPS:
        for row in await pg_worker.fetch("select lower_bound from partitions_of($1)", parent):
            await pg_worker.execute("select drop_partition($1, $2)", parent, row[0])
        await pg_worker.execute("select drop_late($1, $2, $3)", parent, -(2**62), 2**62)
    await pg_owner.execute("truncate sealed_file")
    await on_shift(pg_owner, START, INSPECTOR.id)
    await register_case(pg_owner, "123/45")
    history = History(tmp_path / "history", b"key")
    async with opened(database, tmp_path, lambda: Instant(START)) as history.door:
        yield history


@pytest.fixture
async def pool(database):
    async with postgres.pool(database, postgres.WORKER, 4) as made:
        yield made


async def put(pg, at, plate="1A", region=2, retention="short", received=None, camera="c1", item=None, lat=43.0):
    await pg.execute(
        "insert into read_history (received, at, plate, camera, region, lat, lon, speed, item, retention) "
        "values ($1, $2, $3, $4, $5, $6, 77.0, 61.5, $7, $8)",
        at if received is None else received,
        at,
        plate,
        camera,
        region,
        lat,
        item,
        retention,
    )


async def seen(history, pg, plate="1A", since=START, until=START + 100 * DAY, viewer=INSPECTOR, **more):
    by = {"purpose": Purpose.CASE, "case": "123/45"} if viewer is INSPECTOR else {"purpose": Purpose.OVERSIGHT}
    request = AccessRequest(action=Action.READ_HISTORY, object=history.object_of(plate), **by)
    grant = await history.door.access.open(viewer, request)
    return await history.read(grant, pg, plate, Instant(since), Instant(until), Instant(0), **more)


async def house(pool, history, now, keeping=KEEPING):
    await sealing.keep_house(pool, history, keeping, Instant(now))


async def test_partitions_are_made_ahead_and_once(pg_worker, history):
    assert await sealing.make_ahead(pg_worker, Instant(START)) == 2 + 2 + 8
    assert await sealing.make_ahead(pg_worker, Instant(START)) == 0
    rows = await pg_worker.fetch("select * from partitions_of('read_history')")
    assert [tuple(row)[1:] for row in rows] == [(START, START + HOUR), (START + HOUR, START + 2 * HOUR)]


async def test_a_hot_read_and_a_sealed_one_look_the_same(pg_app, pg_worker, pool, history):
    await sealing.make_ahead(pg_worker, Instant(START))
    await put(pg_worker, START + 5, item="item-1", camera='c"1,2')
    await put(pg_worker, START + 7, plate="OTHER")
    hot = await seen(history, pg_app)
    await house(pool, history, START + 2 * HOUR)
    assert await pg_worker.fetchval("select count(*) from read_history") == 0
    assert await seen(history, pg_app) == hot
    assert [(one.at, one.camera, one.item, one.speed) for one in hot] == [(START + 5, 'c"1,2', "item-1", 61.5)]


async def test_reads_of_sealed_and_hot_hours_come_in_the_order_of_time(pg_app, pg_worker, pool, history):
    for hour in range(4):
        await sealing.make_ahead(pg_worker, Instant(START + hour * HOUR))
        await put(pg_worker, START + hour * HOUR + 1, camera=f"c{hour}")
    await house(pool, history, START + 3 * HOUR)
    assert await pg_worker.fetchval("select count(*) from sealed_file") == 2
    assert [one.camera for one in await seen(history, pg_app)] == ["c0", "c1", "c2", "c3"]
    part = await seen(history, pg_app, since=START + HOUR, until=START + 3 * HOUR)
    assert [one.camera for one in part] == ["c1", "c2"]


async def test_a_box_and_the_regions_of_the_viewer_hold_for_hot_and_sealed(pg_app, pg_worker, pool, history):
    await put(pg_worker, START, camera="here")
    await put(pg_worker, START + 1, camera="north", lat=50.0)
    await put(pg_worker, START + 2, camera="elsewhere", region=5)
    for _ in range(2):
        assert [one.camera for one in await seen(history, pg_app)] == ["here", "north"]
        assert [one.camera for one in await seen(history, pg_app, box=Box(42, 76, 44, 78))] == ["here"]
        assert len(await seen(history, pg_app, viewer=PROSECUTOR)) == 3
        await house(pool, history, START + 3 * HOUR)


async def test_a_grant_about_one_plate_does_not_read_another(pg_app, history):
    request = AccessRequest(
        action=Action.READ_HISTORY, purpose=Purpose.CASE, case="123/45", object=history.object_of("1A")
    )
    grant = await history.door.access.open(INSPECTOR, request)
    with pytest.raises(Refused) as refused:
        await history.read(grant, pg_app, "2B", Instant(0), Instant(1), Instant(0))
    assert refused.value.kind is Kind.DENIED
    assert "1A" not in request.object


async def test_a_late_read_of_a_sealed_hour_is_kept_and_sealed_beside_it(pg_app, pg_worker, pool, history):
    await sealing.make_ahead(pg_worker, Instant(START))
    await put(pg_worker, START + 1, camera="first")
    await house(pool, history, START + 2 * HOUR)
    await put(pg_worker, START + 2, camera="late")
    assert [one.camera for one in await seen(history, pg_app)] == ["first", "late"]
    await house(pool, history, START + 2 * HOUR + 5)
    assert await pg_worker.fetchval("select count(*) from sealed_file") == 2
    assert [one.camera for one in await seen(history, pg_app)] == ["first", "late"]


async def test_a_read_from_a_wrong_clock_does_not_stop_the_making_of_partitions(pg_app, pg_worker, history):
    await put(pg_worker, START + 3 * HOUR + 5)
    await sealing.make_ahead(pg_worker, Instant(START + 2 * HOUR))
    assert len(await seen(history, pg_app)) == 1


async def test_the_files_of_a_day_become_one_and_say_the_same(pg_app, pg_worker, pool, history):
    for hour in range(24):
        await put(pg_worker, START + hour * HOUR, camera=f"c{hour}")
    await put(pg_worker, START, retention="long", camera="long")
    await house(pool, history, START + 23 * HOUR)
    before = await pg_worker.fetchval("select count(*) from sealed_file")
    assert before == 22 + 1
    await house(pool, history, START + 26 * HOUR)
    rows = await pg_worker.fetch("select retention, rows from sealed_file order by 1")
    assert [tuple(row) for row in rows] == [("long", 1), ("short", 24)]
    assert len(await seen(history, pg_app)) == 25
    files = sorted(path.name for path in history.folder.rglob("*") if path.is_file())
    assert len(files) == 2
    assert await verify(pg_worker, history.folder.parent / "blobs", history.folder, print) == []


async def test_a_file_is_sorted_by_plate_and_time_and_is_ours_alone(pg_worker, pool, history):
    for n in range(50):
        await put(pg_worker, START + (n * 37) % 50, plate=f"P{n % 7}")
    await house(pool, history, START + 3 * HOUR)
    (file,) = (path for path in history.folder.rglob("*") if path.is_file())
    found = history.duck().execute('select plate, "at" from read_parquet(?)', [str(file)]).fetchall()
    assert found == sorted(found)
    assert file.stat().st_mode & 0o77 == 0
    assert file.parent.stat().st_mode & 0o77 == 0


async def test_what_its_class_does_not_keep_is_dropped_and_the_rest_stays(pg_app, pg_worker, pool, history):
    await put(pg_worker, START, camera="short")
    await put(pg_worker, START, camera="long", retention="long")
    await put(pg_worker, START, camera="unnamed", retention="unnamed")
    await house(pool, history, START + 2 * HOUR)
    assert len(await seen(history, pg_app)) == 3
    await house(pool, history, START + 11 * DAY)
    assert sorted(one.camera for one in await seen(history, pg_app)) == ["long", "unnamed"]
    await house(pool, history, START + 101 * DAY)
    assert [one.camera for one in await seen(history, pg_app)] == ["unnamed"]
    assert len([path for path in history.folder.rglob("*") if path.is_file()]) == 1


async def test_recent_reads_and_positions_go_with_their_partitions(pg_worker, pool, history):
    await sealing.make_ahead(pg_worker, Instant(START))
    for table, columns, values in (
        ("read_recent", "received, partition, plate_key, camera, at", f"{START}, 1, 'x', 'c', 1"),
        ("position", "received, at, unit, device, seq, lat, lon", f"{START}, 1, 'u', 'd', 1, 1, 1"),
    ):
        await pg_worker.execute(f"insert into {table} ({columns}) values ({values})")
        late = values.replace(str(START), str(START - DAY))
        await pg_worker.execute(f"insert into {table} ({columns}) values ({late})")
    await house(pool, history, START + HOUR)
    assert await pg_worker.fetchval("select count(*) from read_recent") == 1
    await house(pool, history, START + 2 * HOUR)
    assert await pg_worker.fetchval("select count(*) from read_recent") == 0
    assert await pg_worker.fetchval("select count(*) from position") == 2
    await house(pool, history, START + 91 * DAY)
    assert await pg_worker.fetchval("select count(*) from position") == 0


@pytest.mark.parametrize("step", ["register_file", "sync_folder", "_fingerprint"])
async def test_a_crash_while_sealing_neither_loses_nor_doubles(pg_app, pg_worker, pool, history, monkeypatch, step):
    await sealing.make_ahead(pg_worker, Instant(START))
    await put(pg_worker, START + 1)
    with monkeypatch.context() as crash:

        def die(*_):
            raise KeyboardInterrupt

        crash.setattr(sealing, step, die)
        with pytest.raises(KeyboardInterrupt):
            await sealing.seal_hour(pg_worker, history, START, Instant(START + HOUR))
    assert len(await seen(history, pg_app)) == 1
    await house(pool, history, START + 2 * HOUR)
    assert len(await seen(history, pg_app)) == 1
    assert await pg_worker.fetchval("select sum(rows) from sealed_file") == 1
    known = await sealing.known_files(pg_worker)
    sealing.sweep_orphans(history.folder, known, history.folder.stat().st_mtime + 10)
    assert {str(path.relative_to(history.folder)) for path in history.folder.rglob("*") if path.is_file()} == known


async def test_a_damaged_file_is_found(pg_worker, pool, history):
    await put(pg_worker, START + 1)
    await house(pool, history, START + 2 * HOUR)
    (file,) = (path for path in history.folder.rglob("*") if path.is_file())
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    blobs = history.folder.parent / "blobs"
    assert [one.what for one in await verify(pg_worker, blobs, history.folder, print)] == ["is not what was sealed"]
    file.unlink()
    assert [one.what for one in await verify(pg_worker, blobs, history.folder, print)] == ["is not there"]


async def test_questions_during_sealing_see_every_read_once(database, pg_worker, pool, history):
    await sealing.make_ahead(pg_worker, Instant(START))
    for n in range(20):
        await put(pg_worker, START + n)
    counts = []

    async def ask():
        async with postgres.pool(database, postgres.APP, 1) as app, app.acquire() as pg:
            counts.extend([len(await seen(history, pg)) for _ in range(30)])

    await asyncio.gather(ask(), ask(), house(pool, history, START + 2 * HOUR))
    assert set(counts) == {20}
    assert await pg_worker.fetchval("select count(*) from sealed_file") == 1
