"""What the edges of dispatch require. Dispatch fails open: a missing field warns, it never blocks."""

from enum import StrEnum
from typing import Annotated

import msgspec

from saqtau.kernel.register import Code

Note = Annotated[str, msgspec.Meta(max_length=200)]


class RefusalReason(StrEnum):
    """Why a crew does not take an offer."""

    OTHER_WORK = "other_work"
    TOO_FAR = "too_far"
    NOT_SAFE = "not_safe"
    VEHICLE_TROUBLE = "vehicle_trouble"
    OTHER = "other"


class Refuse(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The crew refuses."""

    reason: RefusalReason
    note: Note = ""


class ReleaseReason(StrEnum):
    """Why a crew gives accepted work back."""

    MORE_URGENT = "more_urgent"
    CANNOT_REACH = "cannot_reach"
    VEHICLE_TROUBLE = "vehicle_trouble"
    OTHER = "other"


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The crew gives the work back."""

    reason: ReleaseReason
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
    """Why nobody need go."""

    RESOLVED = "resolved"
    DUPLICATE = "duplicate"
    FALSE_ALARM = "false_alarm"
    NOT_NEEDED = "not_needed"


class Cancel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person calls the help off."""

    reason: CancelReason
    note: Note = ""
