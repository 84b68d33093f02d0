"""From streets to a road graph: split at junctions, forbid turns, keep what can be driven to and from everywhere.

Pure; the streets come from `osm.py`, from the city generator or from a test's own hand.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import cos, radians

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from saqtau.kernel.errors import Kind, Refused
from saqtau.roads.graph import F64, I32, METRES_PER_DEGREE, Bool, RoadGraph, frozen, reversed_arcs
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


class _Net(msgspec.Struct):
    """The stretches as arrays: n edges between junctions numbered from 0."""

    streets: list[Street]
    edges: _Edges
    junction: dict[int, int]  # node -> number; nodes along an edge are numbered too
    origin: tuple[float, float]
    tail: I32  # (n,)
    head: I32  # (n,)
    twin: I32  # (n,)
    lines: list[F64]  # (k, 2) degrees each
    flat: list[F64]  # (k, 2) local metres each


def _net(streets: list[Street], where: Mapping[int, tuple[float, float]]) -> _Net:
    edges = _split(streets)
    if not edges.tail:
        raise Refused(Kind.INVALID, "map: no drivable road in it", map="no_roads")
    number = {node: index for index, node in enumerate(dict.fromkeys(n for chain in edges.chain for n in chain))}
    degrees = np.array([where[node] for node in number])
    span = np.ptp(degrees, axis=0).max()
    if span > MAX_SPAN:
        raise Refused(Kind.INVALID, f"map: {span:.0f} degrees wide, cut it to a region (<= {MAX_SPAN:.0f})", map="span")
    south, west = degrees.min(axis=0).tolist()
    north, east = degrees.max(axis=0).tolist()
    origin = ((south + north) / 2, (west + east) / 2)
    scale = METRES_PER_DEGREE * np.array([cos(radians(origin[0])), 1.0])
    lines = [degrees[[number[node] for node in chain]] for chain in edges.chain]
    return _Net(
        streets,
        edges,
        number,
        origin,
        np.array([number[node] for node in edges.tail], np.int32),
        np.array([number[node] for node in edges.head], np.int32),
        np.array(edges.twin, np.int32),
        lines,
        [(line[:, ::-1] - np.array(origin[::-1])) * scale for line in lines],
    )


def _all_turns(net: _Net) -> tuple[I32, I32]:
    """Every pair (edge in, edge out) that meets at a junction."""
    order = np.argsort(net.tail, kind="stable").astype(np.int32)
    start = np.zeros(len(net.junction) + 1, np.int64)
    np.cumsum(np.bincount(net.tail, minlength=len(net.junction)), out=start[1:])
    degree = (start[net.head + 1] - start[net.head]).astype(np.int64)
    source = np.repeat(np.arange(len(net.tail), dtype=np.int32), degree)
    offset = np.arange(degree.sum()) - np.repeat(np.cumsum(degree) - degree, degree)
    return source, order[start[net.head[source]] + offset]


def _forbidden(restrictions: Sequence[Restriction], net: _Net, source: I32, target: I32) -> tuple[Bool, int]:
    """Which turns the restrictions forbid, and how many restrictions found their ways."""
    into: dict[tuple[int, int], list[int]] = {}
    out_of: dict[tuple[int, int], list[int]] = {}
    for edge, number in enumerate(net.edges.street):
        way = net.streets[number].way
        into.setdefault((way, net.edges.head[edge]), []).append(edge)
        out_of.setdefault((way, net.edges.tail[edge]), []).append(edge)
    bad: set[tuple[int, int]] = set()
    only: dict[int, set[int]] = {}
    applied = 0
    for rule in restrictions:
        origins = into.get((rule.origin, rule.via), [])
        targets = out_of.get((rule.target, rule.via), [])
        applied += bool(origins and targets)
        for origin in origins if targets else ():
            if rule.only:
                only.setdefault(origin, set()).update(targets)
            else:
                bad.update((origin, chosen) for chosen in targets)
    forbidden = np.zeros(len(source), np.bool_)
    for turn in np.flatnonzero(np.isin(source, [*{origin for origin, _ in bad}, *only])):
        pair = int(source[turn]), int(target[turn])
        forbidden[turn] = pair in bad or pair[1] not in only.get(pair[0], {pair[1]})
    return forbidden, applied


def _legal_turns(net: _Net, source: I32, target: I32, forbidden: Bool) -> Bool:
    """Turns that are not forbidden; turning round only where there is no other way on that leads anywhere."""
    leads_back = _largest(net.tail, net.head, len(net.junction))  # turns aside
    blind = forbidden | ~leads_back[net.head[target]]
    back = target == net.twin[source]
    onward = np.bincount(source[~back & ~blind], minlength=len(net.tail)) > 0
    return np.where(back, ~onward[source], ~blind)


def _turn_seconds(net: _Net, costs: TurnCosts, signals: frozenset[int], source: I32, target: I32) -> F64:
    """Seconds each turn costs."""
    first = np.array([line[1] - line[0] for line in net.flat])
    last = np.array([line[-1] - line[-2] for line in net.flat])
    starts, ends = np.arctan2(first[:, 1], first[:, 0]), np.arctan2(last[:, 1], last[:, 0])
    arms = np.bincount(np.concatenate((net.tail, net.head[net.twin < 0])), minlength=len(net.junction))
    lit = np.zeros(len(net.junction), np.bool_)
    lit[[net.junction[node] for node in signals if node in net.junction]] = True
    angle = (starts[target] - ends[source] + np.pi) % (2 * np.pi) - np.pi
    cost = np.where(angle > np.pi / 4, costs.left, np.where(angle < -np.pi / 4, costs.right, 0.0))
    at = net.head[source]
    cost = np.where(arms[at] > 2, cost + costs.junction, 0.0) + np.where(lit[at], costs.signals, 0.0)
    return np.where(target == net.twin[source], costs.back, cost)


def _largest(source: I32, target: I32, n: int) -> Bool:
    """Which of n things belong to the largest set that all lead to one another."""
    links = csr_matrix((np.ones(len(source), np.int8), (source, target)), shape=(n, n))
    _, part = connected_components(links, connection="strong")
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
    net = _net([street for street in streets if len(street.nodes) > 1], where)
    source, target = _all_turns(net)
    forbidden, applied = _forbidden(restrictions, net, source, target)
    legal = _legal_turns(net, source, target, forbidden)
    source, target = source[legal], target[legal]
    keep = _largest(source, target, len(net.tail))
    if not (keep[source] & keep[target]).any():
        raise Refused(Kind.INVALID, "map: no road in it leads anywhere and back", map="no_roads")
    counted = {
        **(facts or {}),
        "edges": int(keep.sum()),
        "edges_cut_off": int((~keep).sum()),
        "restrictions": applied,
        "restrictions_ignored": len(restrictions) - applied,
    }
    cost = _turn_seconds(net, costs or TurnCosts(), signals, source, target)
    return _pack(net, keep, source, target, cost, digest, counted)


def _pack(net: _Net, keep: Bool, source: I32, target: I32, cost: F64, digest: str, facts: dict[str, int]) -> RoadGraph:
    """The arrays of the kept edges, renumbered."""
    kept = np.flatnonzero(keep)
    rows: list[int] = kept.tolist()
    number = np.full(len(keep) + 1, -1, np.int32)  # the last one is what a missing twin (-1) looks up
    number[kept] = np.arange(len(kept), dtype=np.int32)
    mine = [net.streets[net.edges.street[edge]] for edge in rows]
    length = np.array([max(float(metres_between(net.lines[edge]).sum()), 0.1) for edge in rows])
    signed = np.array([s.limit[0 if net.edges.ahead[edge] else 1] for s, edge in zip(mine, rows, strict=True)])
    limit = np.where(signed > 0, signed, np.array([street.kmh for street in mine]))
    names = {"": 0} | {name: i for i, name in enumerate(sorted({s.name for s in mine} - {""}), start=1)}
    kinds = {kind: index for index, kind in enumerate(sorted({street.kind for street in mine}))}
    turns = keep[source] & keep[target]
    source, target = number[source[turns]], number[target[turns]]
    order = np.lexsort((target, source))
    arc_start = _starts(np.bincount(source, minlength=len(kept)))
    arc_to, arc_cost = target[order], cost[turns][order].astype(np.float32)
    back_start, back_from, back_cost = reversed_arcs(arc_start, arc_to, arc_cost)
    _, junction = np.unique(np.concatenate((net.tail[kept], net.head[kept])), return_inverse=True)
    return frozen(
        RoadGraph(
            digest=digest,
            origin=net.origin,
            names=tuple(names),
            kinds=tuple(kinds),
            facts={**facts, "kilometres": round(length.sum() / 1000)},
            tail=junction[: len(kept)].astype(np.int32),
            head=junction[len(kept) :].astype(np.int32),
            length=length.astype(np.float32),
            seconds=(length / (limit / 3.6)).astype(np.float32),
            limit=limit.astype(np.float32),
            kind=np.array([kinds[street.kind] for street in mine], np.int32),
            name=np.array([names[street.name] for street in mine], np.int32),
            twin=number[net.twin[kept]],
            shape_start=_starts(np.array([len(net.flat[edge]) for edge in rows])),
            shape=np.concatenate([net.flat[edge] for edge in rows]).astype(np.float32),
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
