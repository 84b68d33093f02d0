"""MPEG transport streams, muxed by FFmpeg's libraries: what was put in comes out, and what is missing is told."""

from fractions import Fraction
from importlib import resources
from itertools import pairwise

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau.devices.streams.mpegts import PACKET, Demultiplexer, _crc
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.simulate.clip import SCENES, scene
from saqtau.video.access_unit import AccessUnit, AudioCodec, AudioFrame, Loss, Parameters

NOW = Instant(1_790_000_000_000)


def muxed(to, name="street", *, sound=False, first=0, turns=1):
    """The clip as a transport stream, `turns` times after itself."""
    file = resources.files("saqtau.simulate") / "clips" / SCENES[name][0]
    fps = scene(name).fps
    with av.open(str(file)) as read, av.open(str(to), "w", format="mpegts") as out:
        stream = out.add_stream_from_template(read.streams.video[0])
        tone = out.add_stream("aac", rate=16_000) if sound else None
        if tone:
            tone.layout = "mono"
        packets = [bytes(packet) for packet in read.demux(read.streams.video[0]) if packet.size]
        keys = [number == 0 for number in range(len(packets))]
        for number in range(len(packets) * turns):
            packet = av.Packet(packets[number % len(packets)])
            packet.stream, packet.time_base, packet.is_keyframe = (
                stream,
                Fraction(1, 90_000),
                keys[number % len(packets)],
            )
            packet.pts = packet.dts = first + round(number * 90_000 / fps)
            out.mux(packet)
            if tone:
                samples = round(16_000 / fps)
                frame = av.AudioFrame(format="fltp", layout="mono", samples=samples)
                frame.planes[0].update(bytes(frame.planes[0].buffer_size))
                frame.sample_rate, frame.pts = 16_000, number * samples
                for coded in tone.encode(frame):
                    out.mux(coded)
    return to.read_bytes()


def of(units, kind):
    return [unit for unit in units if isinstance(unit, kind)]


@pytest.mark.parametrize("name", ["street", "street265"])
@pytest.mark.parametrize("size", [1_316, 100, 1 << 20])
def test_what_was_put_in_comes_out_in_whatever_pieces_it_is_read(tmp_path, name, size):
    data, streams = muxed(tmp_path / "a.ts", name), Demultiplexer()
    units = [unit for at in range(0, len(data), size) for unit in streams.take(data[at : at + size], NOW)]
    clip = scene(name)
    assert units[0] == clip.parameters
    pictures = of(units, AccessUnit)
    assert len(pictures) >= len(clip.pictures) - 1  # the last is ended by the next
    for unit, sent in zip(pictures, clip.pictures, strict=False):
        assert set(sent) <= set(unit.nals)
    assert not of(units, Loss)


def test_sound_is_a_track_of_its_own_from_the_second_key_picture_on(tmp_path):
    units = Demultiplexer(audio=True).take(muxed(tmp_path / "a.ts", sound=True, turns=3), NOW)
    told = of(units, Parameters)
    assert told[-1].audio is not None
    assert (told[-1].audio.codec, told[-1].audio.rate, told[-1].audio.channels) == (AudioCodec.AAC, 16_000, 1)
    sounds = of(units, AudioFrame)
    assert {b.ts - a.ts for a, b in pairwise(sounds)} == {1_024}
    assert not of(Demultiplexer().take(muxed(tmp_path / "b.ts", sound=True), NOW), AudioFrame)


def test_a_counter_that_jumps_is_a_loss_and_the_picture_it_struck_is_left_out(tmp_path):
    data = muxed(tmp_path / "a.ts")
    packets = [data[at : at + PACKET] for at in range(0, len(data), PACKET)]
    whole = of(Demultiplexer().take(data, NOW), AccessUnit)
    amid = [n for n, one in enumerate(packets) if not one[1] & 0x40 and one[1:3] == b"\x01\x00"]
    struck = amid[len(amid) // 2]
    units = Demultiplexer().take(b"".join(packets[:struck] + packets[struck + 1 :]), NOW)
    assert [loss.packets for loss in of(units, Loss)] == [None]
    kept = of(units, AccessUnit)
    assert len(kept) == len(whole) - 1
    assert {unit.nals for unit in kept} < {unit.nals for unit in whole}


def test_a_loss_that_was_counted_below_is_told_once(tmp_path):
    data, streams = muxed(tmp_path / "a.ts"), Demultiplexer()
    cut = len(data) // 2 // PACKET * PACKET
    units = streams.take(data[:cut], NOW) + streams.lost(3, NOW) + streams.take(data[cut + 3 * PACKET :], NOW)
    assert [loss.packets for loss in of(units, Loss)] == [3]
    assert {unit.nals for unit in of(units, AccessUnit)} < {unit.nals for unit in of(streams_of(data), AccessUnit)}


def streams_of(data):
    return Demultiplexer().take(data, NOW)


def test_stamps_that_run_over_go_on(tmp_path):
    data = muxed(tmp_path / "a.ts", first=(1 << 33) - 90_000, turns=2)
    stamps = [unit.ts for unit in of(Demultiplexer().take(data, NOW), AccessUnit)]
    assert all(0 < after - before < 90_000 for before, after in pairwise(stamps))


def test_a_stream_without_pictures_of_ours_is_refused(tmp_path):
    with av.open(str(tmp_path / "a.ts"), "w", format="mpegts") as out:
        tone = out.add_stream("aac", rate=16_000)
        tone.layout = "mono"
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1_024)
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        frame.sample_rate, frame.pts = 16_000, 0
        for packet in [*tone.encode(frame), *tone.encode(None)]:
            out.mux(packet)
    with pytest.raises(Refused) as refused:
        Demultiplexer(audio=True).take((tmp_path / "a.ts").read_bytes(), NOW)
    assert refused.value.fields["stream"] == "no_video"


def packet(pid, payload, *, begins=True, counter=0):
    """One packet of a PID, filled up."""
    head = bytes([0x47, 0x40 * begins | pid >> 8, pid & 0xFF, 0x10 | counter])
    return (head + payload).ljust(PACKET, b"\xff")


def table(kind, content):
    """A section with its check sum."""
    body = bytes([kind, 0xB0, len(content) + 4]) + content
    return b"\0" + body + _crc(body).to_bytes(4, "big")


def tracks(video):
    """The table of a programme whose one track of H.264 is this PID."""
    return table(0x02, b"\0\1\xc1\0\0\xe0\0\xf0\0" + bytes([0x1B, 0xE0 | video >> 8, video & 0xFF, 0xF0, 0]))


def test_a_camera_that_goes_from_track_to_track_is_kept_no_more_of_than_of_one():
    streams, piece = Demultiplexer(), b"\0\0\1\xe0\0\0\x80\x80\5" + bytes(175)
    streams.take(packet(0, table(0x00, b"\0\1\xc1\0\0" + b"\0\1\xe1\0")), NOW)
    for number in range(40):
        video = 0x200 + number
        streams.take(packet(0x100, tracks(video), counter=number & 15), NOW)
        streams.take(packet(video, piece), NOW)
        for more in range(1, 60):
            streams.take(packet(video, bytes(184), begins=False, counter=more & 15), NOW)
        assert streams._video == video, "the camera has its way"
        assert sum(one.size for one in streams._packets.values()) <= 60 * PACKET


def taken(pieces):
    """Units, or those before a refusal, which is one of the two that callers know."""
    streams, units = Demultiplexer(audio=True), []
    for piece in pieces:
        try:
            units += streams.take(piece, NOW)
        except Refused as refused:
            if refused.fields.get("stream") not in {"no_video", "broken"}:
                raise
            break
    return units


@given(st.lists(st.binary(max_size=400), max_size=6))
def test_any_bytes_are_units_or_a_refusal(pieces):
    assert not of(taken(pieces), AccessUnit)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    return muxed(tmp_path_factory.mktemp("ts") / "a.ts", sound=True)


@given(st.data())
def test_damaged_streams_are_units_or_a_refusal(street, data):
    damaged = bytearray(street[: 200 * PACKET])
    for _ in range(data.draw(st.integers(1, 12))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    assert len(taken([bytes(damaged)])) < 400
