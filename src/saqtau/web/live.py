"""The live picture: one subscription to the feed and to positions a process, fanned out to every open stream.

A batch is encoded once for all who hear the same. A client that reads too slowly is not waited for: it is told to
reload. Everything here runs on one event loop, so nothing is locked.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, Final, Protocol

import msgspec
import nats.errors
import nats.js.errors
import structlog
from nats.js import api

from saqtau.engine.atlas import Fix, Whereabouts
from saqtau.engine.journal import FEED, last_sequence
from saqtau.engine.lines import ITEMS
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.errors import TROUBLE, busy
from saqtau.web.frames import (
    RELOAD,
    Audience,
    Change,
    Frame,
    encode_beat,
    encode_changes,
    encode_row,
    encode_rows,
    encode_start,
    hears,
    read_changes,
    unit_rows,
)
from saqtau.web.limits import Limits

log = structlog.get_logger("saqtau.web.live")

TICK: Final = 0.2  # s between two batches of positions
COALESCE: Final = 0.02  # s that changes wait for their neighbours; tablets do not wait
BEAT: Final = 2.0  # s
KEPT: Final = 20_000  # changes a client may have missed and still be told
POSITIONS: Final = "live.positions"


class Client:
    """One open stream: what it waits for, and how it ends."""

    __slots__ = ("_frames", "_most", "audience", "over", "person", "session", "wake")

    def __init__(self, audience: Audience, session: bytes, most: int, person: str = "") -> None:
        self.audience = audience
        self.session = session
        self.person = person
        self.wake = asyncio.Event()
        self.over = False  # nothing comes after what is in the queue
        self._frames: deque[Frame] = deque()
        self._most = most

    def put(self, frame: Frame) -> None:
        """Queue a frame; a queue that is full becomes the one word `reload`."""
        if self.over:
            return
        if len(self._frames) >= self._most:
            self.end(RELOAD)
            return
        self._frames.append(frame)
        self.wake.set()

    def end(self, word: Frame | None = None) -> None:
        """Nothing more for this client, but perhaps a last word."""
        self._frames.clear()
        if word is not None:
            self._frames.append(word)
        self.over = True
        self.wake.set()

    async def next(self) -> Frame | None:
        """All that waits, as one frame; None when the stream has ended."""
        while not self._frames:
            if self.over:
                return None
            self.wake.clear()
            await self.wake.wait()
        waiting = [self._frames.popleft() for _ in range(len(self._frames))]
        if len(waiting) == 1:
            return waiting[0]
        return Frame(
            b"".join(frame.data for frame in waiting),
            sum(frame.lines for frame in waiting),
            sum(frame.rows for frame in waiting),
        )


def _but_his_own(changes: Iterable[Change], person: str) -> list[Change]:
    return [change for change in changes if change.concerns is None or change.concerns != person]


class _Group:
    """Clients that hear the same, and what they are about to hear."""

    __slots__ = ("clients", "pending", "scheduled", "told")

    def __init__(self, told: int) -> None:
        self.clients: set[Client] = set()
        self.pending: list[Change] = []
        self.scheduled = False
        self.told = told  # sequence its clients know


class Hub:
    """The fan-out of one process."""

    def __init__(self, clock: Clock, limits: Limits, whereabouts: Whereabouts | None = None) -> None:
        self.last = 0
        self.caught_up = asyncio.Event()
        self.whereabouts = whereabouts  # where the units are, for the search by drive time
        self._clock = clock
        self._limits = limits
        self._groups: dict[Audience, _Group] = {}
        self._of_unit: dict[str, set[Audience]] = {}  # tablets are found by their unit, not searched
        self._consoles: set[Audience] = set()
        self._holders: dict[str, str] = {}  # open item -> unit that was last told to have it
        self._ring: deque[Change] = deque(maxlen=KEPT)
        self._floor = 0  # the ring holds everything behind this sequence
        self._moved: dict[str, Fix] = {}
        self._per_session: dict[bytes, int] = {}
        self._stopped = False

    @property
    def clients(self) -> int:
        """Open streams."""
        return sum(self._per_session.values())

    def sessions(self) -> list[bytes]:
        """Sessions that have a stream open."""
        return list(self._per_session)

    def check_room(self, session: bytes) -> None:
        """Raise Refused: TOO_MANY (streams of this session, or of this process), UNAVAILABLE while stopping."""
        if self._stopped:
            raise Refused(Kind.UNAVAILABLE, "stopping", live="stopping")
        if (
            self._per_session.get(session, 0) >= self._limits.streams_per_session
            or self.clients >= self._limits.streams
        ):
            raise busy("too many live streams", 5, live="too_many_streams")

    def join(self, audience: Audience, session: bytes, after: int | None, person: str = "") -> Client:
        """Open a stream that goes on behind sequence `after`, None: behind now. Raises Refused as `check_room`.

        person: who is told nothing of reviews of himself.
        """
        self.check_room(session)
        self._flush_group(audience)
        client = Client(audience, session, self._limits.frames_behind, person)
        self._groups.setdefault(audience, _Group(self.last)).clients.add(client)
        if audience.unit is not None:
            self._of_unit.setdefault(audience.unit, set()).add(audience)
        else:
            self._consoles.add(audience)
        self._per_session[session] = self._per_session.get(session, 0) + 1
        self._refill(client, self.last if after is None else after)
        return client

    def leave(self, client: Client) -> None:
        """Forget a stream."""
        group = self._groups.get(client.audience)
        if group is None or client not in group.clients:
            return
        group.clients.discard(client)
        left = self._per_session[client.session] - 1
        if left:
            self._per_session[client.session] = left
        else:
            del self._per_session[client.session]
        if not group.clients:
            del self._groups[client.audience]
            self._consoles.discard(client.audience)
            if client.audience.unit is not None:
                named = self._of_unit[client.audience.unit]
                named.discard(client.audience)
                if not named:
                    del self._of_unit[client.audience.unit]

    def _refill(self, client: Client, after: int) -> None:
        """What the client missed, or `reload` when that is not known any more."""
        if after < self._floor:
            client.end(RELOAD)
            return
        client.put(encode_start(after))
        if after < self.last:
            missed = _but_his_own(self._missed(client.audience, after), client.person)
            client.put(encode_changes(missed, self.last, client.audience.unit))

    def _missed(self, audience: Audience, after: int) -> list[Change]:
        """What the ring holds for this audience behind `after`. A tablet also hears that it lost an item."""
        if audience.unit is None:
            return [change for change in self._ring if change.seq > after and hears(audience, change)]
        held: set[str] = set()
        missed = []
        for change in self._ring:
            own = change.unit == audience.unit
            if not own and change.key not in held:
                continue
            if change.topic == ITEMS:
                (held.add if own else held.discard)(change.key)
            if change.seq > after:
                missed.append(change)
        return missed

    def end_sessions(self, ended: Iterable[bytes]) -> None:
        """Sessions are over: so are their streams."""
        gone = set(ended)
        for group in self._groups.values():
            for client in group.clients:
                if client.session in gone:
                    client.end()

    def stop(self) -> None:
        """End every stream; SIGTERM must not wait for them."""
        self._stopped = True
        for group in self._groups.values():
            for client in group.clients:
                client.end()

    def hear(self, seq: int, topic: str, payload: bytes) -> None:
        """A message of the feed."""
        try:
            changes = read_changes(seq, topic, payload)
        except msgspec.MsgspecError as error:
            log.warning("a message of the feed is not understood", seq=seq, topic=topic, error=type(error).__name__)
            changes = []
        self.last = seq
        for change in changes:
            if len(self._ring) == self._ring.maxlen:
                self._floor = self._ring[0].seq
            self._ring.append(change)
            self._route(change)

    def _route(self, change: Change) -> None:
        for audience in self._consoles:
            if hears(audience, change):
                self._pend(audience, change, COALESCE)
        units = {change.unit} if change.unit is not None else set()
        if change.topic == ITEMS:
            before = self._holders.get(change.key)
            if before is not None:
                units.add(before)
            if change.ended or change.unit is None:
                self._holders.pop(change.key, None)
            else:
                self._holders[change.key] = change.unit
        for unit in units:
            for audience in self._of_unit.get(unit, ()):
                self._pend(audience, change, 0)

    def _pend(self, audience: Audience, change: Change, wait: float) -> None:
        group = self._groups[audience]
        group.pending.append(change)
        if not group.scheduled:
            group.scheduled = True
            loop = asyncio.get_running_loop()
            if wait:
                loop.call_later(wait, self._flush_group, audience)
            else:
                loop.call_soon(self._flush_group, audience)

    def _flush_group(self, audience: Audience) -> None:
        group = self._groups.get(audience)
        if group is None or not group.pending:
            return
        changes, group.pending, group.scheduled = group.pending, [], False
        group.told = changes[-1].seq
        frame = encode_changes(changes, group.told, audience.unit)
        reviewed = {change.concerns for change in changes if change.concerns is not None}
        for client in group.clients:
            if client.person in reviewed:
                client.put(encode_changes(_but_his_own(changes, client.person), group.told, audience.unit))
            else:
                client.put(frame)

    def move(self, payload: bytes) -> None:
        """A batch of positions; the next tick tells the latest of each unit."""
        try:
            rows = unit_rows(payload)
        except msgspec.MsgspecError as error:
            log.warning("positions are not understood", error=type(error).__name__)
            return
        for row in rows:
            self._moved[row.unit] = row
        if self.whereabouts is not None:
            self.whereabouts.see(rows)

    def tick(self) -> None:
        """One batch of positions to everybody who watches units."""
        if not self._moved:
            return
        moved, self._moved = self._moved, {}
        encoded = [(row, encode_row(row)) for row in moved.values()]
        for audience in self._consoles:
            if audience.units:
                bodies = [body for row, body in encoded if audience.covers(row.region)]
                if bodies:
                    frame = encode_rows(bodies)
                    for client in self._groups[audience].clients:
                        client.put(frame)
        for row, body in encoded:
            for audience in self._of_unit.get(row.unit, ()):
                for client in self._groups[audience].clients:
                    client.put(encode_rows([body]))

    def beat(self) -> None:
        """A sign of life to everybody, behind all that came before it."""
        for audience, group in self._groups.items():
            self._flush_group(audience)
            if group.told < self.last:
                group.told = self.last
                moved_on = encode_changes([], self.last)
                for client in group.clients:
                    client.put(moved_on)
        frame = encode_beat(self._clock(), self.last)
        for group in self._groups.values():
            for client in group.clients:
                client.put(frame)

    def begin(self, after: int) -> None:
        """The feed begins behind this sequence: at the start, or because it was made anew."""
        self._ring.clear()
        self._holders.clear()
        self.last = self._floor = after
        for group in self._groups.values():
            group.pending = []
            group.told = after
            for client in group.clients:
                client.end(RELOAD)


async def follow_feed(hub: Hub, js: Any) -> None:
    """Keep the hub on the feed, for ever: over a broker that goes and comes, and a stream that is made anew."""
    started = False
    while True:
        subscription = None
        try:
            end = await last_sequence(js, FEED)
            if not started or end < hub.last:
                hub.begin(max(0, end - KEPT // 4))
                started = True
            config = api.ConsumerConfig(
                deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
                opt_start_seq=hub.last + 1,
                ack_policy=api.AckPolicy.NONE,
                inactive_threshold=30.0,
                mem_storage=True,
                num_replicas=1,
            )
            subscription = await js.subscribe(f"{FEED.subject}.*", stream=FEED.name, config=config)
            await _drink(hub, js, subscription, end)
        except TROUBLE as error:
            log.warning("feed is away", error=type(error).__name__)
        finally:
            if subscription is not None:
                with suppress(OSError, TimeoutError, nats.errors.Error):
                    await subscription.unsubscribe()
        await asyncio.sleep(0.25)


async def _drink(hub: Hub, js: Any, subscription: Any, end: int) -> None:
    """Hear what comes until something is missing; silence is asked whether it is silence."""
    if hub.last >= end:
        hub.caught_up.set()
    delivered = 0
    while True:
        try:
            message = await subscription.next_msg(timeout=1.0)
        except nats.errors.TimeoutError:
            hub.last = max(hub.last, end)  # what lay between has expired on the way
            hub.caught_up.set()
            await subscription.consumer_info()
            # less: the stream was made anew; more: a delivery was lost, and no later one has told of it yet
            if await last_sequence(js, FEED) != hub.last:
                return
            continue
        meta = message.metadata
        delivered += 1
        if meta.sequence.consumer != delivered:
            return
        hub.hear(meta.sequence.stream, message.subject.removeprefix(f"{FEED.subject}."), message.data)
        if hub.last >= end:
            hub.caught_up.set()


async def follow_positions(hub: Hub, nc: Any) -> None:
    """Hear positions; the client subscribes again by itself after an outage."""

    async def heard(message: Any) -> None:
        hub.move(message.data)

    await nc.subscribe(POSITIONS, cb=heard)


async def drive(hub: Hub) -> None:
    """Ticks and beats, for ever, without drifting."""
    loop = asyncio.get_running_loop()
    start = loop.time()
    count = 0
    while True:
        count += 1
        await asyncio.sleep(max(0.0, start + count * TICK - loop.time()))
        hub.tick()
        if count % round(BEAT / TICK) == 0:
            hub.beat()


class HoldsSessions(Protocol):
    """What shows something to sessions."""

    def sessions(self) -> list[bytes]: ...  # noqa: D102
    def end_sessions(self, ended: Iterable[bytes]) -> None: ...  # noqa: D102


async def watch_sessions(hub: HoldsSessions, check: Callable[[list[bytes]], Awaitable[set[bytes]]]) -> None:
    """Once a second, end the streams whose session does not hold any more.

    check: (digests of sessions with a stream) -> those that hold. During an outage of the database streams go on.
    """
    while True:
        await asyncio.sleep(1.0)
        if open_now := hub.sessions():
            try:
                holding = await check(open_now)
            except TROUBLE as error:
                log.warning("sessions not checked", error=type(error).__name__)
            else:
                hub.end_sessions(set(open_now) - holding)
