"""One camera's recording: what its source yields becomes links, links are written, and whoever listens is told.

Nothing here waits and nothing is a task: units come in on the event loop, a write goes into the page cache. Every
instant ends in a fragment or in a gap, also when the source is gone, when the disk is full, and when nobody knows why.
"""

import errno
from pathlib import Path
from typing import Final, Protocol

import msgspec
import structlog

from saqtau.kernel.clock import MINUTE, SECOND, Clock, Instant
from saqtau.kernel.register import VideoCamera
from saqtau.video.access_unit import AccessUnit, Parameters, Unit
from saqtau.video.fragment import Fragment, Fragmenter, Link
from saqtau.video.gap import Gap, GapKind
from saqtau.video.segment import Segment, SegmentWriter, Written

log = structlog.get_logger("saqtau.recorder")

SILENT: Final = 3 * SECOND
"""Connected, and no picture for so long: a gap begins where the last one ended."""
TURN: Final = SECOND
"""Time between two looks counts as silence up to this. With more, the process itself was held up (a disk that stalls,
no turn on the CPU), and what the camera sent meanwhile is not read yet: no gap is invented for it."""
CLOSED_AFTER: Final = MINUTE
"""A file is ended when there has been no picture for so long."""


class Listener(Protocol):
    """Who is told what became of a camera's pictures. Nothing here may wait."""

    def began(self, camera: VideoCamera, parameters: Parameters | None, path: Path, seq: int) -> None:
        """A file was begun whose first link is `seq`."""

    def wrote(self, camera: VideoCamera, link: Link, written: Written) -> None:
        """A fragment or a gap stands in the file."""

    def closed(self, camera: VideoCamera, segment: Segment) -> None:
        """A file has ended."""

    def waits(self, camera: VideoCamera, name: str, gap: Gap) -> None:
        """A gap lasts that could not be written into a file yet; `name` is what it will be called."""

    def folder(self, camera: VideoCamera) -> Path | None:
        """The volume of its next file; None: no volume has room."""

    def failed(self, folder: Path, error: OSError) -> None:
        """A volume did not take a write."""


class Tape:
    """The recording of one camera. writer, fragmenter: at the same sequence. ended: of what was recorded before."""

    def __init__(
        self, camera: VideoCamera, writer: SegmentWriter, listener: Listener, clock: Clock, ended: Instant | None
    ) -> None:
        self.camera = camera
        self.writer = writer
        self._listener = listener
        self._clock = clock
        self._fragmenter = Fragmenter(camera.id, writer.seq)
        self._parameters: Parameters | None = None
        self._path: Path | None = None
        self._received = self._looked = clock()
        self._ended = ended  # of the last link that is in a file
        self._dark_since: Instant | None = None
        self._out: tuple[GapKind, str | None, str | None] | None = None  # why the source yields nothing
        self._blocked: str | None = None  # why nothing can be written

    @property
    def dark(self) -> Instant | None:
        """Since when there is no picture."""
        return self._dark_since

    @property
    def blocked(self) -> bool:
        """Whether no volume takes it."""
        return self._blocked is not None

    def begin(self) -> None:
        """Account for the time since the last recording; nothing has come yet."""
        now = self._clock()
        if self._ended is not None and self._ended < now:
            self._interrupt(GapKind.DOWN, now, self._ended)
        self.interrupt(GapKind.RECONNECT)

    def take(self, units: list[Unit]) -> None:
        """What the source yielded. Raises Refused (CONFLICT): somebody else writes this camera; begin anew."""
        now = self._clock()
        if self._blocked is not None:
            self._received = now
            return
        take = self._fragmenter.take
        for unit in units:
            if isinstance(unit, AccessUnit):
                self._received, self._out = now, None
            items = take(unit)
            if items and not self._write(items, now):
                return

    def interrupt(self, kind: GapKind, *, by: str | None = None, why: str | None = None) -> None:
        """The source yields nothing from now on, for this reason, until it does."""
        now = self._clock()
        if self._out is not None and kind is GapKind.RECONNECT and self._out[0] is kind:
            return  # it is tried again and again; the first reason stands
        self._out = (kind, by, why)
        if self._blocked is None:
            self._interrupt(kind, now, None, by, why)

    def tick(self) -> None:
        """Twice a second: silence is noticed, a full volume looked at again, a file of a dark camera ended."""
        now = self._clock()
        held_up, self._looked = now - self._looked - TURN, now
        if held_up > 0:
            self._received = min(Instant(self._received + held_up), now)
        folder = self._listener.folder(self.camera)
        if folder is None:
            if self._blocked is None:
                self._block("no room", now)
            return
        self.writer.folder = folder
        if self._blocked is not None:
            self._unblock(now)
        elif self._out is None and now - self._received > SILENT:
            self.interrupt(GapKind.SILENT)
        if self._dark_since is not None and now - self._dark_since > CLOSED_AFTER:
            self._close(now)

    def stop(self) -> None:
        """End the file; the time until somebody begins again is accounted for then."""
        now = self._clock()
        if self._blocked is None and self._write(self._fragmenter.flush(now), now):
            self._close(now)
        self.writer.abandon()

    def _interrupt(
        self, kind: GapKind, now: Instant, began: Instant | None, by: str | None = None, why: str | None = None
    ) -> None:
        self._write(self._fragmenter.interrupt(kind, now, began=began, by=by, why=why), now)

    def _write(self, items: list[Link | Parameters], now: Instant) -> bool:
        """Write them in order; False when a volume did not take one: it is lost with those after it, a gap lasts."""
        for item in items:
            try:
                written = self.writer.append(item)
            except OSError as error:
                self._listener.failed(self.writer.folder, error)
                self._block(_reason(error), now)
                return False
            if written.closed is not None:
                self._listener.closed(self.camera, written.closed)
            if isinstance(item, Parameters):
                self._parameters, self._path = item, None
                continue
            if written.path is not None and written.path != self._path:
                self._path = written.path
                self._listener.began(self.camera, self._parameters, written.path, written.seq)
            self._account(item)
            self._listener.wrote(self.camera, item, written)
        return True

    def _account(self, link: Link) -> None:
        """How it stands after this link."""
        if isinstance(link, Fragment):
            self._dark_since, self._ended = None, link.ended
            return
        gap = link.gap
        until = gap.began if gap.ended is None else gap.ended
        self._dark_since = gap.began if gap.ended is None else None
        self._ended = until if self._ended is None else max(self._ended, until)

    def _close(self, now: Instant) -> None:
        try:
            closed = self.writer.close()
        except OSError as error:
            self._listener.failed(self.writer.folder, error)
            self._block(_reason(error), now)
            return
        self._path = None
        if closed is not None:
            self._listener.closed(self.camera, closed)

    def _block(self, why: str, now: Instant) -> None:
        """No volume takes it: the file ends as it is, and the time from its last link on is a gap."""
        left = self.writer.segment()
        try:
            closed = self.writer.close()
        except OSError:
            # no room for the closing box either: nothing more will be written to it, and the chain goes on elsewhere
            self.writer.abandon()
            closed = None if left is None else msgspec.structs.replace(left, closed=True)
        if closed is not None:
            self._listener.closed(self.camera, closed)
        self._path, self._blocked = None, why
        self._fragmenter = Fragmenter(self.camera.id, self.writer.seq)
        began = now if self._ended is None else min(self._ended, now)
        self._dark_since = Instant(began)
        gap = Gap(self.camera.id, Instant(began), None, GapKind.DISK_FULL, why=why)
        self._listener.waits(self.camera, f"{self.camera.id}/{self.writer.seq}", gap)
        log.error("a camera cannot be recorded", camera=self.camera.id, why=why)

    def _unblock(self, now: Instant) -> None:
        """There is room: the gap is written first, then what comes."""
        why, self._blocked = self._blocked, None
        if self._parameters is not None and not self._write(self._fragmenter.take(self._parameters), now):
            return
        self._interrupt(GapKind.DISK_FULL, now, self._dark_since, why=why)
        if self._out is not None and self._blocked is None:
            kind, by, reason = self._out
            self._interrupt(kind, now, None, by, reason)


def _reason(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "EIO")
