"""What the edges of oversight require. The desk fails closed: a review without its finding is no review."""

from enum import StrEnum
from typing import Annotated

import msgspec

Note = Annotated[str, msgspec.Meta(max_length=200)]
Finding = Annotated[str, msgspec.Meta(min_length=10, max_length=200)]


class Wrong(StrEnum):
    """Why it was not right to break the glass."""

    NO_DANGER = "no_danger"  # nobody was in danger: the ordinary way was open
    OTHER_OBJECT = "other_object"  # danger there was, but not this object's
    NOT_HIS_DUTY = "not_his_duty"
    OTHER = "other"


class Comment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the supervisor knows about it. It decides nothing."""

    note: Note


class Justified(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """It was right; the finding says on what ground."""

    finding: Finding


class NotJustified(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """It was not right, and why."""

    wrong: Wrong
    finding: Finding
