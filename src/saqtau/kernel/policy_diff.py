"""What a change of the policies means, for whoever approves it: by policy, by line, and by who may do what. Pure."""

import difflib
import itertools
from collections.abc import Iterator, Mapping
from typing import Final

import cedarpy
import msgspec

from saqtau.kernel.access import AccessRequest, Action, Facts, Purpose, Viewer, decide
from saqtau.kernel.policies import Policies, Rule
from saqtau.kernel.policy_laws import ROLES

_CONTEXT: Final = 3
_HERE: Final = 2
_UNIT: Final = "U1"
_EVERYTHING: Final = Facts(on_shift=True, case_known=True, incident_known=True, incident_open=True, break_glass=True)
_PLAIN: Final = Facts(incident_known=True, incident_open=True, case_known=True)
MOST_LINES: Final = 4_000
"""Lines of a diff that are shown."""


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


class PolicyDiff(msgspec.Struct, frozen=True):
    """A change of the policies. `lines`: a unified diff of the texts."""

    before: str  # hash
    after: str
    rules: tuple[RuleChange, ...]
    shifts: tuple[Shift, ...]
    lines: tuple[str, ...]


def compare(before: Policies, after: Policies) -> PolicyDiff:
    """What changes. Every role is asked for every purpose and each action that a changed policy names: up to 2 s."""
    rules = tuple(_rules(before, after))
    touched = [one.id for one in rules if one.what != "reworded"]
    return PolicyDiff(
        before.hash,
        after.hash,
        rules,
        tuple(_shifts(before, after, _actions(touched, _meanings(before), _meanings(after)))),
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
    meant, means = _meanings(before), _meanings(after)
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


def _meanings(policies: Policies) -> dict[str, str]:
    """Each policy without its annotations: what decides."""
    found: dict[str, str] = {}
    for text in policies.texts.values():
        for rule in msgspec.json.decode(cedarpy.policies_to_json_str(text))["staticPolicies"].values():
            name = rule.get("annotations", {}).get("id", "")
            decides = {part: value for part, value in rule.items() if part != "annotations"}
            found[name] = msgspec.json.encode(decides, order="deterministic").decode()
    return found


def _actions(rules: list[str], *meanings: Mapping[str, str]) -> frozenset[Action]:
    """The actions that these policies speak of; all where one speaks of a group, or of any."""
    found: set[str] = set()
    for meaning in meanings:
        for name in rules:
            match msgspec.json.decode(meaning.get(name, "{}")).get("action"):
                case {"op": "==", "entity": {"id": one}}:
                    found.add(one)
                case {"op": "in", "entities": several}:
                    found.update(one["id"] for one in several)
                case None:
                    pass
                case _:
                    return frozenset(Action)
    known = {action.value for action in Action}
    return frozenset(Action(one) for one in found) if found <= known else frozenset(Action)


def _shifts(before: Policies, after: Policies, actions: frozenset[Action]) -> Iterator[Shift]:
    for role, action, purpose in itertools.product(ROLES, sorted(actions), Purpose):
        for facts in (_EVERYTHING, _PLAIN):
            viewer = Viewer("somebody", role, frozenset({_HERE}), _UNIT if role == "patrol" else None)
            wish = AccessRequest(
                action=action, purpose=purpose, object="x", region=_HERE, unit=_UNIT, case="case-1",
                requested_by="another", facts=facts,
            )  # fmt: skip
            was, now = decide(before, viewer, wish).allow, decide(after, viewer, wish).allow
            if was is not now:
                yield Shift(role, action.value, purpose.value, now, facts.on_shift)
                break
