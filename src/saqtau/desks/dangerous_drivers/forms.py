"""What the edges of dangerous drivers require. Power fails closed: a form that does not fit is refused by field."""

from enum import StrEnum
from typing import Annotated

import msgspec

from saqtau.kernel.register import Code, Plate

Note = Annotated[str, msgspec.Meta(max_length=200)]


class RejectionReason(StrEnum):
    """What the operator saw on the crop."""

    OTHER_PLATE = "other_plate"
    UNREADABLE = "unreadable"
    NOT_A_PLATE = "not_a_plate"


class Reject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The crop does not show the plate that the reader named."""

    reason: RejectionReason
    note: Note = ""


class OverrideReason(StrEnum):
    """The one word in which a person says why he names another unit than the machine."""

    CLOSER = "closer"
    BETTER_PLACED = "better_placed"
    SKILL = "skill"
    AGREED_BY_RADIO = "agreed_by_radio"
    OTHER = "other"


class Assign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person names the unit."""

    unit: Code
    reason: OverrideReason


class CancelReason(StrEnum):
    """Why the alert is called off."""

    MISREAD = "misread"
    LIST_OUT_OF_DATE = "list_out_of_date"
    ALREADY_STOPPED = "already_stopped"
    TOO_DANGEROUS = "too_dangerous"
    OTHER = "other"


class Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person calls the alert off."""

    reason: CancelReason
    note: Note = ""


class Stopped(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The vehicle was stopped. What follows from it is decided elsewhere, by a person, with its own legal basis."""

    note: Note = ""


class WrongVehicleReason(StrEnum):
    """How the wrong vehicle came to be alerted."""

    MISREAD = "misread"
    CLONED = "cloned"
    LIST_OUT_OF_DATE = "list_out_of_date"


class WrongVehicle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The vehicle is not the one. Feeds the misread figure of the camera."""

    reason: WrongVehicleReason
    plate_seen: Plate | None = None
    note: Note = ""
