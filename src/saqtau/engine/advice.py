"""Whom to send: the recommendation for one read, from the map, the units' places and what they are doing.

It is kept with its reasons and its shortfalls, so that "why this unit" can be answered later.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import numpy as np

from saqtau.engine.atlas import Atlas, Units
from saqtau.kernel.clock import Instant, between
from saqtau.kernel.register import Camera
from saqtau.kernel.signal import Candidate, PlateRead, Recommendation, Shortfall, Status
from saqtau.roads.ahead import ENOUGH, chances
from saqtau.roads.graph import Place
from saqtau.roads.tree import PathTree, driven

EARLIEST: Final = 20.0  # s
LATEST: Final = 180.0  # s
NEXT: Final = 0.2
"""Units behind the first in an offer's order may be less likely than that."""
STALE: Final = 60.0
"""Seconds after which a position says nothing about where a moving unit is."""
OFFERED: Final = 6
BAND_LEAST: Final = 0.12
BAND_LINES: Final = 80


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """The recommendation and the streets it rests on, for the map: [[probability, seconds, [lon, lat, ...]], ...]."""

    recommendation: Recommendation
    band: list[list[Any]]


def advise(
    read: PlateRead,
    camera: Camera,
    place: Place | None,
    earlier: Place | None,
    atlas: Atlas | None,
    units: Units | None,
    statuses: Mapping[str, str],
    now: Instant,
) -> Advice:
    """Who lies in this vehicle's way. place, earlier: where this camera and the one before look; None when unknown."""
    if atlas is None or place is None or units is None:
        return Advice(recommendation=_nobody(read, Shortfall.NO_MAP), band=[])
    tree = atlas.trees.of(place)
    before = None if earlier is None else atlas.trees.of(earlier)
    # the read is some seconds old already: units are compared with where the vehicle is now
    passed = max(0.0, float(between(read.at, now)))
    ratio = 1.0 if read.speed is None else read.speed / camera.limit
    probability, seconds = chances(
        atlas.graph, tree, units.field, earliest=EARLIEST + passed, latest=LATEST, speed_ratio=ratio, earlier=before
    )
    candidates: list[Candidate] = []
    passed_over: dict[str, Shortfall] = {}
    for index in np.argsort(-probability, kind="stable"):
        chance = float(probability[index])
        if chance < NEXT:
            break
        fix = units.fixes[index]
        age = float(between(fix.received or fix.at, now))
        why_not = _why_not(statuses.get(fix.unit), age)
        if why_not is not None:
            passed_over[fix.unit] = why_not
        elif len(candidates) < OFFERED:
            candidates.append(
                Candidate(fix.unit, round(min(chance, 1.0), 3), round(float(seconds[index]), 1), round(age, 1))
            )
    if not candidates or candidates[0].probability < ENOUGH:
        return Advice(
            recommendation=_nobody(read, Shortfall.NO_UNIT_AHEAD, passed_over), band=_band(atlas, tree, before, ratio)
        )
    recommendation = Recommendation(
        at=read.at,
        camera=camera.id,
        candidates=tuple(candidates),
        passed_over=passed_over,
        earliest=EARLIEST,
        latest=LATEST,
    )
    return Advice(recommendation=recommendation, band=_band(atlas, tree, before, ratio))


def _nobody(read: PlateRead, why: Shortfall, passed_over: dict[str, Shortfall] | None = None) -> Recommendation:
    return Recommendation(
        at=read.at,
        camera=read.camera,
        candidates=(),
        passed_over=passed_over or {},
        shortfalls=(why,),
        earliest=EARLIEST,
        latest=LATEST,
    )


def _why_not(status: str | None, age: float) -> Shortfall | None:
    if status is None or status == Status.OFF_DUTY:
        return Shortfall.OFF_DUTY
    if status != Status.AVAILABLE:
        return Shortfall.BUSY
    return Shortfall.STALE_POSITION if age > STALE else None


def _band(atlas: Atlas, tree: PathTree, earlier: PathTree | None, ratio: float) -> list[list[Any]]:
    """The likely streets ahead within the window, most likely first."""
    mass = driven(atlas.graph, tree, earlier)
    enter = tree.enter / min(max(ratio, 0.7), 1.6)
    likely = np.flatnonzero((mass >= BAND_LEAST) & (enter <= LATEST))
    likely = likely[np.argsort(-mass[likely], kind="stable")][:BAND_LINES]
    lines: list[list[Any]] = []
    for index in likely:
        lat, lon = atlas.graph.degrees(atlas.graph.points(int(tree.edge[index])))
        path = [round(float(value), 5) for pair in zip(lon, lat, strict=True) for value in pair]
        lines.append([round(float(mass[index]), 2), round(max(0.0, float(enter[index])), 1), path])
    return lines
