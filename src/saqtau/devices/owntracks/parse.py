"""What an OwnTracks app posts. Pure; raises only `Refused`.

Source: the OwnTracks booklet, "HTTP" and "JSON". A body without bytes and every `_type` but `location` are
answered `[]`: an app repeats what is not answered 200 and sends nothing else until it is.
"""

from typing import Annotated

import msgspec

from saqtau.devices.body import decode
from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Code, Latitude, Longitude
from saqtau.kernel.signal import Position

_Number = float | None


class _Kind(msgspec.Struct, rename={"type": "_type"}):
    type: Annotated[str, msgspec.Meta(max_length=32)] = ""


class Location(msgspec.Struct, frozen=True):
    """`_type: location`. Apps add fields with every version; only what is named here is read, and strictly."""

    lat: Latitude
    lon: Longitude
    tst: Annotated[int, msgspec.Meta(ge=1_000_000_000, le=9_999_999_999)]  # Unix seconds
    acc: _Number = None  # m
    vel: _Number = None  # km/h
    cog: _Number = None  # degrees
    batt: _Number = None  # percent


_KINDS = msgspec.json.Decoder(_Kind)
_LOCATIONS = msgspec.json.Decoder(Location)


def parse(body: bytes) -> Location | None:
    """The location of a body, None when it carries none. Raises Refused INVALID naming the field, e.g. `lat`."""
    if not body.strip():
        return None
    match decode(_KINDS, body).type:
        case "location":
            return decode(_LOCATIONS, body)
        case "":
            raise Refused(Kind.INVALID, "a message without a type", _type="missing")
        case _:
            return None


def position_of(location: Location, unit: Code, device: str, seq: int, received: Instant) -> Position:
    """The signal of a location. seq: ours, because the app does not count.

    iOS says -1 for what it does not know; that, and what cannot be measured, is None.
    """
    return Position(
        unit=unit,
        device=device,
        seq=seq,
        at=Instant(location.tst * SECOND),
        received=received,
        lat=location.lat,
        lon=location.lon,
        accuracy=_within(location.acc, 1_000_000),
        speed=_within(location.vel, 2_000),
        heading=None if (heading := _within(location.cog, 360)) is None else heading % 360,
        battery=None if (battery := _within(location.batt, 100)) is None else battery / 100,
    )


def _within(value: float | None, most: float) -> float | None:
    return value if value is not None and 0 <= value <= most else None
