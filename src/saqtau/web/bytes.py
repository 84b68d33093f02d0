"""Bytes under a grant, counted as they leave: what the entry says was delivered is what was sent."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from litestar.types import Receive, Scope, Send

from saqtau.kernel.access import Grant
from saqtau.web.metrics import PACKAGES, PICTURES
from saqtau.web.parts import Parts

CHUNK: Final = 64 * 1024


class CountedAnswer:
    """An ASGI answer that closes its grant with the bytes that were sent, whatever happens on the way."""

    def __init__(self, parts: Parts, grant: Grant, whole: Callable[[], Awaitable[None]] | None = None) -> None:
        self._parts = parts
        self._grant = grant
        self._then = whole  # what is done when all of it has left
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
        """Send the bytes."""
        del scope, receive
        headers: list[Any] = [
            (b"content-type", self._media.encode()),
            (b"content-length", str(len(self._data)).encode()),
            (b"content-security-policy", b"default-src 'none'; sandbox"),
            (b"content-disposition", f'attachment; filename="{self._name}"'.encode() if self._name else b"inline"),
            (b"cache-control", b"no-store"),
        ]
        try:
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for start in range(0, len(self._data), CHUNK):
                chunk = self._data[start : start + CHUNK]
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
                self._sent += len(chunk)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            if self._then is not None:
                await self._then()
        finally:
            await self.close()
