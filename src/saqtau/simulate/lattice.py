"""The plane of the generated city: a bent lattice of street lines, in metres and in degrees.

Lattice coordinates (u, v) run 0..LINES-1; whole numbers are street lines. A smooth bend makes the streets curve,
and because the river is a line of the same lattice, its embankments follow it by themselves.
"""

import math
from random import Random

import msgspec

LINES = 27
RIVER = 9  # the river runs between this row and the next
ORIGIN = (50.42, 65.14)  # empty steppe, far from any real town, so that nobody takes it for one
METRES_A_DEGREE = 111_195.0

Point = tuple[float, float]
"""East and north of the city's south-west corner, metres."""


class Lattice(msgspec.Struct, frozen=True):
    """Where the street lines run before and after bending."""

    columns: tuple[float, ...]  # (LINES,) east of each column, metres
    rows: tuple[float, ...]  # (LINES,) north of each row, metres
    bends: tuple[tuple[float, float, float], ...]  # (amplitude m, waves across the city, phase): x, x, y, y

    def at(self, u: float, v: float) -> Point:
        """The bent place of a lattice coordinate, metres."""
        x, y = _along(self.columns, u), _along(self.rows, v)
        width, height = self.columns[-1], self.rows[-1]
        (ax, wx, px), (bx, vx, qx), (ay, wy, py), (by, vy, qy) = self.bends
        return (
            x + ax * math.sin(wx * math.tau * y / height + px) + bx * math.sin(vx * math.tau * y / height + qx),
            y + ay * math.sin(wy * math.tau * x / width + py) + by * math.sin(vy * math.tau * x / width + qy),
        )


def draw_lattice(random: Random) -> Lattice:
    """A lattice of LINES x LINES lines over about 6 x 6 km; the row gap at the river is the widest."""
    gaps = [random.uniform(185, 255) for _ in range(LINES - 1)]
    risers = [random.uniform(185, 255) for _ in range(LINES - 1)]
    risers[RIVER] = 330.0
    bends = tuple(
        (random.uniform(low, high), random.uniform(slow, fast), random.uniform(0, math.tau))
        for low, high, slow, fast in (
            (60, 110, 0.5, 0.9),
            (15, 30, 1.4, 2.2),
            (90, 150, 0.6, 1.0),
            (15, 30, 1.4, 2.2),
        )
    )
    return Lattice(_sums(gaps), _sums(risers), bends)


def degrees(point: Point) -> tuple[float, float]:
    """(lat, lon) of a point of the plane, rounded to OpenStreetMap's 1e-7 degrees."""
    lat = ORIGIN[0] + point[1] / METRES_A_DEGREE
    lon = ORIGIN[1] + point[0] / (METRES_A_DEGREE * math.cos(math.radians(ORIGIN[0])))
    return round(lat, 7), round(lon, 7)


def _sums(gaps: list[float]) -> tuple[float, ...]:
    sums = [0.0]
    for gap in gaps:
        sums.append(sums[-1] + gap)
    return tuple(sums)


def _along(lines: tuple[float, ...], where: float) -> float:
    """Linear between the lines, straight on outside of them."""
    low = min(max(int(where), 0), LINES - 2)
    return lines[low] + (where - low) * (lines[low + 1] - lines[low])
