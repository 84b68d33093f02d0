"""One live picture as a WebSocket: events to the wire, a renewed grant, a word that somebody looks, an end always.

What the viewer sends is not listened to; a socket that talks is closed. What the closing entry says was delivered is
what was handed to the network: bytes, the first and the last fragment, and the time between them.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import msgspec
from litestar import WebSocket
from litestar.exceptions import WebSocketException

from saqtau.engine.live_relay import Dark, Event, Init, Piece, Relay, Skipped, Viewer
from saqtau.engine.video_watching import SAID_EVERY, Watched, begin_watch, end_watch, keep_watches
from saqtau.kernel.access import AccessRequest, Grant
from saqtau.kernel.access import Viewer as Asking
from saqtau.kernel.clock import SECOND
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.errors import STATUS, TROUBLE, busy
from saqtau.web.limits import Limits
from saqtau.web.metrics import LIVE_BYTES, SKIPPED
from saqtau.web.parts import Parts
from saqtau.web.sessions import Session

BEAT: Final = 2.0
"""Seconds without a fragment after which a sign of life is sent."""
PATIENCE: Final = 10.0
"""Seconds a viewer may take to accept one message before he is given up."""
RENEWED_BEFORE: Final = 30 * SECOND
TALKATIVE: Final = 20
"""Messages that a viewer may send, which nobody listens to."""
LONGEST_REASON: Final = 123
"""Bytes of a reason in a closing frame (RFC 6455, 5.5)."""
WELL: Final = 1000
LEFT: Final = 1005
"""The viewer has gone; nothing is closed any more."""
STOPPING: Final = 1001


class View:
    """A socket or a recording that is being sent, and what ends it."""

    __slots__ = ("code", "kind", "name", "reason", "session", "viewer")

    def __init__(self, name: str, session: bytes, kind: Watched) -> None:
        self.name = name
        self.session = session
        self.kind = kind
        self.viewer: Viewer | None = None
        self.code = WELL
        self.reason = ""

    def is_over(self) -> bool:
        """Whether nothing more may be sent."""
        return self.code != WELL

    def end(self, code: int, reason: str = "") -> None:
        """Send nothing more, and close with this."""
        if self.code == WELL:
            self.code, self.reason = code, reason
        if self.viewer is not None:
            self.viewer.end()


class Views:
    """The open views of this process."""

    def __init__(self, relay: Relay, limits: Limits) -> None:
        self.relay = relay
        self._limits = limits
        self._open: dict[str, View] = {}
        self._per_session: Counter[tuple[bytes, Watched]] = Counter()
        self._stopped = False

    @property
    def count(self) -> int:
        """Open views."""
        return len(self._open)

    def names(self) -> list[str]:
        """Of the open views."""
        return list(self._open)

    def sessions(self) -> list[bytes]:
        """Sessions that have a view open."""
        return list({session for session, _ in self._per_session})

    def join(self, name: str, session: bytes, kind: Watched) -> View:
        """Raises Refused: TOO_MANY (of this session, or of this process), UNAVAILABLE while stopping."""
        if self._stopped:
            raise Refused(Kind.UNAVAILABLE, "stopping", live="stopping")
        most = self._limits.views_per_session if kind == "live" else self._limits.playbacks_per_session
        if self._per_session[session, kind] >= most or self.count >= self._limits.views:
            raise busy("too many pictures at once", 5, **{kind: "too_many_views"})
        view = self._open[name] = View(name, session, kind)
        self._per_session[session, kind] += 1
        return view

    def leave(self, view: View) -> None:
        """Forget it."""
        if self._open.pop(view.name, None) is not None:
            key = view.session, view.kind
            self._per_session[key] -= 1
            if not self._per_session[key]:
                del self._per_session[key]

    def end_sessions(self, ended: Iterable[bytes]) -> None:
        """Sessions are over: so are their views."""
        gone = set(ended)
        for view in self._open.values():
            if view.session in gone:
                view.end(*closing(Refused(Kind.UNAUTHENTICATED, "the session has ended", session="none")))

    def stop(self) -> None:
        """End every view; SIGTERM must not wait for them."""
        self._stopped = True
        for view in self._open.values():
            view.end(STOPPING)


async def say_who_watches(views: Views, parts: Parts) -> None:
    """Every ten seconds, that the viewers of this process still look."""
    while True:
        await asyncio.sleep(SAID_EVERY)
        if names := views.names():
            with suppress(*TROUBLE):  # with the database away they count as gone until it is back
                await keep_watches(parts.pg, names, parts.clock())


def closing(refused: Refused) -> tuple[int, str]:
    """Code and reason of the frame that closes a socket for a refusal: 4000 + the status that HTTP would answer."""
    told: dict[str, Any] = {"kind": refused.kind.value, "fields": dict(refused.fields)}
    reason = msgspec.json.encode(told)
    if len(reason) > LONGEST_REASON:
        reason = msgspec.json.encode({"kind": refused.kind.value})
    return 4000 + STATUS[refused.kind], reason.decode()


class Delivery:
    """What has left under one grant."""

    def __init__(self) -> None:
        self.bytes = 0
        self.first: Piece | None = None
        self.last: Piece | None = None
        self.skipped = 0

    def add(self, event: Event, size: int) -> None:
        """It was handed to the network."""
        self.bytes += size
        LIVE_BYTES.inc(size)
        match event:
            case Piece():
                self.first = self.first or event
                self.last = event
            case Skipped(ms):
                self.skipped += ms
                SKIPPED.inc()
            case _:
                pass

    def told(self) -> dict[str, Any]:
        """For the closing entry: sequences of the first and the last fragment, their times, and what was skipped."""
        if self.first is None or self.last is None:
            return {}
        said: dict[str, Any] = {
            "first": self.first.seq, "last": self.last.seq, "from": self.first.at, "to": self.last.at,
        }  # fmt: skip
        return said | ({"skipped_ms": self.skipped} if self.skipped else {})


class Showing:
    """The life of one view: made once the person was let in, run to its end."""

    def __init__(
        self, parts: Parts, views: Views, socket: WebSocket[Any, Any, Any], asked: tuple[Asking, AccessRequest]
    ) -> None:
        self._parts = parts
        self._views = views
        self._socket = socket
        self._viewer, self._wish = asked
        self._grant: Grant | None = None
        self._delivered = Delivery()

    async def run(self, session: Session) -> tuple[int, str]:
        """Show the picture until the viewer leaves or may not look any more; the code and reason to close with.

        Raises Refused: TOO_MANY, DENIED, UNAVAILABLE.
        """
        parts, views = self._parts, self._views
        view = views.join(parts.ids(), session.digest, "live")
        begun = False
        receiving = asyncio.create_task(self._listen(view))
        try:
            grant = await self._open()
            await begin_watch(parts.pg, view.name, grant, "live", parts.clock())
            begun = True
            async with views.relay.watch(grant, self._wish.object) as viewer:
                view.viewer = viewer
                if view.is_over():
                    viewer.end()
                await self._flow(viewer)
        except TimeoutError:  # before OSError, which it is
            view.end(*closing(Refused(Kind.UNAVAILABLE, "the viewer does not take what is sent", live="too_slow")))
        except (OSError, WebSocketException):
            view.end(LEFT)  # he left while something was being sent
        finally:
            receiving.cancel()
            views.leave(view)
            await asyncio.shield(self._end(view, begun=begun))
        return view.code, view.reason

    async def _open(self) -> Grant:
        self._grant = await self._parts.access.open(self._viewer, self._wish)
        self._delivered = Delivery()
        return self._grant

    async def _close(self) -> None:
        grant, self._grant = self._grant, None
        if grant is not None:
            await self._parts.access.close(grant, self._delivered.bytes, self._delivered.told())

    async def _end(self, view: View, *, begun: bool) -> None:
        with suppress(*TROUBLE):  # an entry that is not closed says itself that its end is unknown
            await self._close()
        if begun:
            with suppress(*TROUBLE):  # a row that is not closed counts as ended when nobody keeps it alive
                await end_watch(self._parts.pg, view.name, self._parts.clock())

    async def _flow(self, viewer: Viewer) -> None:
        while True:
            event: Event | None
            try:
                async with asyncio.timeout(BEAT):
                    event = await viewer.next()
            except TimeoutError:
                await self._say({"beat": self._parts.clock()})
                await self._keep_grant()
                continue
            if event is None:
                return
            await self._keep_grant()
            await self._send(event)

    async def _keep_grant(self) -> None:
        if self._grant is None or self._grant.expires - RENEWED_BEFORE < self._parts.clock():
            await self._close()
            await self._open()

    async def _send(self, event: Event) -> None:
        match event:
            case Init(codec, data):
                await self._say({"init": {"codec": codec, "at": self._parts.clock()}})
                await self._bytes(data)
                self._delivered.add(event, len(data))
            case Piece(data=data):
                await self._bytes(data)
                self._delivered.add(event, len(data))
            case Skipped(ms):
                await self._say({"skipped": ms})
                self._delivered.add(event, 0)
            case Dark(kind, since):
                await self._say({"dark": kind, "since": since})

    async def _say(self, word: dict[str, Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._socket.send_text(msgspec.json.encode(word).decode())

    async def _bytes(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._socket.send_bytes(data)

    async def _listen(self, view: View) -> None:
        """Notice that the viewer has left; what he says is thrown away."""
        heard = 0
        while True:
            message: Any = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                view.end(LEFT)
                return
            heard += 1
            if heard > TALKATIVE:
                view.end(*closing(Refused(Kind.INVALID, "nobody listens here", live="talks")))
