"""From streets to a road graph: split at junctions, forbid turns, keep what can be driven to and from everywhere.

Pure; the streets come from `osm.py`, from the city generator or from a test's own hand.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from saqtau.kernel.errors import Kind, Refused
from saqtau.roads.graph import F64, I32, METRES_PER_DEGREE, RoadGraph, frozen, reversed_arcs
from saqtau.roads.line import metres_between

MAX_SPAN = 12.0
"""Degrees. A graph is a city or a region; beyond this the flat plane it is drawn on bends too much."""


class Street(msgspec.Struct, frozen=True):
    """A way of the map. `nodes` are its points in order; `forward`/`backward`: whether it is driven so."""

    way: int
    nodes: tuple[int, ...]
    kind: str
    kmh: float  # driving speed
    limit: tuple[float, float] = (0.0, 0.0)  # km/h forward, backward; 0: not signed
    forward: bool = True
    backward: bool = True
    name: str = ""


class Restriction(msgspec.Struct, frozen=True):
    """A turn rule at a junction: from one way through a node to another. `only`: every other turn is forbidden."""

    origin: int
    via: int
    target: int
    only: bool = False


class TurnCosts(msgspec.Struct, frozen=True):
    """Seconds lost at a junction of three or more arms; defaults as seen in the simulated city (bench/ahead.py)."""

    junction: float = 3.0
    signals: float = 4.0
    right: float = 1.0
    left: float = 2.5
    back: float = 15.0  # turning round in a dead end


class _Edges(msgspec.Struct):
    """Stretches between junctions before anything is thrown away; one row a direction."""

    tail: list[int] = []
    head: list[int] = []
    twin: list[int] = []
    street: list[int] = []
    ahead: list[bool] = []
    chain: list[tuple[int, ...]] = []


def _split(streets: Sequence[Street]) -> _Edges:
    """Directed stretches between nodes that more than one way touches, or where a way ends or meets itself."""
    uses: Counter[int] = Counter()
    for street in streets:
        uses.update(street.nodes)
        uses.update((street.nodes[0], street.nodes[-1]))
    edges = _Edges()
    for number, street in enumerate(streets):
        start = 0
        for stop in range(1, len(street.nodes)):
            if uses[street.nodes[stop]] == 1:
                continue
            chain = street.nodes[start : stop + 1]
            start = stop
            both = street.forward and street.backward
            for way, ahead in ((chain, True), (chain[::-1], False)):
                if not (street.forward if ahead else street.backward):
                    continue
                index = len(edges.tail)
                edges.tail.append(way[0])
                edges.head.append(way[-1])
                edges.twin.append((index + 1 if ahead else index - 1) if both else -1)
                edges.street.append(number)
                edges.ahead.append(ahead)
                edges.chain.append(way)
    return edges


def _all_turns(tail: I32, head: I32, nodes: int) -> tuple[I32, I32]:
    """Every pair (edge in, edge out) that meets at a junction."""
    order = np.argsort(tail, kind="stable").astype(np.int32)
    start = np.zeros(nodes + 1, np.int64)
    np.cumsum(np.bincount(tail, minlength=nodes), out=start[1:])
    degree = (start[head + 1] - start[head]).astype(np.int64)
    source = np.repeat(np.arange(len(tail), dtype=np.int32), degree)
    offset = np.arange(degree.sum()) - np.repeat(np.cumsum(degree) - degree, degree)
    return source, order[start[head[source]] + offset]


def _forbidden(
    restrictions: Sequence[Restriction], edges: _Edges, streets: Sequence[Street], source: I32, target: I32
) -> tuple[NDArray[np.bool_], int]:
    """Which turns the restrictions forbid, and how many restrictions found their ways."""
    into: dict[tuple[int, int], list[int]] = {}
    out_of: dict[tuple[int, int], list[int]] = {}
    for edge, number in enumerate(edges.street):
        way = streets[number].way
        into.setdefault((way, edges.head[edge]), []).append(edge)
        out_of.setdefault((way, edges.tail[edge]), []).append(edge)
    bad: set[tuple[int, int]] = set()
    only: dict[int, set[int]] = {}
    applied = 0
    for rule in restrictions:
        origins = into.get((rule.origin, rule.via), [])
        targets = out_of.get((rule.target, rule.via), [])
        if not origins or not targets:
            continue
        applied += 1
        for origin in origins:
            if rule.only:
                only.setdefault(origin, set()).update(targets)
            else:
                bad.update((origin, chosen) for chosen in targets)
    forbidden = np.zeros(len(source), bool)
    if bad or only:
        for turn in np.flatnonzero(np.isin(source, [*{a for a, _ in bad}, *only])):
            pair = int(source[turn]), int(target[turn])
            forbidden[turn] = pair in bad or pair[1] not in only.get(pair[0], {pair[1]})
    return forbidden, applied


def _bearings(lines: Sequence[F64]) -> tuple[F64, F64]:
    """Direction (radians) at the first and at the last step of each line."""
    first = np.array([line[1] - line[0] for line in lines])
    last = np.array([line[-1] - line[-2] for line in lines])
    return np.arctan2(first[:, 1], first[:, 0]), np.arctan2(last[:, 1], last[:, 0])


def _turn_seconds(
    costs: TurnCosts, starts: F64, ends: F64, source: I32, target: I32, arms: I32, signals: NDArray[np.bool_]
) -> F64:
    """Seconds a turn costs. arms, signals: of the junction at the head of each edge."""
    angle = (starts[target] - ends[source] + np.pi) % (2 * np.pi) - np.pi
    cost = np.where(angle > np.pi / 4, costs.left, np.where(angle < -np.pi / 4, costs.right, 0.0))
    cost = np.where(arms[source] > 2, cost + costs.junction, 0.0)
    return cost + np.where(signals[source], costs.signals, 0.0)


def _largest(source: I32, target: I32, n: int) -> NDArray[np.bool_]:
    """Which of n things belong to the largest set that all lead to one another."""
    net = csr_matrix((np.ones(len(source), np.int8), (source, target)), shape=(n, n))
    _, part = connected_components(net, connection="strong")
    return np.asarray(part == np.bincount(part).argmax())


def build_graph(
    streets: Sequence[Street],
    where: Mapping[int, tuple[float, float]],
    restrictions: Sequence[Restriction] = (),
    *,
    signals: frozenset[int] = frozenset(),
    costs: TurnCosts | None = None,
    digest: str = "",
    facts: Mapping[str, int] | None = None,
) -> RoadGraph:
    """The largest part of the network in which every edge can be reached from every other.

    where: node -> (latitude, longitude), of every node of every street. signals: nodes with traffic lights.
    U-turns are left out except where there is no other way on. Restrictions whose ways are unknown are counted
    in `facts` and ignored. Raises Refused(INVALID) when nothing drivable is left or the area is too large.
    """
    known = [street for street in streets if len(street.nodes) > 1]
    edges = _split(known)
    if not edges.tail:
        raise Refused(Kind.INVALID, "map: no drivable road in it", map="no_roads")
    place = {node: index for index, node in enumerate(dict.fromkeys(n for chain in edges.chain for n in chain))}
    degrees = np.array([where[node] for node in place])
    span = np.ptp(degrees, axis=0).max()
    if span > MAX_SPAN:
        raise Refused(Kind.INVALID, f"map: {span:.0f} degrees wide, cut it to a region (<= {MAX_SPAN:.0f})", map="span")
    origin = tuple(float(value) for value in (degrees.min(axis=0) + degrees.max(axis=0)) / 2)
    tail = np.array([place[node] for node in edges.tail], np.int32)
    head = np.array([place[node] for node in edges.head], np.int32)
    twin = np.array(edges.twin, np.int32)
    source, target = _all_turns(tail, head, len(place))
    forbidden, applied = _forbidden(restrictions, edges, known, source, target)
    round_trip = _largest(tail, head, len(place))  # junctions, turns aside: behind a dead end there is nothing
    forbidden |= ~round_trip[head[target]]
    back = target == twin[source]
    onward = np.bincount(source[~back & ~forbidden], minlength=len(tail)) > 0
    allowed = np.where(back, ~onward[source], ~forbidden)
    source, target = source[allowed], target[allowed]
    keep = _largest(source, target, len(tail))
    if not (keep[source] & keep[target]).any():
        raise Refused(Kind.INVALID, "map: no road in it leads anywhere and back", map="no_roads")
    counted = {
        **(facts or {}),
        "edges": int(keep.sum()),
        "edges_cut_off": int((~keep).sum()),
        "restrictions": applied,
        "restrictions_ignored": len(restrictions) - applied,
    }
    arms = np.bincount(np.concatenate((tail, head[twin < 0])), minlength=len(place)).astype(np.int32)
    lights = np.zeros(len(place), bool)
    lights[[place[node] for node in signals if node in place]] = True
    lines = [degrees[[place[node] for node in chain]] for chain in edges.chain]
    flat = _flatten(lines, origin)
    cost = _turn_seconds(costs or TurnCosts(), *_bearings(flat), source, target, arms[head], lights[head])
    cost = np.where(target == twin[source], (costs or TurnCosts()).back, cost)
    return _pack(known, edges, lines, flat, tail, head, twin, keep, source, target, cost, origin, digest, counted)


def _flatten(lines: Sequence[F64], origin: tuple[float, ...]) -> list[F64]:
    """Lines in local metres, east and north of the origin."""
    scale = METRES_PER_DEGREE * np.array([np.cos(np.radians(origin[0])), 1.0])
    return [(line[:, ::-1] - np.array(origin[::-1])) * scale for line in lines]


def _pack(
    streets: Sequence[Street],
    edges: _Edges,
    lines: Sequence[F64],
    flat: Sequence[F64],
    tail: I32,
    head: I32,
    twin: I32,
    keep: NDArray[np.bool_],
    source: I32,
    target: I32,
    cost: F64,
    origin: tuple[float, ...],
    digest: str,
    facts: dict[str, int],
) -> RoadGraph:
    """The arrays of the kept edges, renumbered."""
    kept = np.flatnonzero(keep)
    rows: list[int] = kept.tolist()
    number = np.full(len(keep) + 1, -1, np.int32)  # the last one is what a missing twin (-1) looks up
    number[kept] = np.arange(len(kept), dtype=np.int32)
    mine = [streets[edges.street[edge]] for edge in rows]
    length = np.array([max(float(metres_between(lines[edge]).sum()), 0.1) for edge in rows])
    signed = np.array([street.limit[0 if edges.ahead[edge] else 1] for street, edge in zip(mine, rows, strict=True)])
    drive = np.array([street.kmh for street in mine])
    limit = np.where(signed > 0, signed, drive)
    names = {"": 0} | {name: i for i, name in enumerate(sorted({s.name for s in mine} - {""}), start=1)}
    kinds = {kind: index for index, kind in enumerate(sorted({street.kind for street in mine}))}
    turns = keep[source] & keep[target]
    source, target, cost = number[source[turns]], number[target[turns]], cost[turns]
    order = np.lexsort((target, source))
    arc_start = _starts(np.bincount(source, minlength=len(kept)))
    arc_to, arc_cost = target[order], cost[order].astype(np.float32)
    back_start, back_from, back_cost = reversed_arcs(arc_start, arc_to, arc_cost)
    _, junction = np.unique(np.concatenate((tail[kept], head[kept])), return_inverse=True)
    facts["kilometres"] = round(length.sum() / 1000)
    return frozen(
        RoadGraph(
            digest=digest,
            origin=(origin[0], origin[1]),
            names=tuple(names),
            kinds=tuple(kinds),
            facts=facts,
            tail=junction[: len(kept)].astype(np.int32),
            head=junction[len(kept) :].astype(np.int32),
            length=length.astype(np.float32),
            seconds=(length / (limit / 3.6)).astype(np.float32),
            limit=limit.astype(np.float32),
            kind=np.array([kinds[street.kind] for street in mine], np.int32),
            name=np.array([names[street.name] for street in mine], np.int32),
            twin=number[twin[kept]],
            shape_start=_starts(np.array([len(flat[edge]) for edge in rows])),
            shape=np.concatenate([flat[edge] for edge in rows]).astype(np.float32),
            arc_start=arc_start,
            arc_to=arc_to,
            arc_cost=arc_cost,
            back_start=back_start,
            back_from=back_from,
            back_cost=back_cost,
        )
    )


def _starts(counts: NDArray[np.int64]) -> I32:
    """Where each row of that many entries starts, and where the last one ends."""
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
