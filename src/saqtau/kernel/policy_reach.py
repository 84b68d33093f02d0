"""What a policy can tell apart: the actions it speaks of; regions, ages, people, things and units it names. Pure.

Questions put to a set of policies are samples. A policy that is about region 7 alone answers none about region 2: so
each is put besides about what a policy names, and about both sides of what it compares with. What this overlooks (a
policy can calculate) no law rests on: the laws are decided above the policies (`kernel.access`).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

import msgspec

from saqtau.kernel.access import CONTENT, DECIDES, READS, Action
from saqtau.kernel.policies import pieces
from saqtau.kernel.sensitive import Sensitive

HERE: Final = 2
UNIT: Final = "U1"
SOMEBODY: Final = "somebody"
_T = TypeVar("_T", int, str)
_REGIONS: Final = range(1, 100)
_AGES: Final = range(100_001)
_CONCERNS: Final = frozenset(one.value for one in Sensitive)
_COMPARED: Final = frozenset({"<", "<=", ">", ">="})
_CALCULATED: Final = frozenset({"+", "-", "*", "neg"})
_EVIDENCE: Final = (
    Action.READ_PICTURE, Action.READ_HISTORY, Action.REQUEST_EXPORT, Action.APPROVE_EXPORT, Action.RECEIVE_EXPORT,
    Action.WATCH_CAMERA, Action.PLAY_RECORDING,
)  # fmt: skip
_GROUPS: Final = {"content": CONTENT, "reads": READS, "decides": DECIDES, "evidence": _EVIDENCE}


class Sample(msgspec.Struct, frozen=True, order=True):
    """About whom and what a question is put; without more, one that no policy names."""

    region: int = HERE
    age: int = 0  # days
    person: str = SOMEBODY
    thing: str = "x"
    unit: str = UNIT
    concerns: str = ""  # minors or custody

    @property
    def where(self) -> str:
        """What is particular about it, in the words of the schema; empty when nothing is."""
        plain = Sample()
        named = {
            "region": self.region, "age_days": self.age, "person": self.person, "thing": self.thing, "unit": self.unit,
        }  # fmt: skip
        usual = (plain.region, plain.age, plain.person, plain.thing, plain.unit)
        told = [f"{name} {one}" for (name, one), was in zip(named.items(), usual, strict=True) if one != was]
        return ", ".join([*told, *([self.concerns] if self.concerns else [])])


PLAIN: Final = Sample()


class Reach(msgspec.Struct, frozen=True):
    """The actions a policy speaks of, and how many questions about each it takes to see what it does."""

    actions: frozenset[Action]
    regions: tuple[int, ...]
    ages: tuple[int, ...]
    people: tuple[str, ...]
    things: tuple[str, ...]
    units: tuple[str, ...]
    concerns: tuple[str, ...]  # of minors and custody, what it asks for

    @property
    def count(self) -> int:
        """How many samples it has."""
        return len(self.regions) * len(self.ages) * len(self.people) * len(self.things) * len(self.units)

    def samples(self) -> Iterator[Sample]:
        """Every combination of what it names and what it does not."""
        for one in itertools.product(self.regions, self.ages, self.people, self.things, self.units):
            yield Sample(*one)


def reach(meaning: Mapping[str, Any]) -> Reach:
    """What this policy (`Policies.meanings`) can tell apart."""
    numbers: set[int] = set()
    words: set[str] = set()
    named: dict[str, set[str]] = {"Person": set(), "Thing": set()}
    facts: set[str] = set()
    operators: set[str] = set()
    for one in pieces(meaning):
        if not isinstance(one, dict):
            continue
        operators |= one.keys() & (_COMPARED | _CALCULATED)
        match one:
            case {"Value": bool()}:
                pass
            case {"Value": int(number)}:
                numbers.add(number)
            case {"Value": str(word)}:
                words.add(word)
            case {"type": str(kind), "id": str(name)} if kind in named:
                named[kind].add(name)
            case {"attr": str(fact)}:
                facts.add(fact)
            case _:
                pass
    if operators & _COMPARED:
        numbers |= {number + step for number in numbers for step in (-1, 1)}
    regional = bool(facts & {"region", "regions"})
    everywhere = regional and operators & _CALCULATED
    return Reach(
        actions=actions_of(meaning),
        regions=_with(HERE, _REGIONS if everywhere else (n for n in numbers if regional and n in _REGIONS)),
        ages=_with(0, (n for n in numbers if "age_days" in facts and n in _AGES)),
        people=_with(SOMEBODY, named["Person"]),
        things=_with("x", named["Thing"]),
        units=_with(UNIT, words if "unit" in facts else ()),
        concerns=tuple(sorted(facts & _CONCERNS)),
    )


def actions_of(meaning: Mapping[str, Any]) -> frozenset[Action]:
    """The actions that a policy speaks of; all where it speaks of any, or of a group that is not known here."""
    match meaning.get("action"):
        case {"op": "==", "entity": {"id": one}}:
            names = [one]
        case {"op": "in", "entities": several}:
            names = [one["id"] for one in several]
        case {"op": "in", "entity": {"id": one}}:
            names = [one]
        case _:
            return frozenset(Action)
    known = {action.value: (action,) for action in Action} | _GROUPS
    if any(name not in known for name in names):
        return frozenset(Action)
    return frozenset(action for name in names for action in known[name])


def _with(usual: _T, others: Iterable[_T]) -> tuple[_T, ...]:
    """The usual one first, then the others."""
    named: list[_T] = sorted(set(others) - {usual})
    return (usual,) + tuple(named)  # noqa: RUF005 - mypy cannot tell a starred list of two kinds
