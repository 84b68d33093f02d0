"""What a file of minutes is called, what it says of itself, and what its links come to.

<volume>/<camera>/<YYYY>/<MM>/<DD>/<HHMMSS>-<first sequence, 10 digits>.cmf        UTC, of the first link
"""

import errno
import fcntl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zlib import crc32

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import Parameters
from saqtau.video.boxes import CLOSE, SEGMENT, init_segment, uuid_box
from saqtau.video.fragment import SourceClock
from saqtau.video.gap import Gap

SUFFIX: Final = ".cmf"
LARGEST: Final = 256 << 20
"""Bytes after which a file ends at the next key picture."""
LARGEST_WITHOUT_KEY: Final = 1 << 30
"""Bytes after which a file ends, even if the next cannot be played from its beginning."""
SHORTEST, LONGEST = 60, 300
"""Seconds after which a file ends at the next key picture: by camera, so that not all end at once."""


class FromCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a file that was fetched from the camera's own memory: when, which gap it fills, how far off its clock was.

    clock: milliseconds the device's clock was ahead of ours when it was asked. The times of the pictures are the
    device's less that, never those of their coming.
    """

    fetched: Instant
    clock: int
    gap: str


class SegmentNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The `uuid` box SEGMENT behind `moov`: what the file is part of. `previous`: the chain before it, hexadecimal.

    v is 2 where `card` is there, and 1 else.
    """

    v: int
    camera: str
    place: str
    first: int
    previous: str
    began: Instant
    source_clock: SourceClock | None
    card: FromCard | None = None


class CloseNote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The `uuid` box CLOSE at the end. `chain` is the chain after the last link, hexadecimal."""

    v: int
    last: int
    links: int
    frames: int
    chain: str
    ended: Instant


class Segment(msgspec.Struct, frozen=True):
    """A file, or what there is of it so far.

    began, ended: of the first and last link. previous, chain: 32 bytes before the first and after the last link.
    recorded_ms: of pictures. gaps: an open gap that a later link ended has its end.
    """

    camera: str
    place: str
    path: Path
    first: int
    last: int
    began: Instant
    ended: Instant
    size: int
    links: int
    frames: int
    previous: bytes
    chain: bytes
    recorded_ms: int
    gaps: tuple[Gap, ...]
    closed: bool


class Tally:
    """What the links of a file come to."""

    def __init__(self, camera: str, place: str, path: Path, first: int, previous: bytes) -> None:
        self.camera, self.place, self.path = camera, place, path
        self.first, self.previous, self.chain = first, previous, previous
        self.links = self.frames = self.recorded_ms = self.size = 0
        self.began = self.ended = Instant(0)
        self.gaps: list[Gap] = []

    def add(self, at: Instant, *, ended: Instant, frames: int, gap: Gap | None, size: int) -> None:
        """A link more. `ended` of an open gap is its beginning."""
        if not self.links:
            self.began = at if gap is None else min(at, gap.began)
        if self.gaps and self.gaps[-1].ended is None:
            open_gap = self.gaps.pop()
            if gap is None or (gap.began, gap.kind) != (open_gap.began, open_gap.kind):
                until = at if gap is None else gap.began
                self.gaps.append(msgspec.structs.replace(open_gap, ended=max(until, open_gap.began)))
        if gap is None:
            self.recorded_ms += ended - at
        else:
            self.gaps.append(gap)
        self.ended = max(ended, self.ended)
        self.links += 1
        self.frames += frames
        self.size += size

    def segment(self, *, closed: bool) -> Segment:
        """What it comes to."""
        return Segment(
            camera=self.camera,
            place=self.place,
            path=self.path,
            first=self.first,
            last=self.first + self.links - 1,
            began=self.began,
            ended=self.ended,
            size=self.size,
            links=self.links,
            frames=self.frames,
            previous=self.previous,
            chain=self.chain,
            recorded_ms=self.recorded_ms,
            gaps=tuple(self.gaps),
            closed=closed,
        )


def path_of(folder: Path, camera: str, first: int, began: Instant) -> Path:
    """Where a segment lies whose first link has this sequence and instant.

    Raises `Refused(INVALID)` for a camera whose name leads out of the folder.
    """
    if camera in {"", ".", ".."} or "/" in camera or "\0" in camera:
        raise Refused(Kind.INVALID, f"a camera cannot be called {camera!r}", camera="video.camera")
    day = datetime.fromtimestamp(began / SECOND, UTC)
    return folder / camera / f"{day:%Y}" / f"{day:%m}" / f"{day:%d}" / f"{day:%H%M%S}-{first:010d}{SUFFIX}"


def damaged(path: Path) -> Path:
    """Where `repair` keeps what it had to cut off although whole links followed; it goes with the segment."""
    return path.with_name(path.name + ".damaged")


def period(camera: str) -> int:
    """Milliseconds after which a file of this camera ends."""
    return (SHORTEST + crc32(camera.encode()) % (LONGEST - SHORTEST + 1)) * SECOND


def head_bytes(note: SegmentNote, parameters: Parameters | None) -> bytes:
    """What stands before the first link. Without parameters (no picture came yet) the file holds gaps only."""
    return init_segment(parameters) + uuid_box(SEGMENT, msgspec.json.encode(note, order="sorted"))


def close_bytes(segment: Segment) -> bytes:
    """What stands after the last link."""
    note = CloseNote(1, segment.last, segment.links, segment.frames, segment.chain.hex(), segment.ended)
    return uuid_box(CLOSE, msgspec.json.encode(note, order="sorted"))


def lock(file: int, path: Path) -> None:
    """Take the file for ourselves until it is closed. Raises `Refused(CONFLICT)` when somebody writes it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in {errno.EWOULDBLOCK, errno.EACCES}:
            raise
        raise Refused(Kind.CONFLICT, f"{path} is being written by somebody else", segment="video.locked") from error
