"""Path trees: from where a camera looks, the quickest way to every edge within reach, compact enough for thousands.

12 bytes an edge reached; `MOST_EDGES` bounds a tree, so that 10,000 of them stay under 4 GiB whatever the city.
"""

import heapq
from collections import OrderedDict
from threading import Lock

import msgspec
import numpy as np

from saqtau.roads.compiled import compiled
from saqtau.roads.graph import F32, F64, I32, Place, RoadGraph

LIMIT = 900.0
"""Seconds. Destinations beyond it weigh nothing; 15 minutes is also the oldest earlier read that is used."""
MOST_EDGES = 30_000
"""Edges of a tree: 10,000 trees of 360 kB are 3.6 GB."""


class PathTree(msgspec.Struct, frozen=True, eq=False):
    """Quickest ways from a place, parents before children; [0] is the edge of the place itself. m edges."""

    root: Place
    edge: I32  # (m,)
    enter: F32  # (m,) seconds until the edge is entered; negative for the root's own
    parent: I32  # (m,) index into these arrays, -1 for the root

    @property
    def size(self) -> int:
        """Bytes of its arrays."""
        return self.edge.nbytes + self.enter.nbytes + self.parent.nbytes


@compiled
def _grow(
    arc_start: I32, arc_to: I32, arc_cost: F32, time: F32, root: int, fraction: float, limit: float, most: int
) -> tuple[I32, F32, I32]:
    """Dijkstra from a place: edges in the order they are settled, when entered, and parent's position."""
    n = len(time)
    cost = np.empty(n)
    origin = np.empty(n, np.int32)
    seen = np.zeros(n, np.bool_)
    most = min(most, n)
    edges = np.empty(most, np.int32)
    enter = np.empty(most, np.float32)
    parent = np.empty(most, np.int32)
    heap = [(-fraction * time[root], np.int64(root))]
    cost[root] = heap[0][0]
    origin[root] = -1
    seen[root] = True
    count = 0
    while len(heap) > 0 and count < most:
        here, edge = heapq.heappop(heap)
        if here > limit:
            break
        if here > cost[edge]:
            continue
        edges[count] = edge
        enter[count] = here
        parent[count] = origin[edge]
        end = here + time[edge]
        for a in range(arc_start[edge], arc_start[edge + 1]):
            other = np.int64(arc_to[a])
            new = end + arc_cost[a]
            if not seen[other] or new < cost[other]:
                seen[other] = True
                cost[other] = new
                origin[other] = count
                heapq.heappush(heap, (new, other))
        count += 1
    return edges[:count].copy(), enter[:count].copy(), parent[:count].copy()


def path_tree(graph: RoadGraph, root: Place, *, limit: float = LIMIT, most: int = MOST_EDGES) -> PathTree:
    """The tree from a place. limit: seconds. most: edges. About 4 ms for 20,000 edges."""
    found = _grow(
        graph.arc_start,
        graph.arc_to,
        graph.arc_cost,
        graph.seconds,
        int(root.edge),
        float(root.fraction),
        float(limit),
        most,
    )
    return PathTree(root, *found)


@compiled
def _masses(
    edge: I32, enter: F32, parent: I32, fraction: float, length: F32, early_edge: I32, early_enter: F32,
    early_limit: float, early_here: float, tau: float,
) -> F64:  # fmt: skip
    """P(edge is driven) of every edge of a tree. early_*: the tree of the earlier read, empty for none."""
    m = len(edge)
    mass = np.empty(m)
    mass[0] = (1 - fraction) * length[edge[0]]
    for i in range(1, m):
        mass[i] = length[edge[i]]
    if len(early_edge) > 0:
        reached = np.full(len(length), np.float32(early_limit))
        for i in range(len(early_edge)):
            reached[early_edge[i]] = early_enter[i]
        for i in range(1, m):
            detour = early_here + enter[i] - reached[edge[i]]
            if detour > 0:
                mass[i] *= np.exp(-detour / tau)
    for i in range(m - 1, 0, -1):
        mass[parent[i]] += mass[i]
    whole = mass[0]
    for i in range(m):
        mass[i] = mass[i] / whole if whole > 0 else 0.0
    mass[0] = 1.0
    return mass


TAU = 10.0
"""Seconds of detour that make a destination e times less likely (tuned on Almaty: bench/ahead.py)."""

_NO_EDGES = np.zeros(0, np.int32)
_NO_TIMES = np.zeros(0, np.float32)


def driven(graph: RoadGraph, tree: PathTree, earlier: PathTree | None = None, *, tau: float = TAU) -> F64:
    """Probability (m,) that a vehicle seen at the tree's root drives each of the tree's edges.

    Destinations weigh as much as their street is long; with an earlier read, a destination for which the driver
    would not have come this way weighs exp(-detour / tau). No history of the plate is used.
    Source: Krumm & Horvitz, Predestination, 2006 (the efficient-driver prior).
    """
    at = -1
    if earlier is not None:
        found = np.flatnonzero(earlier.edge == tree.root.edge)
        at = int(found[0]) if len(found) else -1
    if earlier is None or at <= 0:  # not reached, or the same edge: it tells nothing
        return _masses(
            tree.edge,
            tree.enter,
            tree.parent,
            float(tree.root.fraction),
            graph.length,
            _NO_EDGES,
            _NO_TIMES,
            0.0,
            0.0,
            tau,
        )
    here = float(earlier.enter[at]) + tree.root.fraction * float(graph.seconds[tree.root.edge])
    return _masses(
        tree.edge, tree.enter, tree.parent, float(tree.root.fraction), graph.length, earlier.edge, earlier.enter,
        float(earlier.enter[-1]), here, tau,
    )  # fmt: skip


class Trees:
    """Trees of cameras by place, the most recently used kept within a budget of bytes. Safe for threads."""

    def __init__(
        self, graph: RoadGraph, budget: int = 1 << 30, *, limit: float = LIMIT, most: int = MOST_EDGES
    ) -> None:
        self.graph = graph
        self.budget = budget
        self.bytes = 0
        self.grown = 0
        self._limit = limit
        self._most = most
        self._kept: OrderedDict[Place, PathTree] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, root: Place) -> PathTree:
        """The tree from a place, grown now if it is not kept."""
        with self._lock:
            if (kept := self._kept.get(root)) is not None:
                self._kept.move_to_end(root)
                return kept
        tree = path_tree(self.graph, root, limit=self._limit, most=self._most)
        with self._lock:
            if root not in self._kept:
                self._kept[root] = tree
                self.bytes += tree.size
                self.grown += 1
            while self.bytes > self.budget and len(self._kept) > 1:
                _, gone = self._kept.popitem(last=False)
                self.bytes -= gone.size
        return tree
