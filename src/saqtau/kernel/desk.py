"""A desk is a job of the police as data: states, edges, deadlines, forms. It is reviewed like law.

The engine never knows a desk; it runs any. From a desk the product draws the queue, the forms, the diagram,
the timers and the statistics, so everything a desk may do is said here and nowhere else.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import msgspec

from saqtau.kernel.signal import Signal

CLOCK = "clock"
"""Actor of an edge that fires when a deadline passes."""
RULE = "rule"
"""Actor of an edge that a rule of the desk fires."""
MACHINES = frozenset({CLOCK, RULE})
CREW = "patrol"
"""The role that acts for its unit: an item that names a unit is moved by no other crew."""

Data = Mapping[str, Any]


class Mode(StrEnum):
    """What happens when something is missing: help fails open (warns), power fails closed (refuses)."""

    HELP = "help"
    POWER = "power"


class State(msgspec.Struct, frozen=True):
    """Where an item can be. `within`: the term of `kernel.terms`; `otherwise`: the edge that the clock fires."""

    owner: str | None = None  # role that must act; None only for an end
    within: str | None = None
    otherwise: str | None = None
    retention: str | None = None  # class of retention; default: the desk's
    official: bool = True  # the deadline binds an official (R8), not the citizen
    end: bool = False


END = State(end=True)


class Edge(msgspec.Struct, frozen=True):
    """A named way between two states. Of edges with one name and start the first whose `when` holds is taken."""

    name: str
    start: str
    to: str
    by: str  # a role, or CLOCK, or RULE
    requires: type[msgspec.Struct] | None = None  # the form: a frozen struct
    when: Callable[[Data], bool] | None = None  # pure guard over the item's data
    sets: Callable[[Data, Data, Any], Data] | None = None  # (item data, form data, call) -> changed facts
    basis: bool = False  # the form records the legal basis (R2)
    keeps: bool = False  # a step in place that answers nothing: the deadline of the state runs on
    pauses: bool = False  # the deadline stands still in the next state; the form says what exactly is missing
    document: str | None = None  # the document served with this edge
    appeal: str | None = None  # body and term of appeal that the document names (R10)
    annuls: bool = False  # this edge takes the penalty back (R6)


class Opening(msgspec.Struct, frozen=True):
    """A way in by hand: a person opens an item by a form about a place of the register."""

    name: str
    to: str  # one of the desk's starts
    by: tuple[str, ...]  # roles
    requires: type[msgspec.Struct]  # the form; its `camera` or `site` names the place
    sets: Callable[[Data, Data, Any], Data]  # (place, form data, call) -> facts of the new item
    priority: int = 5


class Desk(msgspec.Struct, frozen=True):
    """A job of the police. See docs/design/desks.md for what each field means in law."""

    name: str
    article: int
    version: int
    mode: Mode
    starts: tuple[str, ...]  # first is the default
    states: dict[str, State]
    edges: tuple[Edge, ...]
    retention: str
    purposes: tuple[str, ...]
    opened_by: tuple[str, ...] = ()  # roles that may open an item by hand; rules always may
    openings: tuple[Opening, ...] = ()  # by which form each of them does
    penal: frozenset[str] = frozenset()
    superiors: frozenset[str] = frozenset()  # roles an overdue official deadline may lead to
    protected: bool = False  # items name a protected party: every read demands a purpose and is told to the overseer
    overseer_told: bool = False
    compartment: str | None = None
    tells: Callable[..., tuple[Signal, ...]] | None = None  # (item after, edge name or None, form data) -> signals
    reacts: dict[type, Callable[..., tuple[Any, ...]]] = {}
    """Signal type -> (signal, family) -> actions. The family: the item that the signal names, its parent, and all
    children of that parent; empty for a signal that names none."""
    line: Callable[[Data], Data] | None = None  # facts for one line of the queue, without protected ones
    doc: str = ""

    def edge(self, name: str, start: str, data: Data) -> Edge | None:
        """The edge of that name that leaves `start` now, or None."""
        for edge in self.edges:
            if edge.name == name and edge.start == start and (edge.when is None or edge.when(data)):
                return edge
        return None

    def opening(self, name: str, role: str) -> Opening | None:
        """The way in of that name for that role, or None."""
        return next((one for one in self.openings if one.name == name and role in one.by), None)

    @property
    def concerned(self) -> frozenset[str]:
        """Every role that has business with this desk: it owns a state, takes an edge or opens an item."""
        owners = {state.owner for state in self.states.values() if state.owner is not None}
        return frozenset(owners | {edge.by for edge in self.edges} | set(self.opened_by)) - MACHINES

    def leaving(self, start: str, data: Data) -> Iterator[Edge]:
        """Every edge that could be taken from `start` with these facts."""
        return (edge for edge in self.edges if edge.start == start and (edge.when is None or edge.when(data)))


def _named(value: Any) -> Any:
    """Functions and structs by name and form, so that the hash is the same in every process."""
    match value:
        case type() if issubclass(value, msgspec.Struct):
            return msgspec.json.schema(value)
        case type():
            return value.__qualname__
        case frozenset():
            return sorted(value)
        case _ if callable(value):
            return f"{value.__module__}.{value.__qualname__}"
        case _:
            raise TypeError(f"a desk cannot hold {value!r}")


def spec(desk: Desk) -> dict[str, Any]:
    """The desk as plain data: what the console draws and what is hashed."""
    plain = msgspec.structs.asdict(desk)
    plain["reacts"] = sorted(kind.__qualname__ for kind in desk.reacts)
    built: dict[str, Any] = msgspec.to_builtins(plain, enc_hook=_named, str_keys=True, order="deterministic")
    return built


_EXPLAINS = frozenset({"doc", "description"})


def _says(value: Any) -> Any:
    """What a spec says: without what is empty or off, so that a field the kernel learns later changes no old hash."""
    match value:
        case dict():
            said = {name: _says(part) for name, part in value.items() if name not in _EXPLAINS}
            return {name: part for name, part in said.items() if part not in (None, False, "", [], {})}
        case list() | tuple():
            return [_says(part) for part in value]
        case _:
            return value


_hashes: dict[int, tuple[Desk, str]] = {}
"""Desks are constants of the program, hashed once each. The desk is kept beside, so that its number stays its own."""


def spec_hash(desk: Desk) -> str:
    """SHA-256 of what the spec says, its explanations aside. An item keeps the hash it was opened under, for life."""
    known = _hashes.get(id(desk))
    if known is not None:
        return known[1]
    canonical = msgspec.json.encode(_says(spec(desk)), order="deterministic")
    digest = hashlib.sha256(canonical).hexdigest()
    _hashes[id(desk)] = desk, digest
    return digest


class Desks(msgspec.Struct, frozen=True):
    """Every desk this process can run: the newest by name, each ever used by its hash."""

    current: dict[str, Desk]
    by_hash: dict[str, Desk]

    def hash_of(self, name: str) -> str:
        """Hash of the current version of a desk."""
        current = self.current[name]
        return next(digest for digest, desk in self.by_hash.items() if desk is current)


def gather(*desks: Desk, past: tuple[Desk, ...] = ()) -> Desks:
    """Index desks; `past` are older versions that items still live under."""
    return Desks(
        current={desk.name: desk for desk in desks},
        by_hash={spec_hash(desk): desk for desk in (*desks, *past)},
    )


def discover(package: str) -> Iterator[Desk]:
    """Every `DESK` in the folders of a package, in order of name."""
    for found in iter_modules(import_module(package).__path__):
        module = import_module(f"{package}.{found.name}.desk")
        yield module.DESK


def mermaid(desk: Desk) -> str:
    """The state diagram of a desk, for its docs page."""
    lines = ["stateDiagram-v2", *(f"    [*] --> {start}" for start in desk.starts)]
    lines += [f"    {edge.start} --> {edge.to}: {edge.name} ({edge.by})" for edge in desk.edges]
    lines += [f"    {name} --> [*]" for name, state in desk.states.items() if state.end]
    return "\n".join(lines) + "\n"
