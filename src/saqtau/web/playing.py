"""A recording on its way to a viewer: counted as it leaves, told who looks, ended when he may not look any more."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final

import structlog
from litestar.types import Receive, Scope, Send

from saqtau.engine.recording_reading import Picture, Run
from saqtau.engine.video_watching import begin_watch, end_watch
from saqtau.kernel.access import AccessRequest, Grant, Viewer
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.errors import TROUBLE
from saqtau.web.metrics import RECORDED_BYTES
from saqtau.web.parts import Parts
from saqtau.web.view import LEFT, Views

log = structlog.get_logger("saqtau.web.playing")

CHUNK: Final = 256 * 1024


class Playing:
    """One recording that is sent: an ASGI answer that closes its grant with what left, whatever happens on the way."""

    def __init__(self, parts: Parts, views: Views, session: bytes) -> None:
        self._parts = parts
        self._views = views
        self._view = views.join(parts.ids(), session, "recording")
        self._grant: Grant | None = None
        self._runs: AsyncIterator[Run] | None = None
        self._next: Run | None = None
        self._watched = False
        self._sent = 0
        self._first: Picture | None = None
        self._last: Picture | None = None

    async def open(self, viewer: Viewer, wish: AccessRequest, told: Mapping[str, Any]) -> Grant:
        """The grant for it. Raises Refused: DENIED, UNAVAILABLE."""
        try:
            self._grant = await self._parts.access.open(viewer, wish, told)
        except BaseException:
            self._views.leave(self._view)
            raise
        return self._grant

    async def of(self, first: Run, more: AsyncIterator[Run]) -> "Playing":
        """With this content; that somebody looks is told from here on. Raises Refused(UNAVAILABLE)."""
        if self._grant is not None:
            await begin_watch(self._parts.pg, self._view.name, self._grant, "recording", self._parts.clock())
            self._watched = True
        self._next, self._runs = first, more
        return self

    async def close(self) -> None:
        """Tell what was sent: bytes, first and last fragment, and their times."""
        self._views.leave(self._view)
        grant, self._grant = self._grant, None
        RECORDED_BYTES.inc(self._sent)
        if grant is not None:
            told: dict[str, Any] = {}
            if self._first is not None and self._last is not None:
                told = {
                    "first": self._first.seq, "last": self._last.seq, "from": self._first.at, "to": self._last.ended,
                }  # fmt: skip
            with suppress(*TROUBLE):  # an entry that is not closed says itself that its end is unknown
                await self._parts.access.close(grant, self._sent, told)
        if self._watched:
            with suppress(*TROUBLE):
                await end_watch(self._parts.pg, self._view.name, self._parts.clock())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it until its end, or until the viewer leaves, his session ends or his grant has run out."""
        del scope
        leaving = asyncio.create_task(self._leave(receive))
        try:
            headers = [
                (b"content-type", b"video/mp4"),
                (b"content-security-policy", b"default-src 'none'; sandbox"),
                (b"cache-control", b"no-store"),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            try:
                await self._flow(send)
            except TROUBLE as error:  # it breaks off here, and a reader sees that it did
                log.warning("a recording breaks off", reason=type(error).__name__)
            else:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            leaving.cancel()
            await asyncio.shield(self.close())

    async def _flow(self, send: Send) -> None:
        while self._next is not None and self._runs is not None:
            run = self._next
            data = run.init + run.data
            for start in range(0, len(data), CHUNK):
                if self._view.is_over():
                    raise _over()
                chunk = data[start : start + CHUNK]
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                if self._view.is_over():
                    raise _over()  # he left while it was being sent: nobody knows how much of it came
                self._sent += len(chunk)
            self._first = self._first or run.first
            self._last = run.last
            self._next = await anext(self._runs, None)

    async def _leave(self, receive: Receive) -> None:
        message: Any = {}
        while message.get("type") != "http.disconnect":
            message = await receive()
        self._view.end(LEFT)


def _over() -> Refused:
    return Refused(Kind.DENIED, "the viewer has left, or may not look any more", recording="over")
