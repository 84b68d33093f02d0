"""A tablet's batch of positions: its limits, and the exact text that the device signs. Pure; raises only `Refused`."""

from decimal import ROUND_HALF_UP, Decimal
from typing import Annotated

import msgspec

from saqtau.devices.body import decode
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Code, Latitude, Longitude
from saqtau.kernel.signal import Flag, Position

VERSION = "saqtau-positions-v1"
_SAFE = (1 << 53) - 1  # beyond it JavaScript counts in twos

Whole = Annotated[int, msgspec.Meta(ge=0, le=_SAFE)]
Device = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]{1,64}\Z", max_length=64)]


class Fix(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One position as the device took it."""

    seq: Whole
    at: Annotated[int, msgspec.Meta(ge=1_000_000_000_000, le=9_999_999_999_999)]  # Unix ms
    lat: Latitude
    lon: Longitude
    accuracy: Annotated[float, msgspec.Meta(ge=0, le=1_000_000)] | None = None  # m
    speed: Annotated[float, msgspec.Meta(ge=0, le=2_000)] | None = None  # km/h
    heading: Annotated[float, msgspec.Meta(ge=0, le=360)] | None = None  # degrees
    battery: Annotated[float, msgspec.Meta(ge=0, le=1)] | None = None
    mock: bool = False


class Batch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """1..600 fixes of one device, ascending by `seq`, with the signature over all of them."""

    device: Device
    fixes: Annotated[tuple[Fix, ...], msgspec.Meta(min_length=1, max_length=600)]
    signature: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9+/]{86}==\Z", max_length=88)]  # base64 of r || s


_DECODER = msgspec.json.Decoder(Batch)


def parse(body: bytes) -> Batch:
    """The batch of a body. Raises Refused INVALID naming the field, e.g. `fixes[3].lat`."""
    batch = decode(_DECODER, body)
    for place, (earlier, later) in enumerate(zip(batch.fixes, batch.fixes[1:], strict=False)):
        if later.seq <= earlier.seq:
            raise Refused(Kind.INVALID, "fixes are not ascending", **{f"fixes[{place + 1}].seq": "not_ascending"})
    return batch


def signed_text(device: str, fixes: tuple[Fix, ...]) -> bytes:
    """What the device signs: the version, its name, a line a fix. Numbers as JavaScript's `toFixed` writes them."""
    lines = [VERSION, device]
    for fix in fixes:
        rest = (fix.accuracy, fix.speed, fix.heading, fix.battery)
        numbers = [to_fixed(fix.lat, 7), to_fixed(fix.lon, 7)]
        numbers += ["" if number is None else to_fixed(number, 2) for number in rest]
        lines.append(f"{fix.seq},{fix.at},{','.join(numbers)},{int(fix.mock)}")
    return "\n".join(lines).encode()


def to_fixed(value: float, digits: int) -> str:
    """`Number.prototype.toFixed` (ECMA-262, 21.1.3.3) for |value| < 1e21.

    It differs from Python's `%` in two things: an exact tie goes away from zero, and -0 has no sign.
    """
    # only a multiple of 2**-(digits + 1) can be a tie at that many digits
    if not (value * float(2 << digits)).is_integer():
        return f"{value:.{digits}f}"
    rounded = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    return f"{abs(rounded) if value == 0 else rounded:f}"


def positions_of(batch: Batch, unit: Code, received: Instant) -> list[Position]:
    """The batch as signals of its unit, in order; the only flag so far is the device's own."""
    return [
        Position(
            unit=unit,
            device=batch.device,
            seq=fix.seq,
            at=Instant(fix.at),
            received=received,
            lat=fix.lat,
            lon=fix.lon,
            accuracy=fix.accuracy,
            speed=fix.speed,
            heading=None if fix.heading is None else fix.heading % 360,
            battery=fix.battery,
            flags=(Flag.MOCK,) if fix.mock else (),
        )
        for fix in batch.fixes
    ]
