"""The K nearest units by drive time, exactly.

A search runs backwards from the incident over the arcs and stops as soon as no unit not yet met can be nearer than
the K found. The work depends on how densely units stand, not on how many there are or how large the city is.
"""

import heapq

import msgspec
import numpy as np

from saqtau.kernel.clock import Seconds
from saqtau.kernel.register import Metres
from saqtau.roads.compiled import compiled
from saqtau.roads.graph import F32, F64, I32, Bool, Place, RoadGraph


class UnitField(msgspec.Struct, frozen=True, eq=False):
    """Where n units are, by index. Never changed: a new tick makes a new field and swaps one reference."""

    edge: I32  # (n,) -1: on no road, cannot be found by drive time
    fraction: F32  # (n,)
    xy: F64  # (n, 2) local metres
    velocity: F64  # (n, 2) metres per second east, north; zero: stands or unknown
    first: I32  # (edges,) first unit on each edge, -1 for none
    following: I32  # (n,) next unit on the same edge


class Near(msgspec.Struct, frozen=True):
    """A unit and its way to the incident."""

    unit: int
    seconds: Seconds
    metres: Metres


@compiled
def _chain(edge: I32, edges: int) -> tuple[I32, I32]:
    """Units of each edge as a linked list."""
    first = np.full(edges, -1, np.int32)
    following = np.full(len(edge), -1, np.int32)
    for unit in range(len(edge) - 1, -1, -1):
        if edge[unit] >= 0:
            following[unit] = first[edge[unit]]
            first[edge[unit]] = unit
    return first, following


@compiled
def _locate(shape: F32, start: I32, edge: I32, fraction: F32) -> F64:
    """Local metres of places on edges; NaN for edge -1."""
    xy = np.full((len(edge), 2), np.nan)
    for i in range(len(edge)):
        if edge[i] < 0:
            continue
        run = 0.0
        for p in range(start[edge[i]], start[edge[i] + 1] - 1):
            run += np.hypot(shape[p + 1, 0] - shape[p, 0], shape[p + 1, 1] - shape[p, 1])
        left = run * fraction[i]
        for p in range(start[edge[i]], start[edge[i] + 1] - 1):
            dx = shape[p + 1, 0] - shape[p, 0]
            dy = shape[p + 1, 1] - shape[p, 1]
            piece = np.hypot(dx, dy)
            share = 1.0 if piece == 0 else min(left / piece, 1.0)
            xy[i, 0] = shape[p, 0] + dx * share
            xy[i, 1] = shape[p, 1] + dy * share
            left -= piece
            if left <= 0:
                break
    return xy


def unit_field(
    graph: RoadGraph, edge: I32, fraction: F32, xy: F64 | None = None, velocity: F64 | None = None
) -> UnitField:
    """A field of n units on these places. xy, velocity: as in `UnitField`; default: on the edge, standing."""
    edge = np.ascontiguousarray(edge, np.int32)
    fraction = np.ascontiguousarray(fraction, np.float32)
    first, following = _chain(edge, graph.edges)
    where = (
        _locate(graph.shape, graph.shape_start, edge, fraction) if xy is None else np.ascontiguousarray(xy, np.float64)
    )
    moving = np.zeros((len(edge), 2)) if velocity is None else np.ascontiguousarray(velocity, np.float64)
    return UnitField(edge, fraction, where, moving, first, following)


@compiled
def _insert(units: I32, seconds: F64, metres: F64, unit: int, cost: float, way: float) -> None:
    """Put a unit into its place among the K best."""
    slot = len(units) - 1
    if cost >= seconds[slot]:
        return
    while slot > 0 and seconds[slot - 1] > cost:
        seconds[slot] = seconds[slot - 1]
        metres[slot] = metres[slot - 1]
        units[slot] = units[slot - 1]
        slot -= 1
    units[slot] = unit
    seconds[slot] = cost
    metres[slot] = way


@compiled
def _search(
    back_start: I32,
    back_from: I32,
    back_cost: F32,
    time: F32,
    length: F32,
    first: I32,
    following: I32,
    fraction: F32,
    eligible: Bool,
    goals: I32,
    along: F64,
    k: int,
) -> tuple[I32, F64, F64, int]:
    """K units with the least drive time to any of the goals (edges, fractions along), and the edges settled.

    A state is an edge; its cost is from the edge's end to the goal. Heap entries are (float, int): numba wants
    one type.
    """
    n = len(time)
    units = np.full(k, -1, np.int32)
    seconds = np.full(k, np.inf)
    metres = np.full(k, np.inf)
    cost = np.empty(n)
    way = np.empty(n)
    seen = np.zeros(n, np.bool_)
    heap: list[tuple[float, np.int64]] = [(0.0, np.int64(0))]
    heap.pop()
    for g in range(len(goals)):
        goal = goals[g]
        unit = first[goal]
        while unit >= 0:
            if eligible[unit] and fraction[unit] <= along[g]:
                rest = along[g] - fraction[unit]
                _insert(units, seconds, metres, unit, rest * time[goal], rest * length[goal])
            unit = following[unit]
        for a in range(back_start[goal], back_start[goal + 1]):
            edge = np.int64(back_from[a])
            new = back_cost[a] + along[g] * time[goal]
            if not seen[edge] or new < cost[edge]:
                seen[edge] = True
                cost[edge] = new
                way[edge] = along[g] * length[goal]
                heapq.heappush(heap, (new, edge))
    settled = 0
    while len(heap) > 0:
        here, edge = heapq.heappop(heap)
        if here >= seconds[k - 1]:
            break
        if here > cost[edge]:
            continue
        settled += 1
        unit = first[edge]
        while unit >= 0:
            before = False
            for g in range(len(goals)):
                before = before or (goals[g] == edge and fraction[unit] <= along[g])
            if eligible[unit] and not before:
                rest = 1.0 - fraction[unit]
                _insert(units, seconds, metres, unit, here + rest * time[edge], way[edge] + rest * length[edge])
            unit = following[unit]
        through = here + time[edge]
        far = way[edge] + length[edge]
        for a in range(back_start[edge], back_start[edge + 1]):
            other = np.int64(back_from[a])
            new = through + back_cost[a]
            if not seen[other] or new < cost[other]:
                seen[other] = True
                cost[other] = new
                way[other] = far
                heapq.heappush(heap, (new, other))
    return units, seconds, metres, settled


def nearest(
    graph: RoadGraph, field: UnitField, goal: Place, k: int = 5, *, eligible: Bool | None = None, both: bool = True
) -> list[Near]:
    """At most k units that reach `goal` soonest, soonest first.

    eligible: (n,) units that count; None: all. both: the incident may be reached in either direction of its street.
    A unit behind the incident on its own edge drives straight on; one past it must find a legal way round.
    Exact: equal to a full Dijkstra from every unit.
    """
    if k < 1 or len(field.edge) == 0:
        return []
    goals, along = [goal.edge], [goal.fraction]
    if both and graph.twin[goal.edge] >= 0:
        goals.append(int(graph.twin[goal.edge]))
        along.append(1.0 - goal.fraction)
    units, seconds, metres, _ = _search(
        graph.back_start,
        graph.back_from,
        graph.back_cost,
        graph.seconds,
        graph.length,
        field.first,
        field.following,
        field.fraction,
        np.ones(len(field.edge), np.bool_) if eligible is None else eligible,
        np.array(goals, np.int32),
        np.array(along, np.float64),
        k,
    )
    return [
        Near(int(unit), Seconds(float(time)), Metres(float(way)))
        for unit, time, way in zip(units, seconds, metres, strict=True)
        if unit >= 0
    ]
