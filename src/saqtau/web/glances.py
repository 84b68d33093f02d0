"""Whoever looks piece by piece (pieces of a playlist, key pictures) looks from the first until a while after the last.

Each piece is an answer of its own, so nothing ends such a look: who watches is told for `LASTS` after the last piece,
and the row then says when that was.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

from saqtau.engine.video_watching import begin_watch, end_watch, keep_watches
from saqtau.kernel.access import Grant
from saqtau.kernel.clock import SECOND, Clock, Instant
from saqtau.kernel.ids import Ids
from saqtau.web.errors import TROUBLE, busy

LASTS: Final = 30 * SECOND
"""A player asks for its next piece of some seconds well before that."""
MOST: Final = 10_000
"""Looks of one process at a time."""

_Key = tuple[bytes, str, str, str]


class _Glance:
    """One look: its row, and when its last piece left."""

    def __init__(self, name: str, now: Instant) -> None:
        self.name = name
        self.last = now
        self.begun: asyncio.Task[None] | None = None


class Glances:
    """The looks of this process, by session, role, camera and purpose."""

    def __init__(self, pg: Any, clock: Clock, ids: Ids) -> None:
        self._pg = pg
        self._clock = clock
        self._ids = ids
        self._open: dict[_Key, _Glance] = {}

    async def look(self, session: bytes, grant: Grant) -> None:
        """A piece is about to leave. Raises Refused: UNAVAILABLE (nobody would be told), TOO_MANY."""
        key = (session, grant.viewer.role, grant.request.object, grant.request.purpose.value)
        now, one = self._clock(), self._open.get(key)
        if one is None:
            if len(self._open) >= MOST:
                raise busy("too many pictures at once", 5, recording="too_many_views")
            one = self._open[key] = _Glance(self._ids(), now)
            one.begun = asyncio.create_task(begin_watch(self._pg, one.name, grant, "recording", now))
        one.last = Instant(max(one.last, now))
        try:
            if one.begun is not None:
                await asyncio.shield(one.begun)
        except BaseException:
            if self._open.get(key) is one and (one.begun is None or one.begun.done()):
                del self._open[key]
            raise

    async def sweep(self) -> None:
        """Say of those that go on that they do, and end the others where their last piece left."""
        now = self._clock()
        over = [key for key, one in self._open.items() if now - one.last > LASTS]
        for key in over:
            one = self._open.pop(key)
            with suppress(*TROUBLE):  # a row that is not closed counts as ended when nobody keeps it alive
                await end_watch(self._pg, one.name, one.last)
        if self._open:
            with suppress(*TROUBLE):  # with the database away they count as gone until it is back
                await keep_watches(self._pg, [one.name for one in self._open.values()], now)

    async def end(self) -> None:
        """The process stops: whoever goes on looking begins anew elsewhere."""
        ended, self._open = list(self._open.values()), {}
        for one in ended:
            with suppress(*TROUBLE):
                await end_watch(self._pg, one.name, one.last)
