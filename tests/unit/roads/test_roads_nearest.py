import numpy as np
import pytest
from tests.unit.roads.drawn import CROSS, crossing, draw, one_way

from saqtau.roads.build import Restriction, TurnCosts
from saqtau.roads.graph import Place
from saqtau.roads.nearest import nearest, unit_field


def near(drawn, goal, *units, **more):
    """(unit, seconds) of units given as places."""
    edges = np.array([place.edge for place in units], np.int32)
    field = unit_field(drawn.graph, edges, np.array([place.fraction for place in units], np.float32))
    return [(one.unit, pytest.approx(one.seconds, abs=0.05)) for one in nearest(drawn.graph, field, goal, **more)]


def test_a_unit_on_the_same_edge_before_the_incident_drives_straight_on():
    drawn = crossing()
    assert near(drawn, drawn.on(1, 0, 0.8), drawn.on(1, 0, 0.2)) == [(0, 30.0)]


def test_a_unit_past_the_incident_turns_round_at_the_next_legal_place():
    drawn = crossing()
    # on to the crossing (10 s), down any arm and back (100 s), then down the other side of its street
    assert near(drawn, drawn.on(1, 0, 0.6), drawn.on(1, 0, 0.8)) == [(0, 10.0 + 100.0 + 20.0)]


def test_an_incident_that_must_be_reached_in_its_own_direction_takes_longer():
    drawn = crossing()
    unit = drawn.on(1, 0, 0.8)
    (_, both), *_ = near(drawn, drawn.on(1, 0, 0.6), unit)
    (_, one), *_ = near(drawn, drawn.on(1, 0, 0.6), unit, both=False)
    assert one == 10 + 100 + 50 + 30
    assert both == 130


def test_a_unit_on_the_other_side_of_the_street_counts_with_its_own_way():
    drawn = crossing()
    assert near(drawn, drawn.on(1, 0, 0.6), drawn.on(0, 1, 0.1)) == [(0, 15.0)]


def test_units_come_soonest_first_and_at_most_k():
    drawn = crossing()
    units = [drawn.on(3, 0, 0.5), drawn.on(2, 0, 0.9), drawn.on(4, 0, 0.0), drawn.on(1, 0, 0.6)]
    goal = drawn.on(0, 2, 0.5)
    assert near(drawn, goal, *units, k=3) == [(3, 45.0), (0, 50.0), (2, 75.0)]
    assert [unit for unit, _ in near(drawn, goal, *units, k=9)] == [3, 0, 2, 1]


def test_a_one_way_street_is_not_driven_against():
    square = {1: (0, 0), 2: (300, 0), 3: (300, 300), 4: (0, 300)}
    drawn = draw(square, one_way(1, 1, 2), one_way(2, 2, 3), one_way(3, 3, 4), one_way(4, 4, 1))
    assert near(drawn, drawn.on(1, 2, 0.5), drawn.on(2, 3, 0.0)) == [(0, 30 * 3 + 15)]


def test_a_forbidden_turn_is_not_taken():
    free, bound = crossing(), crossing(Restriction(1, 0, 4))
    assert near(free, free.on(0, 4, 0.5), free.on(1, 0, 0.0)) == [(0, 75.0)]
    assert near(bound, bound.on(0, 4, 0.5), bound.on(1, 0, 0.0)) == [(0, 50 + 100 + 25)]


def test_what_junctions_cost_is_counted():
    costs = TurnCosts(junction=2, signals=0, right=1, left=3, back=20)
    drawn = crossing(costs=costs)
    assert near(drawn, drawn.on(0, 4, 0.5), drawn.on(1, 0, 0.0)) == [(0, 75.0 + 5)]


def test_only_eligible_units_are_found():
    drawn = crossing()
    units = [drawn.on(1, 0, 0.9), drawn.on(1, 0, 0.1)]
    found = near(drawn, drawn.on(0, 2, 0.5), *units, eligible=np.array([False, True]))
    assert found == [(1, 70.0)]


def test_a_unit_on_no_road_is_never_found():
    drawn = crossing()
    assert near(drawn, drawn.on(0, 2, 0.5), Place(-1, 0.0)) == []


def test_nobody_and_no_wish_find_nobody():
    drawn = crossing()
    assert near(drawn, drawn.on(0, 2, 0.5)) == []
    assert near(drawn, drawn.on(0, 2, 0.5), drawn.on(1, 0, 0), k=0) == []


def test_a_unit_at_the_very_place_is_there_in_no_time():
    drawn = crossing()
    assert near(drawn, drawn.on(0, 2, 0.5), drawn.on(0, 2, 0.5)) == [(0, 0.0)]


def test_metres_are_those_of_the_quickest_way():
    drawn = draw(CROSS, (1, 0), (0, 2), (3, 0), (0, 4))
    field = unit_field(drawn.graph, np.array([drawn.edge(1, 0)]), np.array([0.5]))
    (found,) = nearest(drawn.graph, field, drawn.on(0, 4, 0.4))
    assert found.metres == pytest.approx(250 + 200, abs=0.1)


def test_a_field_knows_where_on_the_plane_its_units_are():
    drawn = crossing()
    field = unit_field(drawn.graph, np.array([drawn.edge(1, 0), -1]), np.array([0.5, 0.0]))
    middle = drawn.graph.points(drawn.edge(1, 0)).mean(axis=0)
    assert field.xy[0] == pytest.approx(middle, abs=0.05)
    assert np.isnan(field.xy[1]).all()
