"""What the disk and the database refuse is told as what it is; what a class does not keep is forgotten."""

import itertools
import resource

import asyncpg
import pytest
from tests.engine.desks import DESKS

from saqtau.engine import store
from saqtau.engine.blobs import Blobs, keep_pictures
from saqtau.engine.failures import refusals
from saqtau.engine.forgetting import forget_over, kept_for
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Open
from saqtau.kernel.signal import Picture

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)
_count = itertools.count()


@pytest.fixture
def blobs(tmp_path):
    return Blobs(tmp_path / "blobs")


@pytest.fixture
async def items(pg_owner, pg_worker, blobs):
    await pg_owner.execute("truncate item cascade; truncate picture; delete from read_history")
    async with pg_worker.transaction():
        wishes = [Open(desk="chase", data={}, region=2)] * 2
        made = (await store.act(pg_worker, DESKS, wishes, NOW, lambda: f"item-{next(_count)}")).items
    for one, crop in zip(made, (b"one", b"two"), strict=True):
        pictures = [Picture("crop", "image/jpeg", crop), Picture("scene", "image/jpeg", b"both")]
        await keep_pictures(pg_worker, blobs, one.id, 2, pictures, NOW)
        await pg_worker.execute(
            "insert into read_history values ($1, $1, '1A', 'c1', 2, 43, 77, 60, $2, 'short')", NOW, one.id
        )
    return made


@pytest.mark.parametrize(
    ("retention", "term"),
    [
        ("hit_30d", 30 * DAY),
        ("dispatch_1y", 365 * DAY),
        ("erase_now", 0),
        ("short", 7),
        ("else", None),
        ("x_30dd", None),
    ],
)
def test_a_class_says_its_term(retention, term):
    assert kept_for(retention, {"short": 7}) == term


async def test_an_ended_item_whose_class_is_over_loses_its_pictures_and_reads(pg_worker, blobs, items):
    first, second = items
    await pg_worker.execute("update item set ended = $2, retention = 'hit_1d' where id = $1", first.id, NOW)
    assert await forget_over(pg_worker, blobs, {}, Instant(NOW + DAY - 1)) == 0
    assert await forget_over(pg_worker, blobs, {}, Instant(NOW + DAY)) == 1
    assert [row[0] for row in await pg_worker.fetch("select distinct item from picture")] == [second.id]
    assert [row[0] for row in await pg_worker.fetch("select item from read_history")] == [second.id]
    kept = {path.read_bytes() for path in blobs.path(bytes(32)).parents[2].rglob("*") if path.is_file()}
    assert kept == {b"two", b"both"}
    assert tuple(await pg_worker.fetchrow("select pictures, reads from forgotten")) == (2, 1)
    assert await pg_worker.fetchval("select count(*) from entry where item = $1", first.id) == 1
    assert await forget_over(pg_worker, blobs, {}, Instant(NOW + DAY)) == 0


async def test_an_open_item_is_not_forgotten(pg_worker, blobs, items):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pg_worker.fetch("select forget_item($1, $2)", items[0].id, NOW)


async def test_a_class_without_a_term_is_kept(pg_worker, blobs, items):
    await pg_worker.execute("update item set ended = 1, retention = 'unknown'")
    assert await forget_over(pg_worker, blobs, {}, Instant(NOW + 10**12)) == 0


async def test_a_disk_that_refuses_is_told_as_full_and_leaves_nothing_half_written(blobs, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(Refused) as refused:
            await blobs.put(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (refused.value.kind, refused.value.fields) == (Kind.UNAVAILABLE, {"disk": "full"})
    assert [path for path in (tmp_path / "blobs").rglob("*") if path.is_file()] == []
    digest = await blobs.put(b"x" * 100_000)
    assert await blobs.get(digest) == b"x" * 100_000


@pytest.mark.parametrize(
    ("code", "kind", "fields"),
    [
        ("53100", Kind.UNAVAILABLE, {"postgres": "full"}),
        ("53200", Kind.UNAVAILABLE, {"postgres": "unavailable"}),
        ("57P01", Kind.UNAVAILABLE, {"postgres": "unavailable"}),
        ("40P01", Kind.UNAVAILABLE, {"postgres": "unavailable"}),
        ("22021", Kind.INVALID, {"data": "not_storable"}),
    ],
)
async def test_the_databases_troubles_become_refusals(pg_worker, code, kind, fields):
    with pytest.raises(Refused) as refused, refusals():
        await pg_worker.execute(f"do $$ begin raise exception 'x' using errcode = '{code}'; end $$")
    assert (refused.value.kind, refused.value.fields) == (kind, fields)
