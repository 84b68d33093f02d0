"""The live picture in a web process: one subscription a camera, fanned out to whoever holds a grant for it.

A viewer who is too slow is not waited for: he skips to the next key frame and is told how much he missed. Bytes are
handed on as the recorder wrote them; a late viewer is given what is kept since the last key frame.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeAlias

import msgspec
import nats.errors
import structlog

from saqtau.engine.access import must_hold
from saqtau.engine.live_video import (
    LIVE,
    LONGEST_START,
    WANT,
    Joiner,
    Message,
    State,
    Word,
    parse_init,
    parse_message,
    subject,
)
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Clock, Instant
from saqtau.kernel.errors import Refused
from saqtau.video.gap import GapKind

log = structlog.get_logger("saqtau.live_relay")

ASKED_EVERY: Final = 2.0
"""Seconds between two wishes for a camera that sends."""
ASKED_AGAIN: Final = 0.5
"""Seconds between two questions to a recorder that does not answer."""
PATIENCE: Final = 1.0
"""Seconds until a recorder that does not answer counts as down."""
SILENT: Final = 3.0
"""Seconds without a fragment after which the recorder is asked how the camera is."""
LATE: Final = 2.0
"""Seconds a fragment may wait for a viewer; then he skips to the next key frame."""
MOST_WAITING: Final = 8 * 1024 * 1024
"""Bytes that may wait for one viewer besides his beginning."""


class Init(msgspec.Struct, frozen=True):
    """A decoder is set up anew: codec string for MediaSource, and the init segment."""

    codec: str
    data: bytes


class Piece(msgspec.Struct, frozen=True):
    """A fragment, as it lies in the file."""

    seq: int
    at: Instant
    key: bool
    data: bytes


class Skipped(msgspec.Struct, frozen=True):
    """The viewer was too slow: so many milliseconds were left out."""

    ms: int


class Dark(msgspec.Struct, frozen=True):
    """No picture, of which kind and since when, until a `Piece` comes."""

    kind: str
    since: Instant


Event: TypeAlias = Init | Piece | Skipped | Dark


class Viewer:
    """What one viewer is about to be sent. Made by `Relay.watch` only."""

    __slots__ = ("_bytes", "_events", "_loop", "_missed", "_over", "_wake")

    def __init__(self) -> None:
        self._events: deque[tuple[float, Event]] = deque()
        self._bytes = 0
        self._missed: Instant | None = None  # since when he misses fragments, until the next key frame
        self._over = False
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def put(self, event: Event) -> None:
        """Queue it, unless he is too far behind."""
        if isinstance(event, Piece):
            if self._missed is None and self._is_late(event):
                self._missed = next((one.at for _, one in self._events if isinstance(one, Piece)), event.at)
                self._events = deque(entry for entry in self._events if not isinstance(entry[1], Piece))
                self._bytes = 0
            if self._missed is not None:
                if not event.key:
                    return
                self._append(Skipped(max(0, event.at - self._missed)))
                self._missed = None
            self._bytes += len(event.data)
        self._append(event)

    def _is_late(self, event: Piece) -> bool:
        if not self._events:
            return False
        return self._loop.time() - self._events[0][0] > LATE or self._bytes + len(event.data) > MOST_WAITING

    def begin(self, events: list[Event]) -> None:
        """What a late viewer starts with; it counts as waiting from now."""
        for event in events:
            self._append(event)

    def _append(self, event: Event) -> None:
        self._events.append((self._loop.time(), event))
        self._wake.set()

    def end(self) -> None:
        """Nothing more for him."""
        self._over = True
        self._wake.set()

    async def next(self) -> Event | None:
        """What comes next; None when it is over."""
        while not self._events:
            if self._over:
                return None
            self._wake.clear()
            await self._wake.wait()
        if self._over:
            return None
        event = self._events.popleft()[1]
        if isinstance(event, Piece):
            self._bytes = max(0, self._bytes - len(event.data))
        return event


class _Channel:
    """One camera that somebody here watches."""

    def __init__(self, camera: str) -> None:
        self.camera = camera
        self.viewers: set[Viewer] = set()
        self.init: Init | None = None
        self.kept: list[Piece] = []  # since the last key frame
        self.kept_bytes = 0
        self.last: Piece | None = None
        self.heard = 0.0  # when the last fragment came, by the loop's clock
        self.dark: Dark | None = None
        self.joiner = Joiner()
        self.task: asyncio.Task[None] | None = None

    def tell(self, event: Event) -> None:
        for viewer in self.viewers:
            viewer.put(event)

    def take(self, message: Message, now: float) -> None:
        """A whole message of the recorder's."""
        match message.word:
            case Word.INIT:
                codec, data = parse_init(message.data)
                if self.init is None or self.init.data != data:
                    self.init = Init(codec, data)
                    self.kept, self.kept_bytes = [], 0
                    self.tell(self.init)
            case Word.DARK:
                self.go_dark(Dark(message.data.decode("ascii", "replace"), message.at))
            case _ if self.init is None:
                pass  # sent for somebody else; what we asked for begins with its init
            case _:
                self._fragment(Piece(message.seq, message.at, message.word is Word.KEY, message.data), now)

    def _fragment(self, piece: Piece, now: float) -> None:
        last = self.last
        if last is not None and piece.seq <= last.seq and piece.at <= last.at:
            return  # sent again, for somebody else who came late
        self.last, self.heard, self.dark = piece, now, None
        if piece.key or self.kept_bytes > LONGEST_START:
            self.kept, self.kept_bytes = [], 0
        if piece.key or self.kept:
            self.kept.append(piece)
            self.kept_bytes += len(piece.data)
        self.tell(piece)

    def go_dark(self, dark: Dark) -> None:
        """Tell once that there is no picture."""
        if self.dark != dark:
            self.dark = dark
            self.tell(dark)


class Relay:
    """All cameras that are watched through this process."""

    def __init__(self, nc: Any, clock: Clock) -> None:
        self._nc = nc
        self._clock = clock
        self._channels: dict[str, _Channel] = {}
        self._stopped = False

    @property
    def viewers(self) -> int:
        """Open views."""
        return sum(len(channel.viewers) for channel in self._channels.values())

    @asynccontextmanager
    async def watch(self, grant: Grant, camera: str) -> AsyncIterator[Viewer]:
        """The events of a camera as long as it is watched. Raises Refused(DENIED): the grant is for something else."""
        must_hold(grant, self._clock(), Action.WATCH_CAMERA, named=camera)
        viewer = Viewer()
        if self._stopped:
            viewer.end()
        channel = self._channels.get(camera)
        if channel is None:
            channel = self._channels[camera] = _Channel(camera)
            channel.task = asyncio.create_task(self._follow(channel), name=f"live {camera}")
        elif channel.init is not None:
            viewer.begin([channel.init, *channel.kept])
        if channel.dark is not None:
            viewer.begin([channel.dark])
        channel.viewers.add(viewer)
        try:
            yield viewer
        finally:
            channel.viewers.discard(viewer)
            if not channel.viewers and self._channels.get(camera) is channel:
                del self._channels[camera]
                if channel.task is not None:
                    channel.task.cancel()

    def stop(self) -> None:
        """End every view; a process that stops does not wait for them."""
        self._stopped = True
        for channel in self._channels.values():
            for viewer in channel.viewers:
                viewer.end()

    async def _follow(self, channel: _Channel) -> None:
        """Hear a camera and ask for it, until cancelled."""
        loop = asyncio.get_running_loop()
        lost_since: Instant | None = None

        async def heard(message: Any) -> None:
            try:
                whole = channel.joiner.take(parse_message(message.data))
                if whole is not None:
                    channel.take(whole, loop.time())
            except Refused as refused:
                log.warning("not understood", camera=channel.camera, reason=refused.message)

        subscription = None
        try:
            while True:
                try:
                    if subscription is None:
                        subscription = await self._nc.subscribe(subject(LIVE, channel.camera), cb=heard)
                    if channel.heard and loop.time() - channel.heard < SILENT:
                        lost_since = None
                        await self._nc.publish(subject(WANT, channel.camera), b"")
                        await asyncio.sleep(ASKED_EVERY)
                        continue
                    answer = await self._nc.request(subject(WANT, channel.camera), b"", timeout=PATIENCE)
                    state = msgspec.json.decode(answer.data, type=State)
                    lost_since = None
                    if state.dark is not None:
                        channel.go_dark(Dark(state.dark, state.since))
                    await asyncio.sleep(ASKED_EVERY)
                except (OSError, TimeoutError, nats.errors.Error, msgspec.MsgspecError):
                    if lost_since is None:
                        lost_since = channel.last.at if channel.last is not None else self._clock()
                    channel.go_dark(Dark(GapKind.DOWN.value, lost_since))
                    await asyncio.sleep(ASKED_AGAIN)
        finally:
            if subscription is not None:
                with suppress(OSError, TimeoutError, nats.errors.Error):
                    await asyncio.shield(subscription.unsubscribe())
