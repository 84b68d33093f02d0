"""What has ended goes when its class says so, whole, counted, and in no other way."""

import secrets

import asyncpg
import pytest

from saqtau.engine import postgres
from saqtau.engine.blobs import Blobs, keep_pictures
from saqtau.engine.erasure import erase_ended
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import Ledger
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Refused
from saqtau.kernel.signal import Picture

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)


@pytest.fixture
async def pool(database):
    async with postgres.pool(database, postgres.WORKER, 2) as made:
        yield made


@pytest.fixture
def ledger(pool, tmp_path):
    return Ledger(pool, Signers("saqtau.test", bytes(32)), Keys(tmp_path / "keys"), lambda: NOW, secrets.token_bytes)


async def life(pool, name, ended, *, parent=None, retention="hit_30d"):
    await pool.execute(
        "insert into item (id, desk, spec, state, rev, region, priority, opened, changed, opened_by, retention, ended, "
        "parent, data) values ($1, 'd', 's', 'x', 0, 2, 5, 0, 0, 'rule', $2, $3, $4, '{}')",
        name, retention, ended, parent,
    )  # fmt: skip
    await pool.execute(
        "insert into entry (item, rev, at, edge, came_to, actor, role, region, data) "
        "values ($1, 0, 0, 'open', 'x', 'r', 'rule', 2, '{\"plate\":\"777AAA02\"}')",
        name,
    )


async def test_a_life_whose_term_is_over_goes_whole_and_is_counted(pool, tmp_path, ledger):
    blobs = Blobs(tmp_path / "blobs")
    await life(pool, "old", NOW - 31 * DAY)
    await life(pool, "young", NOW - 29 * DAY)
    await life(pool, "open", None)
    async with pool.acquire() as pg:
        await keep_pictures(pg, blobs, "old", 2, [Picture("crop", "image/jpeg", b"only of the old")], NOW)
        for name in ("old", "young"):
            await keep_pictures(pg, blobs, name, 2, [Picture("scene", "image/jpeg", b"of both")], NOW)
    assert await erase_ended(pool, blobs, {"hit_30d": 30 * DAY}, NOW, ledger) == 1
    assert {row[0] for row in await pool.fetch("select id from item")} == {"young", "open"}
    assert not await pool.fetch("select from entry where item = 'old'")
    files = [file.read_bytes() for file in (tmp_path / "blobs").rglob("*") if file.is_file()]
    assert files == [b"of both"]
    counted = await pool.fetchrow("select retention, items, entries, pictures from erasure")
    assert tuple(counted) == ("hit_30d", 1, 1, 2)
    entered = await pool.fetch("select class, action, policy, entries, delivered from ledger_count")
    assert [tuple(row) for row in entered] == [("erase", "items", "hit_30d", 1, 1)]


async def test_without_the_ledger_nothing_is_erased(pool, tmp_path, ledger):
    await life(pool, "unseen", NOW - 99 * DAY, retention="misread_30d")
    await ledger.close()
    with pytest.raises(Refused):
        await erase_ended(pool, Blobs(tmp_path), {"misread_30d": 30 * DAY}, NOW, ledger)
    assert await pool.fetchval("select count(*) from item where id = 'unseen'") == 1


async def test_a_parent_waits_for_its_children(pool, tmp_path, ledger):
    await life(pool, "parent", NOW - 40 * DAY)
    await life(pool, "child", NOW - 10 * DAY, parent="parent", retention="dispatch_1y")
    await erase_ended(pool, Blobs(tmp_path), {"hit_30d": 30 * DAY}, NOW, ledger)
    assert await pool.fetchval("select count(*) from item where id = 'parent'") == 1


@pytest.mark.parametrize("role", [postgres.WORKER, postgres.APP, postgres.OWNER])
async def test_nobody_deletes_an_entry_by_hand(database, pool, role):
    await life(pool, f"kept by {role}", NOW - 90 * DAY)
    pg = await postgres.connect(database, role)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pg.execute("set app.erasing = ''; delete from entry")
    finally:
        await pg.close()
