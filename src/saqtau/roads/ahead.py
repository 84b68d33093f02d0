"""Who lies in the vehicle's way.

Given a camera's read, the probability that the vehicle passes each unit within a time window, from road geometry
alone: no history of the person or the plate is used. Source: Krumm & Horvitz 2006, the efficient-driver prior.
"""

from math import inf

import msgspec
import numpy as np

from saqtau.kernel.clock import Seconds
from saqtau.roads.compiled import compiled
from saqtau.roads.graph import F32, F64, I32, Bool, RoadGraph
from saqtau.roads.nearest import UnitField
from saqtau.roads.tree import TAU, PathTree, driven

REACH = 300.0
"""Metres within which a unit can act on a passing vehicle."""
UNLIKELY = 0.01
"""Edges less likely than this are not looked at."""
GLIDE = 20.0
"""Seconds a moving unit is expected to keep its direction; see `_ahead`."""
DRIFT = 0.35
"""Metres of doubt about a moving unit's place for each metre it may have driven."""


class Ahead(msgspec.Struct, frozen=True):
    """A unit in the vehicle's way: how probable, and in how many seconds the vehicle is expected there."""

    unit: int
    probability: float
    seconds: Seconds


@compiled
def _ahead(
    edge: I32, enter: F32, parent: I32, mass: F64, time: F32, shape: F32, shape_start: I32,
    xy: F64, velocity: F64, eligible: Bool, earliest: float, latest: float, ratio: float,
    reach: float, unlikely: float, glide: float, drift: float,
) -> tuple[F64, F64]:  # fmt: skip
    """Probability (n,) and expected seconds (n,) of meeting each unit.

    Along a way, a unit is met as surely as at the best moment of that way; summed over ways, each further edge adds
    only what it is better than its parent. A moving unit glides on: its displacement saturates after `glide`
    seconds, and the doubt about it grows with what it may have driven.
    """
    m = len(edge)
    window = np.empty(m, np.int32)
    slot = np.full(m, -1, np.int32)
    count = 0
    for i in range(m):
        if mass[i] >= unlikely and enter[i] / ratio <= latest:
            slot[i] = count
            window[count] = i
            count += 1
    met = np.zeros(count)
    n = len(xy)
    probability = np.zeros(n)
    seconds = np.zeros(n)
    for u in range(n):
        if not eligible[u] or np.isnan(xy[u, 0]):
            continue
        speed = np.hypot(velocity[u, 0], velocity[u, 1])
        total = 0.0
        moment = 0.0
        for w in range(count):
            i = window[w]
            before = met[slot[parent[i]]] if parent[i] >= 0 else 0.0
            best = before
            when = 0.0
            begin = shape_start[edge[i]]
            end = shape_start[edge[i] + 1] - 1
            start_at = enter[i] / ratio
            takes = time[edge[i]] / ratio
            if start_at + takes >= earliest:
                samples = max(1, int(takes / 5.0))
                for s in range(samples + 1):
                    share = s / samples
                    t = start_at + share * takes
                    if t < earliest or t > latest:
                        continue
                    p = begin + share * (end - begin)
                    low = min(int(p), end - 1)
                    part = p - low
                    vx = shape[low, 0] + (shape[low + 1, 0] - shape[low, 0]) * part
                    vy = shape[low, 1] + (shape[low + 1, 1] - shape[low, 1]) * part
                    far = glide * (1 - np.exp(-t / glide))
                    away = np.hypot(vx - xy[u, 0] - velocity[u, 0] * far, vy - xy[u, 1] - velocity[u, 1] * far)
                    doubt = drift * speed * t + 1.0
                    if away > reach + 3 * doubt:
                        continue
                    chance = 1.0 / (1.0 + np.exp((away - reach) / (0.55 * doubt)))
                    if chance > best:
                        best = chance
                        when = t
            met[w] = best
            if best > before:
                total += mass[i] * (best - before)
                moment += mass[i] * (best - before) * when
        probability[u] = total
        seconds[u] = moment / total if total > 0 else 0.0
    return probability, seconds


def chances(
    graph: RoadGraph, tree: PathTree, units: UnitField, *, earliest: float, latest: float, speed_ratio: float = 1.0,
    earlier: PathTree | None = None, eligible: Bool | None = None, tau: float = TAU,
    glide: float = GLIDE, drift: float = DRIFT, reach: float = REACH,
) -> tuple[F64, F64]:  # fmt: skip
    """As `units_ahead`, of every unit: probability (n,) and expected seconds (n,)."""
    return _ahead(
        tree.edge, tree.enter, tree.parent, driven(graph, tree, earlier, tau=tau), graph.seconds, graph.shape,
        graph.shape_start, units.xy, units.velocity,
        np.ones(len(units.edge), np.bool_) if eligible is None else eligible,
        earliest, latest, min(max(speed_ratio, 0.7), 1.6), reach, UNLIKELY, glide, drift,
    )  # fmt: skip


def units_ahead(
    graph: RoadGraph, tree: PathTree, units: UnitField, *, earliest: Seconds, latest: Seconds, speed_ratio: float = 1.0,
    earlier: PathTree | None = None, eligible: Bool | None = None, least: float = 0.05, k: int = 10,
) -> list[Ahead]:  # fmt: skip
    """At most k units that the vehicle may pass within 300 m, most probable first; empty when nobody is ahead.

    tree: from the camera of this read. earlier: the tree of the camera that read the plate at most 15 minutes before.
    speed_ratio: speed read / limit there, used within 0.7..1.6. eligible: (n,) units that count.
    least: a probability below it is not told.
    """
    if not 0 <= earliest <= latest < inf or len(units.edge) == 0:
        return []
    probability, seconds = chances(
        graph, tree, units, earliest=earliest, latest=latest, speed_ratio=speed_ratio, earlier=earlier,
        eligible=eligible,
    )  # fmt: skip
    order = np.lexsort((seconds, -probability))[:k]
    return [
        Ahead(int(unit), min(float(probability[unit]), 1.0), Seconds(float(seconds[unit])))
        for unit in order
        if probability[unit] >= least
    ]
