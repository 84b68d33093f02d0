"""Fetches what a camera's own memory held of a gap: by whoever records it, a piece at a time, beside the living.

What a piece brings lies in closed files of the chain `<camera>+card` before anything is said of it; then it is entered.
A process that dies leaves files: whoever records the camera next ends and enters them, and goes on behind them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
import structlog
from prometheus_client import Counter

from saqtau.engine import card_wishes
from saqtau.engine.card_entering import enter, look_at, read_head
from saqtau.engine.card_wishes import Wanted, why_of
from saqtau.engine.failures import told
from saqtau.engine.ledger import Ledger
from saqtau.engine.recording_start import Start, find_start
from saqtau.engine.recording_volumes import Volumes
from saqtau.kernel.clock import MINUTE, Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import VideoCamera
from saqtau.video.access_unit import Unit
from saqtau.video.card import Sieve, chain_of
from saqtau.video.fragment import Fragmenter
from saqtau.video.segment import SegmentWriter
from saqtau.video.segment_file import FromCard

log = structlog.get_logger("saqtau.recorder")

FEW: Final = 2
"""Cameras of one process that are fetched from at once."""
PIECE: Final = 10 * MINUTE
"""Of a gap, that is fetched at once."""
PATIENCE: Final = 15 * 60.0
"""Seconds that a piece may take."""

FETCHED = Counter("saqtau_video_fetched_bytes", "Bytes fetched from the memory of cameras")


class Place(msgspec.Struct, frozen=True):
    """Where a camera plays what it stored. clock: ms that its clock is ahead of ours."""

    address: str
    clock: int


Find = Callable[[VideoCamera, Instant, Instant], Awaitable[Place]]
"""Where the time is played. Raises Refused."""
Replay = Callable[[VideoCamera, str, Instant, Instant, Callable[[list[Unit]], None]], Awaitable[None]]
"""Play it: camera, address, begin and end by the device's clock. Raises Refused, and what the callback raises."""


class Fetching:
    """Fetches for the cameras of one recorder process. pool: as saqtau_worker.

    settled: ms that a gap must be over, and the pause after a first failure.
    """

    def __init__(
        self, pool: Any, ledger: Ledger, volumes: Volumes, find: Find, replay: Replay, clock: Clock,
        *, settled: int = card_wishes.SETTLED,
    ) -> None:  # fmt: skip
        self._pool = pool
        self._ledger = ledger
        self._volumes = volumes
        self._find = find
        self._replay = replay
        self._clock = clock
        self._settled = settled
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def round(self, cameras: Mapping[str, VideoCamera]) -> None:
        """Write down what is wanted of these cameras, and begin with what is due. Raises Refused(UNAVAILABLE)."""
        await self.leave(code for code in tuple(self._tasks) if code not in cameras)
        self._tasks = {code: task for code, task in self._tasks.items() if not task.done()}
        asked = sorted(code for code, one in cameras.items() if one.back_fill is not None and code not in self._tasks)
        if not asked:
            return
        now = self._clock()
        async with self._pool.acquire() as pg:
            await card_wishes.want(pg, asked, now, self._settled)
            wanted = await card_wishes.due(pg, asked, now)
        for one in wanted[: max(0, FEW - len(self._tasks))]:
            task = asyncio.create_task(self._go(cameras[one.camera], one), name=f"fetching {one.camera}")
            self._tasks[one.camera] = task

    async def leave(self, codes: Iterable[str]) -> None:
        """Nothing of these cameras is written any more when this returns."""
        tasks = [self._tasks.pop(code) for code in tuple(codes) if code in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def stop(self) -> None:
        """Leave all."""
        await self.leave(tuple(self._tasks))

    async def _go(self, camera: VideoCamera, wanted: Wanted) -> None:
        try:
            await self._piece(camera, wanted)
        except Refused as refused:  # the database or the log is away; it is due still
            log.warning("what a card held is not entered", camera=camera.id, reason=told(refused))
        except Exception:
            log.exception("a card cannot be fetched from", camera=camera.id)

    async def _piece(self, camera: VideoCamera, wanted: Wanted) -> None:
        start = await self._settle(camera)
        async with self._pool.acquire() as pg:
            fresh = await card_wishes.again(pg, wanted.gap)
            if fresh is None:
                return  # what a dead process had fetched was all of it
            wanted = fresh
            await card_wishes.begin(pg, wanted, self._clock())
        until = Instant(min(wanted.ended, wanted.reached + PIECE))
        why = None
        try:
            if until > wanted.reached:
                async with asyncio.timeout(PATIENCE):
                    await self._take(camera, wanted, until, start)
        except Refused as refused:
            why = why_of(refused)
            log.warning("a gap is not fetched", camera=camera.id, gap=wanted.gap, reason=told(refused))
        except OSError as error:
            why = "slow" if isinstance(error, TimeoutError) else "disk"
            log.warning("a gap is not fetched", camera=camera.id, gap=wanted.gap, reason=told(error))
        await self._settle(camera)
        async with self._pool.acquire() as pg:
            if why is None or (why == "nothing" and until < wanted.ended):
                await card_wishes.went_on(pg, wanted, until, self._clock(), self._settled)
            else:
                await card_wishes.failed(pg, wanted, why, self._clock(), self._settled)

    async def _settle(self, camera: VideoCamera) -> Start:
        """End and enter what lies there and was not entered; where the chain goes on."""
        async with self._pool.acquire() as pg:
            head = await read_head(pg, camera.id)
        folders = self._volumes.folders
        start = await asyncio.to_thread(
            find_start, chain_of(camera.id), head, folders, self._clock(), lasting=False
        )  # fmt: skip
        if start.found:
            files = await asyncio.to_thread(look_at, start.found)
            unsynced = await self._volumes.sync()
            if any(one.segment.path.is_relative_to(folder) for one in files for folder in unsynced):
                raise Refused(Kind.UNAVAILABLE, "a volume cannot sync", disk="unavailable")
            await enter(self._pool, self._ledger, camera, files, self._volumes.all, self._clock())
        return start

    async def _take(self, camera: VideoCamera, wanted: Wanted, until: Instant, start: Start) -> None:
        folder = self._volumes.choose(camera.id)
        if folder is None:
            raise Refused(Kind.UNAVAILABLE, "no volume has room", card="no_room")
        place = await self._find(camera, wanted.reached, until)
        chain = chain_of(camera.id)
        card = FromCard(self._clock(), place.clock, wanted.gap)
        writer = SegmentWriter(folder, chain, camera.place.value, seq=start.seq, chain=start.chain, card=card)
        fragmenter, sieve = Fragmenter(chain, start.seq), Sieve(wanted.reached, until, place.clock)
        volume = self._volumes.of(folder)

        def write(unit: Unit) -> None:
            for item in fragmenter.take(unit):
                size = writer.append(item).size
                FETCHED.inc(size)
                if volume is not None:
                    volume.grew(size)

        def take(units: list[Unit]) -> None:
            for unit in units:
                kept = sieve.take(unit)
                if kept is not None:
                    write(kept)

        began, ended = Instant(wanted.reached + place.clock), Instant(until + place.clock)
        try:
            await self._replay(camera, place.address, began, ended, take)
        finally:
            for item in fragmenter.flush(until):
                writer.append(item)
            writer.close()
        if not sieve.pictures:
            raise Refused(Kind.NOT_FOUND, "nothing of this time came", card="nothing")
