"""Who records which cameras: 64 partitions, each a locked file, so that two processes never write one camera's chain.

The operating system frees a lock the moment its process dies, whatever kills it, and needs no database for it: cameras
are recorded on while PostgreSQL is away. A process has partitions of its own (`home`); it takes those of another one
that has been dead for a moment, and gives them back when that lives again.
"""

import fcntl
import os
import zlib
from pathlib import Path
from typing import Final

import msgspec

from saqtau.kernel.clock import SECOND, Instant

PARTITIONS: Final = 64
GRACE: Final = 2 * SECOND
"""How long another process may be dead before its cameras are taken: a restart is quicker than two hand-overs."""


def partition_of(camera: str) -> int:
    """The partition of a camera."""
    return zlib.crc32(camera.encode()) % PARTITIONS


class Turn(msgspec.Struct, frozen=True):
    """What a look at the locks brought: partitions that are ours now, and those to be let go (`Leases.release`)."""

    taken: frozenset[int] = frozenset()
    leaving: frozenset[int] = frozenset()


class Leases:
    """The partitions of process `index` of `count`. folder: of the lock files, the same for all of them."""

    def __init__(self, folder: Path, index: int, count: int) -> None:
        if not 0 <= index < count <= PARTITIONS:
            raise ValueError(f"process {index} of {count}")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder = folder
        self._index = index
        self._count = count
        self._held: dict[int, int] = {}  # partition -> descriptor
        self._alive = -1  # descriptor of the lock that says that we live
        self._dead_since: dict[int, Instant] = {}

    @property
    def owned(self) -> frozenset[int]:
        """Partitions that nobody else writes."""
        return frozenset(self._held)

    def home_of(self, partition: int) -> int:
        """The process that a partition belongs to when all are alive."""
        return partition % self._count

    def turn(self, now: Instant) -> Turn:
        """Look at the locks; at most a few hundred system calls. Raises OSError when the folder cannot be used."""
        if self._alive < 0:
            self._alive = _lock(self._folder / f"alive-{self._index}", fcntl.LOCK_EX)
            if self._alive < 0:
                return Turn()  # the process before us is still dying, or somebody looks: the next turn will do
        takeable = {self._index} | self._dead(now)
        taken = set()
        for partition in range(PARTITIONS):
            if partition not in self._held and self.home_of(partition) in takeable:
                descriptor = _lock(self._folder / f"partition-{partition}", fcntl.LOCK_EX)
                if descriptor >= 0:
                    self._held[partition] = descriptor
                    taken.add(partition)
        leaving = {one for one in self._held if self.home_of(one) != self._index and self._lives(self.home_of(one))}
        return Turn(frozenset(taken), frozenset(leaving))

    def release(self, partition: int) -> None:
        """Nothing of this partition is written any more."""
        descriptor = self._held.pop(partition, -1)
        if descriptor >= 0:
            os.close(descriptor)

    def close(self) -> None:
        """Let everything go."""
        for partition in tuple(self._held):
            self.release(partition)
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1

    def _dead(self, now: Instant) -> set[int]:
        found = set()
        for index in range(self._count):
            if index == self._index or self._lives(index):
                self._dead_since.pop(index, None)
            elif now - self._dead_since.setdefault(index, now) >= GRACE:
                found.add(index)
        return found

    def _lives(self, index: int) -> bool:
        # a shared lock: two that look at once do not take each other for the living
        descriptor = _lock(self._folder / f"alive-{index}", fcntl.LOCK_SH)
        if descriptor < 0:
            return True
        os.close(descriptor)
        return False


def _lock(path: Path, kind: int) -> int:
    """The descriptor of a locked file, -1 when another process has it. It is not inherited by children."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return -1
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
