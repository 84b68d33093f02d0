"""No grant, no data. Who may see what, for which purpose; pure decisions and the `Grant` they lead to.

A grant exists only after the decision allowed and the access entry was durable (`engine.access`).
This is the first policy, by role, region and purpose; the ledger and Cedar come under the same type.
"""

from enum import StrEnum
from typing import Annotated, Final, final

import msgspec

from saqtau.kernel.clock import MINUTE, Instant


class Purpose(StrEnum):
    """The closed list of reasons to look."""

    DUTY = "duty"  # the live picture of the own shift: queue, map
    INCIDENT = "incident"  # an open item, which is named
    CASE = "case"  # an investigation, whose number is given
    OVERSIGHT = "oversight"  # prosecutor, auditor
    MAINTENANCE = "maintenance"  # registers, no content


class Action(StrEnum):
    """What can be done with protected data."""

    WATCH_QUEUE = "queue.watch"
    WATCH_UNITS = "units.watch"
    READ_ITEM = "item.read"
    READ_PICTURE = "picture.read"
    READ_HISTORY = "history.read"
    READ_REGISTER = "register.read"
    READ_LIST = "list.read"
    WATCH_OWN = "own.watch"  # a patrol's own alert and position
    READ_ACCESS = "access.read"


class Viewer(msgspec.Struct, frozen=True):
    """The person who asks, in the role he asks in."""

    id: str
    role: str
    regions: frozenset[int]
    unit: str | None = None


CaseNumber = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9А-Яа-я/._-]{3,40}\Z", max_length=40)]


class AccessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A wish to look: what, for which purpose, under which incident or case."""

    action: Action
    purpose: Purpose
    object: str = ""  # item id, camera id, keyed hash of a plate: never personal data
    region: int | None = None  # of the object; None when it has none
    unit: str | None = None  # the unit the object belongs to, for a patrol
    case: str | None = None


class Decision(msgspec.Struct, frozen=True):
    """Allow or deny, with the policy that said so."""

    allow: bool
    policy: str


_ROLES: Final[dict[Action, dict[Purpose, frozenset[str]]]] = {
    Action.WATCH_QUEUE: {
        Purpose.DUTY: frozenset({"operator", "duty_officer", "inspector"}),
        Purpose.OVERSIGHT: frozenset({"prosecutor", "auditor"}),
    },
    Action.WATCH_UNITS: {
        Purpose.DUTY: frozenset({"operator", "duty_officer"}),
        Purpose.OVERSIGHT: frozenset({"prosecutor", "auditor"}),
    },
    Action.READ_ITEM: {
        Purpose.INCIDENT: frozenset({"operator", "duty_officer", "inspector", "patrol"}),
        Purpose.OVERSIGHT: frozenset({"prosecutor", "auditor"}),
    },
    Action.READ_PICTURE: {
        Purpose.INCIDENT: frozenset({"operator", "duty_officer", "inspector", "patrol"}),
        Purpose.OVERSIGHT: frozenset({"prosecutor", "auditor"}),
    },
    Action.READ_HISTORY: {
        Purpose.INCIDENT: frozenset({"duty_officer", "inspector"}),
        Purpose.CASE: frozenset({"inspector"}),
        Purpose.OVERSIGHT: frozenset({"prosecutor", "auditor"}),
    },
    Action.READ_REGISTER: {
        Purpose.DUTY: frozenset({"operator", "duty_officer", "inspector"}),
        Purpose.MAINTENANCE: frozenset({"administrator"}),
        Purpose.OVERSIGHT: frozenset({"prosecutor", "auditor"}),
    },
    Action.READ_LIST: {
        Purpose.DUTY: frozenset({"duty_officer", "inspector"}),
        Purpose.OVERSIGHT: frozenset({"prosecutor", "auditor"}),
    },
    Action.WATCH_OWN: {Purpose.DUTY: frozenset({"patrol"})},
    Action.READ_ACCESS: {Purpose.OVERSIGHT: frozenset({"prosecutor", "auditor"})},
}

_NAMED = frozenset({Purpose.INCIDENT, Purpose.CASE})
"""Purposes that must name what they are about."""
_EVERYWHERE = frozenset({"prosecutor", "auditor", "administrator"})
"""Roles whose duty is not bound to a region."""


def decide(viewer: Viewer, request: AccessRequest) -> Decision:
    """Default deny. Each answer names the policy that gave it."""
    roles = _ROLES.get(request.action, {}).get(request.purpose, frozenset())
    if viewer.role not in roles:
        return Decision(allow=False, policy="role-and-purpose")
    if request.purpose in _NAMED and not request.case:
        return Decision(allow=False, policy="purpose-names-its-case")
    if request.region is not None and viewer.role not in _EVERYWHERE and request.region not in viewer.regions:
        return Decision(allow=False, policy="own-region")
    if viewer.role == "patrol" and request.unit != viewer.unit:
        return Decision(allow=False, policy="patrol-sees-its-own")
    return Decision(allow=True, policy=f"{request.action}-for-{request.purpose}")


LIFETIME: Final = 15 * MINUTE
"""How long one grant serves. A live view opens a new one when it ends."""

_seal: Final = object()


@final
class Grant:
    """Leave to read, in the hand. Made only by `granted`, after its entry is durable; neither copied nor built."""

    __slots__ = ("entry", "expires", "request", "viewer")
    entry: str  # id of the access entry
    viewer: Viewer
    request: AccessRequest
    expires: Instant

    def __init__(self, seal: object, entry: str, viewer: Viewer, request: AccessRequest, expires: Instant) -> None:
        if seal is not _seal:
            raise TypeError("a Grant is made by access only, after its entry is durable")
        object.__setattr__(self, "entry", entry)
        object.__setattr__(self, "viewer", viewer)
        object.__setattr__(self, "request", request)
        object.__setattr__(self, "expires", expires)

    def __setattr__(self, name: str, value: object) -> None:
        raise TypeError("a Grant does not change")

    def __delattr__(self, name: str) -> None:
        raise TypeError("a Grant does not change")

    def __init_subclass__(cls) -> None:
        raise TypeError("a Grant has no heirs")

    def __reduce__(self) -> str:
        raise TypeError("a Grant does not travel")

    def __copy__(self) -> "Grant":
        raise TypeError("a Grant is not copied")


def granted(decision: Decision, entry: str, viewer: Viewer, request: AccessRequest, now: Instant) -> Grant:
    """The grant of a durable entry. Only `engine.access` calls this; an architecture test sees to it."""
    if not decision.allow:
        raise TypeError("a denied request leads to no grant")
    return Grant(_seal, entry, viewer, request, Instant(now + LIFETIME))
