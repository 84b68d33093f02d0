"""From the recorder's file to a viewer: asked for, it flows; what a slow viewer misses he is told."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau.engine import live_relay, live_video
from saqtau.engine.live_relay import Dark, Init, Piece, Relay, Skipped, Viewer
from saqtau.engine.live_video import (
    LIVE,
    PART,
    Joiner,
    Sender,
    Word,
    encode_message,
    init_data,
    parse_init,
    parse_message,
)
from saqtau.kernel.access import AccessRequest, Action, Decision, Purpose, granted
from saqtau.kernel.access import Viewer as Person
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused

pytestmark = pytest.mark.anyio
NOW = Instant(1_764_000_000_000)


def clock():
    return NOW


class Camera:
    """A recorder's file of one camera, and what it tells of it."""

    def __init__(self, sender, folder, name="CAM1"):
        self.sender, self.name, self.path = sender, name, folder / f"{name}.cmf"
        self.path.write_bytes(b"")
        self.seq = 0

    def begin(self, codec="avc1.4d401f", init=b"init"):
        self.sender.begin(self.name, codec, init, self.path, self.seq + 1)

    def write(self, *, key=False, size=1000):
        self.seq += 1
        data = bytes([self.seq % 256]) * size
        offset = self.path.stat().st_size
        with self.path.open("ab") as file:
            file.write(data)
        at = Instant(NOW + self.seq * 200)
        self.sender.written(self.name, self.seq, at, key, offset, data)
        return Piece(self.seq, at, key, data)


@pytest.fixture
async def sender(pictures):
    one = Sender(pictures, clock)
    await one.start()
    yield one
    await one.stop()


@pytest.fixture
async def camera(sender, tmp_path):
    one = Camera(sender, tmp_path)
    one.begin()
    return one


async def take(viewer, count):
    async with asyncio.timeout(20):
        return [await viewer.next() for _ in range(count)]


def grant_for(action, camera, now):
    request = AccessRequest(action=action, purpose=Purpose.OVERSIGHT, object=camera)
    return granted(Decision(allow=True), "log#1", Person("prosecutor", "prosecutor", frozenset()), request, now)


def watching(relay, name="CAM1"):
    return relay.watch(grant_for(Action.WATCH_CAMERA, name, NOW), name)


async def test_a_viewer_who_comes_late_begins_at_the_last_key_frame_and_goes_on(pictures, camera):
    camera.write(key=True)
    camera.write()
    began = [camera.write(key=True), camera.write()]
    async with watching(Relay(pictures, clock)) as viewer:
        assert await take(viewer, 3) == [Init("avc1.4d401f", b"init"), *began]
        more = [camera.write(), camera.write(key=True)]
        assert await take(viewer, 2) == more


@pytest.mark.parametrize("name", ["hall.2", ".hall", "hall.", "a..b"])
async def test_a_camera_with_dots_in_its_code_is_seen_like_any_other(pictures, sender, tmp_path, name):
    camera = Camera(sender, tmp_path, name)
    camera.begin()
    began = camera.write(key=True)
    async with watching(Relay(pictures, clock), name) as viewer:
        assert await take(viewer, 2) == [Init("avc1.4d401f", b"init"), began]


async def test_what_is_written_while_the_beginning_is_read_comes_behind_it_once(pictures, camera):
    began = [camera.write(key=True), camera.write()]
    async with watching(Relay(pictures, clock)) as viewer:
        async with asyncio.timeout(20):
            while not camera.sender._sources["CAM1"].until:
                await asyncio.sleep(0)
        more = [camera.write() for _ in range(20)]
        assert await take(viewer, 23) == [Init("avc1.4d401f", b"init"), *began, *more]


async def test_nothing_is_sent_of_a_camera_that_nobody_asks_for(pictures, camera):
    heard = await pictures.subscribe(f"{LIVE}.>")
    camera.write(key=True)
    await pictures.flush()
    assert heard.pending_msgs == 0
    assert camera.sender.left_out == 0


async def test_the_second_viewer_of_a_process_begins_at_once_and_another_process_disturbs_neither(pictures, camera):
    first, second = Relay(pictures, clock), Relay(pictures, clock)
    began = [Init("avc1.4d401f", b"init"), camera.write(key=True), camera.write()]
    async with watching(first) as one:
        assert await take(one, 3) == began
        async with watching(first) as two, watching(second) as three:
            assert await take(two, 3) == began
            assert await take(three, 3) == began
            last = camera.write()
            assert [await take(viewer, 1) for viewer in (one, two, three)] == [[last]] * 3


async def test_new_parameters_come_as_a_new_init_before_their_first_picture(pictures, camera):
    began = camera.write(key=True)
    async with watching(Relay(pictures, clock)) as viewer:
        assert await take(viewer, 2) == [Init("avc1.4d401f", b"init"), began]
        camera.begin("hvc1.1.6.L93", b"other")
        key = camera.write(key=True)
        assert await take(viewer, 2) == [Init("hvc1.1.6.L93", b"other"), key]


async def test_a_fragment_larger_than_a_message_arrives_whole(pictures, camera):
    big = camera.write(key=True, size=2 * PART + 7)
    async with watching(Relay(pictures, clock)) as viewer:
        assert (await take(viewer, 2))[1] == big
        more = camera.write(size=PART + 1)
        assert await take(viewer, 1) == [more]


async def test_a_camera_that_goes_dark_says_so_to_who_watches_and_to_who_comes(pictures, camera):
    began = camera.write(key=True)
    relay = Relay(pictures, clock)
    async with watching(relay) as viewer:
        await take(viewer, 2)
        camera.sender.dark("CAM1", "source_silent", Instant(NOW + 5))
        dark = Dark("source_silent", Instant(NOW + 5))
        assert await take(viewer, 1) == [dark]
        async with watching(relay) as other, watching(Relay(pictures, clock)) as third:
            assert await take(other, 3) == [Init("avc1.4d401f", b"init"), began, dark]
            assert dark in await take(third, 3)
        back = camera.write(key=True)
        assert await take(viewer, 1) == [back]


async def test_a_camera_that_no_recorder_has_is_told_as_down_until_one_has_it(pictures, sender, tmp_path):
    async with watching(Relay(pictures, clock)) as viewer:
        assert await take(viewer, 1) == [Dark("recorder_down", NOW)]
        camera = Camera(sender, tmp_path)
        camera.begin()
        first = camera.write(key=True)
        assert await take(viewer, 2) == [Init("avc1.4d401f", b"init"), first]


async def test_the_last_viewer_who_leaves_ends_the_subscription(pictures, camera):
    camera.write(key=True)
    relay = Relay(pictures, clock)
    async with watching(relay) as viewer:
        await take(viewer, 2)
        assert relay.viewers == 1
    assert (relay.viewers, relay._channels) == (0, {})


async def test_a_grant_for_another_camera_or_for_the_past_opens_no_live_picture(pictures):
    relay = Relay(pictures, clock)
    for grant in (grant_for(Action.WATCH_CAMERA, "CAM2", NOW), grant_for(Action.PLAY_RECORDING, "CAM1", NOW)):
        with pytest.raises(Refused):
            async with relay.watch(grant, "CAM1"):
                pass


def pieces(count, key_at=()):
    return [Piece(seq, Instant(seq * 200), seq in key_at, b"x" * 1000) for seq in range(1, count + 1)]


async def test_a_viewer_who_does_not_keep_up_skips_to_the_next_key_frame_and_is_told(monkeypatch):
    monkeypatch.setattr(live_relay, "MOST_WAITING", 5_000)
    viewer = Viewer()
    sent = pieces(12, key_at=(1, 10))
    for piece in sent:
        viewer.put(piece)
    # 1..5 waited; with the sixth it was too much: all that waited is left out, up to the key frame 10
    assert await take(viewer, 4) == [Skipped(1800), *sent[9:]]


async def test_a_key_frame_that_is_too_much_itself_is_where_he_goes_on(monkeypatch):
    monkeypatch.setattr(live_relay, "MOST_WAITING", 5_000)
    viewer = Viewer()
    sent = pieces(6, key_at=(1, 6))
    for piece in sent:
        viewer.put(piece)
    assert await take(viewer, 2) == [Skipped(1000), sent[5]]


async def test_who_keeps_up_misses_nothing_and_words_are_never_left_out(monkeypatch):
    monkeypatch.setattr(live_relay, "MOST_WAITING", 2_000)
    viewer = Viewer()
    for piece in pieces(8, key_at=(1,)):
        viewer.put(piece)
        assert await take(viewer, 1) == [piece]
    viewer.put(Init("avc1", b""))
    viewer.put(Dark("reconnect", NOW))
    for piece in pieces(8):
        viewer.put(piece)
    assert await take(viewer, 2) == [Init("avc1", b""), Dark("reconnect", NOW)]


@given(
    st.sampled_from(Word),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**53),
    st.integers(0, 3 * 100),
    st.binary(max_size=64),
)
def test_a_message_arrives_as_it_was_sent_in_however_many_parts(word, seq, at, size, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_video, "PART", 100)
        joiner, whole = Joiner(), data + b"." * size
        joined = [joiner.take(parse_message(one)) for one in encode_message(word, seq, at, whole)]
    assert joined[:-1] == [None] * (len(joined) - 1)
    assert (joined[-1].word, joined[-1].seq, joined[-1].at, joined[-1].data) == (word, seq, at, whole)


@given(st.lists(st.integers(0, 7)))
def test_parts_that_are_lost_or_out_of_order_never_make_a_message_that_was_not_sent(order):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_video, "PART", 4)
        sent = {seq: bytes([seq]) * 16 for seq in (1, 2)}
        parts = [part for seq, data in sent.items() for part in encode_message(Word.FRAGMENT, seq, 5, data)]
    joiner = Joiner()
    for index in order:
        whole = joiner.take(parse_message(parts[index]))
        assert whole is None or whole.data == sent[whole.seq]


@given(st.binary(max_size=60))
def test_what_is_no_message_is_refused_or_is_one(data):
    for read in (parse_message, parse_init):
        try:
            read(data)
        except Refused as refused:
            assert refused.fields == {"message": "invalid"}  # noqa: PT017 - it may also be one


@given(st.text(st.characters(codec="ascii"), min_size=1, max_size=60), st.binary(max_size=40))
def test_codec_and_init_segment_come_out_as_they_went_in(codec, init):
    assert parse_init(init_data(codec, init)) == (codec, init)
