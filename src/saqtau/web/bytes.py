"""Bytes under a grant, counted as they leave: what the entry says was delivered is what was sent."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from litestar.types import Receive, Scope, Send

from saqtau.kernel.access import Grant
from saqtau.web.metrics import PACKAGES, PICTURES
from saqtau.web.parts import Parts
from saqtau.web.receiving import Gone, Receiver

log = structlog.get_logger("saqtau.web.bytes")

CHUNK: Final = 64 * 1024


class CountedAnswer:
    """An ASGI answer that closes its grant with the bytes that were sent, whatever happens on the way."""

    def __init__(self, parts: Parts, grant: Grant, whole: Callable[[], Awaitable[None]] | None = None) -> None:
        self._parts = parts
        self._grant = grant
        self._then = whole  # what is done when the receiver has all of it
        self._data = b""
        self._media = ""
        self._name: str | None = None
        self._sent = 0

    def of(self, data: bytes, media: str, name: str | None = None) -> "CountedAnswer":
        """With this content; name: of the file that a browser shall keep, ASCII without quotes."""
        self._data, self._media, self._name = data, media, name
        return self

    async def close(self) -> None:
        """Tell what was sent."""
        (PICTURES if self._name is None else PACKAGES).inc(self._sent)
        await self._parts.access.close(self._grant, self._sent)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the bytes, until the receiver leaves."""
        headers: list[Any] = [
            (b"content-type", self._media.encode()),
            (b"content-security-policy", b"default-src 'none'; sandbox"),
            (b"content-disposition", f'attachment; filename="{self._name}"'.encode() if self._name else b"inline"),
            (b"cache-control", b"no-store"),
        ]
        if self._then is None:  # else its end is a word of ours, said when what is done then is done
            headers.append((b"content-length", str(len(self._data)).encode()))
        receiver = Receiver(scope, receive, send)
        try:
            async with receiver:
                await receiver.begin(headers)
                for start in range(0, len(self._data), CHUNK):
                    await receiver.take(self._data[start : start + CHUNK])
                if self._then is not None:
                    await receiver.all_taken()
                    await self._then()
                await receiver.end()
        except Gone:
            log.info("a receiver left before the end", sent=receiver.sent, of=len(self._data))
        finally:
            self._sent = receiver.sent
            await self.close()
