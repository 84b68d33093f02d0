"""One live picture on its way: events to the wire, a renewed grant, a word that somebody looks, an end always.

A way is a socket of its own (`Alone`) or one that carries many (`lanes.py`). What the closing entry says was delivered
is what was handed to the network: bytes, the first and the last fragment, and the time between them.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
import structlog
from litestar import WebSocket
from litestar.exceptions import WebSocketException

from saqtau.engine.live_relay import Dark, Event, Init, Piece, Relay, Skipped, Viewer
from saqtau.engine.video_watching import SAID_EVERY, Watched, begin_watch, end_watch, keep_watches
from saqtau.kernel.access import AccessRequest, Grant
from saqtau.kernel.access import Viewer as Asking
from saqtau.kernel.clock import SECOND
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.errors import STATUS, TROUBLE, busy
from saqtau.web.glances import Glances
from saqtau.web.limits import Limits
from saqtau.web.metrics import LIVE_BYTES, SKIPPED
from saqtau.web.parts import Parts
from saqtau.web.sessions import Session

log = structlog.get_logger("saqtau.web.view")

BEAT: Final = 2.0
"""Seconds without a fragment after which a sign of life is sent."""
PATIENCE: Final = 10.0
"""Seconds a viewer may take to accept one message before he is given up."""
RENEWED_BEFORE: Final = 30 * SECOND
TALKATIVE: Final = 20
"""Messages that a viewer may send, which nobody listens to."""
STILL_EVERY: Final = 0.9
"""Seconds between two key pictures that are shown as such; a camera with one a second loses none of them."""
STILL_SHARE: Final = 4.0
"""Of the time that the last one took, until the next."""
STILL_WIDTH: Final = 1280
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


async def say_who_watches(views: Views, glances: Glances, parts: Parts) -> None:
    """Every ten seconds, that the viewers of this process still look."""
    while True:
        await asyncio.sleep(SAID_EVERY)
        await glances.sweep()
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


class Way(Protocol):
    """Where the events of a view go, and how it is known that the viewer has left."""

    async def say(self, word: dict[str, Any]) -> None:
        """A word. Raises OSError, WebSocketException: he has left."""

    async def bytes(self, data: bytes) -> None:
        """An init segment, a fragment, a key picture. Raises as `say`."""

    async def listen(self, end: Callable[..., None]) -> None:
        """Until he leaves: then `end(code)` or `end(code, reason)`."""


class Alone:
    """A socket for one picture. What the viewer sends is not listened to; a socket that talks is closed."""

    def __init__(self, socket: WebSocket[Any, Any, Any]) -> None:
        self._socket = socket

    async def say(self, word: dict[str, Any]) -> None:
        """As JSON."""
        await self._socket.send_text(msgspec.json.encode(word).decode())

    async def bytes(self, data: bytes) -> None:
        """As they are."""
        await self._socket.send_bytes(data)

    async def listen(self, end: Callable[..., None]) -> None:
        """Notice that the viewer has left; what he says is thrown away."""
        heard = 0
        while True:
            message: Any = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                end(LEFT)
                return
            heard += 1
            if heard > TALKATIVE:
                end(*closing(Refused(Kind.INVALID, "nobody listens here", live="talks")))


class Delivery:
    """What has left under one grant."""

    def __init__(self) -> None:
        self.bytes = 0
        self.first: Piece | None = None
        self.last: Piece | None = None
        self.skipped = 0
        self.stills = 0

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
        said |= {"skipped_ms": self.skipped} if self.skipped else {}
        return said | ({"stills": self.stills} if self.stills else {})


class Showing:
    """The life of one view: made once the person was let in, run to its end."""

    def __init__(
        self, parts: Parts, views: Views, way: Way, asked: tuple[Asking, AccessRequest], *, stills: bool = False
    ) -> None:
        self._parts = parts
        self._views = views
        self._way = way
        self._viewer, self._wish = asked
        self._stills = stills
        self._grant: Grant | None = None
        self._delivered = Delivery()
        self._init = b""
        self._next_still = 0.0

    async def run(self, session: Session) -> tuple[int, str]:
        """Show the picture until the viewer leaves or may not look any more; the code and reason to close with.

        Raises Refused: TOO_MANY, DENIED, UNAVAILABLE.
        """
        parts, views = self._parts, self._views
        if self._stills and parts.decoders is None:
            raise Refused(Kind.UNAVAILABLE, "there is no decoder", decoder="missing")
        view = views.join(parts.ids(), session.digest, "live")
        begun = False
        receiving = asyncio.create_task(self._way.listen(view.end))
        try:
            grant = await self._open()
            # the recorder is asked while it is noted that somebody looks; he is sent nothing before that stands there
            async with views.relay.watch(grant, self._wish.object) as viewer:
                await begin_watch(parts.pg, view.name, grant, "live", parts.clock())
                begun = True
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
        self._grant = await self._parts.access.open(
            self._viewer, self._wish, {"shown": "stills"} if self._stills else None
        )
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
                self._init = data
                await self._say({"init": {"codec": codec, "at": self._parts.clock()}})
                if not self._stills:
                    await self._bytes(data)
                    self._delivered.add(event, len(data))
            case Piece() if self._stills:
                await self._still(event)
            case Piece(data=data):
                await self._bytes(data)
                self._delivered.add(event, len(data))
            case Skipped(ms):
                if not self._stills:  # between two key pictures nothing is missed
                    await self._say({"skipped": ms})
                    self._delivered.add(event, 0)
            case Dark(kind, since):
                await self._say({"dark": kind, "since": since})

    async def _still(self, piece: Piece) -> None:
        """A key picture as a JPEG, for a browser that plays no such stream: at most one a second.

        Who waits long for the decoder asks less often, so that the screens of a room share it.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        if not piece.key or began < self._next_still or self._parts.decoders is None:
            return
        try:
            picture = await self._parts.decoders.jpeg(self._init, piece.data, STILL_WIDTH)
        except Refused as refused:
            log.warning("a key picture is no picture", camera=self._wish.object, reason=refused.message)
            return
        finally:
            self._next_still = began + max(STILL_EVERY, STILL_SHARE * (loop.time() - began))
        await self._say({"still": piece.at})
        await self._bytes(picture)
        self._delivered.add(piece, len(picture))
        self._delivered.stills += 1

    async def _say(self, word: dict[str, Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._way.say(word)

    async def _bytes(self, data: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._way.bytes(data)
