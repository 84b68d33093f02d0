"""Writes the links of a camera, file after file. Nothing is ever written over; a link is one write."""

import errno
import os
from pathlib import Path

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import Parameters
from saqtau.video.chain import START, digest, link
from saqtau.video.fragment import Fragment, Link
from saqtau.video.segment_file import (
    LARGEST,
    LARGEST_WITHOUT_KEY,
    FromCard,
    Segment,
    SegmentNote,
    Tally,
    close_bytes,
    head_bytes,
    lock,
    path_of,
    period,
)


class Written(msgspec.Struct, frozen=True):
    """Where a link lies. `closed`: the file that ended before it. After new parameters only `closed` may be there."""

    path: Path | None
    seq: int
    at: Instant
    offset: int
    size: int
    chain: bytes
    closed: Segment | None


class SegmentWriter:
    """Writes the links of one camera, file after file. One at a time has a file: a lock says so.

    seq, chain: of the next link, and of the one before it. After an OSError nothing of the link is in the file, and
    `seq` tells the `Fragmenter` where to go on. card: the links were fetched from the camera's own memory.
    """

    def __init__(
        self, folder: Path, camera: str, place: str, *, seq: int = 0, chain: bytes = START,
        card: FromCard | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.camera, self.place = folder, camera, place
        self.seq, self.chain, self._card = seq, chain, card
        self._parameters: Parameters | None = None
        self._period = period(camera)
        self._file = -1
        self._offset = 0
        self._tally: Tally | None = None
        self._closed: Segment | None = None

    def segment(self) -> Segment | None:
        """The open file as it is now."""
        return self._tally.segment(closed=False) if self._tally is not None else None

    def append(self, item: Link | Parameters) -> Written:
        """One link more, in the file or at the head of a new one; parameters end the file.

        Raises OSError (nothing was written), Refused CONFLICT (`seq`: not the next link; `segment`: somebody else
        writes this file, or its parameters are not known).
        """
        if isinstance(item, Parameters):
            self._end()
            self._parameters = item
            return Written(None, self.seq, Instant(0), 0, 0, self.chain, self._told())
        if item.seq != self.seq:
            raise Refused(
                Kind.CONFLICT, f"camera {self.camera}: link {item.seq} where {self.seq} is next", seq="video.seq"
            )
        if self._due(item):
            self._end()
        head = b"" if self._tally is not None else self._open(item)
        tally = self._tally
        if tally is None:
            raise AssertionError("opened without a tally")
        self._write(head, item.data)
        self.chain = tally.chain = link(self.chain, self.camera, item.seq, item.at, item.kind, digest(item.data))
        if isinstance(item, Fragment):
            tally.add(item.at, ended=item.ended, frames=item.frames, gap=None, size=len(item.data))
        else:
            ended = item.gap.began if item.gap.ended is None else item.gap.ended
            tally.add(item.at, ended=ended, frames=0, gap=item.gap, size=len(item.data))
        self.seq += 1
        offset = self._offset - len(item.data)
        return Written(tally.path, item.seq, item.at, offset, len(item.data), self.chain, self._told())

    def close(self) -> Segment | None:
        """End the file, if one is open. Raises OSError: it is still open then."""
        self._end()
        return self._told()

    def abandon(self) -> None:
        """Let go of the file without a word in it, as a crash would."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._tally = -1, None

    def _due(self, item: Link) -> bool:
        tally = self._tally
        if tally is None or not isinstance(item, Fragment):
            return False
        if self._offset >= LARGEST_WITHOUT_KEY:
            return True
        return item.key and (item.at - tally.began >= self._period or self._offset >= LARGEST)

    def _open(self, item: Link) -> bytes:
        source = None
        if isinstance(item, Fragment):
            if self._parameters is None:
                raise Refused(
                    Kind.CONFLICT, f"camera {self.camera}: pictures without parameters", segment="video.parameters"
                )
            source = item.source
        version = 1 if self._card is None else 2
        note = SegmentNote(version, self.camera, self.place, item.seq, self.chain.hex(), item.at, source, self._card)
        head, path = head_bytes(note, self._parameters), path_of(self.folder, self.camera, item.seq, item.at)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        lock(self._file, path)
        self._offset = 0
        self._tally = Tally(self.camera, self.place, path, item.seq, self.chain)
        self._tally.size = len(head)
        return head

    def _write(self, head: bytes, data: bytes) -> None:
        """All of it, or nothing and an OSError."""
        try:
            written = os.writev(self._file, (head, data)) if head else os.write(self._file, data)
            if written != len(head) + len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # noqa: TRY301 - a short write is the disk's no
        except OSError:
            if head and self._tally is not None:
                path = self._tally.path
                self.abandon()
                path.unlink(missing_ok=True)
            else:
                os.ftruncate(self._file, self._offset)
            raise
        self._offset += written

    def _end(self) -> None:
        tally = self._tally
        if tally is None:
            return
        box = close_bytes(tally.segment(closed=True))
        self._write(b"", box)
        tally.size += len(box)
        self._closed = tally.segment(closed=True)
        self.abandon()

    def _told(self) -> Segment | None:
        """The file that ended, once: also when opening the next had failed after it."""
        closed, self._closed = self._closed, None
        return closed
