"""Files of minutes, found again from their bytes alone and mended after a crash.

A file that was not closed is cut behind its last whole link, and its
end is entered as a gap. Where it is damaged before its end, what is cut off is kept beside it.
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.boxes import (
    CLOSE,
    GAP,
    LARGEST_HEAD,
    NO_TRACKS,
    PICTURES,
    SEGMENT,
    SOUND,
    TICKS,
    Box,
    clock_of,
    moof_of,
    walk,
)
from saqtau.video.chain import Broken, Fault, LinkKind, Row, digest, follow, link
from saqtau.video.fragment import gap_link, gap_of
from saqtau.video.gap import Gap, GapKind
from saqtau.video.segment_file import (
    CloseNote,
    Segment,
    SegmentNote,
    Tally,
    close_bytes,
    damaged,
    lock,
)
from saqtau.video.segment_writer import SegmentWriter, Written

__all__ = [
    "LinkAt",
    "Scan",
    "Segment",
    "SegmentWriter",
    "Windows",
    "Written",
    "chain_after",
    "digests",
    "repair",
    "scan",
]


class LinkAt(msgspec.Struct, frozen=True, gc=False):
    """Where a link lies in its file, and what it holds. `duration_ms`, `frames`, `key` are of a fragment."""

    seq: int
    at: Instant
    offset: int
    size: int
    kind: LinkKind
    key: bool
    duration_ms: int
    frames: int
    gap: Gap | None
    digest: bytes

    @property
    def ended(self) -> Instant:
        """When it ended; an open gap ends where it began."""
        if self.gap is None:
            return Instant(self.at + self.duration_ms)
        return self.gap.began if self.gap.ended is None else self.gap.ended


class Scan(msgspec.Struct, frozen=True):
    """A file, read from its beginning.

    init: bytes of `ftyp` and `moov`, 0 without tracks. head: before the first link. end: that are whole.
    broken: the closing box tells another story than the links. `digest` of links and `segment.chain` are empty unless
    the file was followed.
    """

    segment: Segment
    note: SegmentNote
    links: tuple[LinkAt, ...]
    init: int
    head: int
    end: int
    broken: Broken | None


_WINDOW: Final = 4096
_PIECE: Final = 1 << 20
_LARGEST_NOTE: Final = 4096


class Windows:
    """Reads a file by windows: the heads of a link lie together."""

    def __init__(self, file: int) -> None:
        self._file, self._start, self._window = file, 0, b""

    def read(self, offset: int, size: int) -> bytes:
        """So many bytes from there on; fewer at the end of the file."""
        ahead = offset - self._start
        if ahead < 0 or ahead + size > len(self._window):
            self._window, self._start, ahead = os.pread(self._file, max(size, _WINDOW), offset), offset, 0
        return self._window[ahead : ahead + size]

    def digest(self, offset: int, size: int) -> bytes:
        """SHA-256 of these bytes."""
        hashed = hashlib.sha256()
        for start in range(offset, offset + size, _PIECE):
            hashed.update(os.pread(self._file, min(_PIECE, offset + size - start), start))
        return hashed.digest()


def scan(path: Path, *, followed: bool = True) -> Scan:
    """Everything a file says, up to the last link that is whole.

    followed: hash all of it and follow the chain; without, only the heads are read (milliseconds), and the chain is
    what the closing box says. Raises OSError, `Refused(NOT_FOUND)` when the file has no whole link, `Refused(INVALID)`
    when its head is not ours.
    """
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return _scan(file, path, followed=followed)
    finally:
        os.close(file)


def _scan(file: int, path: Path, *, followed: bool, known: tuple[int, bytes] | None = None) -> Scan:
    """known: a sequence and the chain after it: up to there nothing is hashed; of no use if the file ends before."""
    data, size = Windows(file), os.fstat(file).st_size
    note, init, head = _head(data, size, path)
    tally = Tally(note.camera, note.place, path, note.first, bytes.fromhex(note.previous))
    tally.size, links, close = head, list[LinkAt](), None
    for found in _links(data, size, head, note):
        if isinstance(found, CloseNote):
            close = found
            break
        tally.add(found.at, ended=found.ended, frames=found.frames, gap=found.gap, size=found.size)
        links.append(found)
    if followed and links:
        done = 0
        if known is not None and note.first <= known[0] <= links[-1].seq:
            done, tally.chain = known[0] + 1 - note.first, known[1]
        for place, each in enumerate(links[done:], done):
            links[place] = each = msgspec.structs.replace(each, digest=data.digest(each.offset, each.size))  # noqa: PLW2901 - hashed
            tally.chain = link(tally.chain, note.camera, each.seq, each.at, each.kind, each.digest)
    if not links:
        raise Refused(Kind.NOT_FOUND, f"{path}: no whole link", segment="video.empty")
    end, broken = tally.size, None
    if close is not None:
        closing, tally.size = size - end, size
        if not followed:
            tally.chain = bytes.fromhex(close.chain)
        told = CloseNote(1, links[-1].seq, len(links), tally.frames, tally.chain.hex(), tally.ended)
        exact = told == close and closing == len(close_bytes(tally.segment(closed=True)))
        broken = None if exact else Broken(Fault.CHANGED, links[-1].seq, close.last)
    elif not followed:
        tally.chain = b""
    return Scan(tally.segment(closed=close is not None), note, tuple(links), init, head, end, broken)


def digests(path: Path, links: Iterable[LinkAt]) -> list[Row]:
    """These links of a file without their bytes, hashed. Raises OSError."""
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = Windows(file)
        return [Row(one.seq, one.at, one.kind, data.digest(one.offset, one.size)) for one in links]
    finally:
        os.close(file)


def chain_after(path: Path, found: Scan, seq: int) -> bytes:
    """The chain after link `seq` of a scanned file; that before its first link for `first - 1`.

    Hashes what is not known already. Raises OSError, `Refused(CONFLICT)` when a sequence is missing in the file.
    """
    segment = found.segment
    if seq == segment.last and segment.chain:
        return segment.chain
    rows = digests(path, (one for one in found.links if one.seq <= seq))
    head = follow(segment.camera, segment.previous, segment.first, rows)
    if isinstance(head, Broken):
        raise Refused(Kind.CONFLICT, f"{path}: link {head.expected} is missing", segment="video.broken")
    return head


def _head(data: Windows, size: int, path: Path) -> tuple[SegmentNote, int, int]:
    """The note of a file, the bytes before it (0 without tracks), and the bytes before the first link."""
    for box in walk(data.read, size):
        if box.kind == b"uuid":
            if box.uuid != SEGMENT or box.size > _LARGEST_NOTE:
                break
            try:
                note = msgspec.json.decode(data.read(box.start + 24, box.size - 24), type=SegmentNote)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                break
            if note.v != (1 if note.card is None else 2) or note.first < 0:
                break
            if len(note.previous) != 64 or not note.previous.isalnum():
                break
            tracks = data.read(0, box.start) != NO_TRACKS
            return note, box.start if tracks else 0, box.start + box.size
        if box.kind not in {b"ftyp", b"moov"}:
            break
    raise Refused(Kind.INVALID, f"{path}: not a file of ours", segment="video.head")


def _links(data: Windows, size: int, start: int, note: SegmentNote) -> Iterator[LinkAt | CloseNote]:
    """The links from `start` on, as long as they are whole and spelled as ours; at last what the closing box says."""
    seq, boxes = note.first, walk(data.read, size, start)
    try:
        for box in boxes:
            match box.kind, box.uuid:
                case b"prft", _:
                    found = _fragment(data, seq, box, boxes)
                case b"uuid", uuid if uuid == GAP and box.size <= LARGEST_HEAD:
                    found = _gap(data, seq, box, note.camera)
                case b"uuid", uuid if uuid == CLOSE and box.size <= _LARGEST_NOTE:
                    yield msgspec.json.decode(data.read(box.start + 24, box.size - 24), type=CloseNote)
                    return
                case _:
                    return
            if found is None:
                return
            yield found
            seq += 1
    except (Refused, msgspec.DecodeError, UnicodeDecodeError):
        return


def _gap(data: Windows, seq: int, box: Box, camera: str) -> LinkAt | None:
    entered = gap_of(camera, data.read(box.start, box.size))
    if entered.seq != seq:
        return None
    return LinkAt(seq, entered.at, box.start, box.size, LinkKind.GAP, False, 0, 0, entered.gap, b"")


def _fragment(data: Windows, seq: int, clock: Box, boxes: Iterator[Box]) -> LinkAt | None:
    """The fragment that begins with this `prft`; None when it is torn."""
    at, ts = clock_of(data.read(clock.start, clock.size))
    for expected in (SOUND, PICTURES):
        box, mdat = next(boxes, None), next(boxes, None)
        if box is None or mdat is None or box.kind != b"moof" or mdat.kind != b"mdat" or box.size > LARGEST_HEAD:
            return None
        moof = moof_of(data.read(box.start, box.size))
        if moof.seq != seq & 0xFFFFFFFF or moof.total != mdat.size - 8:
            return None
        if moof.track == PICTURES:
            lasts = (ts + moof.duration) // TICKS - at
            size = mdat.start + mdat.size - clock.start
            if moof.base != ts or at != ts // TICKS:
                return None
            return LinkAt(seq, at, clock.start, size, LinkKind.FRAGMENT, moof.key, lasts, moof.frames, None, b"")
        if moof.track != expected:
            return None
    return None


def repair(
    path: Path, now: Instant, *, goes_on: bool = False, known: tuple[int, bytes] | None = None
) -> Segment | None:
    """Ends a file that its writer did not end: cut behind the last whole link, a gap `recorder_down` until now, closed.

    goes_on: a later file of the camera follows this one's last link, so only the closing box is added. known: a
    sequence and the chain after it, from an index: what stands before it is not hashed again.
    A closed file is left as it is. None: no link was whole, nothing is lost, and the file is gone. Where whole links
    follow behind a damaged one, what is cut off is kept beside the file, as `….damaged`.
    Raises OSError, `Refused(CONFLICT)` while somebody writes it, `Refused(INVALID)` when its head is not ours.
    """
    file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
    try:
        lock(file, path)
        size = os.fstat(file).st_size
        try:
            found = _scan(file, path, followed=True, known=known)
        except Refused as refused:
            if refused.kind is Kind.INVALID and _goes_on(file, 0, size):
                raise
            path.unlink()
            return None
        if found.segment.closed:
            return found.segment
        if found.end < size:
            if _goes_on(file, found.end, size):
                _keep(file, path, found.end, size)
            os.ftruncate(file, found.end)
        return _finish(file, found, None if goes_on else now)
    finally:
        os.close(file)


def _goes_on(file: int, start: int, size: int) -> bool:
    """Whether a whole fragment or gap of ours stands anywhere behind `start`: then it is no torn end."""
    data, overlap = Windows(file), 64
    for place in range(start, size, _PIECE):
        piece = os.pread(file, _PIECE + overlap, place)
        for mark, before in ((b"\0\0\0\x20prft", 0), (b"uuid" + GAP, 4)):
            found = piece.find(mark)
            while found >= 0:
                begins = place + found - before
                if begins > start and _whole(data, begins, size):
                    return True
                found = piece.find(mark, found + 1)
    return False


def _whole(data: Windows, start: int, size: int) -> bool:
    boxes = walk(data.read, size, start)
    first = next(boxes, None)
    if first is None:
        return False
    if first.kind == b"uuid":
        return True
    second, third = next(boxes, None), next(boxes, None)
    return second is not None and third is not None and (second.kind, third.kind) == (b"moof", b"mdat")


def _finish(file: int, found: Scan, now: Instant | None) -> Segment:
    """The gap from the last link to `now` (None: none), and the closing box."""
    segment, data = found.segment, b""
    tally = Tally(segment.camera, segment.place, segment.path, segment.first, segment.previous)
    tally.size, tally.chain = found.head, segment.chain
    for each in found.links:
        tally.add(each.at, ended=each.ended, frames=each.frames, gap=each.gap, size=each.size)
    if now is not None:
        began = max(found.links[-1].ended, found.links[-1].at)
        gap = Gap(segment.camera, began, max(now, began), GapKind.DOWN)
        down = gap_link(segment.last + 1, max(now, began), gap)
        data = down.data
        tally.chain = link(segment.chain, segment.camera, down.seq, down.at, LinkKind.GAP, digest(data))
        tally.add(down.at, ended=max(now, began), frames=0, gap=gap, size=len(data))
    data += close_bytes(tally.segment(closed=True))
    if os.write(file, data) != len(data):
        os.ftruncate(file, found.end)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(segment.path))
    tally.size = found.end + len(data)
    return tally.segment(closed=True)


def _keep(file: int, path: Path, start: int, size: int) -> None:
    """What stands from `start` on, in a file beside this one. On disk when this returns."""
    out = os.open(damaged(path), os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        for place in range(start, size, _PIECE):
            piece = os.pread(file, min(_PIECE, size - place), place)
            if os.write(out, piece) != len(piece):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        os.fsync(out)
    finally:
        os.close(out)
