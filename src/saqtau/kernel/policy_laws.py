"""What no set of policies may allow or take away, whoever approves it: a set that breaks a law does not load.

Laws are asked as questions: each is put to the policies in every role, purpose and state of facts that it speaks of.
Sources: laws 2, 6 and 7 of the house (docs/design/laws.md).
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from saqtau.kernel.access import NAMED, AccessRequest, Action, Facts, Purpose, Viewer, decide
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.policies import Policies
from saqtau.kernel.sensitive import Sensitive

ROLES: Final = (
    "operator", "duty_officer", "patrol", "inspector", "school_officer", "custody_supervisor", "prosecutor", "auditor",
    "clerk", "case_officer", "personnel_officer", "analyst", "administrator",
)  # fmt: skip
CONTENT: Final = (
    Action.WATCH_QUEUE, Action.WATCH_UNITS, Action.WATCH_OWN, Action.READ_ITEM, Action.READ_PICTURE,
    Action.READ_HISTORY, Action.READ_LIST, Action.READ_ACCESS, Action.REQUEST_EXPORT, Action.APPROVE_EXPORT,
    Action.RECEIVE_EXPORT, Action.OPEN_BREAK_GLASS,
)  # fmt: skip
DECIDES: Final = (
    Action.APPROVE_EXPORT, Action.REVIEW_BREAK_GLASS, Action.APPROVE_POLICY, Action.LIFT_HOLD, Action.ERASE_RECORD,
    Action.MANAGE_DEVICE, Action.MANAGE_ACCOUNT,
)  # fmt: skip
READS: Final = (
    Action.WATCH_QUEUE, Action.WATCH_UNITS, Action.READ_ITEM, Action.READ_PICTURE, Action.READ_HISTORY,
    Action.READ_LIST, Action.READ_REGISTER, Action.READ_ACCESS, Action.READ_LEDGER, Action.READ_POLICY,
    Action.READ_EXPORT, Action.READ_BREAK_GLASS,
)  # fmt: skip
EVERYTHING: Final = Facts(on_shift=True, case_known=True, incident_known=True, incident_open=True, break_glass=True)
_HERE: Final = 2
_UNIT: Final = "U1"
_MINORS: Final = frozenset({Sensitive.MINORS})

Question = tuple[Viewer, AccessRequest]


def _viewer(role: str) -> Viewer:
    return Viewer("somebody", role, frozenset({_HERE}), _UNIT if role == "patrol" else None)


def _wish(action: Action, purpose: Purpose, facts: Facts = EVERYTHING, **more: object) -> AccessRequest:
    plain: dict[str, object] = {"object": "x", "region": _HERE, "unit": _UNIT, "case": "case-1", "facts": facts, **more}
    return AccessRequest(action=action, purpose=purpose, **plain)  # type: ignore[arg-type]


def _administrator() -> Iterator[Question]:
    """The administrator has no content, whatever the facts are."""
    for action, purpose in itertools.product(CONTENT, Purpose):
        yield _viewer("administrator"), _wish(action, purpose)


def _own_concern() -> Iterator[Question]:
    """Nobody approves, reviews, deletes or disables what he asked for or what concerns himself."""
    for role, action, purpose in itertools.product(ROLES, DECIDES, Purpose):
        yield _viewer(role), _wish(action, purpose, requested_by="somebody", sensitive=_MINORS)
        yield _viewer(role), _wish(action, purpose, requested_by="another", concerns="somebody", sensitive=_MINORS)


def _erasure() -> Iterator[Question]:
    """No person erases a record."""
    for role, purpose in itertools.product(ROLES, Purpose):
        yield _viewer(role), _wish(Action.ERASE_RECORD, purpose, requested_by="another")


def _named() -> Iterator[Question]:
    """An incident or a case that is not named, or not known, opens nothing."""
    for role, action, purpose in itertools.product(ROLES, CONTENT, sorted(NAMED)):
        yield _viewer(role), _wish(action, purpose, case=None)
        yield _viewer(role), _wish(action, purpose, Facts(on_shift=True, break_glass=True))


def _strangers() -> Iterator[Question]:
    """A role that the house does not know may nothing."""
    for role, action, purpose in itertools.product(
        ("", "Prosecutor", "clock", "citizen"), (*CONTENT, *DECIDES), Purpose
    ):
        yield _viewer(role), _wish(action, purpose, requested_by="another")


def _two_people() -> Iterator[Question]:
    """Nothing is approved or reviewed that nobody asked for."""
    for role, action, purpose in itertools.product(ROLES, (Action.APPROVE_EXPORT, Action.APPROVE_POLICY), Purpose):
        yield _viewer(role), _wish(action, purpose, sensitive=_MINORS)


def _help() -> Iterator[Question]:
    """Help is never bound to a shift: the queue, the units, an incident, the own alert, an act."""
    off = Facts(incident_known=True, incident_open=True)
    for role in ("operator", "duty_officer"):
        for action in (Action.WATCH_QUEUE, Action.WATCH_UNITS, Action.ACT_ON_ITEM):
            yield _viewer(role), _wish(action, Purpose.DUTY, Facts(), case=None)
        yield _viewer(role), _wish(Action.READ_ITEM, Purpose.INCIDENT, off)
    for action in (Action.WATCH_OWN, Action.ACT_ON_ITEM, Action.SET_DUTY):
        yield _viewer("patrol"), _wish(action, Purpose.DUTY, Facts(), case=None)
    yield _viewer("patrol"), _wish(Action.READ_ITEM, Purpose.INCIDENT, off)


def _oversight() -> Iterator[Question]:
    """Prosecutor and auditor read everything, everywhere, the log and the policies included."""
    for role, action in itertools.product(("prosecutor", "auditor"), READS):
        viewer = Viewer("somebody", role, frozenset())
        yield viewer, _wish(action, Purpose.OVERSIGHT, Facts(), case=None, unit=None)


NEVER: Final[tuple[Callable[[], Iterator[Question]], ...]] = (
    _administrator, _own_concern, _erasure, _named, _strangers, _two_people,
)  # fmt: skip
ALWAYS: Final[tuple[Callable[[], Iterator[Question]], ...]] = (_help, _oversight)


def breaches(policies: Policies) -> list[str]:
    """Each law that the policies break, with the first question that shows it; empty when they may rule."""
    found = []
    for laws, right in ((NEVER, False), (ALWAYS, True)):
        for law in laws:
            for viewer, wish in law():
                decision = decide(policies, viewer, wish)
                if decision.allow is not right:
                    said = f"{viewer.role}: {wish.action} for {wish.purpose}: {decision.named}"
                    found.append(f"{(law.__doc__ or '').strip()} Shown by {said}")
                    break
    return found


def lawful(texts: Mapping[str, str], schema: str) -> Policies:
    """The policies of these texts. Raises Refused(INVALID) as `Policies.parse`, or naming the law they break."""
    policies = Policies.parse(texts, schema)
    if found := breaches(policies):
        raise Refused(Kind.INVALID, "policies that break a law do not load: " + " ".join(found), policies="unlawful")
    return policies
