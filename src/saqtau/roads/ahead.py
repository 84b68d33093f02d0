"""Who lies in the vehicle's way.

Given a camera's read, the probability that the vehicle passes each unit within a time window, from road geometry
alone: no history of the person or the plate is used. Source: Krumm & Horvitz 2006, the efficient-driver prior.
"""

from math import erf, inf, sqrt

import msgspec
import numpy as np

from saqtau.kernel.clock import Seconds
from saqtau.roads.compiled import compiled
from saqtau.roads.graph import F32, F64, I32, Bool, RoadGraph
from saqtau.roads.nearest import UnitField
from saqtau.roads.tree import TAU, PathTree, driven

REACH = 300.0
"""Metres within which a unit can act on a passing vehicle."""
ENOUGH = 0.47
"""Probability from which an alert is worth a patrol's attention: of such alerts seven in ten hold (bench/ahead.py)."""
UNLIKELY = 0.01
"""Edges less likely than this are not looked at."""
SPREAD = 0.2
"""Of the logarithm of travel times: two of three lie within a fifth of what the tree says."""
GLIDE = 60.0
"""Seconds over which a moving unit's way saturates: it turns, stops, comes back."""
DRIFT = 0.25
"""Metres of doubt about a moving unit's place for each metre it may have driven."""
SLOWEST, FASTEST = 0.7, 1.6
"""Bounds of the speed read over the limit: beyond them a vehicle does not keep its pace for minutes."""
TOO_FAST = 70.0
"""Metres a second; a unit said to be faster is taken as standing where it was."""
NOWHERE = 1e8
"""Metres; a place beyond it, or one that is no number, is unknown."""
SHARP = 10.0
"""Metres of doubt about a unit that stands."""

ROOT_2 = sqrt(2)


class Ahead(msgspec.Struct, frozen=True):
    """A unit in the vehicle's way: how probable, and in how many seconds the vehicle is expected there."""

    unit: int
    probability: float
    seconds: Seconds


@compiled
def _passages(
    edge: I32, enter: F32, parent: I32, mass: F64, time: F32, shape: F32, shape_start: I32,
    earliest: float, latest: float, ratio: float, unlikely: float, spread: float, glide: float,
) -> tuple[F64, I32, I32, F64]:  # fmt: skip
    """Where the vehicle may be within the window, one row about every 40 m of every plausible edge.

    Returns rows (s, 8) of x, y, seconds, direction x, y, metres a second, probability that the moment lies in the
    window, seconds of its speed that a moving unit has gone by then; the start of each plausible edge's rows; its
    parent's number, -1 for none; its probability. Parents come before their children.
    """
    m = len(edge)
    number = np.full(m, -1, np.int32)
    above = np.empty(m, np.int32)
    likely = np.empty(m)
    start = np.zeros(m + 1, np.int32)
    rows = np.empty((1024, 8))
    used = 0
    count = 0
    for i in range(m):
        if mass[i] < unlikely or enter[i] / ratio > latest * (1 + spread):
            continue
        number[i] = count
        above[count] = number[parent[i]] if parent[i] >= 0 else -1
        likely[count] = mass[i]
        first = shape_start[edge[i]]
        last = shape_start[edge[i] + 1] - 1
        run = 0.0
        for p in range(first, last):
            run += np.hypot(shape[p + 1, 0] - shape[p, 0], shape[p + 1, 1] - shape[p, 1])
        begun = enter[i] / ratio
        takes = time[edge[i]] / ratio
        gone = 0.0
        for p in range(first, last):
            dx = np.float64(shape[p + 1, 0] - shape[p, 0])
            dy = np.float64(shape[p + 1, 1] - shape[p, 1])
            piece = np.hypot(dx, dy)
            steps = max(1, int(np.ceil(piece / 40.0)))
            for step in range(steps if piece > 0 else 0):
                share = (step + 0.5) / steps
                when = begun + takes * (gone + piece * share) / run
                if when > 0 and earliest * (1 - spread) <= when <= latest * (1 + spread):
                    if used == len(rows):
                        more = np.empty((2 * used, 8))
                        more[:used] = rows
                        rows = more
                    rows[used, 0] = shape[p, 0] + dx * share
                    rows[used, 1] = shape[p, 1] + dy * share
                    rows[used, 2] = when
                    rows[used, 3] = dx / piece
                    rows[used, 4] = dy / piece
                    rows[used, 5] = run / takes
                    early = 0.5 + 0.5 * erf(np.log(when / max(earliest, 0.1)) / spread / ROOT_2)
                    late = 0.5 + 0.5 * erf(np.log(latest / when) / spread / ROOT_2)
                    rows[used, 6] = early * late
                    rows[used, 7] = glide * (1 - np.exp(-when / glide))
                    used += 1
            gone += piece
        count += 1
        start[count] = used
    return rows[:used], start[: count + 1], above[:count], likely[:count]


@compiled
def _meet(
    rows: F64, start: I32, above: I32, likely: F64, x: float, y: float, east: float, north: float,
    reach: float, drift: float, met: F64,
) -> tuple[float, float]:  # fmt: skip
    """Probability and expected seconds of meeting one unit. met: scratch, (plausible edges,).

    Along a way, a unit is met as surely as at the best moment of that way; summed over ways, each further edge adds
    only what it is better than its parent. Only moments at which the vehicle still comes nearer count: a unit
    behind is never ahead. A moving unit glides on, and the doubt about it grows with what it may have driven.
    """
    speed = np.hypot(east, north)
    total = 0.0
    moment = 0.0
    for w in range(len(above)):
        before = met[above[w]] if above[w] >= 0 else 0.0
        best = before
        when = 0.0
        for r in range(start[w], start[w + 1]):
            t = rows[r, 2]
            far = rows[r, 7]
            dx = x + east * far - rows[r, 0]
            dy = y + north * far - rows[r, 1]
            doubt = drift * speed * t + SHARP
            most = reach + 3 * doubt
            square = dx * dx + dy * dy
            if square > most * most:
                continue
            away = sqrt(square)
            onward = dx * rows[r, 3] + dy * rows[r, 4]
            if onward < 0:
                continue
            wide = doubt * ROOT_2
            chance = 0.5 * rows[r, 6] * (erf((reach - away) / wide) + erf((reach + away) / wide))
            if chance > best:
                best = chance
                when = t + onward / rows[r, 5]
        met[w] = best
        if best > before:
            total += likely[w] * (best - before)
            moment += likely[w] * (best - before) * when
    return total, (moment / total if total > 0 else 0.0)


@compiled
def _ahead(
    rows: F64, start: I32, above: I32, likely: F64, xy: F64, velocity: F64, eligible: Bool,
    reach: float, glide: float, drift: float, latest: float,
) -> tuple[F64, F64]:  # fmt: skip
    """Probability (n,) and expected seconds (n,) of meeting each unit; those far from every row are not looked at."""
    n = len(xy)
    probability = np.zeros(n)
    seconds = np.zeros(n)
    if len(rows) == 0:
        return probability, seconds
    met = np.empty(len(above))
    cell = reach
    left = rows[:, 0].min() - cell
    low = rows[:, 1].min() - cell
    wide = int((rows[:, 0].max() - left) / cell) + 2
    high = int((rows[:, 1].max() - low) / cell) + 2
    near = np.zeros((wide, high), np.bool_)
    for r in range(len(rows)):
        column = int((rows[r, 0] - left) / cell)
        row = int((rows[r, 1] - low) / cell)
        near[column - 1 : column + 2, row - 1 : row + 2] = True
    for u in range(n):
        if not eligible[u] or not abs(xy[u, 0]) + abs(xy[u, 1]) < NOWHERE:
            continue
        east, north = velocity[u, 0], velocity[u, 1]
        speed = np.hypot(east, north)
        if not speed <= TOO_FAST:
            east, north, speed = 0.0, 0.0, 0.0
        column = int(np.floor((xy[u, 0] - left) / cell))
        row = int(np.floor((xy[u, 1] - low) / cell))
        pad = int(np.ceil(speed * (glide + 3 * drift * latest) / cell))
        if column < -pad or row < -pad or column >= wide + pad or row >= high + pad:
            continue
        if not near[max(column - pad, 0) : column + pad + 1, max(row - pad, 0) : row + pad + 1].any():
            continue
        probability[u], seconds[u] = _meet(
            rows, start, above, likely, xy[u, 0], xy[u, 1], east, north, reach, drift, met
        )
    return probability, seconds


def chances(
    graph: RoadGraph, tree: PathTree, units: UnitField, *, earliest: float, latest: float, speed_ratio: float = 1.0,
    earlier: PathTree | None = None, eligible: Bool | None = None, tau: float = TAU,
    glide: float = GLIDE, drift: float = DRIFT, reach: float = REACH, spread: float = SPREAD,
) -> tuple[F64, F64]:  # fmt: skip
    """As `units_ahead`, of every unit: probability (n,) and expected seconds (n,)."""
    ratio = float(min(max(speed_ratio, SLOWEST), FASTEST))
    mass = driven(graph, tree, earlier, tau=tau)
    rows, start, above, likely = _passages(
        tree.edge, tree.enter, tree.parent, mass, graph.seconds, graph.shape, graph.shape_start,
        float(earliest), float(latest), ratio, UNLIKELY, spread, glide,
    )  # fmt: skip
    counted = np.ones(len(units.edge), np.bool_) if eligible is None else eligible
    return _ahead(rows, start, above, likely, units.xy, units.velocity, counted, reach, glide, drift, float(latest))


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
