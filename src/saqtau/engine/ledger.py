"""The ledger as the rest of the house sees it: a draft goes in, its place in a log comes back once it is on disk.

A record is sealed under the key of its retention and day, its leaf commits to it, and both are written with the tiles
and the signed checkpoint in one transaction (`lane`). Nothing is granted, exported or deleted before that.

A checkpoint is signed before its commit. One that lost a race, or whose commit failed, is dropped with the memory it
lies in: only committed checkpoints are ever served.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.lane import PATIENCE, Lane, open_log
from saqtau.engine.sequencer import APPEND, BATCH, LOCK, Count, Entry, plan, read_head
from saqtau.kernel.clock import DAY, SECOND, Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import uuid7_source
from saqtau.ledger.leaf import Leaf, LeafClass, canonical, encode_leaf
from saqtau.ledger.sealing import seal

__all__ = ["ACCESS", "EVIDENCE", "Count", "Draft", "Ledger", "Placed"]

ACCESS: Final = "access"
EVIDENCE: Final = "evidence"
_KINDS = frozenset({ACCESS, EVIDENCE})
_WORDS = re.compile(r"[\x21-\x7e]{0,128}(?: [\x21-\x7e]{0,128}){4}")
_PARCEL = 1024  # entries of `append_all` that are sealed in one go: about 15 ms of the loop
_FLIGHTS = 3  # parcels of one `append_all` that may wait at once


class Draft(msgspec.Struct, frozen=True):
    """What is to be entered. `record` is sealed and read by overseers only; `count` is public within the house."""

    kind: str  # ACCESS or EVIDENCE
    region: int | None  # 0..99; None is the republic
    klass: LeafClass
    retention: str  # a class of the jurisdiction's table
    record: Mapping[str, Any]
    count: Count | None = None


class Placed(msgspec.Struct, frozen=True):
    """Where an entry stands for good."""

    origin: str
    index: int

    @property
    def entry(self) -> str:
        """The entry's id, everywhere."""
        return f"{self.origin}#{self.index}"


class Ledger:
    """All logs of this authority, as one process appends to them.

    pool: an asyncpg pool of its own (4 connections will do); whoever waits here may hold connections of another one.
    All functions raise Refused: UNAVAILABLE (nothing was acknowledged; `ledger` says full, unavailable or closed),
    INVALID (a draft breaks a limit), CONFLICT (`key=gone`: the day's key has been destroyed; `ledger=other_key`).
    """

    def __init__(
        self,
        pool: Any,
        signers: Signers,
        keys: Keys,
        clock: Clock,
        random: Callable[[int], bytes],
        patience: float = PATIENCE,
    ) -> None:
        self._pool = pool
        self._signers = signers
        self._keys = keys
        self._clock = clock
        self._random = random
        self._ids = uuid7_source(clock, random)
        self._patience = patience
        self._lanes: dict[tuple[str, int, str], tuple[Lane, str]] = {}
        self._keks: dict[tuple[str, str], bytes] = {}
        self._day, self._day_ends = "", Instant(0)
        self._closed = asyncio.Event()

    async def append(self, draft: Draft) -> Placed:
        """Enter a draft; when this returns it is on disk, under a signed checkpoint."""
        lane, origin, entry = await self._prepare(draft)
        return Placed(origin, await lane.put((entry,)))

    async def append_all(self, drafts: Sequence[Draft]) -> list[Placed]:
        """Enter drafts, in their order within each log. When it raises, none is acknowledged, but some may be there."""
        placed = [Placed("", -1)] * len(drafts)
        flights: deque[tuple[asyncio.Future[int], str, list[int]]] = deque()

        async def land() -> None:
            future, origin, numbers = flights.popleft()
            for index, number in enumerate(numbers, await future):
                placed[number] = Placed(origin, index)

        try:
            for start in range(0, len(drafts), _PARCEL):
                by_lane: dict[str, tuple[Lane, list[int], list[Entry]]] = {}
                for number, draft in enumerate(drafts[start : start + _PARCEL], start):
                    lane, origin, entry = await self._prepare(draft)
                    _, numbers, entries = by_lane.setdefault(origin, (lane, [], []))
                    numbers.append(number)
                    entries.append(entry)
                for origin, (lane, numbers, entries) in by_lane.items():
                    flights.append((lane.put(entries), origin, numbers))
                while len(flights) > _FLIGHTS:
                    await land()
                await asyncio.sleep(0)
            while flights:
                await land()
        finally:
            for future, _, _ in flights:  # it was refused, or its caller went away: what still waits is not entered
                future.cancel()
        return placed

    async def within(self, pg: Any, drafts: Sequence[Draft]) -> list[Placed]:
        """Enter drafts in the caller's transaction: they are there when it commits, and not before.

        Order of locks: whatever else the caller locks comes first, this comes last, right before the commit, for all
        others wait for the log meanwhile. Never await `append` in such a transaction. At most 4,096 drafts.
        """
        if not pg.is_in_transaction():
            raise RuntimeError("`within` is for a transaction of the caller's")
        if len(drafts) > BATCH:
            raise Refused(Kind.INVALID, f"at most {BATCH} drafts in one transaction", drafts="too_many")
        placed = [Placed("", -1)] * len(drafts)
        by_origin: dict[str, list[tuple[int, Entry]]] = {}
        for number, draft in enumerate(drafts):
            _, origin, entry = await self._prepare(draft)
            by_origin.setdefault(origin, []).append((number, entry))
        with refusals():
            for origin, numbered in sorted(by_origin.items()):
                signer, now = self._signers.signer(origin), self._clock()
                await open_log(pg, signer, now)
                head = read_head(await pg.fetchrow(LOCK, origin))
                made = plan(head, [entry for _, entry in numbered], signer, self._ids(), now)
                first = (await pg.fetchrow(APPEND, *made.arguments))["placed"]
                for index, (number, _) in enumerate(numbered, first):
                    placed[number] = Placed(origin, index)
        return placed

    async def run(self) -> None:
        """Return when the ledger has been closed: for whoever keeps a task a part of the house."""
        await self._closed.wait()

    async def close(self) -> None:
        """Take nothing more, and return when what waits is on disk or refused."""
        self._closed.set()
        for lane, _ in tuple(self._lanes.values()):
            await lane.drain()

    async def _prepare(self, draft: Draft) -> tuple[Lane, str, Entry]:
        if self._closed.is_set():
            raise Refused(Kind.UNAVAILABLE, "the ledger of this process is closed", ledger="closed")
        _check(draft)
        day = self._today()
        kek = self._keks.get((draft.retention, day))
        if kek is None:
            kek = await asyncio.to_thread(self._keys.kek, draft.retention, day)
            self._keks[draft.retention, day] = kek
        sealed = seal(canonical(draft.record), kek, self._random)
        leaf = encode_leaf(Leaf(sealed.commitment, draft.klass, day, draft.retention))
        entry = Entry(leaf, draft.klass, day, draft.retention, sealed.wrapped, sealed.content, draft.count)
        lane, origin = self._lane(draft.kind, draft.region or 0, day[:4])
        return lane, origin, entry

    def _lane(self, kind: str, region: int, year: str) -> tuple[Lane, str]:
        found = self._lanes.get((kind, region, year))
        if found is None:
            origin = self._signers.origin(kind, region, int(year))
            lane = Lane(self._pool, self._signers.signer(origin), self._clock, self._ids, self._patience)
            found = self._lanes[kind, region, year] = lane, origin
        return found

    def _today(self) -> str:
        """The day of the leaf, UTC. Keys of other days are forgotten: what is written is written today."""
        now = self._clock()
        if not self._day_ends - DAY <= now < self._day_ends:
            self._day, self._day_ends = day_of(now), Instant(now - now % DAY + DAY)
            self._keks.clear()
        return self._day


def day_of(now: Instant) -> str:
    """YYYY-MM-DD, UTC."""
    return datetime.fromtimestamp(now // SECOND, UTC).date().isoformat()


def _check(draft: Draft) -> None:
    if draft.kind not in _KINDS:
        raise Refused(Kind.INVALID, f"{draft.kind!r} is no kind of log", log="unknown")
    if not 0 <= (draft.region or 0) <= 99:
        raise Refused(Kind.INVALID, "a region is 0 to 99", region="invalid")
    count = draft.count
    if count is None:
        return
    words = f"{count.action} {count.purpose} {count.role} {count.decision} {count.policy}"
    if not _WORDS.fullmatch(words) or not 0 <= count.entries <= 1 or not 0 <= count.delivered < 2**48:
        raise Refused(Kind.INVALID, "a count has words of at most 128 signs, and no negative figure", count="invalid")
