"""Who looks at a camera now: a row from the first picture to the last, kept alive by the process that serves it."""

from collections.abc import Collection
from typing import Any, Final, Literal

from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.failures import refusals
from saqtau.engine.store import see
from saqtau.kernel.access import Grant
from saqtau.kernel.clock import Instant

SAID_EVERY: Final = 10.0
"""Seconds between two words of a process that its viewers still look."""
Watched = Literal["live", "recording"]


async def begin_watch(pg: Any, name: str, grant: Grant, kind: Watched, now: Instant) -> None:
    """Somebody begins to look. name: a new id. Raises Refused(UNAVAILABLE): then he is shown nothing."""
    viewer, request = grant.viewer, grant.request
    with refusals():
        async with pg.acquire() as connection, connection.transaction():
            await see(connection, EVERYWHERE)
            await connection.execute(
                """insert into video_watch (id, camera, viewer, role, purpose, session, kind, since, seen, entry)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9)""",
                name, request.object, viewer.id, viewer.role, request.purpose.value, viewer.session, kind, now,
                grant.entry,
            )  # fmt: skip


async def keep_watches(pg: Any, names: Collection[str], now: Instant) -> None:
    """They still look."""
    with refusals():
        async with pg.acquire() as connection, connection.transaction():
            await see(connection, EVERYWHERE)
            await connection.execute(
                "update video_watch set seen = $2 where id = any($1) and until is null and seen < $2", list(names), now
            )


async def end_watch(pg: Any, name: str, now: Instant) -> None:
    """He looks no more."""
    with refusals():
        async with pg.acquire() as connection, connection.transaction():
            await see(connection, EVERYWHERE)
            await connection.execute(
                """update video_watch set until = greatest($2, since), seen = greatest($2, seen)
                   where id = $1 and until is null""",
                name,
                now,
            )
