"""The HTTP input of OwnTracks phones: 200 `[]` when the position is on disk, or when there was none."""

from collections.abc import Awaitable, Callable, Sequence

import msgspec
from prometheus_client import CollectorRegistry, Counter

from saqtau.devices.http import SHORTEST_TOKEN, Answer, Handler, Request, read_body, token_digest
from saqtau.devices.limits import Buckets
from saqtau.devices.owntracks.device import DEVICE
from saqtau.devices.owntracks.parse import Location, parse, position_of
from saqtau.devices.track import CLOCK_TOLERANCE, OffRoad, Track, Tracks, follow, no_map
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Code
from saqtau.kernel.signal import Position


class Phone(msgspec.Struct, frozen=True):
    """A phone that was given a token: its name and its unit."""

    device: str
    unit: Code


Phones = Callable[[bytes], Phone | None]
"""SHA-256 of a token (`http.token_digest`) -> the phone it was given to."""

_NOTHING = Answer(body=b"[]")


def locations(
    *,
    phones: Phones,
    take_positions: Callable[[Sequence[Position]], Awaitable[None]],
    clock: Clock,
    registry: CollectorRegistry,
    off_road: OffRoad = no_map,
) -> Handler:
    """The handler of `POST /owntracks/{token}`. The app's own `X-Limit-U` and `X-Limit-D` are not believed.

    400 names the field, 401 unknown token, 413 over 16 KiB, 429 too fast, 503 when the disk refuses.
    """
    taken = Counter("saqtau_owntracks_messages", "What phones posted, by kind", ["kind"], registry=registry)
    tracks, buckets = Tracks(), Buckets(DEVICE.rate)

    async def handle(request: Request) -> Answer:
        phone = phones(token_digest(request.tail)) if len(request.tail) >= SHORTEST_TOKEN else None
        if phone is None:
            raise Refused(Kind.UNAUTHENTICATED, "no phone has this token", token="unknown")  # noqa: S106 - the name of a field
        if not buckets.spend(phone.device, clock()):
            raise Refused(Kind.TOO_MANY, f"phone {phone.device} sends too fast", rate="too_many")
        location = parse(await read_body(request, DEVICE.largest))
        if location is None:
            taken.labels("other").inc()
            return _NOTHING
        track = tracks.of(phone.device)
        if _repeats(location, track):
            taken.labels("repeat").inc()
            return _NOTHING
        now = clock()
        # the app does not count: our own clock does, so that a restart of ours goes on above what is stored
        seq = max(now, 0 if track.last is None else track.last.seq + 1)
        position = position_of(location, phone.unit, phone.device, seq, now)
        unnumbered = msgspec.structs.replace(track, numbered=False)
        # the app does not say when it sent: a stored location cannot be told from a slow clock, a fast clock can
        ahead = position.at - now > CLOCK_TOLERANCE
        track, flagged = follow(unnumbered, position, off_road([position])[0], clock_off=ahead)
        await take_positions([flagged])
        tracks.put(phone.device, track)
        taken.labels("location").inc()
        return _NOTHING

    return handle


def _repeats(location: Location, track: Track) -> bool:
    """Whether the app sends its last location again, because our answer was lost."""
    last = track.last
    return last is not None and (last.at, last.lat, last.lon) == (location.tst * 1_000, location.lat, location.lon)
