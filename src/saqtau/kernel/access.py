"""No grant, no data. Who may see or do what, for which purpose; pure decisions and the `Grant` they lead to.

A grant exists only after the policies allowed and the access entry was durable (`engine.access`).
The policies are Cedar texts (`kernel.policies`, `saqtau/policies/*.cedar`); here is what they are asked.
"""

from enum import StrEnum
from typing import Annotated, Any, Final, final

import msgspec

from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.policies import Answer, Policies
from saqtau.kernel.sensitive import Sensitive


class Purpose(StrEnum):
    """The closed list of reasons to look or to act."""

    DUTY = "duty"  # the own shift: queue, map, acts
    INCIDENT = "incident"  # an item, which is named
    CASE = "case"  # an investigation, whose number stands in the register
    EMERGENCY = "emergency"  # the glass is broken over one object
    OVERSIGHT = "oversight"  # prosecutor, auditor
    MAINTENANCE = "maintenance"  # registers, accounts, no content
    OWN = "own"  # one's own account and keys


class Action(StrEnum):
    """What can be done: the closed list that policies, entries and the OpenAPI's operations speak of."""

    WATCH_QUEUE = "queue.watch"
    WATCH_UNITS = "units.watch"
    WATCH_OWN = "own.watch"  # a patrol's own alert and position
    READ_ITEM = "item.read"
    READ_PICTURE = "picture.read"
    READ_HISTORY = "history.read"
    READ_LIST = "list.read"
    READ_REGISTER = "register.read"
    READ_ACCESS = "access.read"  # who looked at what
    READ_LEDGER = "ledger.read"  # tiles and proofs: nothing of any person
    READ_POLICY = "policy.read"
    READ_EXPORT = "export.read"  # which exports are asked for; not what is in them
    READ_BREAK_GLASS = "break_glass.read"
    WATCH_CAMERA = "camera.watch"  # its live picture
    PLAY_RECORDING = "recording.play"  # what it recorded: playback, thumbnails
    READ_CAMERA = "camera.read"  # where it is, its state, its gaps; no picture
    READ_WATCHERS = "watchers.read"  # who looks at it now
    ACT_ON_ITEM = "item.act"
    SET_DUTY = "duty.set"
    REQUEST_EXPORT = "export.request"
    APPROVE_EXPORT = "export.approve"
    RECEIVE_EXPORT = "export.receive"
    PLACE_HOLD = "hold.place"
    LIFT_HOLD = "hold.lift"
    ERASE_RECORD = "record.erase"  # nobody may; the end of a term does it
    OPEN_BREAK_GLASS = "break_glass.open"
    REVIEW_BREAK_GLASS = "break_glass.review"
    PROPOSE_POLICY = "policy.propose"
    APPROVE_POLICY = "policy.approve"
    MAKE_REPORT = "report.make"
    ENROL_DEVICE = "device.enrol"
    MANAGE_DEVICE = "device.manage"
    MANAGE_CAMERA = "camera.manage"  # add, switch off and on, with a reason
    MANAGE_OWN_ACCOUNT = "account.own"
    MANAGE_ACCOUNT = "account.manage"


class Viewer(msgspec.Struct, frozen=True):
    """The person who asks, in the role he asks in. `session`: its id, which is no secret."""

    id: str
    role: str
    regions: frozenset[int]
    unit: str | None = None
    session: str = ""


CaseNumber = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9А-Яа-я/._-]{3,40}\Z", max_length=40)]


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What the record says of a wish. Found by `engine.access` alone: nobody vouches for himself."""

    on_shift: bool = False
    case_known: bool = False  # in the register, open, in a region of the viewer's
    incident_known: bool = False
    incident_open: bool = False
    break_glass: bool = False
    about_place: bool = False  # the incident or case that is named has to do with the place of the camera


NOTHING_KNOWN: Final = Facts()


class AccessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A wish to look or to act: what, for which purpose, under which incident or case."""

    action: Action
    purpose: Purpose
    object: str = ""  # item id, camera id, keyed hash of a plate: never personal data
    region: int | None = None  # of the object; None when it has none
    unit: str | None = None  # the unit the object belongs to, for a patrol
    case: str | None = None  # id of the incident, or number of the case
    sensitive: frozenset[Sensitive] = frozenset()  # minors, custody: by what the object is, never by who asks
    age_days: int = 0  # of the oldest data asked for
    requested_by: str | None = None  # who asked for what is approved, reviewed or received
    concerns: str | None = None  # the person whose account, device or act the object is
    reason: str = ""  # in words, for the record only: at most 300 letters
    facts: Facts = NOTHING_KNOWN


class Decision(msgspec.Struct, frozen=True):
    """Allow or deny, by which policies of which set. A denial without policies: nothing permits."""

    allow: bool
    policies: tuple[str, ...] = ()
    policy_set: str = ""
    errors: tuple[str, ...] = ()

    @property
    def named(self) -> str:
        """The policies in one word, for an answer to whoever asked."""
        return "policy-error" if self.errors else ",".join(self.policies) or "nothing-permits"


NAMED: Final = frozenset({Purpose.INCIDENT, Purpose.CASE})
"""Purposes that must name what they are about."""
PLACED: Final = frozenset({Action.WATCH_CAMERA, Action.PLAY_RECORDING})
"""Actions about a place: what is named for them has to do with it where it is a school, an office or a colony."""
UNBOUND: Final = frozenset({"prosecutor", "auditor", "administrator"})
"""Roles whose duty is not bound to a region."""


ROLES: Final = (
    "operator", "duty_officer", "patrol", "inspector", "school_officer", "custody_supervisor", "prosecutor", "auditor",
    "clerk", "case_officer", "personnel_officer", "analyst", "administrator",
)  # fmt: skip
"""The roles that the house knows."""
CONTENT: Final = (
    Action.WATCH_QUEUE, Action.WATCH_UNITS, Action.WATCH_OWN, Action.READ_ITEM, Action.READ_PICTURE,
    Action.READ_HISTORY, Action.READ_LIST, Action.READ_ACCESS, Action.READ_EXPORT, Action.REQUEST_EXPORT,
    Action.APPROVE_EXPORT, Action.RECEIVE_EXPORT, Action.OPEN_BREAK_GLASS, Action.WATCH_CAMERA, Action.PLAY_RECORDING,
    Action.READ_WATCHERS,
)  # fmt: skip
DECIDES: Final = (
    Action.APPROVE_EXPORT, Action.REVIEW_BREAK_GLASS, Action.APPROVE_POLICY, Action.LIFT_HOLD, Action.ERASE_RECORD,
    Action.MANAGE_DEVICE, Action.MANAGE_ACCOUNT,
)  # fmt: skip
READS: Final = (
    Action.WATCH_QUEUE, Action.WATCH_UNITS, Action.READ_ITEM, Action.READ_PICTURE, Action.READ_HISTORY,
    Action.READ_LIST, Action.READ_REGISTER, Action.READ_ACCESS, Action.READ_LEDGER, Action.READ_POLICY,
    Action.READ_EXPORT, Action.READ_BREAK_GLASS, Action.WATCH_CAMERA, Action.PLAY_RECORDING, Action.READ_CAMERA,
    Action.READ_WATCHERS,
)  # fmt: skip
OVERSEERS: Final = frozenset({"prosecutor", "auditor"})
_HELPS: Final = {
    "operator": (Action.WATCH_QUEUE, Action.WATCH_UNITS, Action.ACT_ON_ITEM),
    "duty_officer": (Action.WATCH_QUEUE, Action.WATCH_UNITS, Action.ACT_ON_ITEM),
    "patrol": (Action.WATCH_OWN, Action.ACT_ON_ITEM, Action.SET_DUTY),
}


def forbidden(viewer: Viewer, request: AccessRequest) -> str | None:
    """The law above the policies that denies this wish, whatever they say and whoever approved them; None: none does.

    `kernel.policy_laws` says each in a sentence.
    """
    action = request.action
    if viewer.role not in ROLES:
        return "law-known-role"
    if action is Action.ERASE_RECORD:
        return "law-erasure"
    if viewer.role == "administrator" and action in CONTENT:
        return "law-administrator"
    if action in DECIDES and viewer.id in {request.requested_by, request.concerns}:
        return "law-own-concern"
    if action in {Action.APPROVE_EXPORT, Action.APPROVE_POLICY} and request.requested_by is None:
        return "law-two-people"
    if request.purpose in NAMED and not _is_known(request):
        return "law-named"
    return "law-place" if is_elsewhere(request) else None


def _is_known(request: AccessRequest) -> bool:
    facts = request.facts
    known = {Purpose.INCIDENT: facts.incident_known, Purpose.CASE: facts.case_known}
    return bool(request.case) and known[request.purpose]


def is_elsewhere(request: AccessRequest) -> bool:
    """Whether what is named is known, and has nothing to do with the school, office or colony that is asked for."""
    placed = request.action in PLACED and request.purpose in NAMED and bool(request.sensitive)
    return placed and _is_known(request) and not request.facts.about_place


def owed(viewer: Viewer, request: AccessRequest) -> str | None:
    """The law above the policies by which this wish is granted where they do not; None: none does.

    Help in the own region, and an overseer's reading. An open incident about minors or custody is for the policies.
    """
    if request.purpose is Purpose.OVERSIGHT and viewer.role in OVERSEERS and request.action in READS:
        return "law-oversight"
    helps_by = _HELPS.get(viewer.role, ())
    if not helps_by or (request.region is not None and request.region not in viewer.regions):
        return None
    if viewer.role == "patrol" and (request.unit is None or request.unit != viewer.unit):
        return None
    if request.purpose is Purpose.DUTY:
        return "law-help" if request.action in helps_by else None
    reads = request.purpose is Purpose.INCIDENT and request.action is Action.READ_ITEM and not request.sensitive
    return (
        "law-help" if reads and request.case and request.facts.incident_known and request.facts.incident_open else None
    )


def decide(policies: Policies, viewer: Viewer, request: AccessRequest) -> Decision:
    """What the policies say of a wish, and above them the laws. About 0.1 ms; less when asked again.

    Default deny; forbid wins; an error denies. A law names itself where the policies would have said otherwise.
    An answer that was given before is given again when nothing that a policy may look at differs.
    """
    try:
        f"{viewer.id}{request.object}".encode()  # nothing that no entry can hold is decided about
    except UnicodeEncodeError:
        return Decision(allow=False, policy_set=policies.hash, errors=("not text",))
    key = _sight(viewer, request) if policies.general else (viewer, request)
    answer = policies.known(key)
    if answer is None:
        answer = ask(policies, viewer, request)
        policies.learn(key, answer)
    law = forbidden(viewer, request)
    if answer.allow and law is not None:
        return Decision(allow=False, policies=(law,), policy_set=policies.hash)
    if not answer.allow and law is None and (law := owed(viewer, request)) is not None:
        return Decision(allow=True, policies=(law,), policy_set=policies.hash, errors=answer.errors)
    return Decision(answer.allow, answer.ids, policies.hash, answer.errors)


def _sight(viewer: Viewer, request: AccessRequest) -> tuple[Any, ...]:
    """Everything of a wish that policies look at which name no single person and no single thing."""
    return (
        viewer.role,
        viewer.regions,
        viewer.unit,
        request.action,
        request.purpose,
        request.region,
        request.unit,
        bool(request.case),
        request.sensitive,
        request.age_days,
        request.facts,
        request.concerns is not None and request.concerns == viewer.id,
        (request.requested_by, viewer.id) if request.requested_by is not None else None,
    )


def ask(policies: Policies, viewer: Viewer, request: AccessRequest) -> Answer:
    """What the policies alone say of a wish, without the laws above them."""
    facts = request.facts
    context: dict[str, Any] = {
        "purpose": request.purpose.value,
        "named": bool(request.case),
        "incident_known": facts.incident_known,
        "case_known": facts.case_known,
        "break_glass": facts.break_glass,
        "about_place": facts.about_place,
        "concerns_self": request.concerns is not None and request.concerns == viewer.id,
    }
    if request.requested_by is not None:
        context["requested_by"] = {"__entity": {"type": "Person", "id": request.requested_by}}
    person: dict[str, Any] = {"regions": sorted(viewer.regions), "on_shift": facts.on_shift}
    if viewer.unit is not None:
        person["unit"] = viewer.unit
    thing: dict[str, Any] = {
        "minors": Sensitive.MINORS in request.sensitive,
        "custody": Sensitive.CUSTODY in request.sensitive,
        "age_days": request.age_days,
    }
    if request.region is not None:
        thing["region"] = request.region
    if request.unit is not None:
        thing["unit"] = request.unit
    who = {"type": "Person", "id": viewer.id}
    what = {"type": "Thing", "id": request.object}
    try:
        entities = msgspec.json.encode(
            [
                {"uid": who, "attrs": person, "parents": [{"type": "Role", "id": viewer.role}]},
                {"uid": what, "attrs": thing, "parents": []},
            ]
        ).decode()
    except UnicodeEncodeError:
        return Answer(allow=False, ids=(), errors=("not text",))
    asked = {
        "principal": who,
        "action": {"type": "Action", "id": request.action.value},
        "resource": what,
        "context": context,
    }
    return policies.answer(asked, entities)


def helps(request: AccessRequest) -> bool:
    """Whether a wish is help that goes on while the ledger cannot write (law 7): its entry then follows by the journal.

    The queue, the units, a patrol's own alert, where cameras stand, the open item of an alarm, an act, coming on duty.
    """
    match request.action:
        case Action.WATCH_QUEUE | Action.WATCH_UNITS | Action.WATCH_OWN | Action.ACT_ON_ITEM | Action.SET_DUTY:
            return request.purpose is Purpose.DUTY
        case Action.READ_REGISTER:
            return request.purpose is Purpose.DUTY and request.object == "cameras"
        case Action.READ_ITEM:
            return request.purpose is Purpose.INCIDENT and request.facts.incident_open
        case _:
            return False


LIFETIME: Final = 15 * MINUTE
"""How long one grant serves. A live view opens a new one when it ends."""

_seal: Final = object()


@final
class Grant:
    """Leave to read, in the hand. Made only by `granted`, after its entry is durable; neither copied nor built."""

    __slots__ = ("entry", "expires", "request", "viewer")
    entry: str  # id of the access entry: origin#index, or late:id
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
