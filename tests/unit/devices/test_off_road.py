"""The map behind the flag `off_road`: a square of streets, 2 km wide."""

from math import inf

import pytest

from saqtau.devices.off_road import off_road_of
from saqtau.kernel.clock import Instant
from saqtau.kernel.signal import Position
from saqtau.roads.build import Street, build_graph
from saqtau.roads.snap import snapper

NOW = Instant(1_795_165_387_000)
CORNERS = {1: (43.20, 76.90), 2: (43.22, 76.90), 3: (43.22, 76.93), 4: (43.20, 76.93)}


@pytest.fixture(scope="module")
def off_road():
    streets = [Street(10, (1, 2, 3, 4, 1), "residential", 40.0)]
    return off_road_of(snapper(build_graph(streets, CORNERS)))


def at(lat, lon, **more):
    return Position("u", "d", 1, NOW, NOW, lat, lon, **more)


def test_metres_to_the_road_and_infinity_in_the_middle_of_the_block(off_road):
    on, beside, middle = off_road([at(43.21, 76.90), at(43.21, 76.9303), at(43.21, 76.915)])
    assert on is None  # on the edge of the map nobody knows whether a road is missing
    assert beside is None
    assert middle == inf


def test_a_block_in_the_map_has_its_distance():
    corners = CORNERS | {5: (43.21, 76.90), 6: (43.21, 76.93)}
    streets = [Street(10, (1, 5, 2, 3, 6, 4, 1), "residential", 40.0), Street(11, (5, 6), "residential", 40.0)]
    metres = off_road_of(snapper(build_graph(streets, corners)))
    (away,) = metres([at(43.2103, 76.915, heading=90.0, speed=40.0)])
    assert away == pytest.approx(33.4, abs=0.5)


def test_outside_the_map_nothing_is_said(off_road):
    assert off_road([at(44.0, 76.9), at(43.21, 80.0)]) == [None, None]
