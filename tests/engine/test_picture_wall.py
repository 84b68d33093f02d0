"""Whoever has the password of every part (the intake, the city that drives) beside the live pictures: a real server.

docs/oversee/attacks.md tells of these tests.
"""

import asyncio
from pathlib import Path

import nats.errors
import nats.js.errors
import pytest
from tests.engine.test_live_video import Camera, clock, take, watching

from saqtau.engine import broker, journal
from saqtau.engine.journal import READS
from saqtau.engine.live_relay import Init, Relay
from saqtau.engine.live_video import LIVE, WANT, Sender, Word, encode_message, subject
from saqtau.engine.part import spawn
from saqtau.engine.place import open_place, password

pytestmark = pytest.mark.anyio


@pytest.fixture
async def filmed(pictures, tmp_path):
    """A camera that a viewer looks at, and his picture; `(camera, viewer)`."""
    sender = Sender(pictures, clock)
    await sender.start()
    camera = Camera(sender, tmp_path)
    camera.begin()
    first = camera.write(key=True)
    async with watching(Relay(pictures, clock)) as viewer:
        assert await take(viewer, 2) == [Init("avc1.4d401f", b"init"), first]
        yield camera, viewer
    await sender.stop()


async def look(filmed):
    """Pictures flow: what is written is what the viewer sees."""
    camera, viewer = filmed
    written = [camera.write(key=number == 0) for number in range(5)]
    assert await take(viewer, 5) == written


async def intruder(engine, told):
    """A client of the intake's password, whose errors are told. `nc` of the other tests is one too."""
    nc = await broker.connect(engine.broker, "saqtau-intake")

    async def note(error):
        told.append(str(error))

    nc._error_cb = note
    return nc


async def refused(told, nc, count):
    """Until the server has said no so many times."""
    async with asyncio.timeout(20):
        while sum("permissions violation" in one.lower() for one in told) < count:
            await nc.flush()
            await asyncio.sleep(0.01)


async def test_the_intakes_password_hears_no_picture(engine, filmed):
    told = []
    nc = await intruder(engine, told)
    heard = [await nc.subscribe(name) for name in (f"{LIVE}.>", f"{LIVE}.*", f"{LIVE}.CAM1", f"{WANT}.*", ">", "*.*.*")]
    await refused(told, nc, 4)
    await look(filmed)
    await nc.publish("live.positions", b"heard")
    async with asyncio.timeout(20):  # what is said in the house it does hear, and nothing before it
        assert (await heard[4].next_msg()).subject == "live.positions"
    assert [one.pending_msgs for one in heard] == [0] * 6
    await nc.close()


async def test_the_intakes_password_shows_no_false_picture_and_asks_for_none(engine, filmed):
    told = []
    nc = await intruder(engine, told)
    for payload in encode_message(Word.KEY, 999, clock(), b"made up"):
        await nc.publish(subject(LIVE, "CAM1"), payload)
    await refused(told, nc, 1)
    with pytest.raises((nats.errors.NoRespondersError, nats.errors.TimeoutError)):
        await nc.request(subject(WANT, "CAM1"), b"", timeout=0.3)
    await refused(told, nc, 2)
    await look(filmed)
    await nc.close()


async def test_a_stream_made_to_collect_pictures_collects_none(filmed, js):
    await js.add_stream(name="STOLEN", subjects=["video.>"])
    await look(filmed)
    assert (await js.stream_info("STOLEN")).state.messages == 0
    await js.delete_stream("STOLEN")


async def test_the_password_of_pictures_opens_nothing_else(engine, pictures, nc, js):
    told = []

    async def note(error):
        told.append(str(error))

    pictures._error_cb = note
    for name in ("reads.*", "feed.>", "live.positions", ">", "$JS.API.>", "$KV.>"):
        await pictures.subscribe(name)
    await pictures.publish("reads.1", b"made up")
    await refused(told, pictures, 7)
    with pytest.raises(nats.errors.Error):
        await broker.context(pictures, 0.5).account_info()
    assert (await js.stream_info(READS.name)).state.messages == 0


@pytest.mark.parametrize("guess", ["the_house", "nothing"])
async def test_the_user_of_pictures_is_not_let_in_by_the_houses_password(engine, guess):
    word = {"the_house": engine.broker.password, "nothing": ""}[guess]
    stranger = broker.Broker(engine.broker.urls, word, user=broker.PICTURES_USER)
    with pytest.raises(broker.Refused):
        await broker.connect(stranger, patience=0.5)
    assert engine.pictures.password != engine.broker.password
    assert engine.pictures.password not in repr(engine.pictures)


def test_the_parts_that_carry_no_pictures_do_not_ask_for_their_password():
    source = Path(broker.__file__).parents[1]
    asking = {one.name for one in source.rglob("*.py") if "ground.pictures()" in one.read_text()}
    assert asking == {"recorder.py", "web.py"}
    assert "ground.broker()" not in (source / "bootstrap" / "recorder.py").read_text()


BEFORE = """
server_name: "saqtau"
listen: "127.0.0.1:{port}"
jetstream {{ store_dir: "{store}", sync_interval: always }}
authorization {{ user: "saqtau", password: "{secret}" }}
"""


async def test_a_journal_from_before_the_wall_is_found_behind_it(tmp_path):
    place = open_place(tmp_path / "s")
    port = broker.choose_port(place)
    part = broker.part(place, broker.binary(), port, reserve=0)
    store = place.nats / "store"
    (place.nats / "old.conf").write_text(BEFORE.format(port=port, store=store, secret=password(place, "nats")))
    old = spawn(broker.Part(name="old", command=(part.command[0], "-c", str(place.nats / "old.conf"))))
    try:
        await broker.answers(broker.own_broker(place), 30)
        nc = await broker.connect(broker.own_broker(place))
        small = (journal.Stream("READS", "reads", 3600, 1 << 20),)
        await journal.ensure_streams(broker.context(nc), streams=small)
        await journal.publish(broker.context(nc), "reads.1", b"kept", "m1")
        await nc.close()
    finally:
        old.terminate()
        await asyncio.to_thread(old.wait)
    part.before()
    new = spawn(part)
    try:
        await part.ready()
        nc = await broker.connect(broker.own_broker(place))
        assert await journal.last_sequence(broker.context(nc), READS) == 1
        await nc.close()
    finally:
        new.terminate()
        await asyncio.to_thread(new.wait)
