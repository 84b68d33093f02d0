"""A cut as a film that any player opens: the index in front, then one `mdat` that holds the links as they lie on disk.

Fragments with UTC times confuse players that are no browsers (a film of 56 years). So a film is a plain MP4 whose
tables point at the pictures *inside* the fragments: `ftyp moov mdat`, and the content of `mdat` is, byte for byte, the
links of the cut: what the chain is computed over. Film time is wall time: over a gap the last picture stands.
"""

import struct
from array import array
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Final

from saqtau.kernel.errors import Kind, Refused
from saqtau.video.boxes import KEY, PICTURES, SOUND, Moof, box_of, children, full_box, moof_of, walk

MDAT_HEAD: Final = 16
"""Bytes between `moov` and the first link: the header of an `mdat` with a 64-bit size."""
_FILM_CLOCK: Final = 1000
_MOST = 0xFFFFFFFF


class Track:
    """The tables of one track, filled fragment by fragment."""

    def __init__(self, trak: bytes) -> None:
        self.parts = dict(children(trak))
        mdia = dict(children(self.parts[b"mdia"]))
        minf = dict(children(mdia[b"minf"]))
        self.handler, self.rate = mdia[b"hdlr"], struct.unpack_from(">I", mdia[b"mdhd"], 20)[0]
        self.header, self.dinf = minf.get(b"vmhd") or minf[b"smhd"], minf[b"dinf"]
        self.stsd = dict(children(minf[b"stbl"]))[b"stsd"]
        entry = self.stsd[20:24]
        self.unit = struct.unpack_from(">H", self.stsd, 40)[0] if entry in {b"alaw", b"ulaw"} else 0
        self.began: int | None = None
        self.end = 0  # of the last sample, in the track's clock
        self.lengths: list[list[int]] = []  # runs of [samples, duration]
        self.sizes = array("I")
        self.shifts = array("i")
        self.keys = array("I")
        self.chunks = array("Q")  # offsets into the links
        self.counts = array("I")  # samples of each chunk
        self.count = 0

    @property
    def duration(self) -> int:
        """Of all samples, in the track's clock."""
        return sum(samples * lasts for samples, lasts in self.lengths)

    def add(self, moof: Moof, offset: int) -> None:
        """The samples of a fragment, whose bytes begin at `offset` of the links."""
        if self.began is None:
            self.began = moof.base
        elif moof.base != self.end:
            self._stretch(moof.base - self.end)
        self.end = moof.base + moof.duration
        self.chunks.append(offset)
        before = self.count
        if self.unit:
            self._length(moof.duration, 1)
            self.count += moof.duration
        else:
            for row in moof.rows:
                self._length(1, row[0])
                self.count += 1
                self.sizes.append(row[1])
                self.shifts.append(row[3] if len(row) > 3 else 0)
                if row[2] == KEY:
                    self.keys.append(self.count)
        self.counts.append(self.count - before)

    def _length(self, samples: int, lasts: int) -> None:
        if self.lengths and self.lengths[-1][1] == lasts:
            self.lengths[-1][0] += samples
        else:
            self.lengths.append([samples, lasts])

    def _stretch(self, by: int) -> None:
        """The last sample stands until the next one begins; where clocks were set back, it is not shown at all."""
        lasts = self.lengths[-1][1]
        self.lengths[-1][0] -= 1
        if not self.lengths[-1][0]:
            self.lengths.pop()
        self._length(1, min(max(lasts + by, 0), _MOST))

    def trak(self, zero: float, base: int) -> bytes:
        """The box. zero: seconds since 1970 that the film shows as zero; base: where the links begin in the film."""
        late = round(((self.began or 0) / self.rate - zero) * _FILM_CLOCK)
        lasts = self.duration * _FILM_CLOCK // self.rate
        nothing, early = [(late, -1), (lasts, 0)], [(lasts + late, -late * self.rate // _FILM_CLOCK)]
        edits = nothing if late > 0 else early  # (how long, from where of the media; -1: nothing is shown)
        rows = b"".join(struct.pack(">QqHH", length, start, 1, 0) for length, start in edits)
        tkhd = self.parts[b"tkhd"]
        head = struct.pack(">QQIIQ", 0, 0, struct.unpack_from(">I", tkhd, 20)[0], 0, max(late, 0) + lasts)
        mdia = box_of(
            b"mdia",
            full_box(b"mdhd", 1, 0, struct.pack(">QQIQHH", 0, 0, self.rate, self.duration, 0x55C4, 0)),
            self.handler,
            box_of(b"minf", self.header, self.dinf, self._tables(base)),
        )
        elst = full_box(b"elst", 1, 0, struct.pack(">I", len(edits)), rows)
        return box_of(b"trak", full_box(b"tkhd", 1, 3, head, tkhd[32:]), box_of(b"edts", elst), mdia)

    def _tables(self, base: int) -> bytes:
        lengths = b"".join(struct.pack(">II", samples, lasts) for samples, lasts in self.lengths)
        tables = [self.stsd, full_box(b"stts", 0, 0, _number(len(self.lengths)), lengths)]
        if any(self.shifts):
            runs = [(len(list(group)), shift) for shift, group in groupby(self.shifts)]
            rows = b"".join(struct.pack(">Ii", samples, shift) for samples, shift in runs)
            tables.append(full_box(b"ctts", 1, 0, _number(len(runs)), rows))
        if self.keys and len(self.keys) < self.count:
            tables.append(full_box(b"stss", 0, 0, _number(len(self.keys)), _big(self.keys)))
        tables.append(full_box(b"stsz", 0, 0, _number(self.unit), _number(self.count), _big(self.sizes)))
        chunks, place = list[bytes](), 1
        for samples, group in groupby(self.counts):
            chunks.append(struct.pack(">III", place, samples, 1))
            place += len(list(group))
        tables.append(full_box(b"stsc", 0, 0, _number(len(chunks)), *chunks))
        offsets = array("Q", (base + offset for offset in self.chunks))
        tables.append(full_box(b"co64", 0, 0, _number(len(offsets)), _big(offsets)))
        return box_of(b"stbl", *tables)


def _number(value: int) -> bytes:
    return struct.pack(">I", value)


def _big(values: "array[int]") -> bytes:
    swapped = array(values.typecode, values)
    swapped.byteswap()
    return swapped.tobytes()


Links = tuple[Callable[[int, int], bytes], int, int]
"""How to read a file, and from where to where its links lie."""


def front(init: bytes, links: Iterable[Links]) -> bytes:
    """What stands before the links in a film: `ftyp`, `moov`, and the head of the `mdat`.

    init: `ftyp` and `moov` of the files; links: what follows, in order. Raises `Refused(NOT_FOUND)` without pictures,
    `Refused(INVALID)` where a box is not ours.
    """
    moov = children(dict(children(init, 0))[b"moov"])
    found = [Track(data) for kind, data in moov if kind == b"trak"]
    tracks = dict(zip((PICTURES, SOUND), found, strict=False))
    total = 0
    for read, start, end in links:
        _collect(read, start, end, total, tracks)
        total += end - start
    pictures = tracks[PICTURES]
    if pictures.began is None:
        raise Refused(Kind.NOT_FOUND, "no picture in this time", began="video.nothing")
    zero = pictures.began / pictures.rate
    kept = [track for track in found if track.count]
    ftyp = box_of(b"ftyp", b"isom\0\0\0\0isommp42")
    head = _movie(kept, zero, 0)
    head = _movie(kept, zero, len(ftyp) + len(head) + MDAT_HEAD)
    return b"".join((ftyp, head, struct.pack(">I4sQ", 1, b"mdat", MDAT_HEAD + total)))


def _movie(tracks: list[Track], zero: float, base: int) -> bytes:
    traks = [track.trak(zero, base) for track in tracks]
    lasts = max(track.duration * _FILM_CLOCK // track.rate for track in tracks)
    matrix = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
    head = struct.pack(">QQIQIH10x", 0, 0, _FILM_CLOCK, lasts, 0x10000, 0x100)
    return box_of(b"moov", full_box(b"mvhd", 1, 0, head, matrix, bytes(24), _number(SOUND + 1)), *traks)


def _collect(read: Callable[[int, int], bytes], start: int, end: int, before: int, tracks: dict[int, Track]) -> None:
    moof: Moof | None = None
    for box in walk(read, end, start):
        if box.kind == b"moof":
            moof = moof_of(read(box.start, box.size))
        elif box.kind == b"mdat" and moof is not None:
            if moof.track in tracks:
                tracks[moof.track].add(moof, before + box.start + 8 - start)
            moof = None
