"""A folder that segments are written to: its room, and one sync for everything that was written since the last.

A sync of each file costs as many waits as there are cameras; `syncfs` costs one a volume (200 ms against 19 ms for 100
cameras on one disk). It also writes out whatever else lies on that disk, so a volume is best a disk of its own.
"""

import ctypes
import os
import shutil
from pathlib import Path
from typing import Final

import msgspec

from saqtau.kernel.errors import Kind, Refused

MARK: Final = ".saqtau-volume"
"""A file with the volume's name: a folder whose disk is not mounted has none, and is not written to."""
RESERVE_PART: Final = 10
RESERVE_MOST: Final = 100 << 30
"""Without a budget a tenth of the disk stays free, but not more than this."""
LEAST_FREE: Final = 64 << 20
"""Below so much the disk counts as full, whatever the budget says."""

_libc = ctypes.CDLL(None, use_errno=True)


class Room(msgspec.Struct, frozen=True):
    """How much a volume holds and may still take. Bytes."""

    used: int  # by recordings
    may: int  # what recordings may come to: the budget, or less where the disk has less
    free: int  # of the disk

    @property
    def left(self) -> int:
        """What may still be recorded."""
        return max(self.may - self.used, 0)

    @property
    def excess(self) -> int:
        """What must go so that recordings are within their bounds."""
        return max(self.used - self.may, 0)

    def days(self, rate: float) -> float | None:
        """How many days of recording the volume holds at this rate (bytes a second); None at a rate of nothing."""
        return self.may / rate / 86_400 if rate > 0 else None

    def seconds_left(self, rate: float) -> float | None:
        """How long until it is full if nothing goes; None at a rate of nothing."""
        return self.left / rate if rate > 0 else None


class Volume:
    """One folder. `used` is told by whoever keeps the index (`note`): walking a full disk takes minutes."""

    def __init__(self, folder: Path, budget: int | None = None) -> None:
        self.folder = folder
        self.budget = budget
        self._used = 0
        self._descriptor = -1

    def __repr__(self) -> str:
        return f"Volume({self.folder})"

    def open(self, name: str, known: str | None) -> str:
        """Make the folder ready; the name it has. name: a new one. known: the name that the index knows it by.

        Raises Refused: CONFLICT (`folder`: the folder is another one than the index knows: its disk is not mounted),
        UNAVAILABLE (it cannot be written).
        """
        mark = self.folder / MARK
        try:
            if known is None or self.folder.is_dir():
                self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = mark.read_text(encoding="utf-8").strip() if mark.is_file() else None
            if known is not None and found != known:
                told = f"volume {self.folder}: not the one that was recorded to; is its disk mounted?"
                raise Refused(Kind.CONFLICT, told, folder="not_mounted")
            if found is None:
                found = name
                with mark.open("x", encoding="utf-8") as out:
                    out.write(name + "\n")
                    out.flush()
                    os.fsync(out.fileno())
            self.close()
            self._descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise Refused(Kind.UNAVAILABLE, f"volume {self.folder}: {error.strerror}", folder="not_writable") from error
        return found

    def close(self) -> None:
        """Let go of the folder."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def sync(self) -> None:
        """Everything written to the volume is on disk when this returns. It blocks: call it in a thread.

        Raises OSError: what was written since the last sync may not be on disk.
        """
        if _libc.syncfs(self._descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(self.folder))

    def note(self, used: int) -> None:
        """What recordings take here, as the index knows."""
        self._used = used

    def grew(self, by: int) -> None:
        """So many bytes were written (or, below zero, went) since `note`."""
        self._used = max(self._used + by, 0)

    def used(self) -> int:
        """Bytes of recordings."""
        return self._used

    def free(self) -> int:
        """Bytes of the disk that are free. Raises OSError."""
        return shutil.disk_usage(self.folder).free

    def room(self) -> Room:
        """How much is there. Raises OSError."""
        disk = shutil.disk_usage(self.folder)
        used = self._used
        reserve = LEAST_FREE if self.budget is not None else min(disk.total // RESERVE_PART, RESERVE_MOST)
        may = used + disk.free - reserve
        if self.budget is not None:
            may = min(may, self.budget)
        return Room(used, max(may, 0), disk.free)
