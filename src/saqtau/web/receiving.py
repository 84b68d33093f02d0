"""Whoever an answer is sent to: whether he is still there, and how much of it he has taken."""

import asyncio
from contextlib import suppress
from typing import Any, Final, Self

from litestar.types import Receive, Scope, Send

from saqtau.web.protocol import TAKEN

PATIENCE: Final = 60.0
"""Seconds that the last bytes of an answer may lie without any of them being taken."""
_LOOKS: Final = 0.01
"""Seconds between two looks at how much still lies with us, at first; four times as long later."""


class Gone(Exception):  # noqa: N818 - he leaves, which is no error of his
    """The receiver has left, or takes nothing any more. What was sent before is not known to have reached him."""


class Receiver:
    """One receiver while he is sent an answer: `async with Receiver(scope, receive, send) as receiver`."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        extensions: Any = scope.get("extensions") or {}
        self._unsent = extensions[TAKEN]["unsent"]
        self._receive = receive
        self._send = send
        self._gone = False
        self._watch: asyncio.Task[None] | None = None
        self.sent = 0

    async def __aenter__(self) -> Self:
        self._watch = asyncio.create_task(self._notice())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watch is not None:
            self._watch.cancel()
            with suppress(asyncio.CancelledError):
                await self._watch

    async def begin(self, headers: list[Any]) -> None:
        """The head of the answer."""
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def take(self, piece: bytes) -> None:
        """The next piece; counted in `sent` when he is still there afterwards. Raises Gone."""
        if self._gone:
            raise Gone
        await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        if self._gone:
            raise Gone  # he left while it was being sent: nobody knows how much of it came
        self.sent += len(piece)

    async def all_taken(self) -> None:
        """Wait until his machine has said that it has every byte that was sent. Raises Gone."""
        pause, patience, before = _LOOKS, PATIENCE, self._lying()
        while before > 0:
            if patience <= 0:
                raise Gone
            await asyncio.sleep(pause)
            left = self._lying()
            patience = PATIENCE if left < before else patience - pause
            before, pause = left, min(4 * _LOOKS, 2 * pause)

    def _lying(self) -> int:
        """Bytes that he has not taken yet. Raises Gone."""
        left: int | None = self._unsent()
        if left is None or self._gone:
            raise Gone
        return left

    async def end(self) -> None:
        """The end of the answer."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _notice(self) -> None:
        message: Any = {}
        while message.get("type") != "http.disconnect":
            message = await self._receive()
        self._gone = True
