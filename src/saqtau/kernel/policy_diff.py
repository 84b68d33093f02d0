"""What a change of the policies means, for whoever approves it: by policy, by line, and by who may do what. Pure."""

import difflib
import itertools
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from saqtau.kernel.access import ROLES, AccessRequest, Action, Facts, Purpose, Viewer, decide
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.policies import Policies, Rule
from saqtau.kernel.policy_reach import PLAIN, Sample, reach
from saqtau.kernel.sensitive import Sensitive

_CONTEXT: Final = 3
_EVERYTHING: Final = Facts(
    on_shift=True, case_known=True, incident_known=True, incident_open=True, break_glass=True, about_place=True
)
_PLAIN: Final = Facts(incident_known=True, incident_open=True, case_known=True, about_place=True)
MOST_LINES: Final = 4_000
"""Lines of a diff that are shown."""
MOST_QUESTIONS: Final = 50_000
"""Wishes that both sets are asked about, about 0.3 ms each. What is more is proposed in parts."""
_SHOWN: Final = 5
"""Places that a shift is told of by name."""


class RuleChange(msgspec.Struct, frozen=True):
    """One policy that is added, removed, changed in what it means, or only in its words."""

    id: str
    what: str  # added | removed | changed | reworded
    effect: str  # permit | forbid
    before: Mapping[str, str]  # sentence by language; empty when it was added
    after: Mapping[str, str]


class Shift(msgspec.Struct, frozen=True):
    """Something that a role may do now and might not before, or the other way round, the facts being as given."""

    role: str
    action: str
    purpose: str
    allowed: bool  # afterwards
    on_shift: bool  # whether the question was asked about somebody on shift, with the glass broken
    where: str = ""  # "region 7": only there; empty: wherever the other facts are as given


class PolicyDiff(msgspec.Struct, frozen=True):
    """A change of the policies. `lines`: a unified diff of the texts."""

    before: str  # hash
    after: str
    rules: tuple[RuleChange, ...]
    shifts: tuple[Shift, ...]
    lines: tuple[str, ...]


def compare(before: Policies, after: Policies) -> PolicyDiff:
    """What changes. Every role is asked for every purpose and each action that a changed policy names: up to 2 s.

    Besides about each region, age, person, thing and unit that a changed policy names: up to 15 s.
    Raises Refused(INVALID, texts="too_much"): that would be more questions than can be asked.
    """
    rules = tuple(_rules(before, after))
    touched = [one.id for one in rules if one.what != "reworded"]
    return PolicyDiff(
        before.hash,
        after.hash,
        rules,
        tuple(_shifts(before, after, _wanted(touched, before, after))),
        tuple(itertools.islice(text_diff(before.texts, after.texts), MOST_LINES)),
    )


def text_diff(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    """A unified diff, file by file, without line ends."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name, "").splitlines(), after.get(name, "").splitlines()
        if old != new:
            yield from difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", n=_CONTEXT, lineterm="")


def _rules(before: Policies, after: Policies) -> Iterator[RuleChange]:
    old, new = {rule.id: rule for rule in before.rules}, {rule.id: rule for rule in after.rules}
    meant, means = before.meanings, after.meanings
    for name in sorted(old.keys() | new.keys()):
        match old.get(name), new.get(name):
            case None, Rule() as rule:
                yield RuleChange(name, "added", rule.effect, {}, rule.sentences)
            case Rule() as rule, None:
                yield RuleChange(name, "removed", rule.effect, rule.sentences, {})
            case Rule() as was, Rule() as now if meant[name] != means[name]:
                yield RuleChange(name, "changed", now.effect, was.sentences, now.sentences)
            case Rule() as was, Rule() as now if was.sentences != now.sentences:
                yield RuleChange(name, "reworded", now.effect, was.sentences, now.sentences)
            case _:
                pass


def _wanted(rules: list[str], *sets: Policies) -> dict[Action, set[Sample]]:
    """About what is asked: each action that these policies speak of, about whatever they name."""
    reaches = [reach(policies.meanings[name]) for policies in sets for name in rules if name in policies.meanings]
    wanted: dict[Action, set[Sample]] = {}
    if sum(known.count for known in reaches) <= MOST_QUESTIONS:
        for known in reaches:
            samples = set(known.samples())
            samples |= {msgspec.structs.replace(one, concerns=what) for one in samples for what in known.concerns}
            for action in known.actions:
                wanted.setdefault(action, {PLAIN}).update(samples)
        if sum(map(len, wanted.values())) * len(ROLES) * len(Purpose) * 2 <= MOST_QUESTIONS:
            return wanted
    raise Refused(Kind.INVALID, "changes more than can be shown at once: propose it in parts", texts="too_much")


def _shifts(before: Policies, after: Policies, wanted: Mapping[Action, set[Sample]]) -> Iterator[Shift]:
    for role, action, purpose in itertools.product(ROLES, sorted(wanted), Purpose):
        told = Shift(role, action.value, purpose.value, allowed=False, on_shift=False)
        moved: dict[bool, dict[str, bool]] = {}
        for sample in sorted(wanted[action], key=lambda one: (one != PLAIN, one)):
            found = _moved(before, after, role, action, purpose, sample)
            if found is not None:
                moved.setdefault(found[0], {})[sample.where] = found[1]
        for allowed, places in moved.items():
            if "" in places:
                yield msgspec.structs.replace(told, allowed=allowed, on_shift=places[""])
                continue
            shown = [*itertools.islice(places, _SHOWN), *(["…"] if len(places) > _SHOWN else [])]
            shift = any(places.values())
            yield msgspec.structs.replace(told, allowed=allowed, on_shift=shift, where="; ".join(shown))


def _moved(
    before: Policies, after: Policies, role: str, action: Action, purpose: Purpose, sample: Sample
) -> tuple[bool, bool] | None:
    """(allowed afterwards, asked on shift) when the answers differ."""
    for facts in (_EVERYTHING, _PLAIN):
        viewer = Viewer(sample.person, role, frozenset({sample.region}), sample.unit if role == "patrol" else None)
        wish = AccessRequest(
            action=action, purpose=purpose, object=sample.thing, region=sample.region, unit=sample.unit, case="case-1",
            requested_by="another", age_days=sample.age, facts=facts,
            sensitive=frozenset({Sensitive(sample.concerns)} if sample.concerns else ()),
        )  # fmt: skip
        was, now = decide(before, viewer, wish).allow, decide(after, viewer, wish).allow
        if was is not now:
            return now, facts.on_shift
    return None
