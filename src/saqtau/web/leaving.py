"""A package that is read while it leaves: no more than a piece of it in memory, counted as it goes."""

import asyncio
from typing import Any

import structlog
from litestar.types import Receive, Scope, Send

from saqtau.engine.recording_package import Leaving
from saqtau.kernel.access import Grant
from saqtau.web.bytes import CHUNK
from saqtau.web.metrics import PACKAGES
from saqtau.web.parts import Parts
from saqtau.web.receiving import Gone, Receiver

log = structlog.get_logger("saqtau.web.leaving")


class LeavingAnswer:
    """An ASGI answer that closes its grant with the bytes that were sent, whatever happens on the way.

    What cannot be read any more in the middle breaks the answer off: the receiver has no whole zip then, and its
    program says so.
    """

    def __init__(self, parts: Parts, grant: Grant) -> None:
        self._parts = parts
        self._grant = grant
        self._leaving: Leaving | None = None
        self._sent = 0

    def of(self, leaving: Leaving) -> "LeavingAnswer":
        """With this package."""
        self._leaving = leaving
        return self

    async def close(self) -> None:
        """Tell what was sent."""
        PACKAGES.inc(self._sent)
        await self._parts.access.close(self._grant, self._sent)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the pieces; a slow receiver is waited for, and nothing is read ahead of him."""
        found = self._leaving
        assert found is not None, "an answer without its package"  # noqa: S101
        headers: list[Any] = [
            (b"content-type", b"application/zip"),
            (b"content-security-policy", b"default-src 'none'; sandbox"),
            (b"content-disposition", f'attachment; filename="{found.name}"'.encode()),
            (b"cache-control", b"no-store"),
        ]
        if found.size is not None:
            headers.append((b"content-length", str(found.size).encode()))
        receiver = Receiver(scope, receive, send)
        try:
            async with receiver:
                await receiver.begin(headers)
                while (piece := await asyncio.to_thread(next, found.pieces, None)) is not None:
                    for start in range(0, len(piece), CHUNK):
                        await receiver.take(piece[start : start + CHUNK])
                await receiver.end()
        except Gone:
            log.info("a receiver left before the end", sent=receiver.sent, of=found.size)
        finally:
            self._sent = receiver.sent
            await asyncio.to_thread(found.close)
            await self.close()
