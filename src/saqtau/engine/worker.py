"""A worker: takes effect of the journal, each message once, whatever is killed in between.

It claims partitions, follows them from their committed offsets, and commits a batch's effects with the offsets: one
transaction for all of its partitions, because the commit is the dear part. What a handler cannot digest is tried again
alone, and after the last try put into quarantine: one bad message never stops a partition.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import msgspec
import structlog

from saqtau.engine import claims
from saqtau.engine.claims import Fenced
from saqtau.engine.failures import is_passing, told
from saqtau.engine.follow import Follower, follow, made_at
from saqtau.engine.journal import Gap, Message, Stream
from saqtau.engine.lines import Outgoing
from saqtau.engine.outbox import Publisher
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Refused

log = structlog.get_logger()

POLL = 0.3  # s between two looks at who owns what
TRIES = 3
RAW_LIMIT = 65536  # bytes of a bad message that are kept


class Handler(Protocol):
    """What a stream's messages mean."""

    async def handle(self, pg: Any, messages: Sequence[Message]) -> list[Outgoing]:
        """Take effect, inside the transaction that also moves the offsets; returns what to publish after the commit.

        The messages are of several partitions, in order within each.
        """


@runtime_checkable
class Remembers(Protocol):
    """A handler that keeps something in memory for a partition."""

    async def claimed(self, pg: Any, partition: int) -> None:
        """Build the memory from the record: the partition is ours now, or a transaction of it was rolled back."""

    def lost(self, partition: int) -> None:
        """Drop the memory."""


@runtime_checkable
class Tells(Protocol):
    """A handler that has something to say once its effects are committed."""

    async def committed(self) -> None:
        """Say it; what follows a crash before this is not said, so it may only be what the next batch makes good."""


class Tally(msgspec.Struct):
    """What a worker has done since it started; for /metrics."""

    messages: int = 0
    transactions: int = 0
    fenced: int = 0
    quarantined: int = 0
    retries: int = 0
    outages: int = 0


class Worker:
    """Handles streams until told to stop. Give each process one; more processes share the partitions by themselves."""

    def __init__(
        self,
        pool: Any,
        nc: Any,
        js: Any,
        handlers: Mapping[Stream, Handler],
        clock: Clock,
        *,
        batch: int = 64,
    ) -> None:
        self.tally = Tally()
        self.owned: dict[str, set[int]] = {stream.name: set() for stream in handlers}
        self._pool = pool
        self._nc = nc
        self._js = js
        self._handlers = dict(handlers)
        self._clock = clock
        self._batch = batch
        self._publisher = Publisher(js, pool)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set; the batch in hand is finished first, for at most 1.4 s. Outages are waited out."""
        tasks = [asyncio.create_task(self._keep_working(one, stop)) for one in self._handlers.items()]
        publishing = asyncio.create_task(self._publisher.run())
        try:
            await stop.wait()
            await asyncio.wait(tasks, timeout=1.4)
            await self._publisher.drained(0.3)
        finally:
            for task in (*tasks, publishing):
                task.cancel()
            await asyncio.gather(*tasks, publishing, return_exceptions=True)

    async def _keep_working(self, one: tuple[Stream, Handler], stop: asyncio.Event) -> None:
        stream, handler = one
        pause = 0.1
        while not stop.is_set():
            begun = self.tally.transactions
            try:
                await self._session(stream, handler, stop)
            except Exception as error:
                self._forget(stream, handler)
                expected = is_passing(error) or isinstance(error, (Gap, Fenced))
                self.tally.outages += 1
                if expected:
                    log.warning("worker waits", stream=stream.name, error=told(error))
                else:
                    log.exception("worker starts again", stream=stream.name)
                pause = 0.1 if self.tally.transactions > begun else min(pause * 2, 1.0)
                await _rest(stop, pause)

    def _forget(self, stream: Stream, handler: Handler) -> None:
        for partition in self.owned[stream.name]:
            if isinstance(handler, Remembers):
                handler.lost(partition)
        self.owned[stream.name] = set()

    async def _session(self, stream: Stream, handler: Handler, stop: asyncio.Event) -> None:
        """As long as one connection to PostgreSQL lasts: its locks are ours as long as it does."""
        async with self._pool.acquire() as pg:
            await claims.enter(pg, stream.name)
            while not stop.is_set():
                offsets = await self._claim(pg, stream, handler)
                if not offsets:
                    await _rest(stop, POLL)
                    continue
                async with follow(self._nc, self._js, stream, offsets) as follower:
                    await self._follow(pg, stream, handler, follower, stop)
            self._forget(stream, handler)

    async def _claim(self, pg: Any, stream: Stream, handler: Handler) -> dict[int, int]:
        """Settle who owns what; returns the offsets of all that is ours."""
        owned = self.owned[stream.name]
        taken, given = await claims.claim(pg, stream.name, owned)
        for partition in given:
            owned.discard(partition)
            if isinstance(handler, Remembers):
                handler.lost(partition)
        if taken or given:
            log.info("partitions", stream=stream.name, taken=len(taken), given=len(given), owned=len(owned | taken))
        owned |= taken
        if taken and not await claims.recognise(pg, stream.name, await made_at(self._js, stream)):
            log.error("the journal was made anew and is read from its beginning", stream=stream.name)
        offsets = await claims.read_offsets(pg, stream.name, owned) if owned else {}
        if isinstance(handler, Remembers):
            for partition in sorted(taken):
                await handler.claimed(pg, partition)
        return offsets

    async def _follow(self, pg: Any, stream: Stream, handler: Handler, follower: Follower, stop: asyncio.Event) -> None:
        """Handle batches until the set of partitions changes."""
        loop = asyncio.get_running_loop()
        looked = loop.time()
        while not stop.is_set():
            before = dict(follower.offsets)
            messages = await follower.take(self._batch, POLL)
            if messages:
                await self._digest(pg, stream, handler, before, messages)
            if loop.time() - looked >= POLL:
                looked = loop.time()
                if await self._changed(pg, stream, handler):
                    return

    async def _changed(self, pg: Any, stream: Stream, handler: Handler) -> bool:
        before = set(self.owned[stream.name])
        await self._claim(pg, stream, handler)
        return before != self.owned[stream.name]

    async def _digest(
        self, pg: Any, stream: Stream, handler: Handler, before: Mapping[int, int], messages: Sequence[Message]
    ) -> None:
        """A batch in one transaction; when that fails by its content, each message in one of its own."""
        try:
            await self._commit(pg, stream, handler, before, messages)
        except Exception as error:
            if is_passing(error) or isinstance(error, Fenced):
                self.tally.fenced += isinstance(error, Fenced)
                raise
            log.warning("batch is tried one by one", stream=stream.name, messages=len(messages), error=told(error))
            offsets = dict(before)
            await self._remember(pg, handler, {message_partition(one) for one in messages})
            for message in messages:
                await self._digest_one(pg, stream, handler, offsets, message)
                offsets[message_partition(message)] = message.sequence

    async def _digest_one(
        self, pg: Any, stream: Stream, handler: Handler, before: Mapping[int, int], message: Message
    ) -> None:
        for left in reversed(range(TRIES)):
            try:
                await self._commit(pg, stream, handler, before, [message])
            except Exception as error:
                if is_passing(error) or isinstance(error, Fenced):
                    self.tally.fenced += isinstance(error, Fenced)
                    raise
                self.tally.retries += 1
                await self._remember(pg, handler, {message_partition(message)})
                if not left:
                    log.exception("message goes into quarantine", stream=stream.name, sequence=message.sequence)
                    await self._quarantine(pg, stream, before, message, error)
                    return
                await asyncio.sleep(0.05)
            else:
                return

    async def _commit(
        self, pg: Any, stream: Stream, handler: Handler, before: Mapping[int, int], messages: Sequence[Message]
    ) -> None:
        groups = _by_partition(messages)
        async with pg.transaction():
            # first, so that a worker that was overtaken learns it before it does anything
            await claims.advance(pg, stream.name, {one: (before[one], got[-1].sequence) for one, got in groups.items()})
            outgoing = await handler.handle(pg, messages)
        self.tally.messages += len(messages)
        self.tally.transactions += 1
        self._publisher.put(outgoing)
        if isinstance(handler, Tells):
            await handler.committed()

    async def _remember(self, pg: Any, handler: Handler, partitions: set[int]) -> None:
        if isinstance(handler, Remembers):
            for partition in sorted(partitions):
                handler.lost(partition)
                await handler.claimed(pg, partition)

    async def _quarantine(
        self, pg: Any, stream: Stream, before: Mapping[int, int], message: Message, error: Exception
    ) -> None:
        partition = message_partition(message)
        reason = error.message if isinstance(error, Refused) else told(error)
        async with pg.transaction():
            await claims.advance(pg, stream.name, {partition: (before[partition], message.sequence)})
            await pg.execute(
                "insert into quarantine (at, source, stream, partition, sequence, reason, raw) "
                "values ($1, 'journal', $2, $3, $4, $5, $6)",
                self._clock(),
                stream.name,
                partition,
                message.sequence,
                reason.replace("\0", "")[:500],
                message.data[:RAW_LIMIT],
            )
        self.tally.quarantined += 1


def message_partition(message: Message) -> int:
    """The partition a message lies in, by its subject."""
    return int(message.subject.rpartition(".")[2])


def _by_partition(messages: Sequence[Message]) -> dict[int, list[Message]]:
    ordered = sorted(messages, key=message_partition)  # stable: the order inside a partition stays
    return {partition: list(group) for partition, group in itertools.groupby(ordered, key=message_partition)}


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def every(seconds: float, name: str, chore: Callable[[], Awaitable[object]], stop: asyncio.Event) -> None:
    """Do a chore again and again until told to stop; its failures are told and the next turn tries again."""
    while not stop.is_set():
        try:
            await chore()
        except Exception as error:
            if is_passing(error):
                log.warning("chore waits", chore=name, error=told(error))
            else:
                log.exception("chore failed", chore=name)
        await _rest(stop, seconds)
