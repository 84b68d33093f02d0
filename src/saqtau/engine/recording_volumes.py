"""The volumes of this machine: which one takes a camera's next file, how full they are, what is wrong with them."""

import asyncio
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import Gauge

from saqtau.engine.failures import refusals
from saqtau.kernel.clock import DAY, HOUR, MINUTE, SECOND, Clock, Instant
from saqtau.kernel.errors import Refused
from saqtau.video.volume import Room, Volume

log = structlog.get_logger("saqtau.recorder")

REST: Final = 5 * SECOND
"""A volume that did not take a write is left alone for so long."""
NARROW: Final = 64 << 20
"""Bytes below which a volume takes no new file: what is being written must end."""
HEADROOM: Final = 256 << 20
"""Bytes that are kept free by deleting what is nearest to its term."""
LOW: Final = HOUR
"""A volume that would be full so soon, and has nothing that may go, is told."""
MEASURED: Final = 10 * MINUTE

FREE = Gauge("saqtau_video_volume_left_bytes", "Bytes that recordings may still take", ["volume"])
DAYS = Gauge("saqtau_video_volume_days", "Days of recording that the volume holds at the present rate", ["volume"])
TROUBLE = Gauge("saqtau_video_volume_trouble", "1 while a volume is low, full, short or away", ["volume"])

_KNOWN: Final = "select folder, name from video_volume where folder = any($1::text[])"
_ENTER: Final = "insert into video_volume (folder, name, at) values ($1, $2, $3) on conflict (folder) do nothing"
_USED: Final = "select folder, bytes from video_volume where folder = any($1::text[])"
_RATE: Final = """
    select volume, sum(bytes)::float8 as bytes, min(began) as began from video_segment where began > $1 group by volume
"""
_STANDS: Final = "update video_volume set may = $2, free = $3, rate = $4, trouble = $5, at = $6 where folder = $1"


class Volumes:
    """All volumes. Each camera has an order of its own among them, so that they fill evenly."""

    def __init__(self, volumes: Sequence[Volume], clock: Clock) -> None:
        self._volumes = {one.folder: one for one in volumes}
        self._clock = clock
        self._away = set(self._volumes)
        self._rests: dict[Path, Instant] = {}
        self._rooms: dict[Path, Room] = {}
        self._rates: dict[Path, float] = {}
        self._told: dict[Path, str | None] = {}
        self._orders: dict[str, list[Path]] = {}

    @property
    def folders(self) -> tuple[Path, ...]:
        """Of the volumes that are there."""
        return tuple(folder for folder in self._volumes if folder not in self._away)

    @property
    def all(self) -> tuple[Path, ...]:
        """Of all volumes, there or not."""
        return tuple(self._volumes)

    async def open(self, pool: Any, name: Callable[[], str]) -> None:
        """Open those that are not yet; one that cannot be is told and tried again. Raises Refused(UNAVAILABLE)."""
        wanted = [str(folder) for folder in self._away]
        if not wanted:
            return
        with refusals():
            known = {row["folder"]: row["name"] for row in await pool.fetch(_KNOWN, wanted)}
            for folder in sorted(self._away):
                try:
                    named = await asyncio.to_thread(self._volumes[folder].open, name(), known.get(str(folder)))
                except Refused as refused:
                    await self._say(pool, folder, "away", refused.message)
                    continue
                await pool.execute(_ENTER, str(folder), named, self._clock())
                self._away.discard(folder)
                self._told.pop(folder, None)
                self._look(folder)

    def choose(self, camera: str) -> Path | None:
        """The volume of a camera's next file; None when none takes one."""
        order = self._orders.get(camera)
        if order is None:
            weight = {folder: zlib.crc32(f"{camera} {folder}".encode()) for folder in self._volumes}
            order = self._orders[camera] = sorted(self._volumes, key=weight.__getitem__)
        now = self._clock()
        for folder in order:
            if folder in self._away or self._rests.get(folder, 0) > now:
                continue
            room = self._rooms.get(folder)
            if room is not None and room.left > _narrow(room):
                return folder
        return None

    def failed(self, folder: Path, error: OSError) -> None:
        """It did not take a write."""
        self._rests[folder] = Instant(self._clock() + REST)
        log.error("a volume did not take a write", volume=str(folder), error=error.strerror)

    def of(self, path: Path) -> Volume | None:
        """The volume that a file lies in."""
        return next((one for folder, one in self._volumes.items() if path.is_relative_to(folder)), None)

    def room(self, folder: Path) -> Room | None:
        """How it stands, as looked at last."""
        return self._rooms.get(folder)

    def look(self) -> None:
        """How much each has: a system call a volume."""
        for folder in self.folders:
            self._look(folder)

    def _look(self, folder: Path) -> None:
        try:
            self._rooms[folder] = self._volumes[folder].room()
        except OSError as error:
            self.failed(folder, error)

    async def sync(self) -> frozenset[Path]:
        """All that was written is on disk when this returns, but on the volumes it names; volumes side by side."""
        folders = self.folders
        done = await asyncio.gather(
            *(asyncio.to_thread(self._volumes[folder].sync) for folder in folders), return_exceptions=True
        )
        failed = set()
        for folder, error in zip(folders, done, strict=True):
            if isinstance(error, OSError):
                self.failed(folder, error)
                failed.add(folder)
            elif isinstance(error, BaseException):
                raise error
        return frozenset(failed)

    async def weigh(self, pool: Any) -> None:
        """What the index says lies on each. Raises Refused(UNAVAILABLE)."""
        with refusals():
            rows = await pool.fetch(_USED, [str(folder) for folder in self.folders])
        for row in rows:
            self._volumes[Path(row["folder"])].note(row["bytes"])
        self.look()

    async def tell(self, pool: Any, needed: float) -> None:
        """Write down how they stand, and say what is wrong. needed: days that pictures are kept, on average."""
        now = self._clock()
        with refusals():
            rates = {
                row["volume"]: row["bytes"] / max((now - row["began"]) / SECOND, 1.0)
                for row in await pool.fetch(_RATE, now - MEASURED)
            }
            for folder in self.folders:
                room, rate = self._rooms.get(folder), rates.get(str(folder), 0.0)
                if room is None:
                    continue
                trouble = _trouble(room, rate, needed)
                FREE.labels(str(folder)).set(room.left)
                DAYS.labels(str(folder)).set(room.days(rate) or 0)
                await pool.execute(_STANDS, str(folder), room.may, room.free, rate, trouble, now)
                days = room.days(rate)
                told = f"holds {days:.1f} days of {needed:.1f}" if days is not None else "nothing is recorded"
                await self._say(pool, folder, trouble, told)

    async def _say(self, pool: Any, folder: Path, trouble: str | None, told: str) -> None:
        TROUBLE.labels(str(folder)).set(0 if trouble is None else 1)
        if self._told.get(folder) == trouble:
            return
        self._told[folder] = trouble
        if trouble is None:
            log.info("a volume is well again", volume=str(folder))
            return
        log.error("a volume is in trouble", volume=str(folder), trouble=trouble, told=told)
        await pool.execute(
            "update video_volume set trouble = $2, at = $3 where folder = $1", str(folder), trouble, self._clock()
        )

    def close(self) -> None:
        """Let go of them."""
        for volume in self._volumes.values():
            volume.close()


def excess_of(room: Room) -> int:
    """Bytes that must go so that there is room for what comes."""
    return max(room.used + min(HEADROOM, room.may // 4) - room.may, 0)


def _narrow(room: Room) -> int:
    return min(NARROW, room.may // 8)


def _trouble(room: Room, rate: float, needed: float) -> str | None:
    """What is wrong: `full` (nothing more fits), `low` (soon), `short` (it holds fewer days than are needed)."""
    days, seconds = room.days(rate), room.seconds_left(rate)
    if room.left <= _narrow(room):
        return "full"
    if days is not None and days * DAY < needed * DAY:
        return "short"
    if seconds is not None and seconds * SECOND < LOW:
        return "low"
    return None
