"""What the edges of cloned plates require."""

from enum import StrEnum
from typing import Annotated

import msgspec

from saqtau.kernel.register import Code, Plate

Note = Annotated[str, msgspec.Meta(max_length=200)]


class Which(StrEnum):
    """Which of the two reads is wrong."""

    FIRST = "first"
    SECOND = "second"
    BOTH = "both"


class Misread(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One of the crops shows another plate."""

    which: Which
    plate_seen: Plate | None = None


class Cloned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both crops show the plate, on two vehicles."""

    note: Note = ""


class ClockError(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Both crops show one vehicle: a camera's clock is wrong."""

    camera: Code
