"""Video for tests: pictures that PyAV codes, and units that a source would yield of them."""

import functools
from fractions import Fraction

import av
import numpy as np

from saqtau.kernel.clock import Instant
from saqtau.video.access_unit import AccessUnit, Audio, AudioCodec, AudioFrame, Codec
from saqtau.video.nal import annexb_split, is_key, is_set, parameters_of

T0 = Instant(1_795_521_600_000)
NAMES = {Codec.H264: "libx264", Codec.H265: "libx265"}


@functools.cache
def coded(codec=Codec.H264, width=128, height=96, count=20, gop=10, pixels="yuv420p", options=(), reordered=False):
    """Pictures as tuples of NAL units, in the order of decoding, with their presentation number."""
    context = av.CodecContext.create(NAMES[codec], "w")
    context.width, context.height, context.pix_fmt = width, height, pixels
    context.time_base, context.framerate, context.gop_size = Fraction(1, 25), Fraction(25), gop
    quiet = {
        "x265-params": f"log-level=none:keyint={gop}:min-keyint={gop}:bframes={2 if reordered else 0}:repeat-headers=1"
    }
    plain = {"preset": "ultrafast", "x264-params": f"keyint={gop}:min-keyint={gop}:bframes={2 if reordered else 0}"}
    context.options = (plain if codec is Codec.H264 else quiet) | dict(options)
    packets = []
    rng = np.random.default_rng(1)
    ground = rng.integers(0, 255, (height, width, 3), dtype=np.uint8)
    for number in range(count):
        picture = np.roll(ground, number * 3, axis=1)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return [(tuple(annexb_split(bytes(packet))), packet.pts) for packet in packets]


@functools.cache
def stream(codec=Codec.H264, audio=None, **more):
    """Parameters and pictures (NAL units, key) of a short stream."""
    pictures = coded(codec, **more)
    sets = [nal for nals, _ in pictures for nal in nals if is_set(codec, nal)]
    return parameters_of(codec, sets, audio), [(nals, is_key(codec, nals), shown) for nals, shown in pictures]


def pictures(found, count, *, began=T0, fps=25, origin=5_000, first=0, late=0):
    """`count` access units of a stream that goes round."""
    for number in range(first, first + count):
        nals, key, _ = found[number % len(found)]
        yield AccessUnit(
            origin + number * 90_000 // fps,
            key,
            nals,
            Instant(began + number * 1000 // fps + late),
            began + number * 40,
        )


G711 = Audio(AudioCodec.PCMA, 8000, 1)
AAC = Audio(AudioCodec.AAC, 16_000, 1, b"\x14\x08")


def sound(audio, seconds, *, began=T0):
    """Silent frames of G.711."""
    return [
        AudioFrame(number * audio.rate // 50, b"\xd5" * (audio.rate // 50), Instant(began + number * 20))
        for number in range(seconds * 50)
    ]


def units_of(data):
    """NAL units of the pictures of a fragment: whoever reads its `mdat` as length and bytes finds them."""
    start = data.rindex(b"mdat") + 4 if data.count(b"mdat") == 1 else _pictures(data)
    found = []
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        found.append(data[start + 4 : start + 4 + size])
        start += 4 + size
    return found


def _pictures(data):
    place = 0
    while True:
        size, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        if kind == b"mdat" and place + size == len(data):
            return place + 8
        place += size
