"""Rules of rights over every desk. A desk that breaks one does not load.

Sources: presumption of innocence and the right of appeal as the nine laws of the house state them
(docs/design/laws.md); each rule has a test with a desk that breaks exactly it.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from saqtau.kernel.desk import CLOCK, MACHINES, Desk, Edge, Mode
from saqtau.kernel.terms import parse_term


class Breach(msgspec.Struct, frozen=True):
    """A rule that a desk breaks, where, and what that means."""

    rule: str
    where: str
    why: str


def _machine_never_punishes(desk: Desk) -> Iterator[str]:
    """R1: no edge by a rule or the clock leads into a penal state."""
    return (
        f"{edge.name}: {edge.start} -> {edge.to}"
        for edge in desk.edges
        if edge.to in desk.penal and edge.by in MACHINES
    )


def _way(edge: Edge) -> str:
    return f"{edge.name}: {edge.start} -> {edge.to}"


def _penalty_names_its_basis(desk: Desk) -> Iterator[str]:
    """R2: an edge into a penal state requires a recorded legal basis; nothing is opened in one."""
    yield from (edge.name for edge in desk.edges if edge.to in desk.penal and not (edge.basis and edge.requires))
    yield from (way.name for way in desk.openings if way.to in desk.penal)


def _end_is_reachable(desk: Desk) -> Iterator[str]:
    """R3: an end can be reached from every state."""
    reaches = {name for name, state in desk.states.items() if state.end}
    while more := {edge.start for edge in desk.edges if edge.to in reaches} - reaches:
        reaches |= more
    return iter(desk.states.keys() - reaches)


def _owned_state_has_a_deadline(desk: Desk) -> Iterator[str]:
    """R4: every owned state has a deadline that can be read."""
    for name, state in desk.states.items():
        if state.end:
            continue
        try:
            parse_term(state.within or "")
        except ValueError:
            yield name


def _deadline_has_a_consequence(desk: Desk) -> Iterator[str]:
    """R5: every deadline has a consequence: an edge that the clock can take whatever the facts are."""
    for name, state in desk.states.items():
        if state.within and all(edge.when is not None for edge in _clock_edges(desk, name, state.otherwise)):
            yield name


def _clock_edges(desk: Desk, start: str, name: str | None) -> list[Edge]:
    return [edge for edge in desk.edges if edge.start == start and edge.name == name and edge.by == CLOCK]


def _penalty_has_a_way_out(desk: Desk) -> Iterator[str]:
    """R6: every penal state leads, by a person's appeal, to an edge that annuls it."""
    for name in desk.penal:
        seen: set[str] = set()
        frontier = {name}
        annulled = False
        while frontier:
            seen |= frontier
            leaving = [edge for edge in desk.edges if edge.start in frontier]
            annulled = annulled or any(edge.annuls for edge in leaving)
            frontier = {edge.to for edge in leaving} - seen
        if not annulled:
            yield name


def _four_eyes(desk: Desk) -> Iterator[str]:
    """R7: the role that opens by hand is not the only one that decides a penalty.

    The kernel refuses the same person at run time; here the desk must leave somebody else to decide.
    """
    deciders = {edge.by for edge in desk.edges if edge.to in desk.penal}
    openers = set(desk.opened_by)
    return iter(deciders & openers if deciders and deciders <= openers else ())


def _silence_never_punishes(desk: Desk) -> Iterator[str]:
    """R8: an expired official deadline leads to a superior or to the person's benefit, never deeper into a penalty."""
    for name, state in desk.states.items():
        if not (state.official and state.within):
            continue
        for edge in _clock_edges(desk, name, state.otherwise):
            target = desk.states[edge.to]
            worse = edge.to in desk.penal
            asleep = edge.to == name and state.owner not in desk.superiors and desk.penal
            if (
                worse
                or asleep
                or (desk.penal and not target.end and target.owner not in desk.superiors and not edge.annuls)
            ):
                yield f"{name} -> {edge.to}"


def _state_names_its_retention(desk: Desk) -> Iterator[str]:
    """R9: every state names its retention class, of its own or by the desk."""
    return (name for name, state in desk.states.items() if not (state.retention or desk.retention))


def _document_names_its_appeal(desk: Desk) -> Iterator[str]:
    """R10: every document that limits a right names the appeal body and term."""
    return (edge.name for edge in desk.edges if edge.document and edge.to in desk.penal and not edge.appeal)


def _protected_reads_are_told(desk: Desk) -> Iterator[str]:
    """R11: every read of a protected party demands a purpose and is told to the overseer."""
    if desk.protected and not (desk.purposes and desk.overseer_told):
        yield desk.name


def _help_never_blocks(desk: Desk) -> Iterator[str]:
    """R12: a HELP desk has no penal state and no edge that a missing fact could block.

    Its forms only warn (the kernel sees to that); a guard may choose a way but may not leave a person without one.
    """
    if desk.mode is not Mode.HELP:
        return
    yield from desk.penal
    for edge in desk.edges:
        same = [other for other in desk.edges if (other.start, other.name) == (edge.start, edge.name)]
        if all(other.when is not None for other in same):
            yield _way(edge)


def _is_whole(desk: Desk) -> Iterator[str]:
    """R0: names fit together: starts, edges, penal states, purposes and owners exist, and every way can be taken."""
    known = desk.states.keys()
    yield from (start for start in desk.starts if start not in known)
    yield from (_way(edge) for edge in desk.edges if not {edge.start, edge.to} <= known)
    yield from desk.penal - known
    yield from (way.name for way in desk.openings if way.to not in desk.starts or set(way.by) - set(desk.opened_by))
    yield from (edge.name for edge in desk.edges if edge.start in known and desk.states[edge.start].end)
    yield from (name for name, state in desk.states.items() if (state.owner is None) is not state.end)
    yield from (_way(edge) for edge in desk.edges if edge.keeps and (edge.start != edge.to or edge.pauses))
    always: set[tuple[str, str]] = set()
    for edge in desk.edges:
        if (edge.start, edge.name) in always:
            yield _way(edge)
        if edge.when is None:
            always.add((edge.start, edge.name))
    if not (desk.starts and desk.purposes):
        yield desk.name


RULES: dict[str, Callable[[Desk], Iterator[str]]] = {
    "R0": _is_whole,
    "R1": _machine_never_punishes,
    "R2": _penalty_names_its_basis,
    "R3": _end_is_reachable,
    "R4": _owned_state_has_a_deadline,
    "R5": _deadline_has_a_consequence,
    "R6": _penalty_has_a_way_out,
    "R7": _four_eyes,
    "R8": _silence_never_punishes,
    "R9": _state_names_its_retention,
    "R10": _document_names_its_appeal,
    "R11": _protected_reads_are_told,
    "R12": _help_never_blocks,
}


def breaches(desk: Desk) -> tuple[Breach, ...]:
    """Every breach in a desk; empty when it may load. A desk whose names do not fit is told only that."""
    whole = [Breach("R0", where, _why(_is_whole)) for where in _is_whole(desk)]
    if whole:
        return tuple(whole)
    return tuple(Breach(rule, where, _why(check)) for rule, check in RULES.items() for where in check(desk))


def _why(check: Callable[..., Any]) -> str:
    return (check.__doc__ or "").splitlines()[0].partition(": ")[2]


def must_be_lawful(*desks: Desk) -> None:
    """Raise ValueError naming every breach; called before anything starts."""
    found = [
        f"{desk.name}: {breach.rule} at {breach.where}: {breach.why}" for desk in desks for breach in breaches(desk)
    ]
    if found:
        raise ValueError("desks that break a rule of rights do not load:\n" + "\n".join(found))
