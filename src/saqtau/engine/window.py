"""The window: a plate that hits nothing is unreadable after it, in every store, because its key is gone.

Time is cut into slots of half a window. Every slot has a random key in the JetStream bucket `window`; read packs are
sealed and plates are hashed under it. The key dies when the slot's start lies a window back *and* no partition has
work left from that slot; the server then overwrites it on its disk. What was sealed stays as noise until the
journal's age removes it.
"""

import asyncio
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import nats.errors
import nats.js.errors
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from nats.js import api

from saqtau.engine.journal import PARTITIONS, READS, Stream
from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused

WINDOW = 1800.0  # s
GRACE = 120 * SECOND  # a publisher's last retry is over by then
_BUCKET = "KV_window"
_SUBJECT = "$KV.window."
_DEAD = "dead"  # every slot below this number is dead: its key is never made again
_NONCE = 12


class Slot(msgspec.Struct, frozen=True):
    """A living slot: its number and its key."""

    number: int
    key: bytes

    def __repr__(self) -> str:
        """Never the key."""
        return f"Slot({self.number})"


def hash_plate(key: bytes, plate: str) -> bytes:
    """What is kept of a plate that hits nothing: 16 bytes, comparable within its slot and only while the key lives."""
    return hashlib.blake2b(plate.encode(), key=key, digest_size=16).digest()


def seal(key: bytes, payload: bytes, label: str, nonce: bytes) -> bytes:
    """AES-256-GCM under a key derived from the slot's. label: what it belongs to; it opens only with the same label.

    nonce: 12 random bytes; a slot seals far fewer than the 2^32 packs a random nonce allows.
    """
    return nonce + AESGCM(_sealing_key(key)).encrypt(nonce, payload, label.encode())


def unseal(key: bytes, sealed: bytes, label: str) -> bytes:
    """The payload. Raises Refused(INVALID) when key, label or bytes do not belong together."""
    try:
        return AESGCM(_sealing_key(key)).decrypt(sealed[:_NONCE], sealed[_NONCE:], label.encode())
    except (InvalidTag, ValueError) as error:
        raise Refused(Kind.INVALID, f"{label}: the seal does not fit", seal="broken") from error


def _sealing_key(key: bytes) -> bytes:
    return hashlib.blake2b(key=key, person=b"saqtau seal", digest_size=32).digest()


class Window:
    """The keys of the living slots. One a process; keys are kept in memory no longer than in the bucket."""

    def __init__(self, js: Any, seconds: float = WINDOW, random: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._js = js
        self._length = round(seconds * SECOND / 2)
        self._random = random
        self._known: dict[int, bytes] = {}
        self._absent: dict[int, float] = {}
        self._making = asyncio.Lock()

    def number(self, at: Instant) -> int:
        """The slot an instant lies in."""
        return at // self._length

    def dies(self, number: int) -> Instant:
        """The first instant at which a slot's key may be destroyed."""
        return Instant((number + 2) * self._length)

    async def current(self, now: Instant) -> Slot:
        """The slot of `now`, made when it is new; the same key for everybody who asks at once.

        Raises Refused(UNAVAILABLE) when the broker is away or our clock lies before a slot that is dead already.
        """
        number = self.number(now)
        key = self._known.get(number)
        if key is None:
            async with self._making:
                key = self._known.get(number) or await self._make(number)
                self._known = {old: kept for old, kept in self._known.items() if self.dies(old) > now}
                self._known[number] = key
        return Slot(number, key)

    async def open(self, number: int) -> Slot:
        """A slot by its number. Raises Refused(NOT_FOUND, window=passed) when its key is dead."""
        key = self._known.get(number)
        if key is None:
            key = await self._read(str(number))
            if key is None:
                raise Refused(
                    Kind.NOT_FOUND, f"the window of slot {number} has passed: nobody can read it", window="passed"
                )
            self._known[number] = key
        return Slot(number, key)

    async def find(self, number: int) -> Slot | None:
        """A slot to look for earlier reads in, or None when nothing was sealed in it or its key is dead.

        That there is none is believed for 2 s, so that the first quarter of an hour does not ask the broker a read.
        """
        if self._absent.get(number, 0.0) > time.monotonic():
            return None
        try:
            return await self.open(number)
        except Refused as refused:
            if refused.kind is not Kind.NOT_FOUND:
                raise
        self._absent = {number: time.monotonic() + 2.0}
        return None

    async def forget(self, now: Instant, committed: Mapping[int, int], stream: Stream = READS) -> list[int]:
        """Destroy the keys whose time has come; returns their slots.

        committed: partition -> sequence of its last message whose effects are durable; a missing one counts as 0.
        A slot with unfinished work lives on: an acknowledged read is never lost to the clock.
        """
        numbers = await self._numbers()
        self._known = {number: key for number, key in self._known.items() if number in numbers}
        due = [number for number in numbers if self.dies(number) <= now]
        if not due:
            return []
        oldest = await self._oldest_unfinished(committed, stream)
        dead = [n for n in due if oldest is None or oldest >= (n + 1) * self._length + GRACE]
        for number in dead:
            await self._destroy(number)
        return dead

    async def _numbers(self) -> list[int]:
        info = await self._ask(self._js.stream_info(_BUCKET, f"{_SUBJECT}*"))
        keys = [subject.removeprefix(_SUBJECT) for subject in info.state.subjects or {}]
        return sorted(int(key) for key in keys if key != _DEAD)

    async def _make(self, number: int) -> bytes:
        dead = await self._read(_DEAD)
        if dead is not None and number < int(dead):
            raise Refused(
                Kind.UNAVAILABLE, f"slot {number} is dead: the clock of this machine is behind", clock="behind"
            )
        for _ in range(5):
            found = await self._read(str(number))
            if found is not None:
                return found
            fresh = self._random(32)
            if await self._create(str(number), fresh):
                return fresh
        raise Refused(Kind.UNAVAILABLE, f"slot {number}: the broker gives no key", window="unavailable")

    async def _create(self, key: str, value: bytes) -> bool:
        try:
            await self._ask(
                self._js.publish(f"{_SUBJECT}{key}", value, headers={"Nats-Expected-Last-Subject-Sequence": "0"})
            )
        except nats.js.errors.BadRequestError:
            return False  # somebody was faster
        return True

    async def _read(self, key: str) -> bytes | None:
        try:
            message = await self._ask(self._js.get_last_msg(_BUCKET, f"{_SUBJECT}{key}"))
        except nats.js.errors.NotFoundError:
            return None
        return bytes(message.data)

    async def _destroy(self, number: int) -> None:
        dead = await self._read(_DEAD)
        if dead is None or int(dead) <= number:
            await self._ask(self._js.publish(f"{_SUBJECT}{_DEAD}", str(number + 1).encode()))
        self._known.pop(number, None)
        try:
            message = await self._ask(self._js.get_last_msg(_BUCKET, f"{_SUBJECT}{number}"))
            # unlike a key-value "purge", deleting the message makes the server overwrite its bytes
            await self._ask(self._js.delete_msg(_BUCKET, message.seq))
        except nats.js.errors.NotFoundError:
            return  # another process was faster

    async def _oldest_unfinished(self, committed: Mapping[int, int], stream: Stream) -> int | None:
        found = await asyncio.gather(
            *(self._next(stream, partition, committed.get(partition, 0)) for partition in range(PARTITIONS))
        )
        return min((at for at in found if at is not None), default=None)

    async def _next(self, stream: Stream, partition: int, after: int) -> int | None:
        try:
            message = await self._ask(
                self._js.get_msg(stream.name, seq=after + 1, subject=f"{stream.subject}.{partition}", next=True)
            )
        except nats.js.errors.NotFoundError:
            return None
        return int(message.time.timestamp() * SECOND)

    async def _ask(self, question: Any) -> Any:
        try:
            return await question
        except nats.js.errors.ServiceUnavailableError as error:
            raise Refused(Kind.UNAVAILABLE, f"window: {error}", window="unavailable") from error
        except nats.js.errors.APIError:
            raise
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise Refused(Kind.UNAVAILABLE, f"window: {error!r}", window="unavailable") from error


async def ensure_window(js: Any, replicas: int = 1) -> None:
    """Make the bucket: a key-value one in all but one thing, its messages can be deleted, which overwrites them."""
    wanted = api.StreamConfig(
        name=_BUCKET,
        subjects=[f"{_SUBJECT}>"],
        storage=api.StorageType.FILE,
        num_replicas=replicas,
        max_msgs_per_subject=1,
        discard=api.DiscardPolicy.NEW,
        deny_delete=False,
        allow_direct=False,  # only the leader answers: a key that was just made is seen by everybody
    )
    try:
        await js.add_stream(wanted)
    except (OSError, TimeoutError, nats.errors.Error) as error:
        raise Refused(Kind.UNAVAILABLE, f"window: {error}", window="unavailable") from error
