"""Reading several partitions of a stream at once, in the order of the stream, each from its own committed offset.

One push consumer a worker, filtered to the partitions it owns: a message is here one network way after it is durable.
A pull consumer would wait for its batch to fill, and one consumer a partition would cost 64 of everything.
It starts after the least of the offsets; what a partition has committed already is passed over.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import nats.errors
from nats.js import api

from saqtau.engine.journal import PARTITIONS, Gap, Message, Stream
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused

HEARTBEAT = 1.0  # s; the server is heard at least this often
SILENCE = 3.0  # s without a word: the consumer is gone with its server
BYTES = 4 * 1024 * 1024  # of one batch


class Follower:
    """An open consumer. `offsets`: partition -> sequence of the last message handed out, or committed before."""

    def __init__(self, nc: Any, js: Any, stream: Stream, offsets: Mapping[int, int]) -> None:
        self.offsets = dict(offsets)
        self._nc = nc
        self._js = js
        self._stream = stream
        self._delivered = 0
        self._name = ""
        self._source: Any = None
        self._reconnects = nc.stats["reconnects"]
        self._heard = 0.0

    async def open(self) -> None:
        """Make the consumer. Raises Refused(UNAVAILABLE)."""
        inbox = self._nc.new_inbox()
        prefix = self._stream.subject
        every = len(self.offsets) == PARTITIONS  # 64 filters cost the server more than one
        config = api.ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=min(self.offsets.values(), default=0) + 1,
            ack_policy=api.AckPolicy.NONE,
            filter_subject=f"{prefix}.*" if every else None,
            filter_subjects=None if every else [f"{prefix}.{partition}" for partition in sorted(self.offsets)],
            flow_control=True,
            idle_heartbeat=HEARTBEAT,
            inactive_threshold=10.0,
            mem_storage=True,
            num_replicas=1,
        )
        try:
            self._source = await self._nc.subscribe(inbox)
            made = await self._js.add_consumer(self._stream.name, config)
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise _away(self._stream, error) from error
        self._name = made.name
        self._heard = asyncio.get_running_loop().time()

    async def take(self, messages: int, wait: float) -> list[Message]:
        """What has come and was not committed before, at most so many; empty after `wait` s of nothing.

        Raises Gap when a delivery was lost or the server fell silent: open a new follower from the committed offsets.
        """
        taken: list[Message] = []
        size = 0
        end = asyncio.get_running_loop().time() + wait
        while len(taken) < messages and size < BYTES:
            raw = await self._next(end, at_once=bool(taken))
            if raw is None:
                break
            if (message := await self._read(raw)) is not None:
                taken.append(message)
                size += len(message.data)
        return taken

    async def _next(self, end: float, *, at_once: bool) -> Any:
        if self._nc.stats["reconnects"] != self._reconnects:
            raise Gap(f"{self._stream.name}: the connection was lost")
        loop = asyncio.get_running_loop()
        if at_once and self._source.pending_msgs == 0:
            return None
        try:
            raw = await self._source.next_msg(max(0.001, end - loop.time()))
        except TimeoutError:
            if loop.time() - self._heard > SILENCE:
                raise Gap(f"{self._stream.name}: the server is silent") from None
            return None
        except nats.errors.Error as error:
            raise _away(self._stream, error) from error
        self._heard = loop.time()
        return raw

    async def _read(self, raw: Any) -> Message | None:
        headers = raw.headers or {}
        if headers.get("Status") == "100":
            # a request of flow control, or a heartbeat that tells of one we did not answer
            answer = raw.reply or headers.get("Nats-Consumer-Stalled")
            if answer:
                await self._nc.publish(answer)
            return None
        meta = raw.metadata
        self._delivered += 1
        if meta.sequence.consumer != self._delivered:
            raise Gap(f"{self._stream.name}: delivery {meta.sequence.consumer} after {self._delivered - 1}")
        partition = int(raw.subject.rpartition(".")[2])
        if meta.sequence.stream <= self.offsets[partition]:
            return None
        self.offsets[partition] = meta.sequence.stream
        return Message(
            sequence=meta.sequence.stream,
            subject=raw.subject,
            headers=headers,
            data=raw.data,
            at=Instant(int(meta.timestamp.timestamp() * 1000)),
        )

    async def close(self) -> None:
        """Remove the consumer, or leave that to the server when it is away."""
        with contextlib.suppress(OSError, TimeoutError, nats.errors.Error):
            if self._source is not None:
                await self._source.unsubscribe()
            if self._name:
                await self._js.delete_consumer(self._stream.name, self._name)


def _away(stream: Stream, error: Exception) -> Refused:
    return Refused(Kind.UNAVAILABLE, f"stream {stream.name}: {error!r}", journal="unavailable")


async def made_at(js: Any, stream: Stream) -> str:
    """When the stream was made, as the server tells it: another answer is another stream. Refused(UNAVAILABLE)."""
    try:
        info = await js.stream_info(stream.name)
    except (OSError, TimeoutError, nats.errors.Error) as error:
        raise _away(stream, error) from error
    return str(info.created)


@contextlib.asynccontextmanager
async def follow(nc: Any, js: Any, stream: Stream, offsets: Mapping[int, int]) -> AsyncIterator[Follower]:
    """A follower behind these offsets (partition -> sequence), closed at the end."""
    follower = Follower(nc, js, stream, offsets)
    try:
        await follower.open()
        yield follower
    finally:
        await follower.close()
