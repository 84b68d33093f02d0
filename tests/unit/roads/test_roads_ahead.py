import numpy as np
import pytest
from tests.unit.roads.drawn import CROSS, crossing, degrees, draw

from saqtau import roads
from saqtau.roads.ahead import Ahead, units_ahead
from saqtau.roads.nearest import unit_field
from saqtau.roads.tree import Trees, driven, path_tree

WINDOW = {"earliest": 20.0, "latest": 180.0}
LONG = {0: (0.0, 0.0), 1: (-2000.0, 0.0), 2: (2000.0, 0.0), 3: (0.0, -2000.0), 4: (0.0, 2000.0)}
"""A crossing at node 0 with arms of 2 km, 200 s each."""


def long_crossing():
    return draw(LONG, (1, 0), (0, 2), (3, 0), (0, 4))


def standing(drawn, *xy, velocity=None):
    """Units at these metres, not on any edge: only where they are matters."""
    where = np.array([drawn.graph.local(*degrees(*point)) for point in xy])
    count = len(xy)
    return unit_field(drawn.graph, np.full(count, -1), np.zeros(count), where, velocity)


def ahead(drawn, root, units, **more):
    return units_ahead(drawn.graph, path_tree(drawn.graph, root), units, **{**WINDOW, **more})


def test_a_unit_on_the_only_road_is_surely_passed_in_the_time_it_takes():
    drawn = long_crossing()
    (found,) = ahead(drawn, drawn.on(1, 0, 0.1), standing(drawn, (-1000, 0)))
    assert found.unit == 0
    assert found.probability > 0.97
    assert found.seconds == pytest.approx(80, abs=3)


def test_a_unit_behind_the_camera_is_never_ahead():
    drawn = long_crossing()
    assert ahead(drawn, drawn.on(1, 0, 0.5), standing(drawn, (-1100, 0), (-1500, 0))) == []


def test_a_unit_too_near_to_act_is_not_told():
    drawn = long_crossing()
    assert ahead(drawn, drawn.on(1, 0, 0.5), standing(drawn, (-950, 0))) == []


def test_a_unit_beyond_the_window_is_not_told():
    drawn = long_crossing()
    assert ahead(drawn, drawn.on(1, 0, 0.0), standing(drawn, (1500, 0))) == []


def test_a_faster_vehicle_reaches_farther():
    drawn = long_crossing()
    units = standing(drawn, (600, 0))
    assert ahead(drawn, drawn.on(1, 0, 0.0), units) == []
    assert ahead(drawn, drawn.on(1, 0, 0.0), units, speed_ratio=1.5) != []


def test_behind_a_crossing_each_arm_is_as_likely_as_its_streets_are_long():
    where = {**LONG, 4: (0.0, 1000.0)}
    drawn = draw(where, (1, 0), (0, 2), (3, 0), (0, 4))
    tree = path_tree(drawn.graph, drawn.on(1, 0, 0.5))
    chance = dict(zip(tree.edge.tolist(), driven(drawn.graph, tree), strict=True))
    # A dead end is driven in and out again, and the quickest way back home turns round in the short arm, north.
    whole = 1 + 2 * 2 + 2 * 2 + 2 * 1 + 2  # km: rest of the own edge, east, south, north, home
    assert chance[drawn.edge(0, 4)] == pytest.approx(4 / whole, rel=0.01)
    assert chance[drawn.edge(0, 3)] == pytest.approx(4 / whole, rel=0.01)
    assert chance[drawn.edge(0, 1)] == pytest.approx(2 / whole, rel=0.01)


def test_an_earlier_read_rules_out_where_the_driver_would_not_have_come_this_way():
    drawn = crossing()
    tree = path_tree(drawn.graph, drawn.on(0, 2, 0.2))
    alone = driven(drawn.graph, tree)
    known = driven(drawn.graph, tree, path_tree(drawn.graph, drawn.on(1, 0, 0.2)))
    north = tree.edge.tolist().index(drawn.edge(0, 4))
    assert alone[north] > 0.1  # round the dead end in the east and back
    assert known[north] < 0.001


def test_an_earlier_read_on_the_same_edge_or_out_of_reach_changes_nothing():
    drawn = crossing()
    tree = path_tree(drawn.graph, drawn.on(0, 2, 0.2))
    alone = driven(drawn.graph, tree)
    assert np.array_equal(driven(drawn.graph, tree, path_tree(drawn.graph, drawn.on(0, 2, 0.1))), alone)
    near = path_tree(drawn.graph, drawn.on(3, 0, 0.0), limit=10.0)
    assert np.array_equal(driven(drawn.graph, tree, near), alone)


def test_only_eligible_units_are_told_and_the_most_probable_first():
    drawn = long_crossing()
    units = standing(drawn, (0, 500), (-700, 0), (-1200, 0))
    camera = drawn.on(1, 0, 0.2)
    assert [one.unit for one in ahead(drawn, camera, units)][:2] in ([1, 2], [2, 1])
    assert [one.unit for one in ahead(drawn, camera, units)][-1] == 0
    assert [one.unit for one in ahead(drawn, camera, units, eligible=np.array([True, False, False]))] == [0]


def test_at_most_k_units_are_told():
    drawn = long_crossing()
    units = standing(drawn, *((x, 0) for x in range(-1300, -300, 100)))
    assert len(ahead(drawn, drawn.on(1, 0, 0.2), units, k=3)) == 3


def test_a_unit_driving_away_at_the_same_speed_is_less_sure_than_one_that_stands():
    drawn = long_crossing()
    place = (-1200.0, 0.0)
    camera = drawn.on(1, 0, 0.1)
    (stands,) = ahead(drawn, camera, standing(drawn, place), least=0.0, k=1)
    (flees,) = ahead(drawn, camera, standing(drawn, place, velocity=np.array([[10.0, 0.0]])), least=0.0, k=1)
    (comes,) = ahead(drawn, camera, standing(drawn, place, velocity=np.array([[-5.0, 0.0]])), least=0.0, k=1)
    assert flees.probability < stands.probability
    assert comes.seconds < stands.seconds


def test_nobody_is_ahead_when_there_is_nobody():
    drawn = crossing()
    assert ahead(drawn, drawn.on(1, 0, 0.2), standing(drawn)) == []
    unknown = unit_field(drawn.graph, np.array([-1]), np.array([0.0]))
    assert ahead(drawn, drawn.on(1, 0, 0.2), unknown) == []


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_a_position_or_speed_that_is_no_number_harms_nobody(bad):
    drawn = long_crossing()
    good = (-1000.0, 0.0)
    camera = drawn.on(1, 0, 0.1)
    lost = standing(drawn, good, good)
    lost.xy[1] = bad
    assert [one.unit for one in ahead(drawn, camera, lost)] == [0]
    wild = standing(drawn, good, good, velocity=np.array([[0.0, 0.0], [bad, 0.0]]))
    first, second = ahead(drawn, camera, wild)
    assert first.probability == second.probability


@pytest.mark.parametrize("window", [(50, 20), (-1, 20), (20, float("inf"))])
def test_a_window_that_is_none_has_nobody_in_it(window):
    drawn = crossing()
    units = standing(drawn, (-100, 0))
    assert ahead(drawn, drawn.on(1, 0, 0.2), units, earliest=window[0], latest=window[1]) == []


def test_the_tree_counts_what_turning_round_costs():
    drawn = crossing()
    tree = path_tree(drawn.graph, drawn.on(1, 0, 0.6))
    enter = dict(zip(tree.edge.tolist(), tree.enter.tolist(), strict=True))
    assert enter[drawn.edge(1, 0)] == pytest.approx(-30, abs=0.01)
    assert enter[drawn.edge(0, 2)] == pytest.approx(20, abs=0.01)
    assert enter[drawn.edge(2, 0)] == pytest.approx(70, abs=0.01)


def test_a_tree_keeps_to_its_limits():
    drawn = crossing()
    root = drawn.on(1, 0, 0.6)
    assert path_tree(drawn.graph, root, limit=30).enter.max() <= 30
    assert len(path_tree(drawn.graph, root, most=3).edge) == 3
    assert path_tree(drawn.graph, root).size == 12 * len(path_tree(drawn.graph, root).edge)


def test_kept_trees_stay_within_their_budget_and_the_latest_used_stay():
    drawn = crossing()
    places = [drawn.on(1, 0, share) for share in (0.1, 0.2, 0.3)]
    one = path_tree(drawn.graph, places[0]).size
    trees = Trees(drawn.graph, 2 * one)
    first, second = trees.of(places[0]), trees.of(places[1])
    assert trees.of(places[0]) is first
    trees.of(places[2])
    assert (len(trees), trees.bytes) == (2, 2 * one)
    assert trees.of(places[0]) is first
    assert trees.of(places[1]) is not second
    assert trees.grown == 4


def test_a_probability_is_never_told_above_one():
    drawn = draw(CROSS, (1, 0), (0, 2), (3, 0), (0, 4))
    found = ahead(drawn, drawn.on(1, 0, 0.0), standing(drawn, (0, 0)), earliest=5.0)
    assert isinstance(found[0], Ahead)
    assert 0.9 < found[0].probability <= 1.0


def test_warming_up_needs_nothing_and_can_be_repeated():
    roads.warm()
    roads.warm()
