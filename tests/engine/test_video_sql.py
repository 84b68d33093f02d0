"""The second fence of the recordings: what the database refuses whoever asks."""

import asyncpg
import pytest

pytestmark = pytest.mark.anyio

ZERO, ONE = bytes(32), b"\x01" * 32
ADD = (
    "insert into video_camera (id, site, name, region, place, room, lat, lon, address, keep_days, added, added_by) "
    "values ($1, 'v-site', 'Gate', $2, $3, $4, 43.2, 76.9, 'rtsp://10.0.0.9/one', 90, 1, 'test')"
)
SEGMENT = (
    "insert into video_segment (camera, first, last, began, ended, path, bytes, frames, recorded_ms, previous, chain, "
    "volume) values ($1, $2, $3, $4, $5, $6, 100, 10, 1000, $7, $8, '/v')"
)
DELETED = (
    "insert into video_deleted (camera, first, last, began, ended, bytes, chain, at, why, entry) "
    "values ($1, $2, $3, $4, $5, 100, $6, 9, 'term', 'x/03/evidence/2026#0')"
)
HOLD = (
    "insert into video_hold (id, camera, began, ended, case_number, by, role, why, asked, entry) "
    "values ($1, $2, $3, $4, '26-1', 'anna', 'prosecutor', 'asked by a lawyer', 1, 'x#1')"
)


@pytest.fixture
async def camera(pg_worker, request):
    """A camera of this test's own, in region 3."""
    name = f"c{abs(hash(request.node.name)) % 10**9}"
    await pg_worker.execute("insert into site values ('v-site', 'Site', 3, 43, 76) on conflict do nothing")
    await pg_worker.execute("insert into video_volume (folder, name, at) values ('/v', 'n', 0) on conflict do nothing")
    await pg_worker.execute(ADD, name, 3, "penal_colony", "cell")
    return name


@pytest.mark.parametrize("room", ["lawyer", "medical", "toilet"])
async def test_no_camera_stands_in_a_room_that_is_not_recorded(pg_worker, camera, room):
    with pytest.raises(asyncpg.CheckViolationError):
        await pg_worker.execute(ADD, f"{camera}-r", 3, "penal_colony", room)


async def test_a_recording_goes_only_with_its_line_and_never_while_it_is_held(pg_worker, camera):
    await pg_worker.execute(SEGMENT, camera, 1, 5, 1000, 2000, f"/v/{camera}/1", ZERO, ONE)
    drop = ("delete from video_segment where camera = $1", camera)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="only with its entry"):
        await pg_worker.execute(*drop)
    await pg_worker.execute(DELETED, camera, 1, 5, 1000, 2000, ONE)
    await pg_worker.execute(HOLD, f"h-{camera}", camera, 1500, 1600)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="is held"):
        await pg_worker.execute(*drop)


async def test_what_is_not_held_goes_with_its_line(pg_worker, camera):
    await pg_worker.execute(SEGMENT, camera, 1, 5, 1000, 2000, f"/v/{camera}/1", ZERO, ONE)
    await pg_worker.execute(HOLD, f"h-{camera}", camera, 2000, 2600)  # begins where the file ends
    await pg_worker.execute(DELETED, camera, 1, 5, 1000, 2000, ONE)
    assert await pg_worker.execute("delete from video_segment where camera = $1", camera) == "DELETE 1"


async def test_a_gap_is_closed_once_and_never_moved(pg_worker, camera):
    gap = f"{camera}/1"
    await pg_worker.execute("insert into video_gap values ($1, $2, 1, null, 'source_silent')", gap, camera)
    await pg_worker.execute("update video_gap set ended = 5 where id = $1", gap)
    for wrong in ("ended = 6", "ended = null"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pg_worker.execute(f"update video_gap set {wrong} where id = $1", gap)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pg_worker.execute("update video_gap set began = 0 where id = $1", gap)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pg_worker.execute("delete from video_gap where id = $1", gap)


async def test_a_closed_segment_is_written_no_more(pg_worker, camera):
    await pg_worker.execute(SEGMENT, camera, 1, 5, 1000, 2000, f"/v/{camera}/1", ZERO, ONE)
    await pg_worker.execute("update video_segment set last = 6, closed = true where camera = $1", camera)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await pg_worker.execute("update video_segment set last = 7 where camera = $1", camera)


async def test_a_hold_is_not_lifted_by_whoever_asked(pg_worker, camera):
    hold = f"h-{camera}"
    await pg_worker.execute(HOLD, hold, camera, 1, 2)
    await pg_worker.execute(
        "update video_hold set lift_asked_by = 'anna', lift_asked_role = 'prosecutor', lift_asked_at = 7 where id = $1",
        hold,
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="two people"):
        await pg_worker.execute("update video_hold set lifted = 8 where id = $1", hold)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="for himself"):
        await pg_worker.execute(
            "insert into signature (kind, wish, signer, role, at, entry) "
            "values ('video_hold', $1, 'anna', 'prosecutor', 8, 'x#1')",
            f"{hold}@7",
        )


async def test_the_web_sees_cameras_and_their_files_of_its_regions_only(pg_worker, pg_app, camera):
    await pg_worker.execute(SEGMENT, camera, 1, 5, 1000, 2000, f"/v/{camera}/1", ZERO, ONE)
    for regions, seen in (("{3}", 1), ("{4}", 0), ("{}", 0)):
        async with pg_app.transaction():
            await pg_app.execute("select set_config('app.regions', $1, true)", regions)
            for table in ("video_camera", "video_segment"):
                column = "id" if table == "video_camera" else "camera"
                found = await pg_app.fetchval(f"select count(*) from {table} where {column} = $1", camera)
                assert found == seen


async def test_a_change_of_a_camera_moves_the_register(pg_worker, camera):
    ask = "select revision from register_revision where kind = 'video_cameras'"
    before = await pg_worker.fetchval(ask)
    await pg_worker.execute("update video_camera set name = 'Other' where id = $1", camera)
    assert await pg_worker.fetchval(ask) == before + 1


async def test_a_volume_weighs_what_lies_on_it(pg_worker, camera):
    ask = "select bytes from video_volume where folder = '/v'"
    before = await pg_worker.fetchval(ask)
    await pg_worker.execute(SEGMENT, camera, 1, 5, 1000, 2000, f"/v/{camera}/1", ZERO, ONE)
    await pg_worker.execute("update video_segment set bytes = 250 where camera = $1", camera)
    assert await pg_worker.fetchval(ask) == before + 250
    await pg_worker.execute(DELETED, camera, 1, 5, 1000, 2000, ONE)
    await pg_worker.execute("delete from video_segment where camera = $1", camera)
    assert await pg_worker.fetchval(ask) == before
