"""The random review is drawn once a day out of what the log signed after the day, and never again."""

import base64
import itertools
from datetime import UTC, datetime

import asyncpg
import msgspec
import pytest

from saqtau.desks.custody.draw import draw
from saqtau.engine import custody_draw, postgres
from saqtau.kernel.clock import DAY, HOUR, Instant
from saqtau.kernel.desk import discover, gather
from saqtau.kernel.terms import Calendar

pytestmark = pytest.mark.anyio

DESKS = gather(*discover("saqtau.desks"))
TODAY = Instant(round(datetime(2026, 11, 24, tzinfo=UTC).timestamp() * 1000))
ROOT = bytes(range(32))
ORIGIN = "saqtau.test/02/evidence/2026"
_count = itertools.count()


def ids():
    return f"00000000-0000-7000-8000-{next(_count):012d}"


@pytest.fixture
async def pool(database, pg_owner):
    """A colony with two cameras; its log has signed a checkpoint an hour into today."""
    for table in ("custody_drawn", "ledger_checkpoint", "ledger_log"):
        await pg_owner.execute(f"alter table {table} disable trigger user; delete from {table}")
        await pg_owner.execute(f"alter table {table} enable trigger user")
    await pg_owner.execute("truncate item, outbox, video_hold, video_camera cascade; delete from site")
    await pg_owner.execute("insert into site (id, name, region, lat, lon) values ('colony', 'Colony', 2, 43.2, 76.9)")
    for code in ("c1", "c2"):
        await pg_owner.execute(
            """insert into video_camera (id, site, name, region, place, lat, lon, address, keep_days, added, added_by)
               values ($1, 'colony', $1, 2, 'penal_colony', 43, 76, 'rtsp://camera.example/1', 90, $2, 'import')""",
            code, TODAY - 20 * HOUR,
        )  # fmt: skip
    async with postgres.pool(database, postgres.WORKER, 2) as made:
        yield made


async def sign(pg_owner, at, size=7, root=ROOT):
    note = f"{ORIGIN}\n{size}\n{base64.b64encode(root).decode()}\n\n— {ORIGIN} x\n"
    await pg_owner.execute("alter table ledger_checkpoint disable trigger user")
    await pg_owner.execute(
        """insert into ledger_log (id, origin, kind, region, year, vkey, size, root, edge, note, at)
           values (1, $1, 'evidence', 2, 2026, $1 || '+k', 9, $2, '', $3, $4) on conflict do nothing""",
        ORIGIN, ROOT, note, at,
    )  # fmt: skip
    await pg_owner.execute("insert into ledger_checkpoint (log, size, at, note) values (1, $1, $2, $3)", size, at, note)
    await pg_owner.execute("alter table ledger_checkpoint enable trigger user")


async def drawn(pool, now=TODAY + 2 * HOUR):
    async with pool.acquire() as pg:
        await custody_draw.draw_reviews(pg, DESKS, Instant(now), ids, Calendar())
    rows = await pool.fetch("select state, owner, data::text as data from item order by id")
    return [(row["state"], row["owner"], msgspec.json.decode(row["data"])) for row in rows]


async def test_the_day_that_is_over_is_drawn_out_of_the_first_checkpoint_after_it(pool, pg_owner):
    await sign(pg_owner, TODAY - HOUR, 5, bytes(32))
    await sign(pg_owner, TODAY + HOUR)
    await sign(pg_owner, TODAY + 90 * 60_000, 8, bytes(32))
    found = await drawn(pool)
    expected = draw(ROOT, "colony", "penal_colony", ["c1", "c2"], Instant(TODAY - DAY), TODAY)
    assert sorted((one[2]["camera"], one[2]["began"]) for one in found) == sorted(
        (one.camera, one.began) for one in expected
    )
    assert {(state, owner) for state, owner, _ in found} == {("drawn", "prosecutor")}
    assert found[0][2]["seed"] == f"{ORIGIN} 7 {base64.b64encode(ROOT).decode()}"
    held = await pool.fetch("select camera, began from video_hold")
    assert sorted(map(tuple, held)) == sorted((one.camera, one.began) for one in expected)


async def test_a_day_is_drawn_once(pool, pg_owner):
    await sign(pg_owner, TODAY + HOUR)
    first = await drawn(pool)
    assert await drawn(pool, TODAY + 3 * HOUR) == first


async def test_a_place_waits_until_its_log_has_signed_something_since(pool, pg_owner):
    await sign(pg_owner, TODAY - HOUR)
    assert await drawn(pool) == []
    await sign(pg_owner, TODAY + HOUR, 8)
    assert await drawn(pool) != []


async def test_a_camera_that_was_added_later_is_not_drawn_for_the_day_before(pool, pg_owner):
    await sign(pg_owner, TODAY + HOUR)
    await pool.execute("select 1")
    await pg_owner.execute("update video_camera set added = $1", TODAY + 60_000)
    assert await drawn(pool) == []


async def test_nobody_draws_again_until_he_likes_it(pool, pg_owner):
    await sign(pg_owner, TODAY + HOUR)
    await drawn(pool)
    for wish in ("delete from custody_drawn", "update custody_drawn set seed = 'another one'"):
        with pytest.raises(asyncpg.PostgresError):
            await pg_owner.execute(wish)
