"""A plate event before it is known which camera sent it, and the signal that becomes of it. Pure, of no family."""

from datetime import UTC, datetime, timedelta, timezone
from hashlib import blake2b

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.register import Code
from saqtau.kernel.signal import Picture, PlateRead, Trust

CONFIDENT = 0.85
"""A read or a character below this is doubtful."""

CLOCK_TOLERANCE = 30 * SECOND
"""A camera whose clock is further off than this cannot open a case by itself."""

FASTEST = 400.0  # km/h; the vendor's field ends at 255
LOCAL_TIME = timezone(timedelta(hours=5))  # Kazakhstan since 2024-03-01


class Malformed(msgspec.Struct, frozen=True):
    """A part that was not understood, kept as it came. `reason`: a short key, also the label of the counter."""

    reason: str
    data: bytes


class Seen(msgspec.Struct, frozen=True):
    """One plate event before it is known which camera sent it."""

    event: str  # the device's own id of the event, "" when it has none
    at: Instant | None  # the camera's clock; None when it gave no readable time
    channel: str
    plate: str
    raw: str
    trust: Trust
    confidence: float | None
    doubts: tuple[int, ...]
    speed: float | None
    direction: str | None
    vehicle: str | None
    late: bool  # re-uploaded by the camera after it was cut off
    pictures: tuple[Picture, ...] = ()


def read_of(seen: Seen, camera: Code, received: Instant, key: bytes) -> PlateRead:
    """The signal of a plate event of a known camera.

    key: secret of this camera, 16..64 bytes. The read's id is a keyed hash of what tells two events apart: the same
    push twice has the same id, and the id of a forgotten read cannot be turned back into its plate.
    A read without a time, or by a clock more than `CLOCK_TOLERANCE` off, is doubtful.
    """
    at = received if seen.at is None else seen.at
    told = "\n".join((seen.event, str(seen.at), seen.channel, seen.raw)).encode("utf-8", "replace")
    return PlateRead(
        id=f"{camera}:{blake2b(told, key=key[:64], digest_size=16).hexdigest()}",
        camera=camera,
        at=at,
        received=received,
        plate=seen.plate,
        raw=seen.raw,
        trust=Trust.DOUBTFUL if seen.at is None or clock_is_off(seen, received) else seen.trust,
        confidence=seen.confidence,
        doubts=seen.doubts,
        speed=seen.speed,
        direction=seen.direction,
        vehicle=seen.vehicle,
        pictures=seen.pictures,
    )


def clock_is_off(seen: Seen, received: Instant) -> bool:
    """Whether the camera's clock is out of tolerance. A re-upload may be old, it may not come from the future."""
    if seen.at is None:
        return False
    ahead = seen.at - received
    return ahead > CLOCK_TOLERANCE or (not seen.late and ahead < -CLOCK_TOLERANCE)


def read_time(text: str, zone: timezone = LOCAL_TIME) -> Instant | None:
    """An ISO 8601 time as cameras write it; without an offset it is of `zone`. None when it is not a time."""
    if not 10 < len(text) <= 40:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        instant = round(moment.astimezone(UTC).timestamp() * SECOND)
    except (ValueError, OverflowError):
        return None
    return Instant(instant) if instant > 0 else None


def picture_media(data: bytes) -> str | None:
    """By the first bytes: firmware also says octet-stream, or nothing."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    return "image/png" if data.startswith(b"\x89PNG\r\n\x1a\n") else None
