"""What is done with the events of plate cameras, however they came in: durable as a read, or durable in quarantine.

A camera forgets what it was told is taken (measured: 332 of 332 never sent again), so our own trouble is never its
trouble: what cannot be handled is kept raw, and that is durable too. Only a disk that refuses is told to the camera.
"""

import logging
from collections.abc import Awaitable, Callable
from hashlib import blake2b

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from saqtau.devices.limits import Buckets, Once, Rate
from saqtau.devices.seen import Malformed, Seen, clock_is_off, read_of
from saqtau.kernel.clock import MINUTE, SECOND, Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera
from saqtau.kernel.signal import PlateRead

WINDOW = 10 * MINUTE
"""How long an event of a camera is remembered; the record recognises a repeat by its id for longer."""

LARGEST_KEPT = 64 << 10
"""Bytes of a malformed part, or of a push we had trouble with, that are kept; the event stands before its pictures."""

QUARANTINE_RATE = Rate(per_second=0.2, burst=30)
"""Malformed parts a camera may have kept: enough to understand a firmware, too few to fill a disk."""

_log = logging.getLogger("saqtau.devices")

Cameras = Callable[[bytes], Camera | None]
"""SHA-256 of a token (`http.token_digest`) -> the camera it was given to."""

TakeRead = Callable[[PlateRead], Awaitable[None]]
"""Returns when the read is durable; raises Refused UNAVAILABLE when the disk refuses."""

Quarantine = Callable[[str, str, bytes], Awaitable[None]]
"""Keeps bytes nobody understood: (camera, reason, raw). Durable on return; raises Refused UNAVAILABLE when full."""


class Counts:
    """What the cameras said, for `/metrics`. One a registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.said = Counter("saqtau_camera_said", "What cameras pushed, by kind", ["kind"], registry=registry)
        self.malformed = Counter("saqtau_camera_malformed", "Parts not understood", ["reason"], registry=registry)
        self.dropped = Counter("saqtau_camera_quarantine_full", "Malformed parts not kept: too many", registry=registry)
        self.clock = Gauge("saqtau_camera_clock_seconds", "Camera's clock against ours", ["camera"], registry=registry)
        self.off = Counter(
            "saqtau_camera_clock_off", "Reads by a clock out of tolerance", ["camera"], registry=registry
        )


class Taking:
    """What is remembered between the events, of all families together: who said what already. One a registry."""

    def __init__(self, take_read: TakeRead, quarantine: Quarantine, clock: Clock, registry: CollectorRegistry) -> None:
        self._take_read = take_read
        self._quarantine = quarantine
        self.clock = clock
        self.counts = Counts(registry)
        self._kept = Buckets(QUARANTINE_RATE)
        self._once = Once(WINDOW)

    async def take(self, seen: Seen, camera: Camera, token: str, raw: bytes) -> None:
        """Returns when the read is durable, or `raw` is in quarantine. Raises Refused UNAVAILABLE.

        token: of the camera; the ids of its reads are hashes under a key made from it. raw: what the event came in.
        """
        read = self._read(seen, camera, _key(token))
        try:
            first = await self._take_once(read)
        except Refused as refusal:
            if refusal.kind is Kind.UNAVAILABLE:
                raise
            await self._rescue(camera, raw, refusal)
        except Exception as trouble:  # noqa: BLE001 - ours to repair; the camera would forget the event
            await self._rescue(camera, raw, trouble)
        else:
            self.counts.said.labels("read" if first else "repeat").inc()

    async def keep(self, camera: Camera, bad: Malformed) -> bool:
        """Whether it is in quarantine; false when this camera had too much kept. Raises Refused UNAVAILABLE."""
        self.counts.malformed.labels(bad.reason).inc()
        if not self._kept.spend(camera.id, self.clock()):
            self.counts.dropped.inc()
            return False
        await self._quarantine(camera.id, bad.reason, bad.data[:LARGEST_KEPT])
        return True

    def _read(self, seen: Seen, camera: Camera, key: bytes) -> PlateRead:
        now = self.clock()
        if seen.at is not None and not seen.late:
            self.counts.clock.labels(camera.id).set((seen.at - now) / SECOND)
        if clock_is_off(seen, now):
            self.counts.off.labels(camera.id).inc()
        return read_of(seen, camera.id, now, key)

    async def _take_once(self, read: PlateRead) -> bool:
        try:
            return await self._once.do(read.id, read.received, lambda: self._take_read(read))
        except Refused as refusal:
            if refusal.kind is not Kind.TOO_LARGE or not read.pictures:
                raise
        # the read is worth more than its pictures
        self.counts.malformed.labels("pictures_too_large").inc()
        bare = msgspec.structs.replace(read, pictures=())
        return await self._once.do(read.id, read.received, lambda: self._take_read(bare))

    async def _rescue(self, camera: Camera, raw: bytes, trouble: Exception) -> None:
        _log.error("camera %s: a push was kept raw, it could not be taken", camera.id, exc_info=trouble)
        self.counts.malformed.labels("trouble").inc()
        await self._quarantine(camera.id, "trouble", raw[:LARGEST_KEPT])


def _key(token: str) -> bytes:
    """Secret of the ids of a camera's reads. Not the stored digest: who reads the register must not test plates."""
    return blake2b(token.encode("utf-8", "replace"), person=b"saqtau read id", digest_size=32).digest()
