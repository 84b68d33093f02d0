"""One log's way to the disk: whatever waits goes into one commit, one commit at a time.

While a batch is on its way the next one gathers. An entry is acknowledged when its batch is committed; a batch whose
answer was lost is sent again under its own name until it is known to be written or the patience ends, so nothing is
written twice and nothing is acknowledged that is not there. An entry that was refused may still be found in the log
(its commit went through and the answer did not): then more was logged than happened, never less.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import structlog

from saqtau.engine.failures import DISK_FULL, is_passing, told
from saqtau.engine.sequencer import APPEND, BATCH, LOCK, OPEN, Entry, Head, Plan, empty_note, plan, read_head
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.ledger.note import Signer

log = structlog.get_logger()

ROOM: Final = 4 * BATCH
"""Entries that may wait for a log."""
PATIENCE: Final = 5.0
"""Seconds a batch is tried while the database is away."""
_FIRST_PAUSE, _LAST_PAUSE = 0.02, 0.25
_TURN: Final = 64  # batches until a busy log gives its connection back, so that another log gets one

Parcel = tuple[Sequence[Entry], asyncio.Future[int]]


class Lane:
    """A log as one process appends to it. pool: of its own, so that no waiter holds the connection it waits for."""

    def __init__(self, pool: Any, signer: Signer, clock: Clock, ids: Ids, patience: float = PATIENCE) -> None:
        self._pool = pool
        self._signer = signer
        self._clock = clock
        self._ids = ids
        self._patience = patience
        self._head: Head | None = None
        self._waiting: deque[Parcel] = deque()
        self._count = 0
        self._work: asyncio.Task[None] | None = None
        self._pg: Any = None  # held from batch to batch: taking one from the pool and giving it back costs a round trip

    def put(self, entries: Sequence[Entry]) -> asyncio.Future[int]:
        """Let entries (1 to BATCH, one commit) wait for their place: the index of the first.

        Refused(UNAVAILABLE) `ledger=full` when too many wait; the future raises Refused(UNAVAILABLE).
        """
        if not 1 <= len(entries) <= BATCH:
            raise ValueError(f"a parcel has 1 to {BATCH} entries")
        if self._count + len(entries) > ROOM:
            raise Refused(Kind.UNAVAILABLE, f"{self._count} entries wait for {self._signer.name}", ledger="full")
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((entries, future))
        self._count += len(entries)
        if self._work is None:
            self._work = asyncio.create_task(self._run(), name=f"ledger {self._signer.name}")
        return future

    async def drain(self) -> None:
        """Return when nothing waits any more."""
        while self._work is not None:
            await asyncio.wait((self._work,))

    async def _run(self) -> None:
        parcels: list[Parcel] = []
        batches = 0
        try:
            while self._waiting:
                parcels = self._take()
                if parcels:
                    await self._settle(parcels)
                batches += 1
                if batches % _TURN == 0:
                    await self._give_back()
        except BaseException as error:  # cancelled, or a fault of ours: nobody may wait for ever
            self._refuse([*parcels, *self._waiting], error)
            self._waiting.clear()
            self._count = 0
            raise
        finally:
            self._work = None
            await self._give_back()

    def _take(self) -> list[Parcel]:
        """The next batch: whole parcels, in the order they came. Who has gone away since is left out."""
        parcels, room = list[Parcel](), BATCH
        while self._waiting and len(self._waiting[0][0]) <= room:
            entries, future = self._waiting.popleft()
            self._count -= len(entries)
            if not future.done():
                parcels.append((entries, future))
                room -= len(entries)
        return parcels

    async def _settle(self, parcels: list[Parcel]) -> None:
        entries = [entry for some, _ in parcels for entry in some]
        try:
            at = await self._place(entries)
        except Exception as error:
            if not is_passing(error):
                log.exception("a batch of the ledger cannot be written", origin=self._signer.name, error=told(error))
                self._refuse(parcels, error)
                return
            log.warning("the ledger is not available", origin=self._signer.name, error=told(error))
            self._refuse([*parcels, *self._waiting], error)
            self._waiting.clear()
            self._count = 0
            return
        for some, future in parcels:
            if not future.done():
                future.set_result(at)
            at += len(some)

    async def _place(self, entries: Sequence[Entry]) -> int:
        """Write a batch; the index of its first entry. Raises what the last attempt raised."""
        loop = asyncio.get_running_loop()
        end, pause, lost, batch = loop.time() + self._patience, _FIRST_PAUSE, 0, self._ids()
        while True:
            try:
                async with asyncio.timeout(max(end - loop.time(), _LAST_PAUSE)):
                    # who has lost twice waits for his turn: else a faster process could be faster for ever
                    placed = await (self._try(entries, batch) if lost < 2 else self._try_locked(entries, batch))
            except Exception as error:
                await self._give_back(broken=True)  # it may be the connection, and a statement may still be on it
                if not is_passing(error) or loop.time() + pause > end:
                    raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LAST_PAUSE)
                continue
            if placed is not None:
                return placed
            lost += 1

    async def _try(self, entries: Sequence[Entry], batch: str) -> int | None:
        pg = await self._connection()
        if self._head is None:
            self._head = await open_log(pg, self._signer, self._clock())
        made = plan(self._head, entries, self._signer, batch, self._clock())
        return self._answered(made, await pg.fetchrow(APPEND, *made.arguments))

    async def _try_locked(self, entries: Sequence[Entry], batch: str) -> int | None:
        pg = await self._connection()
        self._head = None
        async with pg.transaction():
            head = read_head(await pg.fetchrow(LOCK, self._signer.name))
            made = plan(head, entries, self._signer, batch, self._clock())
            row = await pg.fetchrow(APPEND, *made.arguments)
        return self._answered(made, row)

    async def _connection(self) -> Any:
        if self._pg is None:
            self._pg = await self._pool.acquire()
        return self._pg

    async def _give_back(self, *, broken: bool = False) -> None:
        pg, self._pg = self._pg, None
        if pg is None:
            return
        try:
            if broken:
                pg.terminate()
            await self._pool.release(pg, timeout=_LAST_PAUSE)
        except Exception as error:
            if not is_passing(error):  # else the server has closed it, and the pool has taken it back by itself
                raise

    def _answered(self, made: Plan, row: Any) -> int | None:
        """The index, or None when somebody was faster; either way the head is known again."""
        self._head = made.after if row["id"] is None else read_head(row)
        placed: int | None = row["placed"]
        return placed

    def _refuse(self, parcels: Sequence[Parcel], cause: BaseException) -> None:
        why = "full" if isinstance(cause, DISK_FULL) else "unavailable"
        for _, future in parcels:
            if not future.done():
                refusal = Refused(Kind.UNAVAILABLE, f"{self._signer.name} cannot be written", ledger=why)
                refusal.__cause__ = cause
                future.set_exception(refusal)
                future.exception()  # a waiter that has gone away is no error


async def open_log(pg: Any, signer: Signer, now: int) -> Head:
    """The head of a log, made if need be. Refused(CONFLICT) when it was begun under another key."""
    authority, region, kind, year = signer.name.split("/")
    del authority
    row = await pg.fetchrow(OPEN, signer.name, kind, int(region), int(year), signer.vkey(), empty_note(signer), now)
    if row["vkey"] != signer.vkey():
        message = f"{signer.name} was begun under another key than the seed in this folder gives"
        raise Refused(Kind.CONFLICT, message, ledger="other_key")
    return read_head(row)
