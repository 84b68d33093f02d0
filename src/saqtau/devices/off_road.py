"""How far a position lies from the road: the map behind the flag `off_road`."""

from collections.abc import Sequence

import numpy as np

from saqtau.devices.track import MOVING, OffRoad
from saqtau.kernel.signal import Position
from saqtau.roads.snap import Snapper, snap

_MARGIN = 500.0  # m round the map where a road could still be missing from the extract


def off_road_of(roads: Snapper) -> OffRoad:
    """The `OffRoad` of a map. Infinite where no road is within the snapping reach, None outside the map."""
    low = roads.graph.shape.min(axis=0) + _MARGIN
    high = roads.graph.shape.max(axis=0) - _MARGIN

    def metres(positions: Sequence[Position]) -> Sequence[float | None]:
        lat = np.array([position.lat for position in positions])
        lon = np.array([position.lon for position in positions])
        heading = np.array([_heading(position) for position in positions])
        xy = roads.graph.local(lat, lon)
        inside = ((xy >= low) & (xy <= high)).all(axis=1)
        distance = snap(roads, lat, lon, heading).distance.tolist()
        return [away if here else None for away, here in zip(distance, inside.tolist(), strict=True)]

    return metres


def _heading(position: Position) -> float:
    """A vehicle that stands has no heading."""
    moves = position.heading is not None and (position.speed or 0.0) > MOVING
    return position.heading if moves and position.heading is not None else float("nan")
