"""The newest key picture of a file that is still being written, found by the heads of what came since the last look.

A minute of a camera is three hundred fragments: their heads are read, a page each, and none of their pictures.
"""

import os
import struct
from pathlib import Path
from typing import Final

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.boxes import LARGEST_HEAD, NO_TRACKS, PICTURES, SEGMENT, clock_of, moof_of, walk
from saqtau.video.segment_file import SegmentNote

_PAGE: Final = 512
_NOTE: Final = 4096
_ROW: Final = 88
"""Where the first row of a `moof` of ours stands; its flags are 8 bytes further."""
_KEY_FLAGS: Final = b"\x02\x00\x00\x00"


class Place(msgspec.Struct, frozen=True):
    """How far a file was looked through.

    head: bytes of `ftyp` and `moov`. end: offset behind the last whole link. key_at, key, key_size: instant, offset and
    bytes of the last two key fragments, the newest first. drift_ms: the source's clock less ours when the file began,
    None where the source does not tell it.
    """

    path: Path
    first: int
    head: bytes
    end: int
    keys: tuple[tuple[Instant, int, int], ...]
    drift_ms: int | None


class _Pages:
    """Reads a file by pages: the heads of a link lie together."""

    def __init__(self, file: int) -> None:
        self._file, self._start, self._page = file, 0, b""

    def read(self, offset: int, size: int) -> bytes:
        ahead = offset - self._start
        if ahead < 0 or ahead + size > len(self._page):
            self._page, self._start, ahead = os.pread(self._file, max(size, _PAGE), offset), offset, 0
        return self._page[ahead : ahead + size]


def look_through(path: Path, before: Place | None = None) -> Place:
    """How far the file goes now, and where its newest key pictures are.

    before: of an earlier look; of another file it is of no use. Raises OSError, Refused: INVALID (`segment`: not a file
    of ours), NOT_FOUND (`segment`: no picture in it, a file of gaps).
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        size, pages = os.fstat(file).st_size, _Pages(file)
        place = before if before is not None and before.path == path else _head(pages, size, path)
        return _further(pages, size, place)
    finally:
        os.close(file)


def read_key(place: Place, number: int = 0) -> tuple[Instant, bytes]:
    """The instant and bytes of a key fragment; 0 is the newest. Raises OSError, Refused(NOT_FOUND) (`key`)."""
    if number >= len(place.keys):
        raise Refused(Kind.NOT_FOUND, f"{place.path}: no such key picture", key="missing")
    at, offset, size = place.keys[number]
    file = os.open(place.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return at, os.pread(file, size, offset)
    finally:
        os.close(file)


def _head(pages: _Pages, size: int, path: Path) -> Place:
    end = 0
    for box in walk(pages.read, size):
        if box.kind in {b"ftyp", b"moov"} and box.size <= LARGEST_HEAD:
            end = box.start + box.size
        elif box.uuid == SEGMENT and box.size <= _NOTE:
            if pages.read(0, end) in {b"", NO_TRACKS}:
                raise Refused(Kind.NOT_FOUND, f"{path}: only gaps", segment="no_picture")
            try:
                note = msgspec.json.decode(pages.read(box.start + 24, box.size - 24), type=SegmentNote)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise Refused(Kind.INVALID, f"{path}: {error}", segment="video.head") from error
            source = note.source_clock
            drift = None if source is None else source.ntp - note.began
            return Place(path, note.first, pages.read(0, end), box.start + box.size, (), drift)
        else:
            break
    raise Refused(Kind.INVALID, f"{path}: not a file of ours", segment="video.head")


def _further(pages: _Pages, size: int, place: Place) -> Place:
    keys, end = place.keys, place.end
    while (link := _link(pages, size, end)) is not None:
        stop, key = link
        if key:
            at, _ = clock_of(pages.read(end, _CLOCK))
            keys = ((at, end, stop - end), *keys[:1])
        end = stop
    return msgspec.structs.replace(place, keys=keys, end=end)


def _link(pages: _Pages, size: int, start: int) -> tuple[int, bool] | None:
    """Where a link ends, and whether it is a key fragment; None when it is not whole, or none of ours."""
    head = pages.read(start, 8)
    if len(head) < 8:
        return None
    if head[4:] == b"uuid":
        stop = start + _U32.unpack_from(head)[0]
        return (stop, False) if start + 24 <= stop <= size else None
    if head != _PRFT:
        return None
    stop = start + _CLOCK
    for _ in range(2):  # sound stands before the pictures
        moof, head = stop, pages.read(stop, _ROW + 12)
        if len(head) < _ROW + 12 or head[4:8] != b"moof":
            return None
        stop += _U32.unpack_from(head)[0]
        mdat = pages.read(stop, 8)
        if len(mdat) < 8 or mdat[4:] != b"mdat" or stop <= moof + _ROW:
            return None
        stop += _U32.unpack_from(mdat)[0]
        if stop > size or stop < moof + _ROW + 8:
            return None
        if head[44:48] == _TRACK:
            key = head[_ROW + 8 : _ROW + 12] == _KEY_FLAGS
            # the flags were looked for where ours stand: whether it is ours, `moof_of` says
            return stop, key and moof_of(pages.read(moof, min(_U32.unpack_from(head)[0], LARGEST_HEAD))).key
    return None


_U32: Final = struct.Struct(">I")
_CLOCK: Final = 32
_PRFT: Final = b"\0\0\0\x20prft"
_TRACK: Final = PICTURES.to_bytes(4, "big")
