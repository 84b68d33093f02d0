"""A disk that fills up: new events are refused in time, nothing stored is harmed, and it goes on when there is room.

A NATS server that meets a full disk gives no answer at all, and stays so until it is started again. So the journal is
held while the disk still has its reserve: each stream's limit becomes what it holds, and whoever publishes is told at
once that there is no room.
"""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import nats.errors
import structlog

from saqtau.engine import broker
from saqtau.engine.failures import told
from saqtau.engine.journal import FEED, POSITIONS, READS, Stream, ensure_streams
from saqtau.kernel.errors import Refused

log = structlog.get_logger()

RESERVE: Final = 512 << 20
"""Bytes of the disk that the journal leaves to PostgreSQL and the logs."""
EVERY: Final = 1.0
HELD: Final = (READS, POSITIONS, FEED)
"""Not LATE: it is a trickle, and only while the ledger has no room either; dispatch lives on it then."""


class Room:
    """Watches the disk of a broker of our own. `again` starts NATS anew."""

    def __init__(
        self,
        folder: Path,
        address: broker.Broker,
        again: Callable[[], Awaitable[None]],
        *,
        reserve: int = RESERVE,
        streams: tuple[Stream, ...] = HELD,
    ) -> None:
        self.held = False
        self._folder = folder
        self._address = address
        self._again = again
        self._reserve = reserve
        self._streams = streams
        self._met_the_end = False

    async def keep(self) -> None:
        """Look every second, until cancelled."""
        nc = await broker.connect(self._address, "saqtau-room", patience=60)
        try:
            while True:
                try:
                    await self._look(broker.context(nc, 2.0))
                except (Refused, OSError, TimeoutError, nats.errors.Error) as error:
                    log.warning("the journal's room cannot be set", error=told(error))
                await asyncio.sleep(EVERY)
        finally:
            await nc.close()

    async def _look(self, js: Any) -> None:
        free = shutil.disk_usage(self._folder).free
        self._met_the_end |= free < self._reserve // 16  # it may have had a write fail
        if free < self._reserve // 2:
            if not self.held:
                log.error("the disk is nearly full: new events are refused", free=free, folder=str(self._folder))
            self.held = True
            await hold(js, self._streams)  # each time: a part that has just started sets the usual limits
        elif self.held and free > self._reserve:
            if self._met_the_end:
                log.warning("the disk has room again: NATS is started anew")
                await self._again()
                self._met_the_end = False
            await ensure_streams(js, self._address.replicas, self._streams)
            self.held = False
            log.warning("the disk has room again: events are taken", free=free)


async def hold(js: Any, streams: tuple[Stream, ...] = (READS,)) -> None:
    """Let the streams take nothing more: those that refuse when full refuse, the others forget their oldest instead."""
    for stream in streams:
        info = await js.stream_info(stream.name)
        limit = max(1, info.state.bytes)
        if info.config.max_bytes != limit:
            await js.update_stream(info.config, max_bytes=limit)
