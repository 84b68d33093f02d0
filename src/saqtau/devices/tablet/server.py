"""The HTTP input of tablets: 200 `{"accepted_to": seq}` only when every position of the batch is on disk."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from prometheus_client import CollectorRegistry, Counter

from saqtau.devices.http import Answer, Handler, Request, read_body
from saqtau.devices.limits import Buckets
from saqtau.devices.tablet.device import DEVICE
from saqtau.devices.tablet.parse import Batch, parse, positions_of, signed_text
from saqtau.devices.tablet.signature import verify
from saqtau.devices.track import OffRoad, Track, Tracks, clock_is_off, follow, no_map
from saqtau.kernel.clock import Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Code
from saqtau.kernel.signal import Position


class Enrolled(msgspec.Struct, frozen=True):
    """A device that was enrolled: the unit it belongs to and its public key (SPKI or an uncompressed point).

    ends: when its certificate ends; revoked: it was lost or replaced.
    """

    unit: Code
    public_key: bytes
    ends: Instant
    revoked: bool = False


def must_hold(ends: Instant, *, revoked: bool, now: Instant) -> None:
    """Raise Refused(UNAUTHENTICATED, `certificate`) when a device's certificate ended or was revoked."""
    if revoked:
        raise Refused(
            Kind.UNAUTHENTICATED, "the device's certificate was revoked: enrol it anew", certificate="revoked"
        )
    if now >= ends:
        raise Refused(Kind.UNAUTHENTICATED, "the device's certificate has ended: enrol it anew", certificate="expired")


Devices = Callable[[str], Enrolled | None]
TakePositions = Callable[[Sequence[Position]], Awaitable[None]]
"""Returns when the positions are durable; raises Refused UNAVAILABLE when the disk refuses."""


def positions(
    *,
    devices: Devices,
    take_positions: TakePositions,
    clock: Clock,
    registry: CollectorRegistry,
    off_road: OffRoad = no_map,
) -> Handler:
    """The handler of `POST /tablet/positions`.

    400 names the field; 401 unknown device or wrong signature (the same words for both), or a certificate that ended or
    was revoked (`certificate`); 413 over 256 KiB; 429 too fast; 503 when the disk refuses: the device keeps the batch
    and sends it again, and (device, seq) tells a repeat.
    """
    taken = Counter("saqtau_tablet_positions", "Positions taken", registry=registry)
    flagged = Counter("saqtau_tablet_flags", "Positions flagged", ["flag"], registry=registry)
    tracks, buckets = Tracks(), Buckets(DEVICE.rate)

    async def handle(request: Request) -> Answer:
        batch = parse(await read_body(request, DEVICE.largest))
        enrolled = devices(batch.device)
        if enrolled is None or not verify(enrolled.public_key, signed_text(batch.device, batch.fixes), batch.signature):
            raise Refused(Kind.UNAUTHENTICATED, "no enrolled device signed this", signature="wrong")
        now = clock()
        must_hold(enrolled.ends, revoked=enrolled.revoked, now=now)  # told only to who has the key
        if not buckets.spend(batch.device, now):
            raise Refused(Kind.TOO_MANY, f"device {batch.device} sends too fast", rate="too_many")
        track, found = judge(tracks.of(batch.device), batch, enrolled.unit, now, off_road)
        await take_positions(found)
        # only now: a batch that was refused comes again and must not look like a replay
        tracks.put(batch.device, track)
        taken.inc(len(found))
        for position in found:
            for name in position.flags:
                flagged.labels(name.value).inc()
        return Answer(body=b'{"accepted_to":%d}' % batch.fixes[-1].seq)

    return handle


def judge(track: Track, batch: Batch, unit: Code, now: Instant, off_road: OffRoad) -> tuple[Track, list[Position]]:
    """The positions of a batch with their flags, and the track behind them. Its newest fix shows the device's clock."""
    raw = positions_of(batch, unit, now)
    newest = max(position.at for position in raw)
    clock_off = clock_is_off(track, newest, now)
    found: list[Position] = []
    for position, metres in zip(raw, off_road(raw), strict=True):
        track, judged = follow(track, position, metres, clock_off=clock_off)
        found.append(judged)
    return msgspec.structs.replace(track, lag=now - newest), found
