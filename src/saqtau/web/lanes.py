"""Many live pictures over one socket: each lane is a view of its own, let in, entered and ended by itself.

Browsers open WebSockets to one address one after the other (RFC 6455, 4.1), with a pause between: a wall of sixteen
sockets is slow before anybody has asked for anything. What is sent for one lane never waits for another's events.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Annotated, Any, Final

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketException

from saqtau.kernel.errors import Kind, Refused
from saqtau.web.view import LEFT, PATIENCE, TALKATIVE, closing

View = Annotated[int, msgspec.Meta(ge=0, lt=2**32)]
_WORDS: Final = 2
"""Words that a page has for each picture: that it wants it, and that it does not any more."""


class Ask(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A wish of the page: a camera under a number of its own choice, and why; or to leave that number."""

    view: View
    camera: Annotated[str, msgspec.Meta(max_length=64)] = ""
    purpose: Annotated[str, msgspec.Meta(max_length=32)] = ""
    case: Annotated[str, msgspec.Meta(max_length=64)] = ""
    stills: bool = False
    leave: bool = False


class Lane:
    """The way of one view (`view.Way`)."""

    def __init__(self, socket: WebSocket[Any, Any, Any], number: int) -> None:
        self._socket = socket
        self._number = number
        self._mark = number.to_bytes(4, "big")
        self._left = asyncio.Event()

    async def say(self, word: dict[str, Any]) -> None:
        """As JSON, with its number."""
        await self._socket.send_text(msgspec.json.encode({"view": self._number, **word}).decode())

    async def bytes(self, data: bytes) -> None:
        """Behind its number."""
        await self._socket.send_bytes(self._mark + data)

    async def listen(self, end: Callable[..., None]) -> None:
        """Until the page leaves it."""
        await self._left.wait()
        end(LEFT)

    def leave(self) -> None:
        """The page wants it no more, or has gone."""
        self._left.set()


Show = Callable[[Lane, Ask], Awaitable[tuple[int, str]]]
"""Show a view until its end: code and reason."""


class Lanes:
    """One socket and its lanes. most: lanes at once."""

    def __init__(self, socket: WebSocket[Any, Any, Any], show: Show, most: int) -> None:
        self._socket = socket
        self._show = show
        self._most = most
        self._lanes: dict[int, tuple[Lane, asyncio.Task[None]]] = {}

    async def run(self) -> tuple[int, str]:
        """Until the page leaves or talks nonsense; every lane has ended then. Code and reason to close with."""
        try:
            return await self._listen()
        finally:
            tasks = [task for _, task in self._lanes.values()]
            for lane, _ in list(self._lanes.values()):
                lane.leave()
            await asyncio.shield(asyncio.gather(*tasks, return_exceptions=True))

    async def _listen(self) -> tuple[int, str]:
        words = TALKATIVE
        while True:
            message: Any = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return LEFT, ""
            words -= 1
            ask = _asked(message.get("text"))
            if ask is None or words < 0:
                return closing(Refused(Kind.INVALID, "not understood, or too much of it", live="talks"))
            if ask.leave:
                if ask.view in self._lanes:
                    self._lanes[ask.view][0].leave()
                continue
            if ask.view in self._lanes:
                continue  # it has that picture; a page that asks twice is answered once
            words += _WORDS
            await self._begin(ask)

    async def _begin(self, ask: Ask) -> None:
        lane = Lane(self._socket, ask.view)
        if len(self._lanes) >= self._most:
            refusal = Refused(Kind.TOO_MANY, "too many pictures at once", live="too_many_views")
            await self._end(lane, *closing(refusal))
            return
        self._lanes[ask.view] = lane, asyncio.create_task(self._live(lane, ask), name=f"view {ask.view}")

    async def _live(self, lane: Lane, ask: Ask) -> None:
        code, reason = LEFT, ""
        try:
            code, reason = await self._show(lane, ask)
        finally:
            del self._lanes[ask.view]
            await self._end(lane, code, reason)

    async def _end(self, lane: Lane, code: int, reason: str) -> None:
        if code == LEFT:
            return
        with suppress(OSError, RuntimeError, TimeoutError, WebSocketException):  # he may have left
            async with asyncio.timeout(PATIENCE):
                await lane.say({"closed": code, **(msgspec.json.decode(reason) if reason else {})})


def _asked(text: str | None) -> Ask | None:
    try:
        return msgspec.json.decode(text or "", type=Ask)
    except (msgspec.MsgspecError, UnicodeError):
        return None
