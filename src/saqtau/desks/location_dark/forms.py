"""What the edges of location dark require. The desk fails open: a missing field warns."""

from enum import StrEnum
from typing import Annotated

import msgspec


class DarkReason(StrEnum):
    """Why a unit is silent, as the duty officer found out."""

    NO_COVERAGE = "no_coverage"
    OFF_DUTY = "off_duty"
    FAULT = "fault"
    UNKNOWN = "unknown"


class Explain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The unit was reached, or not, and this is why it is silent."""

    reason: DarkReason
    note: Annotated[str, msgspec.Meta(max_length=200)] = ""
