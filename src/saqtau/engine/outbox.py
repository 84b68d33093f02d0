"""What is committed is told: the parcels of the outbox go to the FEED stream, then their rows are deleted.

A parcel is published under its row's id as Nats-Msg-Id. Whoever publishes it again (a second try, the sweeper after a
crash between publishing and deleting) is recognised by the broker for its duplicate window (`journal.REMEMBERED`).
The bound: a row that was published, whose deletion failed, and that nobody could sweep for longer than the window, is
told twice; a reader keeps the line with the highest `rev`, so that it sees no difference.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import structlog

from saqtau.engine import journal
from saqtau.engine.failures import PASSING, told
from saqtau.engine.journal import FEED
from saqtau.engine.lines import Outgoing
from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Refused

log = structlog.get_logger()

SWEPT_AFTER = 1 * SECOND
"""A row older than this was left by a crash, or its publisher is slow: then both publish it, once for the broker."""

_SWEEP = """
    select id, topic, payload from outbox where created <= $1
    order by created limit $2 for update skip locked
"""


async def send(js: Any, outgoing: Sequence[Outgoing], patience: float = journal.PATIENCE) -> None:
    """Publish parcels, durable when it returns. Raises Refused(UNAVAILABLE) after `patience` seconds."""
    subject = FEED.subject
    await asyncio.gather(
        *(journal.publish(js, f"{subject}.{one.topic}", one.payload, one.id, patience=patience) for one in outgoing)
    )


async def publish(js: Any, pg: Any, outgoing: Sequence[Outgoing]) -> None:
    """Publish parcels that are committed, then delete their rows. pg: pool or connection.

    Never raises for the engine's own trouble: the rows stay and the sweeper tells them later.
    """
    if not outgoing:
        return
    try:
        await send(js, outgoing, patience=2.0)
        await pg.execute("delete from outbox where id = any($1::text[])", [one.id for one in outgoing])
    except (Refused, *PASSING) as error:
        log.warning("parcels are left to the sweeper", parcels=len(outgoing), error=told(error))


async def sweep(pool: Any, js: Any, now: Instant, batch: int = 200) -> int:
    """Publish and delete what a crash or an outage left behind; returns how many. Safe with several workers."""
    swept = 0
    while True:
        async with pool.acquire() as pg, pg.transaction():
            rows = await pg.fetch(_SWEEP, now - SWEPT_AFTER, batch)
            if not rows:
                return swept
            await send(js, [Outgoing(row["id"], row["topic"], row["payload"]) for row in rows], patience=5.0)
            await pg.execute("delete from outbox where id = any($1::text[])", [row["id"] for row in rows])
        swept += len(rows)


class Publisher:
    """Publishes in the order it was given, in the background, so that the next transaction need not wait."""

    def __init__(self, js: Any, pool: Any) -> None:
        self._js = js
        self._pool = pool
        self._waiting: list[Outgoing] = []
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    def put(self, outgoing: Sequence[Outgoing]) -> None:
        """Parcels that are committed."""
        if outgoing:
            self._waiting += outgoing
            self._idle.clear()
            self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled; what is left then is swept later."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._idle.clear()
            taken, self._waiting = self._waiting, []
            await publish(self._js, self._pool, taken)
            if not self._waiting:
                self._idle.set()

    async def drained(self, patience: float) -> None:
        """Wait until all is published, at most so many seconds."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), patience)
