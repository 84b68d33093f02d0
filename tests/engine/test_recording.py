"""The recorder against a camera that plays: every second is in a file or in a gap, whatever happens to either."""

import pytest
from tests.engine.recorders import camera_at, chained, now, recording, unaccounted, until

from saqtau.engine.recording_start import find_start
from saqtau.engine.video_camera import add_camera, retire, switch_off, switch_on
from saqtau.ledger.leaf import LeafClass
from saqtau.simulate.loop import serving

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cameras():
    """A server with looping cameras."""
    async with serving(clock=now) as server:
        yield server


@pytest.fixture
async def site(pg_worker):
    """A connection; the site of the cameras is there."""
    await pg_worker.execute("insert into site values ('s1', 'Site', 3, 51, 71) on conflict do nothing")
    return pg_worker


async def frames_of(pg, camera):
    return await pg.fetchval("select sum(frames) from video_segment where camera = $1", camera)


async def gaps_of(pg, camera):
    rows = await pg.fetch(
        "select kind, began, ended, by, why from video_gap where camera = $1 order by began, id", camera
    )
    return [dict(row) for row in rows]


async def test_a_camera_added_by_its_address_is_recorded_and_indexed(site, database, cameras, tmp_path):
    await add_camera(site, camera_at("a1", cameras.address("street/1")), "test", now())
    async with recording(database, tmp_path) as (recorder, _):
        await until(lambda: frames_of(site, "a1"))
        assert recorder.cameras == {"a1"}
        await retire(site, "a1", now())
        await until(lambda: recorder.cameras == frozenset())
    links = chained(tmp_path, "a1")
    row = await site.fetchrow("select * from video_segment where camera = 'a1' order by first desc limit 1")
    assert row["closed"]
    assert (row["last"], row["frames"]) == (links[-1].seq, await frames_of(site, "a1"))
    assert unaccounted(links) == 0
    assert await site.fetchval("select count(*) from video_gap where camera = 'a1' and ended is null") == 0


async def test_a_pulled_plug_is_a_gap_that_ends_when_the_picture_comes_again(site, database, cameras, tmp_path):
    await add_camera(site, camera_at("a2", cameras.address("street/2")), "test", now())
    async with recording(database, tmp_path) as (recorder, _):
        await until(lambda: frames_of(site, "a2"))
        cameras.stream("street/2").unplug()
        await until(lambda: site.fetchval("select true from video_gap where camera = 'a2' and ended is null"))
        cameras.stream("street/2").plug()
        await until(lambda: site.fetchval(
            "select true from video_gap where camera = 'a2' having bool_and(ended is not null) and count(*) > 1"
        ))  # fmt: skip
        await retire(site, "a2", now())
        await until(lambda: not recorder.cameras)
    gaps = await gaps_of(site, "a2")
    assert [gap["kind"] for gap in gaps][-1] == "reconnect"
    assert unaccounted(chained(tmp_path, "a2")) == 0


async def test_a_camera_that_falls_silent_is_a_gap_from_its_last_picture_on(site, database, cameras, tmp_path):
    await add_camera(site, camera_at("a3", cameras.address("street/3")), "test", now())
    async with recording(database, tmp_path) as (recorder, _):
        await until(lambda: frames_of(site, "a3"))
        cameras.stream("street/3").silent = True
        gap = await until(
            lambda: site.fetchrow("select * from video_gap where camera = 'a3' and kind = 'source_silent'")
        )
        await retire(site, "a3", now())
        await until(lambda: not recorder.cameras)
    last = [one for one in chained(tmp_path, "a3") if one.gap is None][-1]
    assert gap["began"] == last.ended


async def test_who_switches_a_camera_off_stands_in_its_chain(site, database, cameras, tmp_path):
    await add_camera(site, camera_at("a4", cameras.address("street/4")), "test", now())
    async with recording(database, tmp_path) as (recorder, _):
        await until(lambda: frames_of(site, "a4"))
        await switch_off(site, "d-a4", "a4", "the wall is painted", "anna", "custody_supervisor", "x#1", now())
        await until(lambda: site.fetchval("select true from video_gap where camera = 'a4' and kind = 'disabled'"))
        await until(lambda: cameras.stream("street/4").viewers == 0)
        await switch_on(site, "a4", "anna", "x#2", now())
        await until(lambda: cameras.stream("street/4").viewers == 1)
        await until(lambda: site.fetchval("select bool_and(ended is not null) from video_gap where camera = 'a4'"))
        await retire(site, "a4", now())
        await until(lambda: not recorder.cameras)
    told = [one.gap for one in chained(tmp_path, "a4") if one.gap is not None and one.gap.kind == "disabled"]
    assert {(gap.by, gap.why) for gap in told} == {("anna", "the wall is painted")}


async def test_a_recorder_that_stopped_leaves_a_gap_for_its_time_away(site, database, cameras, tmp_path):
    await add_camera(site, camera_at("a5", cameras.address("street/5")), "test", now())
    async with recording(database, tmp_path):
        await until(lambda: frames_of(site, "a5"))
    before = await frames_of(site, "a5")
    async with recording(database, tmp_path) as (recorder, _):
        await until(lambda: site.fetchval("select sum(frames) > $1 from video_segment where camera = 'a5'", before))
        await retire(site, "a5", now())
        await until(lambda: not recorder.cameras)
    assert "recorder_down" in [gap["kind"] for gap in await gaps_of(site, "a5")]
    assert unaccounted(chained(tmp_path, "a5")) == 0


async def test_the_index_is_made_from_the_files_alone(site, database, cameras, tmp_path):
    await add_camera(site, camera_at("a6", cameras.address("street/6")), "test", now())
    async with recording(database, tmp_path) as (recorder, _):
        await until(lambda: frames_of(site, "a6"))
        await retire(site, "a6", now())
        await until(lambda: not recorder.cameras)
    start = find_start("a6", None, [tmp_path / "video"], now())
    rows = await site.fetch("select first, last, chain, frames from video_segment where camera = 'a6' order by first")
    assert [tuple(row) for row in rows] == [(one.first, one.last, one.chain, one.frames) for one in start.found]
    named = {one.name: (one.gap.kind.value, one.gap.began) for one in start.gaps}
    kept = await site.fetch("select id, kind, began from video_gap where camera = 'a6'")
    assert {row["id"]: (row["kind"], row["began"]) for row in kept} == named


async def test_a_site_has_a_leaf_about_what_it_recorded(site, database, cameras, tmp_path):
    await add_camera(site, camera_at("a7", cameras.address("street/7")), "test", now())
    count = "select coalesce(sum(entries), 0) from ledger_count where class = $1"
    before = await site.fetchval(count, LeafClass.SEGMENT.value)
    async with recording(database, tmp_path):
        await until(lambda: frames_of(site, "a7"))
    assert await site.fetchval(count, LeafClass.SEGMENT.value) > before  # of the minute that was cut short by the stop
    await retire(site, "a7", now())
