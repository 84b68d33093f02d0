"""One live stream as an ASGI answer: frames to the wire, grants that are renewed, an end in every case."""

import asyncio
from contextlib import suppress
from typing import Any, Final

from litestar.types import Receive, Scope, Send

from saqtau.engine.reading import regions_of
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import SECOND
from saqtau.kernel.compartment import hidden_from
from saqtau.web.errors import TROUBLE
from saqtau.web.frames import Audience
from saqtau.web.live import Client, Hub
from saqtau.web.looking import may, standing
from saqtau.web.parts import Parts
from saqtau.web.sessions import Session

PATIENCE: Final = 10.0
"""Seconds a client may take to accept one frame before its connection is given up."""
RENEWED_BEFORE: Final = 30 * SECOND


class Watch:
    """The grants of one stream. Lines count for the queue, rows for the units."""

    def __init__(self, parts: Parts, session: Session) -> None:
        self._parts = parts
        self._session = session
        unit = session.person.unit
        self._unit = unit if may(parts, session, Action.WATCH_OWN, unit) else None
        if self._unit is not None:
            self._actions = [Action.WATCH_OWN]
        else:
            allowed = [action for action in (Action.WATCH_QUEUE, Action.WATCH_UNITS) if may(parts, session, action)]
            self._actions = allowed or [Action.WATCH_QUEUE]  # asked for all the same: the denial leaves its entry
        self._grants: dict[Action, Grant] = {}
        self._counted: dict[Action, int] = {}

    async def open(self) -> Audience:
        """Take the grants. Raises Refused(DENIED)."""
        for action in self._actions:
            viewer, wish = standing(self._parts, self._session, action, self._unit)
            self._grants[action] = await self._parts.access.open(viewer, wish)
            self._counted[action] = 0
        regions = frozenset.intersection(*(regions_of(grant.viewer) for grant in self._grants.values()))
        if self._unit is not None:
            return Audience(regions, unit=self._unit)
        queue = self._grants.get(Action.WATCH_QUEUE)
        desks = self._parts.desks.current.values()
        return Audience(
            regions,
            queue=queue is not None,
            units=Action.WATCH_UNITS in self._grants,
            hidden=hidden_from(desks, queue.viewer.role) if queue is not None else frozenset(),
        )

    def count(self, lines: int, rows: int) -> None:
        """So much has left."""
        for action in self._counted:
            match action:
                case Action.WATCH_QUEUE:
                    self._counted[action] += lines
                case Action.WATCH_UNITS:
                    self._counted[action] += rows
                case _:
                    self._counted[action] += lines + rows

    async def renew(self) -> None:
        """A grant serves for its time; then a new entry is made. Raises Refused(DENIED) when policy has changed."""
        now = self._parts.clock()
        if any(grant.expires - RENEWED_BEFORE < now for grant in self._grants.values()):
            await self.close()
            await self.open()

    async def close(self) -> None:
        """Close the entries with what was delivered."""
        grants, self._grants = self._grants, {}
        for action, grant in grants.items():
            await self._parts.access.close(grant, self._counted.pop(action))


class LiveAnswer:
    """The ASGI application that a live request becomes."""

    def __init__(self, hub: Hub, watch: Watch, client: Client) -> None:
        self._hub = hub
        self._watch = watch
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send frames until the client leaves, the session ends, or the process stops."""
        del scope
        leaving = asyncio.create_task(self._leave(receive))
        try:
            headers = [
                (b"content-type", b"text/event-stream; charset=utf-8"),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            with suppress(*TROUBLE):
                await self._flow(send)
        finally:
            leaving.cancel()
            self._hub.leave(self._client)
            with suppress(*TROUBLE):  # an entry that is not closed says itself that its end is unknown
                await asyncio.shield(self._watch.close())

    async def _flow(self, send: Send) -> None:
        while (frame := await self._client.next()) is not None:
            await self._watch.renew()
            async with asyncio.timeout(PATIENCE):
                await send({"type": "http.response.body", "body": frame.data, "more_body": True})
            self._watch.count(frame.lines, frame.rows)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _leave(self, receive: Receive) -> None:
        message: Any = {}
        while message.get("type") != "http.disconnect":
            message = await receive()
        self._client.end()
