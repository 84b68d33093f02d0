"""Recordings go by their term or for want of room, each with its entry first, and never while a case keeps them."""

import asyncio
import secrets

import asyncpg
import pytest
from tests.engine.recorders import camera_at

from saqtau.engine import postgres
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import Ledger
from saqtau.engine.recording_index import Index, read_heads
from saqtau.engine.recording_start import NamedGap
from saqtau.engine.recording_volumes import Volumes
from saqtau.engine.video_camera import add_camera, read_retired, retire
from saqtau.engine.video_holds import acknowledge, agree_to_lift, ask_to_lift, find_hold, hold_video
from saqtau.engine.video_retention import forget_past, make_room, sweep
from saqtau.kernel.clock import DAY, HOUR, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.gap import Gap, GapKind
from saqtau.video.segment import Segment
from saqtau.video.volume import MARK, Volume

pytestmark = pytest.mark.anyio
NOW = Instant(1_790_000_000_000)


@pytest.fixture
async def pool(database):
    async with postgres.pool(database, postgres.WORKER, 4) as made:
        yield made


@pytest.fixture
async def ledger(database, tmp_path):
    async with postgres.pool(database, postgres.WORKER, 2) as made:
        keeper = Ledger(made, Signers("test", bytes(32)), Keys(tmp_path / "keys"), lambda: NOW, secrets.token_bytes)
        yield keeper
        await keeper.close()


@pytest.fixture
async def shelf(pool, tmp_path, request):
    """A volume with cameras of its own."""
    made = Shelf(pool, tmp_path / "video", f"{abs(hash(request.node.name)) % 10**8}")
    await made.open()
    return made


class Shelf:
    """Files and their rows."""

    def __init__(self, pool, folder, mark):
        self.pool, self.folder, self.mark = pool, folder, mark
        self.cameras = {}
        self.volumes = Volumes([Volume(folder, 10_000)], lambda: NOW)

    async def open(self):
        await self.pool.execute("insert into site values ('s1', 'Site', 3, 51, 71) on conflict do nothing")
        await self.volumes.open(self.pool, lambda: "volume")

    async def put(self, name, age_days, number, size=1000):
        """A closed segment of an hour that ended so many days ago."""
        code = f"{name}{self.mark}"
        if code not in self.cameras:
            self.cameras[code] = camera_at(code, "rtsp://10.0.0.9/a")
            async with self.pool.acquire() as pg:
                await add_camera(pg, self.cameras[code], "test", NOW)
        ended = Instant(NOW - round(age_days * DAY))
        path = self.folder / code / "2026" / "09" / "01" / f"000000-{number:010}.cmf"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(size))
        segment = Segment(
            camera=code, place="street", path=path, first=number, last=number + 9, began=Instant(ended - HOUR),
            ended=ended, size=size, links=10, frames=100, previous=bytes(32), chain=number.to_bytes(32),
            recorded_ms=HOUR, gaps=(), closed=True,
        )  # fmt: skip
        index = Index([self.folder])
        index.segment(segment)
        await index.write(self.pool, index.take())
        return segment

    async def rows(self):
        found = await self.pool.fetch("select camera, first from video_segment where volume = $1", str(self.folder))
        return {(row["camera"], row["first"]) for row in found}

    async def hold(self, segment, name="h", **facts):
        facts = {"began": segment.began, "ended": segment.ended, **facts}
        async with self.pool.acquire() as pg, pg.transaction():
            return await hold_video(
                pg, name + self.mark, segment.camera, facts["began"], facts["ended"], "26-100", "a lawyer asked for it",
                "anna", "prosecutor", "test/03/access/2026#0", NOW,
            )  # fmt: skip


async def test_what_is_past_its_days_goes_with_its_entry_and_its_gap_stays(shelf, pool, ledger):
    old, young = await shelf.put("a", 31, 0), await shelf.put("a", 29, 10)
    gone = await forget_past(pool, ledger, shelf.cameras, NOW)
    assert [one.segment.first for one in gone] == [0]
    assert await shelf.rows() == {(young.camera, 10)}
    told = await pool.fetchrow("select * from video_deleted where camera = $1", old.camera)
    assert (told["first"], told["last"], told["chain"], told["why"]) == (0, 9, old.chain, "term")
    origin, _, index = told["entry"].partition("#")
    assert await pool.fetchval("select size from ledger_log where origin = $1", origin) > int(index)
    gap = await pool.fetchrow("select * from video_gap where camera = $1", old.camera)
    assert (gap["kind"], gap["began"], gap["ended"]) == ("expired", old.began, old.ended)
    assert old.path.exists()  # the log has said so; the bytes go now
    assert await sweep(pool, [shelf.folder]) == 1
    assert (old.path.exists(), young.path.exists()) == (False, True)
    assert await sweep(pool, [shelf.folder]) == 0


async def test_a_crash_before_the_files_went_leaves_none_behind(shelf, pool, ledger):
    old = await shelf.put("a", 31, 0)
    await forget_past(pool, ledger, shelf.cameras, NOW)
    old.path.unlink()  # it had gone, and the crash came before that was written
    assert await sweep(pool, [shelf.folder]) == 1


async def test_what_a_case_keeps_stays_whatever_its_age_and_however_full_the_volume(shelf, pool, ledger):
    held, free = await shelf.put("a", 400, 0), await shelf.put("a", 399, 10)
    await shelf.hold(held)
    await forget_past(pool, ledger, shelf.cameras, NOW)
    await make_room(pool, ledger, shelf.folder, 10**9, NOW)
    assert await shelf.rows() == {(held.camera, 0)}
    assert not await pool.fetchval("select true from video_segment where camera = $1 and first = 10", free.camera)


async def test_a_hold_is_acknowledged_with_what_was_found(shelf, pool):
    segment = await shelf.put("a", 5, 0)
    hold = await shelf.hold(segment, began=Instant(segment.began + HOUR // 2), ended=Instant(segment.ended + HOUR))
    assert hold.acknowledged is None
    assert await acknowledge(pool, ["somebody-elses"], NOW) == []
    assert await acknowledge(pool, [segment.camera], NOW) == [hold.id]
    assert await acknowledge(pool, [segment.camera], NOW) == []
    found = await find_hold(pool, hold.id)
    assert (found.acknowledged, found.kept_ms) == (NOW, HOUR // 2)


async def test_a_hold_that_comes_while_it_is_deleted_is_acknowledged_only_with_what_is_left(shelf, pool, ledger):
    old = await shelf.put("a", 31, 0)
    hold = await shelf.hold(old, "r", began=Instant(old.ended + 1), ended=Instant(old.ended + HOUR))
    async with pool.acquire() as pg, pg.transaction():
        await pg.execute("select pg_advisory_xact_lock(23171)")  # a deletion that is under way
        asked = asyncio.create_task(acknowledge(pool, [old.camera], NOW))
        done, _ = await asyncio.wait({asked}, timeout=0.3)
        assert not done
    assert await asked == [hold.id]


async def test_without_room_the_nearest_to_its_term_goes_and_it_is_said(shelf, pool, ledger):
    for number, age in enumerate((20, 15, 10, 5)):
        await shelf.put("a", age, number * 10)
    gone = await make_room(pool, ledger, shelf.folder, 1500, NOW)
    assert [(one.segment.first, one.why.value) for one in gone] == [(0, "room"), (10, "room")]
    assert await pool.fetchval("select bytes from video_volume where folder = $1", str(shelf.folder)) == 2000


async def test_the_chain_goes_on_after_everything_was_deleted(shelf, pool, ledger):
    old = await shelf.put("a", 31, 50)
    await forget_past(pool, ledger, shelf.cameras, NOW)
    async with pool.acquire() as pg:
        head = (await read_heads(pg, [old.camera]))[old.camera]
    assert (head.last, head.chain, head.closed) == (old.last, old.chain, True)


async def test_a_row_that_was_deleted_does_not_come_back_from_memory(shelf, pool, ledger):
    old = await shelf.put("a", 31, 0)
    index = Index([shelf.folder])
    index.segment(old)
    await forget_past(pool, ledger, shelf.cameras, NOW)
    await index.write(pool, index.take())
    assert await shelf.rows() == set()


async def test_a_hold_is_lifted_by_two_people(shelf, pool):
    segment = await shelf.put("a", 5, 0)
    hold = await shelf.hold(segment)
    async with pool.acquire() as pg, pg.transaction():
        asked = await ask_to_lift(pg, hold.id, "the case is closed", "anna", "prosecutor", "x#1", NOW)
        assert asked.lift_asked_by == "anna"
        with pytest.raises(Refused) as refused:
            await agree_to_lift(pg, hold.id, "anna", "prosecutor", "x#2", NOW)
        assert refused.value.kind is Kind.DENIED
    with pytest.raises(asyncpg.InsufficientPrivilegeError):  # boris is nobody here: the database asks
        async with pool.acquire() as pg, pg.transaction():
            await agree_to_lift(pg, hold.id, "boris", "prosecutor", "x#2", NOW)


async def test_a_hold_needs_a_case_a_reason_and_a_time(shelf, pool):
    segment = await shelf.put("a", 5, 0)
    for facts in ({"ended": segment.began}, {"ended": Instant(segment.began + 40 * DAY)}):
        with pytest.raises(Refused):
            await shelf.hold(segment, **facts)


async def test_a_camera_that_is_gone_keeps_its_recordings_for_their_days_and_no_longer(shelf, pool, ledger):
    await shelf.put("a", 31, 0)
    (code,) = shelf.cameras
    async with pool.acquire() as pg:
        await retire(pg, code, NOW)
        gone = await read_retired(pg)
    assert code in gone
    assert len(await forget_past(pool, ledger, {code: gone[code]}, NOW)) == 1


async def test_with_a_clock_that_nobody_vouches_for_only_what_must_goes(shelf, pool, ledger):
    for number, age in enumerate((20, 15, 10)):
        await shelf.put("a", age, number * 10)
    wrong = Instant(NOW + 400 * DAY)
    gone = await make_room(pool, ledger, shelf.folder, 500, wrong, vouched=False)
    assert [one.segment.first for one in gone] == [0]


async def test_a_gap_that_lasts_is_written_once_and_again_when_it_ends(shelf, pool):
    segment = await shelf.put("a", 1, 0)
    index = Index([shelf.folder])
    lasting = Gap(segment.camera, NOW, None, GapKind.SILENT)
    index.gap(NamedGap(f"{segment.camera}/9", lasting))
    assert await index.write(pool, index.take()) == 1
    assert await index.write(pool, index.take()) == 0
    index.picture(segment.camera, Instant(NOW + 700))
    assert await index.write(pool, index.take()) == 1
    assert await pool.fetchval("select ended from video_gap where camera = $1", segment.camera) == NOW + 700
    assert index.waiting == 0


async def test_a_gap_that_another_process_left_open_is_ended_by_the_link_that_ends_it(shelf, pool):
    segment = await shelf.put("a", 1, 0)
    first, second = Index([shelf.folder]), Index([shelf.folder])
    first.gap(NamedGap(f"{segment.camera}/9", Gap(segment.camera, NOW, None, GapKind.SILENT)))
    await first.write(pool, first.take())
    second.gap(NamedGap(f"{segment.camera}/12", Gap(segment.camera, NOW, Instant(NOW + 900), GapKind.SILENT)))
    await second.write(pool, second.take())
    rows = await pool.fetch("select id, ended from video_gap where camera = $1", segment.camera)
    assert [tuple(row) for row in rows] == [(f"{segment.camera}/9", NOW + 900)]


async def test_how_a_volume_stands_is_written_down_and_what_is_wrong_is_said(shelf, pool):
    now = Instant(NOW + 1)
    segment = await shelf.put("a", 0.001, 0, size=2000)
    await shelf.volumes.weigh(pool)
    await shelf.volumes.tell(pool, 30.0)
    row = await pool.fetchrow("select * from video_volume where folder = $1", str(shelf.folder))
    assert row["bytes"] == 2000
    assert row["may"] == 10_000
    assert row["rate"] is not None
    assert now > segment.ended
    await shelf.put("a", 0.002, 10, size=9000)
    await shelf.volumes.weigh(pool)
    await shelf.volumes.tell(pool, 30.0)
    assert await pool.fetchval("select trouble from video_volume where folder = $1", str(shelf.folder)) == "full"
    assert shelf.volumes.choose("a") is None


async def test_a_volume_whose_disk_is_not_mounted_is_away_and_another_is_taken(shelf, pool, tmp_path):
    (shelf.folder / MARK).unlink()
    both = Volumes([Volume(shelf.folder), Volume(tmp_path / "second")], lambda: NOW)
    await both.open(pool, lambda: "other")
    assert both.folders == (tmp_path / "second",)
    assert {both.choose(f"camera-{number}") for number in range(20)} == {tmp_path / "second"}
    assert await pool.fetchval("select trouble from video_volume where folder = $1", str(shelf.folder)) == "away"


async def test_cameras_spread_over_the_volumes_and_each_keeps_its_own(pool, tmp_path):
    folders = [tmp_path / name for name in ("one", "two", "three")]
    volumes = Volumes([Volume(folder) for folder in folders], lambda: NOW)
    await volumes.open(pool, lambda: "x")
    chosen = [volumes.choose(f"camera-{number}") for number in range(300)]
    assert min(chosen.count(folder) for folder in folders) > 60
    assert chosen == [volumes.choose(f"camera-{number}") for number in range(300)]
    volumes.failed(chosen[0], OSError(5, "Input/output error"))
    assert volumes.choose("camera-0") not in {chosen[0], None}
