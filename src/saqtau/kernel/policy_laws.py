"""What no set of policies may allow or take away, whoever approved it.

The laws themselves are decided above the policies (`kernel.access`: `forbidden`, `owed`), for every region and person.
Here they are said in sentences, and put as questions to the policies alone: a set that answers one otherwise does not
load, so that nobody approves what would not hold. Each is put in every role, purpose and state of facts that it speaks
of, and about each region, age, person, thing and unit that a policy names (`kernel.policy_reach`).
Sources: laws 2, 6 and 7 of the house (docs/design/laws.md).
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from saqtau.kernel.access import (
    CONTENT,
    DECIDES,
    NAMED,
    PLACED,
    READS,
    ROLES,
    AccessRequest,
    Action,
    Facts,
    Purpose,
    Viewer,
    ask,
)
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.policies import Policies
from saqtau.kernel.policy_reach import HERE, PLAIN, SOMEBODY, UNIT, Sample, reach
from saqtau.kernel.sensitive import Sensitive

MOST_QUESTIONS: Final = 20_000
"""Questions that are put about what the policies name, about 0.15 ms each."""
EVERYTHING: Final = Facts(
    on_shift=True, case_known=True, incident_known=True, incident_open=True, break_glass=True, about_place=True
)
_MINORS: Final = frozenset({Sensitive.MINORS})
_ELSEWHERE: Final = msgspec.structs.replace(EVERYTHING, about_place=False)

Question = tuple[Viewer, AccessRequest]


def _viewer(role: str) -> Viewer:
    return Viewer(SOMEBODY, role, frozenset({HERE}), UNIT if role == "patrol" else None)


def _wish(action: Action, purpose: Purpose, facts: Facts = EVERYTHING, **more: object) -> AccessRequest:
    plain: dict[str, object] = {"object": "x", "region": HERE, "unit": UNIT, "case": "case-1", "facts": facts, **more}
    return AccessRequest(action=action, purpose=purpose, **plain)  # type: ignore[arg-type]


def _administrator() -> Iterator[Question]:
    """The administrator has no content, whatever the facts are."""
    for action, purpose in itertools.product(CONTENT, Purpose):
        yield _viewer("administrator"), _wish(action, purpose)


def _own_concern() -> Iterator[Question]:
    """Nobody approves, reviews, deletes or disables what he asked for or what concerns himself."""
    for role, action, purpose in itertools.product(ROLES, DECIDES, Purpose):
        yield _viewer(role), _wish(action, purpose, requested_by=SOMEBODY, sensitive=_MINORS)
        yield _viewer(role), _wish(action, purpose, requested_by="another", concerns=SOMEBODY, sensitive=_MINORS)


def _erasure() -> Iterator[Question]:
    """No person erases a record."""
    for role, purpose in itertools.product(ROLES, Purpose):
        yield _viewer(role), _wish(Action.ERASE_RECORD, purpose, requested_by="another")


def _named() -> Iterator[Question]:
    """An incident or a case that is not named, or not known, opens nothing."""
    for role, action, purpose in itertools.product(ROLES, CONTENT, sorted(NAMED)):
        yield _viewer(role), _wish(action, purpose, case=None)
        yield _viewer(role), _wish(action, purpose, Facts(on_shift=True, break_glass=True))


def _placed() -> Iterator[Question]:
    """An incident or a case that has nothing to do with a school, an office or a colony opens no camera there."""
    for role, action, purpose, why in itertools.product(ROLES, sorted(PLACED), sorted(NAMED), Sensitive):
        yield _viewer(role), _wish(action, purpose, _ELSEWHERE, sensitive=frozenset({why}))


def _strangers() -> Iterator[Question]:
    """A role that the house does not know may nothing."""
    for role, action, purpose in itertools.product(
        ("", "Prosecutor", "clock", "citizen"), (*CONTENT, *DECIDES), Purpose
    ):
        yield _viewer(role), _wish(action, purpose, requested_by="another")


def _two_people() -> Iterator[Question]:
    """No export and no policies are approved that nobody asked for."""
    for role, action, purpose in itertools.product(ROLES, (Action.APPROVE_EXPORT, Action.APPROVE_POLICY), Purpose):
        yield _viewer(role), _wish(action, purpose, sensitive=_MINORS)


def _help() -> Iterator[Question]:
    """Help is never bound to a shift: queue, units, an open incident not of minors or custody, own alert, an act."""
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
        viewer = Viewer(SOMEBODY, role, frozenset())
        yield viewer, _wish(action, Purpose.OVERSIGHT, Facts(), case=None, unit=None)


NEVER: Final[tuple[Callable[[], Iterator[Question]], ...]] = (
    _administrator, _own_concern, _erasure, _named, _placed, _strangers, _two_people,
)  # fmt: skip
ALWAYS: Final[tuple[Callable[[], Iterator[Question]], ...]] = (_help, _oversight)
_LAWS: Final = (*((law, False) for law in NEVER), *((law, True) for law in ALWAYS))


def breaches(policies: Policies) -> list[str]:
    """Each law that the policies break, with the first question that shows it; empty when they may rule.

    Raises Refused(INVALID, policies="too_particular"): they name so much that not all of it can be asked.
    """
    found: dict[str, str] = {}
    for sample, actions in _samples(policies):
        for law, right in _LAWS:
            said = (law.__doc__ or "").strip()
            for viewer, wish in law():
                if wish.action not in actions or said in found:
                    continue
                answer = ask(policies, *_about(sample, viewer, wish))
                if answer.allow is not right:
                    told = ", ".join(answer.ids) or "nothing-permits"
                    place = f" ({sample.where})" if sample.where else ""
                    found[said] = f"{said} Shown by {viewer.role}: {wish.action} for {wish.purpose}{place}: {told}"
    return list(found.values())


def _samples(policies: Policies) -> list[tuple[Sample, frozenset[Action]]]:
    """What is asked about, and of which actions; first everything about what no policy names. Refuses as `breaches`."""
    reaches = [reach(meaning) for meaning in policies.meanings.values()]
    questions = Counter(wish.action for law, _ in _LAWS for _, wish in law())
    if sum((known.count - 1) * sum(questions[one] for one in known.actions) for known in reaches) > MOST_QUESTIONS:
        raise Refused(Kind.INVALID, "policies that name more than can be asked about them", policies="too_particular")
    wanted = {PLAIN: frozenset(Action)}
    for known in reaches:
        for sample in known.samples():
            wanted[sample] = wanted.get(sample, frozenset()) | known.actions
    return list(wanted.items())


def _about(sample: Sample, viewer: Viewer, wish: AccessRequest) -> tuple[Viewer, AccessRequest]:
    """The same question about another region, age, person, thing or unit."""
    if sample == PLAIN:
        return viewer, wish
    person = {SOMEBODY: sample.person}
    return (
        Viewer(
            sample.person,
            viewer.role,
            frozenset({sample.region}) if viewer.regions else viewer.regions,
            sample.unit if viewer.unit is not None else None,
        ),
        msgspec.structs.replace(
            wish,
            region=sample.region,
            age_days=sample.age,
            object=sample.thing,
            unit=sample.unit if wish.unit is not None else None,
            requested_by=person.get(wish.requested_by or "", wish.requested_by),
            concerns=person.get(wish.concerns or "", wish.concerns),
        ),
    )


def lawful(texts: Mapping[str, str], schema: str) -> Policies:
    """The policies of these texts. Raises Refused(INVALID) as `Policies.parse`, or naming the law they break."""
    policies = Policies.parse(texts, schema)
    if found := breaches(policies):
        raise Refused(Kind.INVALID, "policies that break a law do not load: " + " ".join(found), policies="unlawful")
    return policies
