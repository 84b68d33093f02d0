"""A small closed set of refusals. Fields instead of prose; the HTTP status is chosen in `web/` only."""

from collections.abc import Mapping
from enum import StrEnum


class Kind(StrEnum):
    """Why something was refused."""

    INVALID = "invalid"  # an input breaks its own limits; `fields` names them
    DENIED = "denied"  # policy, role, region or four eyes say no
    STALE = "stale"  # somebody was faster; the caller must look at the fresh item
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"  # the state does not allow it
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    UNAVAILABLE = "unavailable"  # our own trouble: disk, database, broker
    UNAUTHENTICATED = "unauthenticated"


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not a fault
    """An answer that says no: a kind, the fields concerned (name -> translatable key) and a sentence for the log."""

    def __init__(self, kind: Kind, message: str, /, **fields: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.fields: Mapping[str, str] = fields
