"""Average speed between two cameras, and whether one vehicle can have been at both.

Every doubt counts for the driver: the shortest way, the longest time the clocks allow.
"""

import heapq
from functools import lru_cache
from math import inf

import msgspec
import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from saqtau.kernel.clock import Seconds
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import KmPerHour, Metres
from saqtau.roads.compiled import compiled
from saqtau.roads.graph import F32, I32, Place, RoadGraph
from saqtau.roads.line import straight_metres

FASTEST = 250.0
"""km/h in a straight line; two reads that need more were not one vehicle. Above any road car on public streets."""


class Section(msgspec.Struct, frozen=True):
    """The way between two cameras. `metres`: the shortest legal way. `least`: seconds at driving speed, no stops."""

    metres: Metres
    least: Seconds


class AverageSpeed(msgspec.Struct, frozen=True):
    """An average speed: as measured, and what is certain once every error is taken for the driver."""

    measured: KmPerHour
    certain: KmPerHour


@compiled
def _along(
    arc_start: I32, arc_to: I32, weight: F32, start: int, start_at: float, goal: int, goal_at: float, limit: float
) -> float:
    """Least sum of weight over a legal way between two places; inf when there is none below the limit."""
    if start == goal and start_at <= goal_at:
        return (goal_at - start_at) * float(weight[start])
    n = len(weight)
    cost = np.empty(n)
    seen = np.zeros(n, np.bool_)
    heap: list[tuple[float, np.int64]] = [(0.0, np.int64(0))]
    heap.pop()
    begun = (1 - start_at) * weight[start]
    for a in range(arc_start[start], arc_start[start + 1]):
        edge = np.int64(arc_to[a])
        if not seen[edge] or begun < cost[edge]:
            seen[edge] = True
            cost[edge] = begun
            heapq.heappush(heap, (begun, edge))
    while len(heap) > 0:
        here, edge = heapq.heappop(heap)
        if here > limit:
            break
        if edge == goal:
            return here + goal_at * float(weight[goal])
        if here > cost[edge]:
            continue
        end = here + weight[edge]
        for a in range(arc_start[edge], arc_start[edge + 1]):
            other = np.int64(arc_to[a])
            if not seen[other] or end < cost[other]:
                seen[other] = True
                cost[other] = end
                heapq.heappush(heap, (end, other))
    return np.inf


def section(graph: RoadGraph, start: Place, goal: Place, *, longest: float = 200_000.0) -> Section:
    """The section from one camera to another. Raises Refused(NOT_FOUND) when no way under `longest` metres leads there.

    `least` is a bound, not a travel time: at the driving speed of each street, nothing lost at junctions.
    """
    metres = _along(
        graph.arc_start,
        graph.arc_to,
        graph.length,
        start.edge,
        float(start.fraction),
        goal.edge,
        float(goal.fraction),
        float(longest),
    )
    if metres == inf:
        raise Refused(Kind.NOT_FOUND, "section: no legal way between the cameras", section="no_way")
    least = _along(
        graph.arc_start,
        graph.arc_to,
        graph.seconds,
        start.edge,
        float(start.fraction),
        goal.edge,
        float(goal.fraction),
        inf,
    )
    return Section(Metres(metres), Seconds(least))


@lru_cache(maxsize=2)
def _streets(graph: RoadGraph) -> csr_matrix:
    """Metres between neighbouring junctions, the shorter of parallel streets, driven either way."""
    ends = np.sort(np.stack((graph.tail, graph.head), axis=1), axis=1)
    order = np.lexsort((graph.length, ends[:, 1], ends[:, 0]))
    ends, length = ends[order], graph.length[order]
    first = np.ones(len(ends), np.bool_)
    first[1:] = np.any(ends[1:] != ends[:-1], axis=1)
    n = int(max(graph.tail.max(), graph.head.max())) + 1
    return csr_matrix((length[first].astype(np.float64), (ends[first, 0], ends[first, 1])), shape=(n, n))


def least_metres(graph: RoadGraph, start: Place, goal: Place) -> Metres:
    """The shortest way along streets in either direction, every turn taken: what an average speed may rest on.

    A driver who turned where he must not, or came through the wrong way, drove less than the legal way. inf: no way.
    """
    along = [float(place.fraction) * float(graph.length[place.edge]) for place in (start, goal)]
    if goal.edge == start.edge:
        return Metres(abs(along[1] - along[0]))
    whole = [float(graph.length[place.edge]) for place in (start, goal)]
    if goal.edge == graph.twin[start.edge]:
        return Metres(abs(whole[1] - along[1] - along[0]))
    nodes = [(int(graph.tail[place.edge]), int(graph.head[place.edge])) for place in (start, goal)]
    far = dijkstra(_streets(graph), directed=False, indices=nodes[0])
    out = np.array([along[0], whole[0] - along[0]])
    back = np.array([along[1], whole[1] - along[1]])
    return Metres(float((out[:, None] + far[:, nodes[1]] + back[None, :]).min()))


def average_speed(
    metres: float, seconds: float, *, clock_error: float = 0.5, distance_error: float = 0.01
) -> AverageSpeed | None:
    """Average speed over a section; None when the clocks cannot even tell the order of the reads.

    clock_error: seconds that each camera's clock may be off. distance_error: share of the length that may be wrong.
    """
    if seconds <= 2 * clock_error:
        return None
    certain = metres * (1 - distance_error) / (seconds + 2 * clock_error)
    return AverageSpeed(KmPerHour(metres / seconds * 3.6), KmPerHour(certain * 3.6))


def impossible(
    a: tuple[float, float],
    b: tuple[float, float],
    seconds: float,
    *,
    clock_error: float = 2.0,
    fastest: float = FASTEST,
) -> bool:
    """Whether no vehicle can have been read at `a` and `b` (latitude, longitude) so many seconds apart, either order.

    Straight-line distance, so a gap in the map never accuses anybody; cameras within 100 m are never impossible.
    """
    metres = straight_metres(a, b)
    return metres > 100.0 and metres > fastest / 3.6 * (abs(seconds) + 2 * clock_error)
