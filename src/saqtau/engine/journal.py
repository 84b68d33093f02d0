"""The journal: four JetStream streams, written durably with an id of their own, read in order from a sequence.

A reader keeps no acknowledgements: its offset is committed with its effects, and it asks for what comes after.
Explicit acknowledgements with a high-water mark would lose messages after a crash (redeliveries arrive out of order).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from zlib import crc32

import msgspec
import nats.errors
import nats.js.errors
from nats.js import api

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused

PARTITIONS = 64
PATIENCE = 20.0  # s a publisher tries again with the same id: a new leader takes 4 to 9 s
UNHEARD = 100  # times, 50 ms apart, that a consumer just made may be out of the reach of our own node
_WORTH_A_BATCH = 8
REMEMBERED = 120.0  # s the server remembers ids; longer than any publisher's patience


class Stream(msgspec.Struct, frozen=True):
    """A stream and how long it keeps what."""

    name: str
    subject: str  # prefix; the part behind the dot is the partition or the topic
    seconds: float  # 0: for ever
    bytes: int
    messages: int = -1
    refuse_when_full: bool = True  # False: the oldest makes room; only for what can be read elsewhere


READS = Stream("READS", "reads", 24 * 3600, 10 * 1024**3)
POSITIONS = Stream("POSITIONS", "positions", 24 * 3600, 2 * 1024**3)
FEED = Stream("FEED", "feed", 3600, 1024**3, 200_000, refuse_when_full=False)
LATE = Stream("LATE", "late", 0, 256 * 1024**2)
"""Entries of help that the ledger could not take; kept until it has them."""
STREAMS = (READS, POSITIONS, FEED, LATE)


class Message(msgspec.Struct, frozen=True):
    """A message as it lies in the journal."""

    sequence: int
    subject: str
    headers: Mapping[str, str]
    data: bytes
    at: Instant  # when the server stored it


class Letter(msgspec.Struct, frozen=True):
    """A message to be written. `id` is the same however often it is tried."""

    subject: str
    payload: bytes
    id: str
    headers: Mapping[str, str]


class Gap(Exception):  # noqa: N818 - what happened, not whose fault it is
    """A delivery was lost on the way: the reader starts again from its committed offset."""


_NO_ROOM = {10023, 10047, 10077, 10002, 10122}
"""insufficient resources, storage exceeded, stream's maximum, account's maximum, tier's maximum"""


def partition_of(key: str) -> int:
    """The partition of a plate or a unit, 0..63; the same on every machine and in every version."""
    return crc32(key.encode()) % PARTITIONS


async def ensure_streams(js: Any, replicas: int = 1, streams: tuple[Stream, ...] = STREAMS) -> None:
    """Make the streams, or bring them to these settings. Raises Refused(UNAVAILABLE) when JetStream is away."""
    for stream in streams:
        wanted = _configuration(stream, replicas)
        try:
            try:
                # asked first: adding one that is there reserves its room a second time, and is refused for lack of it
                await js.update_stream(wanted)
            except nats.js.errors.NotFoundError:
                await js.add_stream(wanted)
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise Refused(Kind.UNAVAILABLE, f"stream {stream.name}: {error}", journal="unavailable") from error


def _configuration(stream: Stream, replicas: int) -> api.StreamConfig:
    return api.StreamConfig(
        name=stream.name,
        subjects=[f"{stream.subject}.*"],
        storage=api.StorageType.FILE,
        num_replicas=replicas,
        max_age=stream.seconds,
        max_bytes=stream.bytes,
        max_msgs=stream.messages,
        discard=api.DiscardPolicy.NEW if stream.refuse_when_full else api.DiscardPolicy.OLD,
        duplicate_window=REMEMBERED,
        allow_direct=True,
        allow_atomic=True,
    )


async def publish(
    js: Any,
    subject: str,
    payload: bytes,
    message_id: str,
    headers: Mapping[str, str] | None = None,
    patience: float = PATIENCE,
) -> int:
    """Write one message; returns its sequence when it is on disk (on most disks, in a cluster).

    Tries again with the same id for `patience` seconds: an outage or a lost answer neither loses nor doubles it.
    Raises Refused(UNAVAILABLE): `journal=full` at once when there is no room, `journal=unavailable` after the patience.
    After the latter the message may or may not be there; the caller's own retry must use the same id.
    """
    end = time.monotonic() + patience
    marked = {**(headers or {}), "Nats-Msg-Id": message_id}
    pause = 0.02
    while True:
        try:
            answer = await js.publish(subject, payload, timeout=min(5.0, patience), headers=dict(marked))
        except nats.js.errors.APIError as error:
            if error.err_code in _NO_ROOM:
                raise no_room(error) from error
            failure: Exception = error
        except (OSError, TimeoutError, nats.errors.Error) as error:
            failure = error
        else:
            return int(answer.seq)
        if time.monotonic() + pause > end:
            raise Refused(Kind.UNAVAILABLE, f"journal {subject}: {failure!r}", journal="unavailable") from failure
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.5)


async def publish_together(js: Any, letters: Sequence[Letter], patience: float = PATIENCE) -> list[int | Refused]:
    """Write several messages of one stream. An answer for each: its sequence, or 0 when all were confirmed as one.

    Many go as one atomic batch, which shares its fsyncs (64 small ones: 11,400 a second against 3,100). When its
    outcome is not clear each is written again by itself under its id, which neither loses nor doubles it.
    """
    if len(letters) >= _WORTH_A_BATCH and await _publish_batch(js, letters):
        return [0] * len(letters)

    async def alone(letter: Letter) -> int | Refused:
        try:
            return await publish(js, letter.subject, letter.payload, letter.id, letter.headers, patience)
        except Refused as refused:
            return refused

    return await asyncio.gather(*(alone(letter) for letter in letters))


async def _publish_batch(js: Any, letters: Sequence[Letter]) -> bool:
    """One atomic batch (ADR-50 of NATS): whether the server confirmed all of it."""
    nc = js._nc  # noqa: SLF001 - the client has no call for batches yet
    batch = letters[0].id
    last = len(letters)
    try:
        for number, letter in enumerate(letters, 1):
            headers = {
                **letter.headers,
                "Nats-Msg-Id": letter.id,
                "Nats-Batch-Id": batch,
                "Nats-Batch-Sequence": str(number),
            }
            if number == last:
                headers["Nats-Batch-Commit"] = "1"
            if number in {1, last}:
                answer = await nc.request(letter.subject, letter.payload, timeout=5, headers=headers)
                if number == 1 and answer.data:
                    return False  # refused at the first: no batches here, or no room
            else:
                await nc.publish(letter.subject, letter.payload, headers=headers)
        confirmed = msgspec.json.decode(answer.data, type=_Confirmed)
    except (OSError, TimeoutError, nats.errors.Error, msgspec.MsgspecError):
        return False
    return confirmed.count == last


class _Confirmed(msgspec.Struct):
    count: int = 0


def no_room(error: Exception) -> Refused:
    """What a publisher is told when the journal is full. Nothing stored is harmed; it goes on when there is room."""
    return Refused(Kind.UNAVAILABLE, f"journal has no room: {error}", journal="full")


async def replay(
    js: Any, stream: Stream, partition: int | str, after: int, batch: int = 50, wait: float = 1.0
) -> AsyncIterator[list[Message]]:
    """Batches of what lies behind sequence `after` in a partition, in order, for ever; an empty list when nothing came.

    partition: number, or a topic of FEED, or "*" for all. batch: messages. wait: seconds until an empty list.
    Raises Gap when a delivery was lost, Refused(UNAVAILABLE) when the broker does not answer.
    Close it (`aclosing`) when done: the consumer is removed; else the server does that after 30 s.
    """
    consumer = api.ConsumerConfig(
        ack_policy=api.AckPolicy.NONE,
        deliver_policy=api.DeliverPolicy.BY_START_SEQUENCE,
        opt_start_seq=after + 1,
        filter_subject=f"{stream.subject}.{partition}",
        inactive_threshold=30.0,
        mem_storage=True,
        num_replicas=1,
    )
    try:
        made = await js.add_consumer(stream.name, consumer)
        source = await js.pull_subscribe_bind(made.name, stream.name)
    except (OSError, TimeoutError, nats.errors.Error) as error:
        raise Refused(Kind.UNAVAILABLE, f"stream {stream.name}: {error}", journal="unavailable") from error
    delivered = unheard = 0
    try:
        while True:
            try:
                raw = await source.fetch(batch, timeout=wait)
            except TimeoutError:
                # silence or a consumer that is gone with its server? Only the latter is an error
                await _still_there(js, stream, made.name)
                yield []
                continue
            except nats.js.errors.ServiceUnavailableError as error:
                # one node has made the consumer, and ours has not heard yet where it is to be asked
                await _still_there(js, stream, made.name)
                unheard += 1
                if unheard > UNHEARD:
                    raise Refused(Kind.UNAVAILABLE, f"stream {stream.name}: {error}", journal="unavailable") from error
                await asyncio.sleep(0.05)
                continue
            except (OSError, nats.errors.Error) as error:
                raise Refused(Kind.UNAVAILABLE, f"stream {stream.name}: {error}", journal="unavailable") from error
            messages = []
            for message in raw:
                meta = message.metadata
                delivered += 1
                if meta.sequence.consumer != delivered:
                    raise Gap(f"{stream.name}.{partition}: delivery {meta.sequence.consumer} after {delivered - 1}")
                messages.append(
                    Message(
                        sequence=meta.sequence.stream,
                        subject=message.subject,
                        headers=message.headers or {},
                        data=message.data,
                        at=Instant(int(meta.timestamp.timestamp() * 1000)),
                    )
                )
            yield messages
    finally:
        await _release(js, stream, made.name, source)


async def _still_there(js: Any, stream: Stream, name: str) -> None:
    try:
        await js.consumer_info(stream.name, name)
    except (OSError, TimeoutError, nats.errors.Error) as error:
        raise Refused(Kind.UNAVAILABLE, f"stream {stream.name}: {error}", journal="unavailable") from error


async def _release(js: Any, stream: Stream, name: str, source: Any) -> None:
    try:
        await source.unsubscribe()
        await js.delete_consumer(stream.name, name)
    except (OSError, TimeoutError, nats.errors.Error):
        return  # the server removes it by itself after the inactive threshold


class Extent(msgspec.Struct, frozen=True):
    """How a stream stands. created: another one of its name has another. messages: what is left of first..last."""

    created: str
    first: int
    last: int
    messages: int


async def extent(js: Any, stream: Stream) -> Extent:
    """How a stream stands. Raises Refused(UNAVAILABLE)."""
    try:
        info = await js.stream_info(stream.name)
    except (OSError, TimeoutError, nats.errors.Error) as error:
        raise Refused(Kind.UNAVAILABLE, f"stream {stream.name}: {error}", journal="unavailable") from error
    state = info.state
    return Extent(str(info.created), int(state.first_seq), int(state.last_seq), int(state.messages))


async def last_sequence(js: Any, stream: Stream) -> int:
    """The sequence of the newest message of a stream, 0 when there was none yet."""
    return (await extent(js, stream)).last


async def trim(js: Any, stream: Stream, committed: Mapping[int, int], fill: float = 0.5) -> bool:
    """When the stream is more than `fill` full, remove what every partition has committed. Returns whether it did.

    committed: partition -> sequence of the last message whose effects are durable. What is not named stays.
    """
    info = await js.stream_info(stream.name)
    if info.state.bytes <= stream.bytes * fill:
        return False
    for partition, sequence in committed.items():
        await js.purge_stream(stream.name, seq=sequence + 1, subject=f"{stream.subject}.{partition}")
    return True
