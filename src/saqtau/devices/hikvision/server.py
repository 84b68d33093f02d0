"""The HTTP input of plate cameras: 200 only when what the camera said is on disk.

A camera that gets anything but 200 forgets the event (measured: 332 of 332 never sent again), so our own trouble
is never its trouble: what cannot be handled is kept raw in quarantine, and that is durable too. Only a disk
that refuses is answered 503.
"""

import logging
from collections.abc import Awaitable, Callable
from hashlib import blake2b

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge

from saqtau.devices.hikvision.device import DEVICE
from saqtau.devices.hikvision.parse import Malformed, Push, Seen, clock_is_off, parse, read_of
from saqtau.devices.http import SHORTEST_TOKEN, Answer, Handler, Request, read_body, same_address, token_digest
from saqtau.devices.limits import Buckets, Once, Rate
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

_log = logging.getLogger("saqtau.devices.hikvision")

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


def pushes(
    *,
    cameras: Cameras,
    take_read: TakeRead,
    quarantine: Quarantine,
    clock: Clock,
    registry: CollectorRegistry,
    rate: Rate = DEVICE.rate,
) -> Handler:
    """The handler of `POST /hikvision/{token}`.

    401 unknown token, 403 another address than the registered one, 413 over 8 MiB, 429 too fast, 503 when the disk
    refuses, else 200: taken, taken before, nothing to take, or kept in quarantine.
    """
    return _Pushes(cameras, take_read, quarantine, clock, Counts(registry), rate).handle


class _Pushes:
    """What is remembered between the pushes: who said what already, and how fast."""

    def __init__(
        self, cameras: Cameras, take_read: TakeRead, quarantine: Quarantine, clock: Clock, counts: Counts, rate: Rate
    ) -> None:
        self._cameras = cameras
        self._take_read = take_read
        self._quarantine = quarantine
        self._clock = clock
        self._counts = counts
        self._rates = Buckets(rate)
        self._kept = Buckets(QUARANTINE_RATE)
        self._once = Once(WINDOW)

    async def handle(self, request: Request) -> Answer:
        """One push."""
        camera = self._sender(request)
        body = await read_body(request, DEVICE.largest)
        push = _understood(camera, request.headers.get("content-type", ""), body)
        for kind, number in (("heartbeat", push.heartbeats), ("other", push.others), ("unread", push.unread)):
            self._counts.said.labels(kind).inc(number)
        for seen in push.seen:
            await self._take(camera, self._read(seen, camera, _key(request.tail)), body)
        kept = [await self._keep(camera, bad) for bad in push.malformed]
        if kept and not any(kept) and not push.seen:
            raise Refused(Kind.TOO_MANY, f"camera {camera.id} sends what nobody understands", body="malformed")
        return Answer()

    def _sender(self, request: Request) -> Camera:
        """The camera of a request, before anything of its body is read."""
        camera = self._cameras(token_digest(request.tail)) if len(request.tail) >= SHORTEST_TOKEN else None
        if camera is None:
            raise Refused(Kind.UNAUTHENTICATED, "no camera has this token", token="unknown")  # noqa: S106 - a field
        if camera.address is not None and not same_address(camera.address, request.address):
            raise Refused(
                Kind.DENIED, f"camera {camera.id} pushes from an address that is not its own", address="other"
            )
        if not self._rates.spend(camera.id, self._clock()):
            raise Refused(Kind.TOO_MANY, f"camera {camera.id} pushes too fast", rate="too_many")
        return camera

    def _read(self, seen: Seen, camera: Camera, key: bytes) -> PlateRead:
        now = self._clock()
        if seen.at is not None and not seen.late:
            self._counts.clock.labels(camera.id).set((seen.at - now) / SECOND)
        if clock_is_off(seen, now):
            self._counts.off.labels(camera.id).inc()
        return read_of(seen, camera.id, now, key)

    async def _take(self, camera: Camera, read: PlateRead, body: bytes) -> None:
        """Returns when the read is durable, or the push is in quarantine. Raises Refused UNAVAILABLE."""
        try:
            first = await self._take_once(read)
        except Refused as refusal:
            if refusal.kind is Kind.UNAVAILABLE:
                raise
            await self._rescue(camera, body, refusal)
        except Exception as trouble:  # noqa: BLE001 - ours to repair; the camera would forget the event
            await self._rescue(camera, body, trouble)
        else:
            self._counts.said.labels("read" if first else "repeat").inc()

    async def _take_once(self, read: PlateRead) -> bool:
        try:
            return await self._once.do(read.id, read.received, lambda: self._take_read(read))
        except Refused as refusal:
            if refusal.kind is not Kind.TOO_LARGE or not read.pictures:
                raise
        # the read is worth more than its pictures
        self._counts.malformed.labels("pictures_too_large").inc()
        bare = msgspec.structs.replace(read, pictures=())
        return await self._once.do(read.id, read.received, lambda: self._take_read(bare))

    async def _rescue(self, camera: Camera, body: bytes, trouble: Exception) -> None:
        _log.error("camera %s: a push was kept raw, it could not be taken", camera.id, exc_info=trouble)
        self._counts.malformed.labels("trouble").inc()
        await self._quarantine(camera.id, "trouble", body[:LARGEST_KEPT])

    async def _keep(self, camera: Camera, bad: Malformed) -> bool:
        self._counts.malformed.labels(bad.reason).inc()
        if not self._kept.spend(camera.id, self._clock()):
            self._counts.dropped.inc()
            return False
        await self._quarantine(camera.id, bad.reason, bad.data[:LARGEST_KEPT])
        return True


def _understood(camera: Camera, content_type: str, body: bytes) -> Push:
    try:
        return parse(content_type, body)
    except Refused as refusal:
        return Push(malformed=(Malformed(next(iter(refusal.fields), "body"), body),))
    except Exception:  # noqa: BLE001 - fuzzing found none; if there is one, the camera's event must outlive it
        _log.exception("camera %s: a push broke the parser and was kept raw", camera.id)
        return Push(malformed=(Malformed("trouble", body),))


def _key(token: str) -> bytes:
    """Secret of the ids of a camera's reads. Not the stored digest: who reads the register must not test plates."""
    return blake2b(token.encode("utf-8", "replace"), person=b"saqtau read id", digest_size=32).digest()
