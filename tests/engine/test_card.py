"""What a camera stored while its plug was out: fetched when it is in again, into a chain of its own, and entered."""

import asyncio

import pytest
from tests.engine.recorders import camera_at, chained, now, recorder_process, recording, until

from saqtau.engine.verify_video import verify_video
from saqtau.engine.video_camera import add_camera, retire
from saqtau.kernel.clock import MINUTE
from saqtau.simulate.loop import serving
from saqtau.video.card import LEAD, chain_of

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


async def stored(site, cameras, code):
    """A camera with a card, in the register."""
    path = f"yard/{code}"
    card = cameras.stream(path).store()
    await add_camera(
        site, camera_at(code, cameras.address(path), back_fill=cameras.service(path)), "test", now()
    )  # fmt: skip
    return cameras.stream(path), card


async def pulled(site, stream, code, seconds=3.0):
    """The plug out for a while, once there are pictures."""
    await until(lambda: site.fetchval("select sum(frames) > 0 from video_segment where camera = $1", code))
    stream.unplug()
    await until(lambda: site.fetchval("select true from video_gap where camera = $1 and ended is null", code))
    await asyncio.sleep(seconds)  # the gap is of this length
    stream.plug()


async def told(site, code):
    """The fetch of the pulled plug, once it is over."""
    return await until(lambda: site.fetchrow(
        "select * from video_fetch where camera = $1 and state not in ('wanted', 'fetching') order by ended desc", code
    ), patience=90.0)  # fmt: skip


async def test_what_a_card_held_of_a_gap_is_fetched_into_a_chain_of_its_own(site, database, cameras, tmp_path):
    stream, card = await stored(site, cameras, "k1")
    async with recording(database, tmp_path) as (recorder, _):
        await pulled(site, stream, "k1")
        fetch = await told(site, "k1")
        await retire(site, "k1", now())
        await until(lambda: not recorder.cameras)
    assert fetch["state"] == "fetched", fetch["why"]
    gap = await site.fetchrow("select * from video_gap where id = $1", fetch["gap"])
    assert fetch["found_ms"] >= 0.95 * (gap["ended"] - gap["began"]), "all of the gap was on the card"
    links = chained(tmp_path, chain_of("k1"))
    row = await site.fetchrow("select * from video_card where camera = 'k1'")
    assert (row["last"], row["chain"]) == (links[-1].seq, row["chain"])
    assert gap["began"] - LEAD <= row["began"] <= gap["began"]
    assert row["ended"] <= gap["ended"] + 1_000
    live = chained(tmp_path, "k1")
    assert [one for one in live if one.gap is not None], "the gap stays in the chain of the camera"
    assert "GetReplayUri" in card.asked


@pytest.mark.parametrize(
    ("fault", "state", "why"),
    [
        ({"lie": -10 * MINUTE}, "refused", "times"),
        ({"lie": 10 * MINUTE}, "refused", "times"),
        ({"sources": 2}, "refused", "several"),
    ],
)
async def test_a_card_that_cannot_be_believed_is_refused_and_nothing_of_it_is_kept(
    site, database, cameras, tmp_path, fault, state, why
):
    code = f"l{why}{fault.get('lie', 0) // MINUTE}"
    stream, card = await stored(site, cameras, code)
    for name, value in fault.items():
        setattr(card, name, value)
    async with recording(database, tmp_path) as (recorder, _):
        await pulled(site, stream, code, 2.5)
        fetch = await told(site, code)
        await retire(site, code, now())
        await until(lambda: not recorder.cameras)
    assert (fetch["state"], fetch["why"], fetch["found_ms"]) == (state, why, 0)
    assert await site.fetchval("select count(*) from video_card where camera = $1", code) == 0


async def test_a_card_that_sends_without_end_is_left_when_the_time_is_over(site, database, cameras, tmp_path):
    stream, card = await stored(site, cameras, "e1")
    card.endless = True
    async with recording(database, tmp_path) as (recorder, _):
        await pulled(site, stream, "e1", 2.5)
        fetch = await told(site, "e1")
        await retire(site, "e1", now())
        await until(lambda: not recorder.cameras)
    size = await site.fetchval("select coalesce(sum(bytes), 0) from video_card where camera = 'e1'")
    assert size < 64 << 20
    assert fetch["state"] in {"fetched", "refused"}
    beyond = "select count(*) from video_card where camera = 'e1' and ended > $1"
    assert await site.fetchval(beyond, fetch["ended"] + LEAD) == 0


async def test_a_connection_that_breaks_is_asked_again_for_the_rest_only(site, database, cameras, tmp_path):
    stream, card = await stored(site, cameras, "b1")
    card.breaks_after = 20
    async with recording(database, tmp_path) as (recorder, _):
        await pulled(site, stream, "b1", 4.0)
        fetch = await told(site, "b1")
        await retire(site, "b1", now())
        await until(lambda: not recorder.cameras)
    assert (fetch["state"], card.asked.count("GetReplayUri")) == ("fetched", 2)
    assert fetch["found_ms"] >= 0.95 * (fetch["ended"] - fetch["began"])
    links = chained(tmp_path, chain_of("b1"))
    assert len({one.seq for one in links}) == len(links)


async def test_killed_while_it_fetches_another_enters_what_lies_there_and_goes_on(site, database, cameras, tmp_path):
    stream, card = await stored(site, cameras, "x1")
    card.slow = 0.15
    with recorder_process(database, tmp_path) as process:
        await pulled(site, stream, "x1", 5.0)
        folder = tmp_path / "video" / chain_of("x1")
        await until(lambda: folder.exists() and sum(one.stat().st_size for one in folder.rglob("*.cmf")) > 20_000)
        process.kill()
        process.wait()
    assert await site.fetchval("select count(*) from video_card where camera = 'x1'") == 0
    card.slow = 0.0
    async with recording(database, tmp_path) as (recorder, _):
        await until(lambda: site.fetchrow(
            "select * from video_fetch where camera = 'x1' and state = 'fetched' order by began"
        ), patience=90.0)  # fmt: skip
        await retire(site, "x1", now())
        await until(lambda: not recorder.cameras)
        told_ = [str(one) for one in await verify_video(site, [].append)]
    assert await site.fetchval("select count(*) from video_card where camera = 'x1'") >= 2
    chained(tmp_path, chain_of("x1"))
    assert not [one for one in told_ if "x1" in one], told_
