"""A coded clip that goes round: its pictures, and the RTP payloads they travel in (RFC 6184, 7798, 3640)."""

from fractions import Fraction
from functools import cache
from importlib import resources

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.video.access_unit import Audio, AudioCodec, Codec, Parameters
from saqtau.video.nal import annexb_split, is_key, is_set, nal_type, parameters_of

LARGEST_PAYLOAD = 1400  # bytes: what fits into a packet of Ethernet
SOUND_RATE, G711_RATE = 16_000, 8_000
SAMPLES_OF_AAC, SAMPLES_OF_G711 = 1024, 160  # in one frame
SCENES: dict[str, tuple[str, Fraction]] = {
    "street": ("street.h264", Fraction(25)),
    "street265": ("street.h265", Fraction(25, 2)),
    "yard": ("yard.h264", Fraction(25, 2)),
    "corridor": ("corridor.h264", Fraction(25, 2)),
    "cell": ("cell.h264", Fraction(25, 2)),
}
"""The clips that come with Saqtau: file and pictures a second."""


class Clip(msgspec.Struct, frozen=True):
    """A clip. pictures: NAL units of each; payloads: RTP payloads of each, the last of a picture carries the marker."""

    parameters: Parameters
    fps: Fraction
    pictures: tuple[tuple[bytes, ...], ...]
    keys: tuple[bool, ...]
    payloads: tuple[tuple[bytes, ...], ...]


class Sound(msgspec.Struct, frozen=True):
    """A sound that goes round: frames of `samples` each, as they stand in RTP."""

    audio: Audio
    samples: int
    payloads: tuple[bytes, ...]


def clip_of(data: bytes, codec: Codec, fps: Fraction) -> Clip:
    """A clip from a byte stream with start codes. Raises ValueError when it does not begin at a key picture."""
    pictures = group(codec, annexb_split(data))
    keys = tuple(is_key(codec, picture) for picture in pictures)
    if not keys or not keys[0]:
        raise ValueError("a clip begins at a key picture")
    parameters = parameters_of(codec, [nal for picture in pictures for nal in picture if is_set(codec, nal)])
    return Clip(parameters, fps, pictures, keys, tuple(tuple(payloads_of(codec, picture)) for picture in pictures))


@cache
def scene(name: str) -> Clip:
    """One of SCENES. Raises KeyError for another name."""
    file, fps = SCENES[name]
    data = (resources.files("saqtau.simulate") / "clips" / file).read_bytes()
    return clip_of(data, Codec(file.rpartition(".")[2]), fps)


def group(codec: Codec, nals: list[bytes]) -> tuple[tuple[bytes, ...], ...]:
    """NAL units by picture: one ends before what can only stand at the beginning of the next."""
    pictures: list[list[bytes]] = []
    coded = True  # the picture under way has a slice already
    for nal in nals:
        kind = nal_type(codec, nal)
        head, sliced = (1, 1 <= kind <= 5) if codec is Codec.H264 else (2, kind < 32)
        first = nal[head] & 0x80 if sliced else kind != 40  # an SEI after the slices
        if coded and first:
            pictures.append([])
            coded = False
        pictures[-1].append(nal)
        coded = coded or sliced
    return tuple(map(tuple, pictures))


def payloads_of(codec: Codec, nals: tuple[bytes, ...]) -> list[bytes]:
    """The RTP payloads of one picture: small units gathered, large ones cut (RFC 6184 5.7, RFC 7798 4.4)."""
    payloads: list[bytes] = []
    waiting: list[bytes] = []
    for nal in nals:
        if sum(len(one) + 2 for one in waiting) + len(nal) + 4 > LARGEST_PAYLOAD:
            payloads += _gathered(codec, waiting)
            waiting = []
        if len(nal) > LARGEST_PAYLOAD:
            payloads += _cut(codec, nal)
        else:
            waiting.append(nal)
    return payloads + _gathered(codec, waiting)


def _gathered(codec: Codec, nals: list[bytes]) -> list[bytes]:
    if len(nals) < 2:
        return nals
    body = b"".join(len(nal).to_bytes(2, "big") + nal for nal in nals)
    if codec is Codec.H264:
        return [bytes([24 | max(nal[0] & 0x60 for nal in nals)]) + body]  # STAP-A
    return [bytes([48 << 1, 1]) + body]  # aggregation packet


def _cut(codec: Codec, nal: bytes) -> list[bytes]:
    size = 1 if codec is Codec.H264 else 2
    step, out = LARGEST_PAYLOAD - size - 1, []
    for at in range(size, len(nal), step):
        edge = (0x80 if at == size else 0) | (0x40 if at + step >= len(nal) else 0)
        if codec is Codec.H264:
            head = bytes([nal[0] & 0xE0 | 28, edge | nal[0] & 31])  # FU-A
        else:
            head = bytes([nal[0] & 0x81 | 49 << 1, nal[1], edge | nal[0] >> 1 & 63])  # fragmentation unit
        out.append(head + nal[at : at + step])
    return out


@cache
def sound(codec: AudioCodec) -> Sound:
    """A quiet sound: a chord in AAC, a triangle wave in G.711."""
    if codec is not AudioCodec.AAC:
        # eight A-law steps up and down, 125 Hz: heard, and needs no codec
        wave = [0x55 ^ min(k % 64, 63 - k % 64) | (0x80 if k % 128 < 64 else 0) for k in range(SAMPLES_OF_G711 * 8)]
        frames = [bytes(wave[k : k + SAMPLES_OF_G711]) for k in range(0, len(wave), SAMPLES_OF_G711)]
        return Sound(Audio(codec, G711_RATE, 1), SAMPLES_OF_G711, tuple(frames))
    data = (resources.files("saqtau.simulate") / "clips" / "sound.aac").read_bytes()
    payloads, at = [], 0
    while at < len(data):  # ADTS heads of 7 bytes
        size = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        frame = data[at + 7 : at + size]
        payloads.append((16).to_bytes(2, "big") + (len(frame) << 3).to_bytes(2, "big") + frame)
        at += size
    config = (2 << 11 | 8 << 7 | 1 << 3).to_bytes(2, "big")  # low complexity, 16 kHz, mono
    return Sound(Audio(AudioCodec.AAC, SOUND_RATE, 1, config), SAMPLES_OF_AAC, tuple(payloads))


def sender_report(ssrc: int, now: Instant, ts: int) -> bytes:
    """An RTCP sender report that ties the time stamp `ts` to `now` (RFC 3550 6.4.1)."""
    seconds, rest = divmod(now, 1000)
    ntp = (seconds + 2_208_988_800) << 32 | (rest << 32) // 1000
    return (
        bytes([0x80, 200, 0, 6])
        + ssrc.to_bytes(4, "big")
        + (ntp & (1 << 64) - 1).to_bytes(8, "big")
        + (ts & 0xFFFFFFFF).to_bytes(4, "big")
        + bytes(8)
    )
