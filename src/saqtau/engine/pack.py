"""Reads are packed for at most 20 ms with their neighbours: one message a read would be 24 times slower.

Whoever puts a read waits until the pack that holds it is on disk (law 3). Packs of one moment are written together, so
that they share their fsyncs.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, TypeVar

import msgspec

from saqtau.engine.journal import READS, Letter, Message, Stream, partition_of, publish_together
from saqtau.engine.window import Window, seal, unseal
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.kernel.signal import PlateRead

FLUSH = 0.02  # s
READS_A_PACK = 200
BYTES_A_PACK = 512 * 1024
LARGEST = 3 * 1024 * 1024  # bytes of one read with its pictures; a message holds 4 MiB
BOUND = 64 * 1024 * 1024  # bytes not yet on disk before `put` makes its caller wait

T = TypeVar("T")


class _Pack:
    """Encoded signals of one partition that travel together."""

    __slots__ = ("done", "parts", "size")

    def __init__(self, done: "asyncio.Future[None]") -> None:
        self.done = done
        self.parts: list[bytes] = []
        self.size = 0


class Packer(Generic[T]):
    """Packs signals by partition and writes the packs. Close it: what is underway is written first."""

    def __init__(
        self,
        js: Any,
        clock: Clock,
        ids: Ids,
        *,
        key: Callable[[T], str],
        stream: Stream = READS,
        window: Window | None = None,
        flush: float = FLUSH,
        bound: int = BOUND,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._js = js
        self._clock = clock
        self._ids = ids
        self._key = key
        self._stream = stream
        self._window = window
        self._flush = flush
        self._bound = bound
        self._random = random
        self._encode = msgspec.msgpack.Encoder().encode
        self._open: dict[int, _Pack] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._writing: set[asyncio.Task[None]] = set()
        self._bytes = 0
        self._eased = asyncio.Event()
        self._eased.set()
        self._closed = False

    async def put(self, signal: T) -> None:
        """Return when the signal is on disk. Waits while too much is underway.

        A caller that is cancelled or refused does not know whether the signal was written: it puts it again, and the
        signal's own id tells the reader. Raises Refused(TOO_LARGE), or as `journal.publish`.
        """
        await asyncio.shield((await self._add(signal)).done)

    async def put_all(self, signals: Iterable[T]) -> None:
        """As `put` for many at once; raises the first refusal after all have ended."""
        packs = {await self._add(signal) for signal in signals}
        await asyncio.gather(*(asyncio.shield(pack.done) for pack in packs), return_exceptions=True)
        for pack in packs:
            pack.done.result()

    async def close(self) -> None:
        """Write what is underway; later puts are refused."""
        self._closed = True
        self._flush_all()
        while self._writing:
            await asyncio.wait(self._writing)

    async def _add(self, signal: T) -> _Pack:
        encoded = self._encode(signal)
        if len(encoded) > LARGEST:
            raise Refused(Kind.TOO_LARGE, f"a signal of {len(encoded)} bytes", signal="too_large")
        while self._bytes > self._bound:
            self._eased.clear()
            await self._eased.wait()
        if self._closed:
            raise Refused(Kind.UNAVAILABLE, "the packer is closed", journal="closed")
        partition = partition_of(self._key(signal))
        pack = self._open.get(partition)
        if pack is not None and pack.size + len(encoded) > BYTES_A_PACK:
            self._write({partition: self._open.pop(partition)})
            pack = None
        if pack is None:
            pack = self._open[partition] = _Pack(asyncio.get_running_loop().create_future())
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(self._flush, self._flush_all)
        pack.parts.append(encoded)
        pack.size += len(encoded)
        self._bytes += len(encoded)
        if len(pack.parts) >= READS_A_PACK:
            self._write({partition: self._open.pop(partition)})
        return pack

    def _flush_all(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._open:
            packs, self._open = self._open, {}
            self._write(packs)

    def _write(self, packs: dict[int, _Pack]) -> None:
        task = asyncio.get_running_loop().create_task(self._publish(packs))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _publish(self, packs: dict[int, _Pack]) -> None:
        answers: Sequence[int | Exception]
        try:
            messages = await self._messages(packs)
            answers = await publish_together(self._js, messages)
        except Exception as error:  # noqa: BLE001 - whatever it is, those who wait must hear of it
            answers = [error] * len(packs)
        finally:
            self._bytes -= sum(pack.size for pack in packs.values())
            if self._bytes <= self._bound:
                self._eased.set()
        for pack, answer in zip(packs.values(), answers, strict=True):
            if isinstance(answer, Exception):
                pack.done.set_exception(answer)
                pack.done.exception()  # nobody may be waiting any more: not an error of ours
            else:
                pack.done.set_result(None)

    async def _messages(self, packs: dict[int, _Pack]) -> list[Letter]:
        slot = None if self._window is None else await self._window.current(self._clock())
        messages = []
        for partition, pack in packs.items():
            subject = f"{self._stream.subject}.{partition}"
            pack_id = self._ids()
            payload = b"\xdd" + len(pack.parts).to_bytes(4, "big") + b"".join(pack.parts)  # msgpack's array of n
            if slot is None:
                messages.append(Letter(subject, payload, pack_id, {}))
                continue
            sealed = seal(slot.key, payload, f"{subject} {slot.number} {pack_id}", self._random(12))
            messages.append(Letter(subject, sealed, pack_id, {"slot": str(slot.number)}))
        return messages


def read_packer(js: Any, window: Window, clock: Clock, ids: Ids) -> Packer[PlateRead]:
    """The packer of plate reads: sealed, partitioned by plate."""
    return Packer(js, clock, ids, key=lambda read: read.plate, window=window)


async def open_pack(window: Window, message: Message) -> bytes:
    """The msgpack array inside a sealed message.

    Raises Refused(NOT_FOUND) when its window has passed, Refused(INVALID) when it was tampered with.
    """
    try:
        number = int(message.headers["slot"])
        pack_id = message.headers["Nats-Msg-Id"]
    except (KeyError, ValueError) as error:
        raise Refused(Kind.INVALID, f"message {message.sequence} names no slot", seal="broken") from error
    slot = await window.open(number)
    return unseal(slot.key, message.data, f"{message.subject} {number} {pack_id}")
