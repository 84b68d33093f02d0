"""What a camera stored while its plug was out: fetched when it is in again, into a chain of its own, and entered."""

import asyncio

import pytest
from tests.engine.recorders import camera_at, chained, now, recording, until

from saqtau.engine.video_camera import add_camera, retire
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
    ))  # fmt: skip


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
