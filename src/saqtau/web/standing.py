"""Grants that serve for their time: a tablet asks every few seconds, and must not leave an entry every few seconds.

Policy is asked again at every use, so a grant is never used for what has been taken away meanwhile.
"""

from saqtau.engine.access import Access
from saqtau.kernel.access import AccessRequest, Grant, Viewer
from saqtau.kernel.clock import SECOND, Clock

_MARGIN = 30 * SECOND

Key = tuple[bytes, Viewer, AccessRequest]


class Standing:
    """Open grants of this process by session, role and wish; closed with all that was delivered under them."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self._access = access
        self._clock = clock
        self._grants: dict[Key, Grant] = {}
        self._delivered: dict[str, int] = {}

    async def grant(self, session: bytes, viewer: Viewer, wish: AccessRequest) -> Grant:
        """A grant for this wish, an open one if there is one. Raises Refused(DENIED)."""
        now = self._clock()
        key = (session, viewer, wish)
        known = self._grants.get(key)
        if known is not None and now < known.expires - _MARGIN and await self._access.allows(viewer, wish):
            return known
        fresh = await self._access.open(viewer, wish)
        before = self._grants.get(key)
        self._grants[key] = fresh
        self._delivered[fresh.entry] = 0
        if before is not None:
            await self._close(before)
        return fresh

    def count(self, grant: Grant, delivered: int) -> None:
        """So much more has left under this grant."""
        if grant.entry in self._delivered:
            self._delivered[grant.entry] += delivered

    async def sweep(self) -> None:
        """Close what has run out."""
        now = self._clock()
        for key, grant in list(self._grants.items()):
            if now >= grant.expires:
                del self._grants[key]
                await self._close(grant)

    async def end(self) -> None:
        """Close everything: the process stops."""
        grants, self._grants = list(self._grants.values()), {}
        for grant in grants:
            await self._close(grant)

    async def _close(self, grant: Grant) -> None:
        await self._access.close(grant, self._delivered.pop(grant.entry, 0))
