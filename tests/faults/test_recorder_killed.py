"""A recorder that is killed, loses power, disk or database: what is recorded stays whole, the rest is a gap.

`SAQTAU_KILLS` says how often it is killed (3). How much is lost is measured by bench/record.py.
"""

import asyncio
import contextlib
import os
import random
import shutil
import subprocess

import pytest
from tests.engine.recorders import camera_at, chained, now, recorder_process, recording, unaccounted, until

from saqtau.engine.recording_start import find_start
from saqtau.engine.recording_volumes import Volumes
from saqtau.engine.video_camera import add_camera, retire
from saqtau.simulate.loop import serving
from saqtau.video.segment import scan
from saqtau.video.shelf import files_from

pytestmark = pytest.mark.anyio
KILLS = int(os.environ.get("SAQTAU_KILLS", "3"))
CAMERAS = 4
DISK = 160


@pytest.fixture
async def cameras():
    """A server with looping cameras."""
    async with serving(clock=now) as server:
        yield server


@pytest.fixture
async def site(pg_worker):
    """A connection; the site of the cameras is there, and no camera of a test before."""
    await pg_worker.execute("insert into site values ('s1', 'Site', 3, 51, 71) on conflict do nothing")
    await pg_worker.execute("update video_camera set retired = 1 where retired is null")
    return pg_worker


async def frames_of(pg, code):
    return await pg.fetchval("select coalesce(sum(frames), 0) from video_segment where camera = $1", code)


async def more_than(pg, code, least):
    return await frames_of(pg, code) > least


def readable(path):
    """Whether another's program reads the pictures of a file."""
    probe = shutil.which("ffprobe")
    if probe is None:
        if os.environ.get("CI") == "true":
            pytest.fail("ffprobe is not there: .ci/run installs it")
        return True
    found = subprocess.run(
        [probe, "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets", "-of", "csv=p=0", path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return found.returncode == 0 and found.stdout.strip().strip(",").isdigit()


async def test_killed_at_any_moment_it_loses_no_file_and_no_link_of_the_chain(site, database, cameras, tmp_path):
    codes = [f"k{number}" for number in range(CAMERAS)]
    for code in codes:
        await add_camera(site, camera_at(code, cameras.address(f"street/{code}")), "test", now())
    chance = random.Random(7)
    for _ in range(KILLS):
        before = {code: await frames_of(site, code) for code in codes}
        with recorder_process(database, tmp_path) as process:
            for code in codes:
                await until(lambda code=code, least=before[code]: more_than(site, code, least))
            await asyncio.sleep(chance.uniform(0, 0.4))  # any moment of a second, a fragment or a write
            process.kill()
            process.wait()
    for code in codes:
        find_start(code, None, [tmp_path / "video"], now())  # as the next one begins
        links = chained(tmp_path, code)
        assert unaccounted(links) == 0
        kinds = [one.gap.kind.value for one in links if one.gap is not None]
        assert kinds.count("recorder_down") >= KILLS
        for path in files_from(tmp_path / "video", code, 0):
            if scan(path, followed=False).segment.frames:
                assert readable(path), path.name


async def test_a_power_cut_takes_only_what_nobody_was_told_of(site, database, cameras, tmp_path, monkeypatch):
    """What was written since the last sync is cut off; neither a row nor a leaf then tells of what is not there."""
    await add_camera(site, camera_at("p1", cameras.address("street/p1")), "test", now())
    on_disk = {}
    sync = Volumes.sync

    async def synced(volumes):
        sizes = {path: path.stat().st_size for path in files_from(tmp_path / "video", "p1", 0)}
        failed = await sync(volumes)
        on_disk.clear()
        on_disk.update(sizes)
        return failed

    monkeypatch.setattr(Volumes, "sync", synced)
    async with recording(database, tmp_path):
        await until(lambda: site.fetchval("select sum(frames) > 60 from video_segment where camera = 'p1'"))
        rows = await site.fetch("select first, last, chain from video_segment where camera = 'p1' order by first")
        kept = dict(on_disk)
        copies = {path: path.read_bytes()[:size] for path, size in kept.items()}
    for path in files_from(tmp_path / "video", "p1", 0):
        if path in copies:
            path.write_bytes(copies[path])
        else:
            path.unlink()
    found = {scan(path).segment.first: scan(path) for path in copies}
    for row in rows:
        links = {one.seq for one in found[row["first"]].links}
        assert row["last"] in links  # whatever stands in the index is on the disk
    find_start("p1", None, [tmp_path / "video"], now())
    assert unaccounted(chained(tmp_path, "p1")) == 0


async def test_the_cameras_of_a_dead_process_are_recorded_by_another_and_the_gap_is_told(
    site, database, cameras, tmp_path
):
    codes = [f"t{number}" for number in range(6)]
    for code in codes:
        await add_camera(site, camera_at(code, cameras.address(f"yard/{code}")), "test", now())
    async with recording(database, tmp_path, index=0, count=2) as (living, _):
        with recorder_process(database, tmp_path, index=1, count=2) as dying:
            for code in codes:
                await until(lambda code=code: frames_of(site, code))
            own = living.cameras
            assert own != set(codes)
            dying.kill()
            dying.wait()
        await until(lambda: living.cameras == set(codes))
        taken = sorted(set(codes) - own)
        before = {code: await frames_of(site, code) for code in taken}
        for code in taken:
            await until(lambda code=code, least=before[code]: more_than(site, code, least))
    for code in codes:
        links = chained(tmp_path, code)
        assert unaccounted(links) == 0
        down = [one for one in links if one.gap is not None and one.gap.kind == "recorder_down"]
        assert bool(down) == (code in taken)


async def test_while_the_database_is_away_it_is_recorded_on(engine, site, database, cameras, tmp_path):
    await add_camera(site, camera_at("d1", cameras.address("street/d1")), "test", now())
    async with recording(database, tmp_path) as (recorder, _):
        await until(lambda: frames_of(site, "d1"))
        engine.kill("postgres")
        sent = cameras.stream("street/d1").sent
        await until(lambda: cameras.stream("street/d1").sent > sent + 60)
        engine.again("postgres")
        await asyncio.to_thread(engine.wait, "postgres")
        assert recorder.cameras == {"d1"}
    links = chained(tmp_path, "d1")
    assert unaccounted(links) == 0
    began = next(one for one in links if one.gap is None).at
    gaps = [one for one in links if one.gap is not None and one.gap.began > began]
    assert gaps == []  # not one picture is missing


async def test_a_full_disk_is_a_gap_and_recording_goes_on_when_there_is_room(
    site, database, cameras, tmp_path, small_disk
):
    await add_camera(site, camera_at("f1", cameras.address("street/f1")), "test", now())
    folder = small_disk / "video"
    async with recording(database, tmp_path, folders=[folder], budget=1 << 30) as (recorder, _):
        await until(lambda: frames_of(site, "f1"))
        filling = folder / "filling"
        with contextlib.suppress(OSError), filling.open("wb") as out:
            while True:
                out.write(bytes(65536))
        await until(lambda: site.fetchval("select true from video_gap where camera = 'f1' and kind = 'disk_full'"))
        filling.unlink()
        await until(lambda: site.fetchval(
            "select bool_and(ended is not null) from video_gap where camera = 'f1' and kind = 'disk_full'"
        ))  # fmt: skip
        await retire(site, "f1", now())
        await until(lambda: not recorder.cameras)
        shutil.copytree(folder, tmp_path / "video", dirs_exist_ok=True)
    assert unaccounted(chained(tmp_path, "f1")) == 0
