"""Minutes are told when they are over, and told again when more is known of them."""

import itertools

import msgspec
import pytest

from saqtau.engine import postgres
from saqtau.engine.video_account import Account, recount
from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Instant
from saqtau.video.account import MinuteState

pytestmark = pytest.mark.anyio

HOURS = Instant(1_790_000_000_000 // HOUR * HOUR)
NOW = Instant(HOURS + 30 * MINUTE + 10 * SECOND)
U, R, P, K, M, X, E, D, F = MinuteState
_count = itertools.count()
_TABLES = "item, video_gap, video_segment, video_hour, video_disable, video_mask, video_volume, video_camera"


@pytest.fixture
async def pool(database, pg_owner):
    await pg_owner.execute(f"truncate {_TABLES} cascade; delete from site")
    await pg_owner.execute("insert into site (id, name, region, lat, lon) values ('colony', 'Colony', 2, 43.2, 76.9)")
    await pg_owner.execute("insert into video_volume (folder, name, at) values ('v', 'v', 0)")
    async with postgres.pool(database, postgres.WORKER, 4) as made:
        yield made


def at(minute, second=0):
    return Instant(HOURS + minute * MINUTE + second * SECOND)


async def camera(pool, code="c1", added=HOURS - HOUR, retired=None):
    await pool.execute(
        """insert into video_camera (id, site, name, region, place, lat, lon, address, keep_days, added,
               added_by, retired)
           values ($1, 'colony', $1, 2, 'penal_colony', 43.2, 76.9, 'rtsp://camera.example/1', 90, $2, 'import', $3)""",
        code, added, retired,
    )  # fmt: skip


async def record(pool, began, ended, code="c1"):
    await pool.execute(
        """insert into video_segment
               (camera, first, last, began, ended, volume, path, bytes, frames, recorded_ms, previous, chain)
           values ($1, $2, $2, $3::bigint, $4::bigint, 'v', $5, 1, 1, $4::bigint - $3::bigint, $6, $6)""",
        code, next(_count), began, ended, f"{code}/{next(_count)}", b"0" * 32,
    )  # fmt: skip


async def gap(pool, began, ended=None, kind="source_silent", code="c1", **said):
    name = f"{code}/{next(_count)}"
    await pool.execute(
        "insert into video_gap (id, camera, began, ended, kind, by, why) values ($1, $2, $3, $4, $5, $6, $7)",
        name, code, began, ended, kind, said.get("by"), said.get("why"),
    )  # fmt: skip
    return name


async def outage(pool, state, began, ended, *, explained, changed=NOW, code="c1"):
    data = {
        "dark_since": began,
        "dark_until": ended,
        "cameras": [{"camera": code, "since": began, "until": ended, "name": code}],
        "explained": [{"by": "a", "at": 1}] if explained else [],
    }
    await pool.execute(
        """insert into item (id, desk, spec, state, rev, region, priority, opened, changed, opened_by, retention, data)
           values ($1, 'custody', 'x', $2, 0, 2, 2, 0, $3, 'rule', 'custody_5y', $4)""",
        f"i{next(_count)}", state, changed, msgspec.json.encode(data).decode(),
    )  # fmt: skip


async def told(pool, first, last, code="c1"):
    row = await pool.fetchval("select minutes from video_hour where camera = $1 and hour = $2", code, HOURS)
    return [] if row is None else [MinuteState(one) for one in row[first : last + 1]]


async def test_a_camera_that_records_is_told_minute_by_minute(pool):
    await camera(pool)
    await record(pool, at(0), at(30, 10))
    counted = await Account(pool).round(NOW)
    assert await told(pool, 22, 31) == [U, U, R, R, R, R, R, R, U, U]
    assert (counted.cameras, counted.expected, counted.recorded) == (
        1, {(2, "penal_colony"): 5 * MINUTE}, {(2, "penal_colony"): 5 * MINUTE},
    )  # fmt: skip


async def test_a_pulled_plug_is_unexplained_as_soon_as_its_minute_is_over(pool):
    await camera(pool)
    await record(pool, at(0), at(28, 30))
    await gap(pool, at(28, 30))
    counted = await Account(pool).round(NOW)
    assert await told(pool, 26, 30) == [R, R, X, X, U]
    assert counted.unexplained == {(2, "penal_colony"): 1}
    assert counted.recorded == {(2, "penal_colony"): 4 * MINUTE + 30 * SECOND}
    assert counted.expected == {(2, "penal_colony"): 5 * MINUTE}


async def test_a_minute_waits_for_its_recorders_word_and_then_no_longer(pool):
    await camera(pool)
    await record(pool, at(0), at(29, 58))
    account = Account(pool)
    await account.round(NOW)
    assert await told(pool, 28, 30) == [R, U, U], "the row is some seconds old"
    await pool.execute("update video_segment set ended = $1", at(30, 12))
    await account.round(Instant(NOW + 5 * SECOND))
    assert await told(pool, 28, 30) == [R, R, U]
    await account.round(Instant(NOW + 90 * SECOND))
    assert await told(pool, 28, 31) == [R, R, X, U], "the recorder has died"


async def test_figures_count_each_minute_once(pool):
    await camera(pool)
    await record(pool, at(0), at(59))
    account, sums = Account(pool), 0
    for seconds in (0, 10, 50, 60, 119, 180):
        counted = await account.round(Instant(NOW + seconds * SECOND))
        sums += counted.expected.get((2, "penal_colony"), 0)
    assert sums == (5 + 3) * MINUTE


async def test_a_minute_whose_recorder_has_died_is_counted_too(pool):
    await camera(pool)
    await record(pool, at(0), at(29))
    account, expected, lost = Account(pool), 0, 0
    for seconds in range(0, 130, 10):
        counted = await account.round(Instant(NOW + seconds * SECOND))
        expected += counted.expected.get((2, "penal_colony"), 0)
        lost += counted.unexplained.get((2, "penal_colony"), 0)
    assert (expected, lost) == (7 * MINUTE, 2)


async def test_a_camera_that_was_switched_off_with_a_reason_is_in_maintenance(pool):
    await camera(pool)
    await record(pool, at(0), at(27))
    await pool.execute(
        """insert into video_disable (id, camera, kind, began, by, role, why, entry)
           values ('d1', 'c1', 'disabled', $1, 'a.b', 'custody_supervisor', 'the lens is cleaned', 'e')""",
        at(27),
    )
    counted = await Account(pool).round(NOW)
    assert await told(pool, 26, 30) == [R, M, M, M, U]
    assert counted.expected == counted.recorded == {(2, "penal_colony"): 3 * MINUTE}


async def test_a_camera_that_was_just_entered_has_a_minute_to_be_reached(pool):
    await camera(pool, added=at(27, 20))
    await record(pool, at(28, 21), at(31))
    counted = await Account(pool).round(NOW)
    assert await told(pool, 26, 30) == [U, U, P, R, U]
    assert counted.expected == {(2, "penal_colony"): 40 * SECOND}
    assert counted.recorded == {(2, "penal_colony"): 39 * SECOND}


async def test_what_a_person_explains_is_told_again_however_old(pool):
    await camera(pool)
    await record(pool, at(0), at(5))
    await record(pool, at(8), at(59))
    account = Account(pool)
    await gap(pool, at(5), at(8))
    await account.round(at(9, 10))
    assert await told(pool, 4, 8) == [R, X, X, X, R]
    await account.round(NOW)
    await outage(pool, "unexplained", at(5), at(8), explained=False)
    await account.round(Instant(NOW + SECOND))
    assert await told(pool, 4, 8) == [R, X, X, X, R]
    said = msgspec.json.encode({"dark_since": at(5), "camera": "c1", "dark_until": at(8), "explained": [{"by": "a"}]})
    await pool.execute("update item set state = 'explained', changed = $1, data = $2", NOW + 2 * SECOND, said.decode())
    await account.round(Instant(NOW + 3 * SECOND))
    assert await told(pool, 4, 8) == [R, E, E, E, R]


@pytest.mark.parametrize("state", ["not_explained", "found", "referred"])
async def test_a_word_that_was_not_believed_explains_nothing(pool, state):
    await camera(pool)
    await record(pool, at(0), at(5))
    await outage(pool, state, at(5), at(30), explained=True)
    await Account(pool).round(NOW)
    assert await told(pool, 24, 29) == [X, X, X, X, X, U]


async def test_a_minute_under_a_mask_of_the_whole_picture_is_masked(pool):
    await camera(pool)
    await record(pool, at(0), at(31))
    for version, (boxes, since) in enumerate(
        [([{"left": 0, "top": 0, "right": 1, "bottom": 1}], at(20)), ([], at(27))], 1
    ):
        await pool.execute(
            "insert into video_mask (camera, version, boxes, since, by) values ('c1', $1, $2, $3, 'a')",
            version, msgspec.json.encode(boxes).decode(), since,
        )  # fmt: skip
    await Account(pool).round(NOW)
    assert await told(pool, 24, 29) == [K, K, K, R, R, R]


async def test_a_camera_answers_from_its_first_to_its_last_minute(pool):
    await camera(pool, added=at(26, 20), retired=at(28, 40))
    await Account(pool).round(NOW)
    assert await told(pool, 24, 29) == [U, U, U, X, U, U]


async def test_what_was_deleted_is_expired_and_not_missing(pool):
    await camera(pool)
    await record(pool, at(0), at(10))
    account = Account(pool)
    await account.round(at(10, 5))
    assert await told(pool, 4, 9) == [R] * 6
    row = await pool.fetchrow("select first, chain from video_segment")
    await pool.execute(
        """insert into video_deleted (camera, first, last, began, ended, bytes, chain, at, why, entry)
           values ('c1', $1, $1, $2, $3, 1, $4, $5, 'term', 'e')""",
        row["first"], at(0), at(10), row["chain"], NOW,
    )  # fmt: skip
    await pool.execute("delete from video_segment")
    await account.round(NOW)
    assert await told(pool, 0, 9) == [D] * 10


async def test_what_is_fetched_afterwards_is_recorded_after_a_recount(pool):
    await camera(pool)
    await record(pool, at(0), at(3))
    await account_at(pool, at(6, 40))
    assert await told(pool, 2, 5) == [R, X, X, X]
    await record(pool, at(3), at(6))
    async with pool.acquire() as pg, pg.transaction():
        await recount(pg, "c1", at(3), at(6), NOW)
    assert await told(pool, 2, 6) == [R, R, R, R, U]


async def account_at(pool, now):
    return await Account(pool).round(now)


async def test_an_hour_turns_within_a_round(pool):
    await camera(pool)
    await record(pool, at(0), at(65))
    await account_at(pool, at(62, 10))
    assert await told(pool, 55, 59) == [U, R, R, R, R]
    row = await pool.fetchval("select minutes from video_hour where hour = $1", HOURS + HOUR)
    assert list(row[:4]) == [R, R, U, U]


async def test_two_processes_do_not_both_tell(pool):
    await camera(pool)
    await record(pool, at(0), at(31))
    async with pool.acquire() as pg, pg.transaction():
        await pg.execute("select pg_advisory_xact_lock(23170, 1)")
        counted = await Account(pool).round(NOW)
    assert counted.cameras == 0
    assert await told(pool, 24, 29) == []


async def test_what_was_fetched_from_a_card_is_told_as_such_and_never_as_recorded(pool):
    await camera(pool)
    await record(pool, at(0), at(27))
    await record(pool, at(28), at(30, 10))
    name = await gap(pool, at(27), at(28))
    account = Account(pool)
    await account.round(NOW)
    assert await told(pool, 26, 28) == [R, X, R]
    await pool.execute(
        """insert into video_fetch (gap, camera, began, ended, asked, next, reached, changed)
           values ($1, 'c1', $2, $3, $3, $3, $2, $3)""",
        name, at(27), at(28),
    )  # fmt: skip
    await pool.execute(
        """insert into video_card (camera, first, last, began, ended, volume, path, bytes, frames, recorded_ms,
               previous, chain, gap, spans, fetched, clock, entered, entry)
           values ('c1', 0, 1, $1, $2, 'v', 'c1+card/0', 1, 1, 1, $3, $3, $4, $5::bigint[], $6, 0, $6, 'e')""",
        at(26, 50), at(28), b"0" * 32, name, [at(27), at(28)], NOW,
    )  # fmt: skip
    counted = await account.round(Instant(NOW + 10 * SECOND))
    assert await told(pool, 26, 28) == [R, F, R]
    assert counted.unexplained.get((2, "penal_colony"), 0) == 0
