"""Grants that serve for their time: a tablet asks every few seconds, and must not leave an entry every few seconds.

Policy is asked again at every use, so a grant is never used for what has been taken away meanwhile.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from saqtau.engine.access import Access, Delivered
from saqtau.kernel.access import AccessRequest, Grant, Viewer
from saqtau.kernel.clock import SECOND, Clock

_MARGIN = 30 * SECOND

Key = tuple[bytes, Viewer, AccessRequest]


class _Kept:
    """A grant, who is reading under it, and what has left under it."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant
        self.users = 1
        self.delivered = Delivered()
        self.retired = False

    def add(self, delivered: Delivered) -> None:
        """So much more has left; of times the earliest and the latest are told."""
        self.delivered.count += delivered.count
        told = self.delivered.told
        for name, value in delivered.told.items():
            told[name] = min(told.get(name, value), value) if name == "from" else max(told.get(name, value), value)


class Standing:
    """Open grants of this process by session, role and wish; closed with all that was delivered under them.

    Two requests at once may open two grants for one wish. The one that is replaced, or has run out, is closed by its
    last user: a figure told before would leave out what is on its way.
    """

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access = access
        self._clock = clock
        self._grants: dict[Key, _Kept] = {}

    @asynccontextmanager
    async def using(
        self, session: bytes, viewer: Viewer, wish: AccessRequest
    ) -> AsyncIterator[tuple[Grant, Delivered]]:
        """A grant for this wish, an open one if there is one, and what to count on. Raises Refused(DENIED)."""
        kept = await self._take((session, viewer, wish))
        delivered = Delivered()
        try:
            yield kept.grant, delivered
        finally:
            kept.add(delivered)
            await self._leave(kept)

    async def _take(self, key: Key) -> _Kept:
        _, viewer, wish = key
        known = self._grants.get(key)
        if known is not None and self._clock() < known.grant.expires - _MARGIN:
            known.users += 1  # before anything is waited for: nobody closes it meanwhile
            allowed = False
            try:
                allowed = await self._access.allows(viewer, wish)
            finally:
                if not allowed:
                    await self._leave(known)
            if allowed:
                return known
        fresh = _Kept(await self._access.open(viewer, wish))
        before = self._grants.get(key)
        self._grants[key] = fresh
        if before is not None:
            await self._retire(before)
        return fresh

    async def _leave(self, kept: _Kept) -> None:
        kept.users -= 1
        if kept.retired and not kept.users:
            await self._close(kept)

    async def _retire(self, kept: _Kept) -> None:
        kept.retired = True
        if not kept.users:
            await self._close(kept)

    async def _close(self, kept: _Kept) -> None:
        await self._access.close(kept.grant, kept.delivered.count, kept.delivered.told)

    async def sweep(self) -> None:
        """Close what has run out."""
        now = self._clock()
        for key, kept in list(self._grants.items()):
            if now >= kept.grant.expires and self._grants.get(key) is kept:
                del self._grants[key]
                await self._retire(kept)

    async def end(self) -> None:
        """Close everything: the process stops. What is in use closes with its last user."""
        grants, self._grants = list(self._grants.values()), {}
        for kept in grants:
            await self._retire(kept)
