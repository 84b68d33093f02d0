"""What the edges and the ways in of street cameras require. The desk fails closed: a mark without its range is none."""

from enum import StrEnum
from typing import Annotated

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.register import Code

Note = Annotated[str, msgspec.Meta(min_length=3, max_length=200)]
Moment = Annotated[Instant, msgspec.Meta(ge=0, le=1 << 48, extra_json_schema={"format": "unix-ms"})]


class Closed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A form that takes its fields and no others."""


class Offence(StrEnum):
    """What an operator saw."""

    PUBLIC_ORDER = "public_order"
    FIGHT = "fight"
    THEFT = "theft"
    DAMAGE = "damage"  # somebody's or the public's property
    TRAFFIC = "traffic"
    OTHER = "other"


class Mark(Closed, frozen=True):
    """An offence on a camera's picture, from when to when."""

    camera: Code
    began: Moment
    ended: Moment
    offence: Offence
    note: Note


class Confirm(Closed, frozen=True):
    """An inspector has looked at it himself: what was done, and under which article."""

    article: Annotated[str, msgspec.Meta(min_length=2, max_length=60)]
    note: Note


class NotSo(StrEnum):
    """Why it is no offence."""

    NO_OFFENCE = "no_offence"
    UNCLEAR = "unclear"
    OTHER_PERSON = "other_person"  # the picture does not tell who


class Reject(Closed, frozen=True):
    """It is no offence, or the picture does not tell."""

    not_so: NotSo
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Trouble(StrEnum):
    """What is wrong with a camera."""

    POWER = "power"
    NETWORK = "network"
    FAULT = "fault"
    DAMAGED = "damaged"
    DIRT = "dirt"
    MOVED = "moved"
    WORK = "work"


class Repair(Closed, frozen=True):
    """Who was told, and what is wrong as far as one knows."""

    trouble: Trouble
    note: Note


class Meant(Closed, frozen=True):
    """The camera looks that way on purpose: the next reference picture is taken anew."""

    note: Note


class BlindReason(StrEnum):
    """Why no camera looks there."""

    TREES = "trees"
    BUILDING = "building"
    NO_CAMERA = "no_camera"
    PRIVATE = "private"  # windows and yards that must not be looked into
    OTHER = "other"


class BlindSpot(Closed, frozen=True):
    """A place that no camera sees, on the map."""

    site: Code
    what: Annotated[str, msgspec.Meta(min_length=1, max_length=80)]
    reason: BlindReason
    lat: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    lon: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""


class NowSeen(Closed, frozen=True):
    """A camera looks there now."""

    camera: Code
