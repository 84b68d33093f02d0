"""What was done to recordings behind their index is found and named."""

import pytest
from tests.engine.recorders import camera_at, now, recording, until

from saqtau.engine import postgres
from saqtau.engine.verify_video import verify_video
from saqtau.engine.video_camera import add_camera, retire
from saqtau.simulate.loop import serving
from saqtau.video.shelf import files_from

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def recorded(database, tmp_path_factory):
    """A camera with several files."""
    folder = tmp_path_factory.mktemp("recorded")
    pg = await postgres.connect(database, postgres.WORKER)
    await pg.execute("insert into site values ('s1', 'Site', 3, 51, 71) on conflict do nothing")
    async with serving(clock=now) as server:
        await add_camera(pg, camera_at("v1", server.address("street/v1")), "test", now())
        for turn in (1, 2):
            async with recording(database, folder) as (recorder, _):
                await until(lambda turn=turn: pg.fetchval(
                    "select count(*) >= $1 from video_segment where camera = 'v1' and frames > 0", turn
                ))  # fmt: skip
                if turn == 2:
                    await retire(pg, "v1", now())
                    await until(lambda: not recorder.cameras)
    yield pg, files_from(folder / "video", "v1", 0)
    await pg.close()


async def found_by(pg):
    lines = []
    return [str(one.what) for one in await verify_video(pg, lines.append)], lines


async def test_what_was_recorded_holds(recorded):
    pg, paths = recorded
    found, lines = await found_by(pg)
    assert found == []
    assert lines == [f"{len(paths)} recordings compared with their files, {len(paths)} of them hashed whole"]


async def test_one_changed_byte_is_found(recorded):
    pg, paths = recorded
    path = max(paths, key=lambda one: one.stat().st_size)
    good = path.read_bytes()
    path.write_bytes(good[:-5000] + bytes([good[-5000] ^ 1]) + good[-4999:])
    found, _ = await found_by(pg)
    path.write_bytes(good)
    assert len(found) == 1
    assert "otherwise" in found[0]


async def test_a_file_that_is_gone_is_found(recorded):
    pg, paths = recorded
    aside = paths[0].with_suffix(".aside")
    paths[0].rename(aside)
    found, _ = await found_by(pg)
    aside.rename(paths[0])
    assert found == ["its file cannot be read: No such file or directory"]


async def test_a_file_that_is_cut_is_found(recorded):
    pg, paths = recorded
    path = max(paths, key=lambda one: one.stat().st_size)
    good = path.read_bytes()
    path.write_bytes(good[: len(good) // 2])
    found, _ = await found_by(pg)
    path.write_bytes(good)
    assert len(found) == 1
    assert "last link" in found[0]
