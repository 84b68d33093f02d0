"""What the authority has: sites, cameras, units, officers, vehicles on a list, cases and shifts."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Final, NewType

import msgspec

from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Kind, Refused

Metres = NewType("Metres", float)
KmPerHour = NewType("KmPerHour", float)
Degrees = NewType("Degrees", float)  # 0 = north, clockwise, [0, 360)

Code = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9._-]{1,32}\Z", max_length=32)]
Region = Annotated[int, msgspec.Meta(ge=1, le=99)]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
Plate = Annotated[str, msgspec.Meta(pattern=r"\A[A-Z0-9]{1,12}\Z", max_length=12)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]


class Site(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A place that cameras and buttons belong to."""

    id: Code
    name: Name
    region: Region
    lat: Latitude
    lon: Longitude


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Calibration certificate of a measuring camera; without a valid one its speed founds nothing."""

    number: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    valid_from: Instant
    valid_until: Instant

    def covers(self, at: Instant) -> bool:
        """Whether a measurement at this instant is covered."""
        return self.valid_from <= at <= self.valid_until


class Camera(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A street camera that reads plates. `heading` is the driving direction of the lane it watches."""

    id: Code
    site: Code
    name: Name
    region: Region
    lat: Latitude
    lon: Longitude
    heading: Annotated[float, msgspec.Meta(ge=0, lt=360)]
    limit: Annotated[float, msgspec.Meta(ge=5, le=150)]  # km/h at the place
    certificate: Certificate | None = None
    address: Annotated[str, msgspec.Meta(max_length=45)] | None = None  # the only address its pushes may come from


class PlaceKind(StrEnum):
    """What kind of place a recording camera watches: it decides who may look, and how long pictures are kept."""

    STREET = "street"
    SCHOOL = "school"
    OFFICE = "police_office"
    COLONY = "penal_colony"


class Room(StrEnum):
    """What kind of room, where there is one."""

    HALL = "hall"
    CORRIDOR = "corridor"
    CELL = "cell"
    INTERVIEW = "interview"
    DUTY_DESK = "duty_desk"
    YARD = "yard"
    LAWYER = "lawyer"
    MEDICAL = "medical"
    TOILET = "toilet"


NOT_RECORDED: Final = frozenset({Room.LAWYER, Room.MEDICAL, Room.TOILET})
"""Rooms that no camera may record, whatever a register says."""

KEEP_DAYS: Final = 5 * 365 + 1
"""Days that a camera's pictures may be kept at most; a hold keeps longer."""

StreamAddress = Annotated[
    str,
    msgspec.Meta(
        # no user or password: neither before the host nor among the parameters
        pattern=r"\A(?![^?]*\?.*(?i:passw|pwd|user))"
        r"(?:(?:rtsps?|rtmp|srt|https?)://[A-Za-z0-9.\-\[\]:%_]{1,255}(?:[/?][\x21-\x7e]{0,500})?|file:///[\x21-\x7e]{1,500})\Z",
        max_length=780,
    ),
]
"""Where a camera's stream is: rtsp, rtsps, rtmp, srt, http, https or a file of this machine."""

ServiceAddress = Annotated[
    str, msgspec.Meta(pattern=r"\Ahttps?://[A-Za-z0-9.\-\[\]:%_]{1,255}(?:/[\x21-\x7e]{0,200})?\Z", max_length=470)
]
"""An ONVIF device service."""

Part = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Box(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rectangle of the picture, in parts of its width and height from the upper left corner."""

    left: Part
    top: Part
    right: Part
    bottom: Part


MASKS: Final = 16


class VideoCamera(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A camera that is recorded. Its user and password are a file of the secrets, named by `credentials`."""

    id: Code
    site: Code
    name: Name
    region: Region
    lat: Latitude
    lon: Longitude
    place: PlaceKind
    address: StreamAddress
    keep_days: Annotated[int, msgspec.Meta(ge=1, le=KEEP_DAYS)]
    room: Room | None = None
    heading: Annotated[float, msgspec.Meta(ge=0, lt=360)] | None = None  # None: looks all around, or nobody knows
    field_of_view: Annotated[float, msgspec.Meta(gt=0, le=360)] = 70.0  # degrees
    reach: Annotated[float, msgspec.Meta(gt=0, le=2000)] = 40.0  # metres in which a person can be told
    credentials: Code | None = None
    audio: bool = False
    back_fill: ServiceAddress | None = None
    mask: Annotated[tuple[Box, ...], msgspec.Meta(max_length=MASKS)] = ()


def check_room(camera: VideoCamera, reasons: Mapping[str, str]) -> None:
    """Refuse (INVALID, `room`) a camera in a room that must not be recorded. reasons: room -> why, as the law says."""
    room = camera.room
    if room is not None and (room in NOT_RECORDED or room.value in reasons):
        why = reasons.get(room.value, "nobody may be recorded there")
        raise Refused(Kind.INVALID, f"camera {camera.id}: a {room.value} room is not recorded: {why}", room=why)


def check_days(camera: VideoCamera, least: int, most: int) -> None:
    """Refuse (INVALID, `keep_days`) a camera kept shorter or longer than such a place is. Days, both included."""
    if not least <= camera.keep_days <= most:
        told = f"{least}..{most} days at a {camera.place.value}"
        raise Refused(Kind.INVALID, f"camera {camera.id}: pictures are kept {told}", keep_days=f"{least}-{most}")


class Unit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A patrol unit: one crew with one vehicle and one tablet."""

    id: Code
    call_sign: Name
    region: Region
    plate: Plate | None = None
    skills: tuple[Code, ...] = ()


class Officer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A member of the force; `unit` is where he serves now."""

    id: Code
    name: Name
    region: Region
    unit: Code | None = None


class Ground(StrEnum):
    """Why a vehicle is on the list. Each is set by an authority and expires."""

    WANTED = "wanted"
    STOLEN = "stolen"
    FORGED_PLATES = "forged_plates"
    PERSISTENT_VIOLATOR = "persistent_violator"


URGENT = frozenset({Ground.WANTED, Ground.STOLEN})
"""Grounds of the small urgent list. Only against these is a one-character doubt shown: in a big list all are near."""


class ListedVehicle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A vehicle on the list, with the ground, the authority that put it there and the day it falls off."""

    plate: Plate
    ground: Ground
    authority: Name
    basis: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]  # decision or case number
    expires: Instant
    region: Region | None = None  # None: everywhere
    note: Annotated[str, msgspec.Meta(max_length=300)] = ""

    def in_force(self, at: Instant) -> bool:
        """Whether the entry still holds."""
        return at < self.expires


class Case(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An investigation: a purpose that names its number is held against this. `region` None: of the whole republic.

    sites: that it is led about; there, and where the record ties it to, it opens cameras of schools and of custody.
    """

    number: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9А-Яа-я/._-]{3,40}\Z", max_length=40)]
    opened: Instant
    region: Region | None = None
    closed: Instant | None = None
    authority: Annotated[str, msgspec.Meta(max_length=120)] = ""
    sites: Annotated[tuple[Code, ...], msgspec.Meta(max_length=100)] = ()


LONGEST_SHIFT = 2 * DAY


class Shift(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"since": "from"}):
    """Who is on shift, by his account, from `since` until before `until`."""

    person: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9._-]{1,32}\Z", max_length=32)]
    since: Instant
    until: Instant
