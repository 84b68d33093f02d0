"""`verify` finds whatever was changed behind the record's back, and names it; a clean house has nothing to tell."""

import itertools

import pytest

from saqtau.engine import postgres, sealing, store
from saqtau.engine.blobs import Blobs, keep_pictures
from saqtau.engine.history import History
from saqtau.engine.verify import verify
from saqtau.kernel.clock import HOUR, Instant
from saqtau.kernel.desk import discover, gather
from saqtau.kernel.item import Action
from saqtau.kernel.signal import Picture, UnitSilent
from saqtau.kernel.terms import Calendar

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000 // HOUR * HOUR)
DESKS = gather(*discover("saqtau.desks"))
PICTURE = Picture("crop", "image/jpeg", b"\xff\xd8crop")


class House:
    def __init__(self, pg, owner, folder):
        self.pg, self.owner = pg, owner
        self.blobs, self.history = folder / "blobs", folder / "history"

    async def findings(self):
        said = []
        found = await verify(self.pg, self.blobs, self.history, said.append)
        assert (said[-1] == "everything holds") == (not found)
        assert all(any(one.where in line and one.what in line for line in said) for one in found)
        return [(one.where, one.what) for one in found]

    async def behind_the_back(self, sql, *values):
        """As somebody who owns the tables and switches the guards off."""
        async with self.owner.transaction():
            await self.owner.execute("alter table entry disable trigger all")
            await self.owner.execute(sql, *values)
            await self.owner.execute("alter table entry enable trigger all")


@pytest.fixture
async def house(database, pg_owner, pg_worker, tmp_path):
    """Two items, one of them moved three times, a picture, a sealed hour."""
    await pg_owner.execute("alter table entry disable trigger all")
    await pg_owner.execute("truncate picture, sealed_file, entry, outbox, item cascade")
    await pg_owner.execute("alter table entry enable trigger all")
    for row in await pg_worker.fetch("select lower_bound from partitions_of('read_history')"):
        await pg_worker.execute("select drop_partition('read_history', $1)", row[0])
    made = House(pg_worker, pg_owner, tmp_path)
    count = itertools.count()

    def ids():
        return f"verify-{next(count)}"

    async with pg_worker.transaction():
        heard = [UnitSilent(unit=unit, region=2, last=NOW) for unit in ("u1", "u2")]
        opened = [action for one in heard for action in DESKS.current["location_dark"].reacts[UnitSilent](one, ())]
        made.items = [one.id for one in (await act(pg_worker, *opened, ids=ids)).items]
        made.moved, made.other = made.items
    blobs = Blobs(made.blobs)
    async with pg_worker.transaction():
        await keep_pictures(pg_worker, blobs, made.moved, 2, (PICTURE,), NOW)
    made.file = blobs.path(await pg_worker.fetchval("select sha256 from picture"))
    await sealing.make_ahead(pg_worker, NOW)
    await pg_worker.execute(
        "insert into read_history (received, at, plate, camera, region, lat, lon, speed, item, retention) "
        "values ($1, $1, '1A', 'c', 2, 43, 77, null, null, 'short')",
        NOW + 5,
    )
    keeping = sealing.Keeping(history={"short": 100 * HOUR}, hot=HOUR)
    async with postgres.pool(database, postgres.WORKER, 3) as pool:
        await sealing.keep_house(pool, History(made.history, b"key"), keeping, Instant(NOW + 3 * HOUR))
    made.sealed = await pg_worker.fetchval("select path from sealed_file")
    return made


async def act(pg, *actions: Action, ids):
    return await store.act(pg, DESKS, actions, NOW, ids, Calendar())


async def test_a_clean_house_has_nothing_to_tell(house):
    assert house.sealed
    assert await house.findings() == []


async def test_an_item_whose_state_was_edited_is_named(house):
    await house.behind_the_back("update item set state = 'closed' where id = $1", house.moved)
    ((where, what),) = await house.findings()
    assert where == f"item {house.moved}"
    assert "do not lead to it" in what


async def test_an_item_whose_revision_was_edited_is_named(house):
    await house.behind_the_back("update item set rev = rev + 1 where id = $1", house.moved)
    assert [where for where, _ in await house.findings()] == [f"item {house.moved}"]


async def test_an_item_without_its_entries_is_named(house):
    await house.behind_the_back("delete from entry where item = $1", house.moved)
    assert [where for where, _ in await house.findings()] == [f"item {house.moved}"]


async def test_an_entry_taken_out_of_the_middle_is_named(house):
    for rev in (1, 2, 3):
        await house.behind_the_back(
            "insert into entry (item, rev, at, edge, start, came_to, actor, role, region, data) "
            "select item, $2, at, 'again', came_to, came_to, actor, role, region, '{}' from entry "
            "where item = $1 and rev = 0",
            house.moved,
            rev,
        )
    await house.behind_the_back("update item set rev = 3 where id = $1", house.moved)
    assert await house.findings() == []
    await house.behind_the_back("delete from entry where item = $1 and rev = 2", house.moved)
    assert [where for where, _ in await house.findings()] == [f"item {house.moved}"]


async def test_an_entry_that_does_not_begin_where_the_last_one_ended_is_named(house):
    await house.behind_the_back(
        "insert into entry (item, rev, at, edge, start, came_to, actor, role, region, data) "
        "select item, 1, at, 'again', 'elsewhere', came_to, actor, role, region, '{}' from entry where item = $1",
        house.moved,
    )
    await house.behind_the_back("update item set rev = 1 where id = $1", house.moved)
    assert [where for where, _ in await house.findings()] == [f"item {house.moved}"]


async def test_an_item_that_was_removed_is_named_by_what_it_left(house):
    await house.behind_the_back("delete from item where id = $1", house.other)
    assert await house.findings() == [(f"item {house.other}", "entries without an item")]


async def test_a_look_at_an_item_is_no_step_of_it(house):
    await house.pg.execute(
        "insert into entry (item, rev, at, edge, actor, role, region, data) "
        "values ($1, 0, 1, 'read', 'i1', 'inspector', 2, '{}')",
        house.moved,
    )
    assert await house.findings() == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda path: path.write_bytes(b"\xff\xd8krop"), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: path.unlink(), "no blob"),
    ],
    ids=["a byte", "all bytes", "the file"],
)
async def test_a_picture_that_was_changed_is_named(house, change, told):
    change(house.file)
    ((where, what),) = await house.findings()
    assert where == f"picture crop of item {house.moved}"
    assert told in what


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (flip, "is not what was sealed"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\0"), "is not what was sealed"),
        (lambda path: path.unlink(), "is not there"),
    ],
    ids=["a bit", "a byte more", "the file"],
)
async def test_a_sealed_file_that_was_changed_is_named(house, change, told):
    change(house.history / house.sealed)
    assert await house.findings() == [(f"sealed file {house.sealed}", told)]


async def test_everything_that_does_not_hold_is_named_at_once(house):
    await house.behind_the_back("update item set state = 'closed' where id = $1", house.moved)
    await house.behind_the_back("delete from item where id = $1", house.other)
    house.file.unlink()
    (house.history / house.sealed).unlink()
    assert len(await house.findings()) == 4
