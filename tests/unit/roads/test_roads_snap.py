import numpy as np
import pytest
from tests.unit.roads.drawn import crossing, degrees, draw, one_way

from saqtau.roads.snap import snap, snapper


def snapped(drawn, *fixes):
    """fixes: (x, y, heading or None)."""
    lat, lon = np.array([degrees(x, y) for x, y, _ in fixes]).T
    heading = np.array([np.nan if h is None else h for _, _, h in fixes], float)
    return snap(snapper(drawn.graph), lat, lon, heading)


def test_the_heading_chooses_the_direction_of_a_street():
    drawn = crossing()
    found = snapped(drawn, (-250, 5, 90), (-250, 5, 270))
    assert found.edge.tolist() == [drawn.edge(1, 0), drawn.edge(0, 1)]
    assert found.fraction == pytest.approx([0.5, 0.5], abs=1e-3)
    assert found.distance == pytest.approx([5, 5], abs=0.05)


def test_the_fraction_is_exact_between_the_searched_points():
    drawn = crossing()
    at = np.linspace(-490, -10, 97)
    found = snapped(drawn, *((x, 3.0, 90) for x in at))
    assert set(found.edge.tolist()) == {drawn.edge(1, 0)}
    assert found.fraction == pytest.approx((at + 500) / 500, abs=1e-3)


def test_a_position_farther_than_sixty_metres_is_on_no_road():
    found = snapped(crossing(), (-250, 59, None), (-250, 61, None), (4000, 4000, None))
    assert found.edge[0] >= 0
    assert found.edge[1:].tolist() == [-1, -1]
    assert np.isinf(found.distance[1:]).all()


def test_without_a_heading_the_nearer_street_wins():
    drawn = crossing()
    found = snapped(drawn, (-30, 8, None), (-8, 30, None))
    assert set(found.edge.tolist()) <= {drawn.edge(1, 0), drawn.edge(0, 1), drawn.edge(0, 4), drawn.edge(4, 0)}
    assert found.distance == pytest.approx([8, 8], abs=0.05)


def test_a_nearer_parallel_street_loses_when_it_runs_the_other_way():
    lanes = {1: (0, 0), 2: (1000, 0), 3: (1000, 14), 4: (0, 14), 5: (1300, 0), 6: (-300, 0)}
    drawn = draw(lanes, one_way(1, 1, 2), (2, 3), one_way(3, 3, 4), (4, 1), (2, 5), (1, 6))
    found = snapped(drawn, (500, 8, 90), (500, 6, 270), (500, 8, None))
    assert found.edge.tolist() == [drawn.edge(1, 2), drawn.edge(3, 4), drawn.edge(3, 4)]
    assert found.distance == pytest.approx([8, 8, 6], abs=0.05)


def test_a_bend_is_followed():
    drawn = draw({1: (0, 0), 2: (100, 0), 3: (100, 300)}, (1, 2, 3))
    found = snapped(drawn, (103, 200, 0))
    assert found.edge[0] == drawn.edge(1, 3)
    assert found.fraction[0] == pytest.approx(0.75, abs=1e-3)


def test_ten_thousand_positions_in_one_call_are_the_same_as_one_by_one():
    drawn = crossing()
    generator = np.random.default_rng(1)
    fixes = [(x, y, h) for x, y, h in generator.uniform((-550, -550, 0), (550, 550, 360), (200, 3))]
    together = snapped(drawn, *fixes)
    alone = [snapped(drawn, fix) for fix in fixes]
    assert together.edge.tolist() == [int(one.edge[0]) for one in alone]
    assert together.fraction.tolist() == [float(one.fraction[0]) for one in alone]


def test_no_positions_are_no_places():
    assert len(snap(snapper(crossing().graph), np.zeros(0), np.zeros(0)).edge) == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_position_that_is_no_number_is_on_no_road(bad):
    found = snap(snapper(crossing().graph), np.array([bad, 43.2]), np.array([76.9, 76.9]), np.array([0.0, np.nan]))
    assert found.edge[0] == -1
    assert found.edge[1] >= 0
