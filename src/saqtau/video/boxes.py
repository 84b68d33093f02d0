"""MP4 boxes: one file format for the disk, the browser and the court (ISO/IEC 14496-12, -14, -15; CMAF 23000-19).

A fragment is `prft`, then sound in a `moof` and `mdat` of its own where there is sound, then the pictures' `moof` and
`mdat`. Sound comes first so that a torn fragment never looks whole, and apart so that a reader can step over it.
Media time is UTC: `tfdt` of pictures counts 1/90,000 s since 1970, of sound samples since 1970.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, NoReturn
from uuid import NAMESPACE_URL, uuid5

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import VIDEO_CLOCK, Audio, AudioCodec, Codec, Parameters
from saqtau.video.nal import nal_type, sps_of, sps_shape

PICTURES, SOUND = 1, 2
"""Track numbers."""
SEGMENT: Final = uuid5(NAMESPACE_URL, "https://saqtau.example/segment").bytes
GAP: Final = uuid5(NAMESPACE_URL, "https://saqtau.example/gap").bytes
CLOSE: Final = uuid5(NAMESPACE_URL, "https://saqtau.example/close").bytes
KEY, NOT_KEY = 0x02000000, 0x01010000
"""Flags of a sample: it depends on no other; it does, and is no place to begin (ISO 14496-12, 8.8.3.1)."""
LARGEST_HEAD = 1 << 20
"""Bytes of a box that is read as a whole (everything but `mdat`)."""
TICKS = VIDEO_CLOCK // 1000
"""Ticks of picture time in a millisecond."""

_MATRIX: Final = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_NTP_EPOCH = 2_208_988_800  # seconds from 1900 to 1970
_PRFT: Final = struct.Struct(">I4sIIQQ")
_PRFT_SIZE = 32
_PRFT_KIND = 0x01000008  # version 1; the clock of the receiver: arbitrary, and the same throughout
_HEAD: Final = struct.Struct(">I4sI4sIII4sI4sIII4sIQI4sIII")
_HEAD_SIZE = 88
_LENGTH: Final = struct.Struct(">I")


class Sample(NamedTuple):
    """One coded picture in a fragment: ticks until the next, its NAL units, and presentation minus decoding time."""

    duration: int
    key: bool
    nals: Sequence[bytes]
    shift: int = 0


class Sound(NamedTuple):
    """The sound of a fragment: time of its first sample since 1970 in samples, and frames of (samples, bytes)."""

    codec: AudioCodec
    base: int
    frames: Sequence[tuple[int, bytes]]


class Box(NamedTuple):
    """A box of a file: four letters, where it begins and its bytes with the header. `uuid`: 16 bytes, or empty."""

    kind: bytes
    start: int
    size: int
    uuid: bytes = b""


class FragmentHead(msgspec.Struct, frozen=True, gc=False):
    """What stands before the pictures. `ts` is the picture time (90 kHz), `duration` ticks, `seq` modulo 2^32."""

    seq: int
    utc: Instant
    ts: int
    duration: int
    key: bool
    frames: int


def box_of(kind: bytes, *parts: bytes) -> bytes:
    """A box with this content."""
    body = b"".join(parts)
    return struct.pack(">I4s", len(body) + 8, kind) + body


def full_box(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """A box with version and flags before its content."""
    return box_of(kind, struct.pack(">I", version << 24 | flags), *parts)


def uuid_box(uuid: bytes, payload: bytes) -> bytes:
    """A box of ours that every player steps over."""
    return box_of(b"uuid", uuid, payload)


def init_segment(parameters: Parameters | None) -> bytes:
    """`ftyp` and `moov`: what a decoder is told before the first fragment. Raises `Refused(INVALID)` on broken sets.

    Without parameters there are no tracks: players see an empty film (`NO_TRACKS`).
    """
    tracks, extends = list[bytes](), list[bytes]()
    if parameters is not None:
        tracks.append(_track(PICTURES, VIDEO_CLOCK, parameters, None))
        extends.append(_trex(PICTURES))
        if parameters.audio is not None:
            tracks.append(_track(SOUND, parameters.audio.rate, parameters, parameters.audio))
            extends.append(_trex(SOUND))
    header = struct.pack(">IIIIIH10x", 0, 0, VIDEO_CLOCK, 0, 0x10000, 0x100) + _MATRIX + bytes(24)
    moov = box_of(
        b"moov",
        full_box(b"mvhd", 0, 0, header, _LENGTH.pack(len(tracks) + 1)),
        *tracks,
        box_of(b"mvex", *extends),
    )
    return box_of(b"ftyp", b"iso6\0\0\0\0iso6cmfc") + moov


def children(box: bytes, skip: int = 8) -> list[tuple[bytes, bytes]]:
    """The boxes within a box, as (four letters, bytes with the header); `skip` bytes stand before the first."""
    return [
        (child.kind, box[child.start : child.start + child.size])
        for child in walk(lambda start, size: box[start : start + size], len(box), skip)
    ]


def _trex(track: int) -> bytes:
    return full_box(b"trex", 0, 0, struct.pack(">IIIII", track, 1, 0, 0, 0))


def _track(number: int, rate: int, parameters: Parameters, audio: Audio | None) -> bytes:
    if audio is None:
        size = struct.pack(">II", parameters.width << 16, parameters.height << 16)
        volume, handler, header, entry = 0, b"vide", full_box(b"vmhd", 0, 1, bytes(8)), _pictures_entry(parameters)
    else:
        size, volume, handler = bytes(8), 0x100, b"soun"
        header, entry = full_box(b"smhd", 0, 0, bytes(4)), _sound_entry(audio)
    empty = bytes(4)
    stbl = box_of(
        b"stbl",
        full_box(b"stsd", 0, 0, _LENGTH.pack(1), entry),
        full_box(b"stts", 0, 0, empty),
        full_box(b"stsc", 0, 0, empty),
        full_box(b"stsz", 0, 0, bytes(8)),
        full_box(b"stco", 0, 0, empty),
    )
    minf = box_of(
        b"minf", header, box_of(b"dinf", full_box(b"dref", 0, 0, _LENGTH.pack(1), full_box(b"url ", 0, 1))), stbl
    )
    mdia = box_of(
        b"mdia",
        full_box(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, rate, 0, 0x55C4, 0)),
        full_box(b"hdlr", 0, 0, struct.pack(">I4s12x", 0, handler), b"\0"),
        minf,
    )
    tkhd = full_box(b"tkhd", 0, 3, struct.pack(">IIIII8xHHHH", 0, 0, number, 0, 0, 0, 0, volume, 0), _MATRIX, size)
    return box_of(b"trak", tkhd, mdia)


def _pictures_entry(parameters: Parameters) -> bytes:
    width, height = parameters.width, parameters.height
    entry = struct.pack(">6xH16xHHIIIH32xHh", 1, width, height, 0x480000, 0x480000, 0, 1, 24, -1)
    if parameters.codec is Codec.H264:
        return box_of(b"avc1", entry, box_of(b"avcC", _avc_configuration(parameters)))
    return box_of(b"hvc1", entry, box_of(b"hvcC", _hevc_configuration(parameters)))


def _sets(parameters: Parameters, kind: int) -> list[bytes]:
    return [struct.pack(">H", len(nal)) + nal for nal in parameters.sets if nal_type(parameters.codec, nal) == kind]


def _avc_configuration(parameters: Parameters) -> bytes:
    shape, sps, pps = sps_shape(Codec.H264, sps_of(parameters)), _sets(parameters, 7), _sets(parameters, 8)
    head = b"\x01" + shape.profile + bytes((0xFF, 0xE0 | len(sps)))
    tail = b""
    if shape.profile[0] in {100, 110, 122, 144}:
        tail = bytes((0xFC | shape.chroma, 0xF8 | shape.luma_depth - 8, 0xF8 | shape.chroma_depth - 8, 0))
    return b"".join((head, *sps, bytes((len(pps),)), *pps, tail))


def _hevc_configuration(parameters: Parameters) -> bytes:
    shape = sps_shape(Codec.H265, sps_of(parameters))
    depths = (0xFC | shape.chroma, 0xF8 | shape.luma_depth - 8, 0xF8 | shape.chroma_depth - 8)
    layers = shape.layers << 3 | shape.nested << 2 | 3
    head = b"\x01" + shape.profile + struct.pack(">HBBBBHBB", 0xF000, 0xFC, *depths, 0, layers, 3)
    arrays = [(kind, _sets(parameters, kind)) for kind in (32, 33, 34)]
    return head + b"".join(struct.pack(">BH", 0x80 | kind, len(sets)) + b"".join(sets) for kind, sets in arrays)


def _sound_entry(audio: Audio) -> bytes:
    entry = struct.pack(">6xH8xHH4xI", 1, audio.channels, 16, min(audio.rate, 0xFFFF) << 16)
    if audio.codec is not AudioCodec.AAC:
        return box_of(b"alaw" if audio.codec is AudioCodec.PCMA else b"ulaw", entry)
    if not 2 <= len(audio.config) <= 64:
        _refuse("an AudioSpecificConfig has 2 to 64 bytes")
    decoder = struct.pack(">BB3xII", 0x40, 0x15, 0, 0) + _descriptor(5, audio.config)
    stream = struct.pack(">HB", SOUND, 0) + _descriptor(4, decoder) + _descriptor(6, b"\x02")
    return box_of(b"mp4a", entry, full_box(b"esds", 0, 0, _descriptor(3, stream)))


def _descriptor(tag: int, body: bytes) -> bytes:
    return bytes((tag, len(body))) + body  # one length byte: bodies stay below 128


def _refuse(why: str) -> NoReturn:
    raise Refused(Kind.INVALID, f"video boxes: {why}", boxes="video.boxes")


def fragment_bytes(seq: int, utc: Instant, base: int, samples: Sequence[Sample], sound: Sound | None = None) -> bytes:
    """`prft`, sound, pictures. `base`: decoding time of the first picture (90 kHz since 1970), `utc` the same in ms.

    Composition times are written only where a picture is shown at another time than it is decoded.
    """
    number, shifted = seq & 0xFFFFFFFF, any(sample.shift for sample in samples)
    rows: list[int] = []
    parts = [_clock(utc, base)]
    total = 0
    if sound is not None and sound.frames:
        parts.append(_sound(number, sound))
    parts.append(b"")
    place = len(parts) - 1
    for duration, key, nals, shift in samples:
        size = 0
        for nal in nals:
            length = len(nal)
            size += 4 + length
            parts += _LENGTH.pack(length), nal
        total += size
        rows += duration, size, KEY if key else NOT_KEY
        if shifted:
            rows.append(shift & 0xFFFFFFFF)
    contents = 0x01000F01 if shifted else 0x01000701
    head = _head(number, PICTURES, base, contents, len(samples), 4 * len(rows))
    parts[place] = head + struct.pack(f">{len(rows)}II4s", *rows, 8 + total, b"mdat")
    return b"".join(parts)


def _head(seq: int, track: int, base: int, contents: int, samples: int, rows: int) -> bytes:
    """`moof` up to the rows of its `trun`, of which there are `rows` bytes."""
    return _HEAD.pack(
        *(_HEAD_SIZE + rows, b"moof"),
        *(16, b"mfhd", 0, seq),
        *(_HEAD_SIZE - 24 + rows, b"traf"),
        *(16, b"tfhd", 0x020000, track),
        *(20, b"tfdt", 0x01000000, base),
        *(20 + rows, b"trun", contents, samples, _HEAD_SIZE + rows + 8),
    )


def _sound(seq: int, sound: Sound) -> bytes:
    data = b"".join(frame for _, frame in sound.frames)
    if sound.codec is AudioCodec.AAC:
        rows = b"".join(struct.pack(">III", samples, len(frame), KEY) for samples, frame in sound.frames)
    else:  # one row for the whole: a reader that knows G.711 counts its bytes
        rows = struct.pack(">III", sum(samples for samples, _ in sound.frames), len(data), KEY)
    head = _head(seq, SOUND, sound.base, 0x01000701, len(rows) // 12, len(rows))
    return b"".join((head, rows, struct.pack(">I4s", 8 + len(data), b"mdat"), data))


def _clock(utc: Instant, base: int) -> bytes:
    seconds, millis = divmod(utc, 1000)
    ntp = ((seconds + _NTP_EPOCH) & 0xFFFFFFFF) << 32 | -(-(millis << 32) // 1000)
    return _PRFT.pack(_PRFT_SIZE, b"prft", _PRFT_KIND, PICTURES, ntp, base)


Read = Callable[[int, int], bytes]
"""Bytes from an offset on, at most so many; fewer only at the end of the file."""


def walk(read: Read, size: int, start: int = 0) -> Iterator[Box]:
    """The top boxes from `start` on that are whole within `size` bytes; stops at the first that is not one."""
    while start + 8 <= size:
        head = read(start, 24)
        if len(head) < 8:
            return
        length, kind = _LENGTH.unpack_from(head)[0], head[4:8]
        if length < 8 or start + length > size or not kind.isalnum():
            return
        if kind == b"uuid":
            if length < 24 or len(head) < 24:
                return
            yield Box(kind, start, length, head[8:24])
        else:
            yield Box(kind, start, length)
        start += length


def clock_of(prft: bytes) -> tuple[Instant, int]:
    """UTC and picture time of a `prft` box. Raises `Refused(INVALID)` for another spelling than ours."""
    if len(prft) != _PRFT_SIZE:
        _refuse("a prft of another size")
    size, kind, flags, track, ntp, ts = _PRFT.unpack(prft)
    if (size, kind, flags, track) != (_PRFT_SIZE, b"prft", _PRFT_KIND, PICTURES):
        _refuse("a prft of another spelling")
    seconds = ntp >> 32  # wraps in February 2036
    seconds += (1 << 32) - _NTP_EPOCH if seconds < _NTP_EPOCH else -_NTP_EPOCH
    return Instant(seconds * 1000 + ((ntp & 0xFFFFFFFF) * 1000 >> 32)), ts


class Moof(NamedTuple):
    """What one `moof` says. `base` in the track's own clock; rows: (duration, bytes, flags[, shift]) of each sample."""

    seq: int
    track: int
    base: int
    rows: tuple[tuple[int, ...], ...]

    @property
    def duration(self) -> int:
        """Of all samples, in the track's own clock."""
        return sum(row[0] for row in self.rows)

    @property
    def total(self) -> int:
        """Bytes of all samples."""
        return sum(row[1] for row in self.rows)

    @property
    def key(self) -> bool:
        """Whether decoding can begin here."""
        return self.rows[0][2] == KEY

    @property
    def frames(self) -> int:
        """Samples."""
        return len(self.rows)


_ROWS: Final = {12: struct.Struct(">III"), 16: struct.Struct(">IIIi")}


def moof_of(moof: bytes) -> Moof:
    """Reads a `moof` as `fragment_bytes` writes it. Raises `Refused(INVALID)` for any other."""
    if len(moof) < _HEAD_SIZE or len(moof) > LARGEST_HEAD:
        _refuse("a moof of another size")
    fields = _HEAD.unpack_from(moof)
    seq, track, base, contents, samples = fields[5], fields[11], fields[15], fields[18], fields[19]
    wide = {0x01000701: 12, 0x01000F01: 16}.get(contents, 0) * samples
    if not samples or not wide or moof[:_HEAD_SIZE] != _head(seq, track, base, contents, samples, wide):
        _refuse("a moof of another spelling")
    if len(moof) != _HEAD_SIZE + wide:
        _refuse("a moof of another length")
    rows = list(_ROWS[wide // samples].iter_unpack(moof[_HEAD_SIZE:]))
    return Moof(seq, track, base, tuple(rows))


def parse_fragment(data: bytes) -> FragmentHead:
    """What a fragment says of itself. Raises `Refused(INVALID)` unless it is whole and spelled by `fragment_bytes`."""
    view = memoryview(data)
    boxes = list(walk(lambda start, size: bytes(view[start : start + size]), len(data)))
    kinds = tuple(box.kind for box in boxes)
    if kinds not in {(b"prft", b"moof", b"mdat"), (b"prft", b"moof", b"mdat", b"moof", b"mdat")}:
        _refuse("a fragment of other boxes")
    if boxes[-1].start + boxes[-1].size != len(data):
        _refuse("a fragment that goes on after its pictures")
    moofs = [moof_of(data[box.start : box.start + box.size]) for box in boxes[1::2]]
    for moof, mdat, track in zip(
        moofs, boxes[2::2], (PICTURES,) if len(moofs) == 1 else (SOUND, PICTURES), strict=True
    ):
        if moof.track != track or moof.total != mdat.size - 8:
            _refuse("a fragment whose moof and mdat do not belong together")
    utc, ts = clock_of(data[:_PRFT_SIZE])
    pictures = moofs[-1]
    if ts != pictures.base or utc != ts // TICKS:
        _refuse("a fragment with two times")
    return FragmentHead(pictures.seq, utc, ts, pictures.duration, pictures.key, pictures.frames)


def nals_of(fragment: bytes) -> Iterator[bytes]:
    """The NAL units of a fragment's pictures, as the camera coded them. `fragment` is whole: see `parse_fragment`."""
    place = [box.start + 8 for box in walk(lambda start, size: fragment[start : start + size], len(fragment))][-1]
    while place + 4 < len(fragment):
        size = _LENGTH.unpack_from(fragment, place)[0]
        yield fragment[place + 4 : place + 4 + size]
        place += 4 + size


NO_TRACKS: Final = init_segment(None)
"""The `ftyp` and `moov` of a file that holds gaps only."""
