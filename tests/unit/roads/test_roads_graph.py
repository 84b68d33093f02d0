import numpy as np
import pytest
from tests.unit.roads.drawn import CROSS, Drawing, crossing, degrees, draw, one_way

from saqtau.kernel.errors import Kind, Refused
from saqtau.roads import graph as graphs
from saqtau.roads.build import Restriction, Street, TurnCosts, build_graph
from saqtau.roads.graph import Place, decode_graph, encode_graph, place_xy


def test_a_street_of_two_directions_is_two_edges_that_know_each_other():
    drawn = crossing()
    there, back = drawn.edge(1, 0), drawn.edge(0, 1)
    assert drawn.graph.edges == 8
    assert drawn.graph.twin[there] == back
    assert drawn.graph.twin[back] == there


def test_lengths_are_metres_and_times_are_seconds():
    drawn = crossing()
    assert drawn.graph.length == pytest.approx(np.full(8, 500.0), abs=0.1)
    assert drawn.graph.seconds == pytest.approx(np.full(8, 50.0), abs=0.01)


def test_a_one_way_street_has_no_edge_back_and_no_twin():
    square = {1: (0, 0), 2: (300, 0), 3: (300, 300), 4: (0, 300)}
    drawn = draw(square, one_way(1, 1, 2, 3, 4, 1), (2, 4))
    assert drawn.has(2, 4)
    assert drawn.has(4, 2)
    assert not drawn.has(2, 1)
    assert drawn.graph.twin[drawn.edge(4, 2)] >= 0
    assert (drawn.graph.twin == -1).sum() == 3  # 1-2, 2-3-4 and 4-1


def test_every_turn_at_a_crossing_is_allowed_but_the_u_turn():
    drawn = crossing()
    assert [drawn.arc(1, 0, arm) for arm in (1, 2, 3, 4)] == [False, True, True, True]


def test_a_dead_end_is_left_by_turning_round():
    assert crossing().arc(0, 1, 0)


def test_a_forbidden_turn_is_not_there_and_the_others_are():
    drawn = crossing(Restriction(origin=1, via=0, target=4))
    assert [drawn.arc(1, 0, arm) for arm in (2, 3, 4)] == [True, True, False]
    assert drawn.arc(2, 0, 4)
    assert drawn.graph.facts["restrictions"] == 1


def test_an_only_turn_forbids_every_other():
    drawn = crossing(Restriction(origin=1, via=0, target=2, only=True))
    assert [drawn.arc(1, 0, arm) for arm in (2, 3, 4)] == [True, False, False]
    assert drawn.arc(4, 0, 3)


def test_a_restriction_whose_way_is_unknown_is_counted_and_ignored():
    drawn = crossing(Restriction(origin=99, via=0, target=4))
    assert drawn.arc(1, 0, 4)
    assert drawn.graph.facts["restrictions_ignored"] == 1


def _turn_cost(drawn: Drawing, a: int, b: int, c: int) -> float:
    graph, edge = drawn.graph, drawn.edge(a, b)
    arcs = slice(graph.arc_start[edge], graph.arc_start[edge + 1])
    return float(graph.arc_cost[arcs][graph.arc_to[arcs] == drawn.edge(b, c)][0])


def test_a_left_turn_costs_more_than_straight_on_and_lights_cost_on_top():
    costs = TurnCosts(junction=2, signals=5, right=1, left=3, back=20)
    plain, lit = crossing(costs=costs), crossing(costs=costs, signals=frozenset({0}))
    assert [_turn_cost(plain, 1, 0, arm) for arm in (2, 3, 4)] == [2, 3, 5]
    assert [_turn_cost(lit, 1, 0, arm) for arm in (2, 3, 4)] == [7, 8, 10]
    assert _turn_cost(plain, 0, 1, 0) == 20


def test_a_bend_where_only_two_ways_meet_costs_nothing():
    drawn = draw({1: (0, 0), 2: (100, 0), 3: (100, 100)}, (1, 2), (2, 3), costs=TurnCosts())
    assert _turn_cost(drawn, 1, 2, 3) == 0


def test_a_street_that_cannot_be_left_is_cut_off():
    where = CROSS | {5: (900.0, 0.0)}
    drawn = draw(where, (1, 0), (0, 2), (3, 0), (0, 4), one_way(5, 2, 5))
    assert not drawn.has(2, 5)
    assert drawn.arc(0, 2, 0)  # what is left is a dead end
    assert drawn.graph.facts["edges_cut_off"] == 1


def test_a_signed_limit_counts_in_its_own_direction():
    street = Street(1, (1, 2), "primary", 60.0, limit=(36.0, 72.0), name="Абай даңғылы")
    drawn = draw({1: (0, 0), 2: (720, 0)}, street)
    assert drawn.graph.seconds[drawn.edge(1, 2)] == pytest.approx(72, rel=1e-3)
    assert drawn.graph.seconds[drawn.edge(2, 1)] == pytest.approx(36, rel=1e-3)
    assert drawn.graph.names[drawn.graph.name[0]] == "Абай даңғылы"


def test_nothing_drivable_is_refused():
    with pytest.raises(Refused) as refused:
        build_graph([], {})
    assert refused.value.kind is Kind.INVALID
    assert refused.value.fields == {"map": "no_roads"}


def test_half_a_continent_is_refused():
    with pytest.raises(Refused, match="degrees wide"):
        build_graph([Street(1, (1, 2), "trunk", 90.0)], {1: (43.0, 50.0), 2: (43.0, 77.0)})


def test_a_place_in_the_middle_of_a_bent_edge_lies_on_its_line():
    drawn = draw({1: (0, 0), 2: (100, 0), 3: (100, 300)}, (1, 2, 3))
    x, y = place_xy(drawn.graph, Place(drawn.edge(1, 3), 0.5))
    assert (x, y) == pytest.approx(tuple(drawn.graph.local(*degrees(100, 100))), abs=0.5)


def test_degrees_and_metres_are_each_others_inverse():
    graph = crossing().graph
    lat, lon = graph.degrees(graph.local(43.21, 76.95))
    assert (float(lat), float(lon)) == pytest.approx((43.21, 76.95), abs=1e-9)


def test_a_saved_graph_comes_back_the_same_and_write_protected():
    graph = crossing().graph
    again = decode_graph(encode_graph(graph))
    for name in graph.__struct_fields__:
        mine, theirs = getattr(graph, name), getattr(again, name)
        assert np.array_equal(mine, theirs), name
        assert getattr(mine, "dtype", None) == getattr(theirs, "dtype", None), name
    with pytest.raises(ValueError, match="read-only"):
        again.seconds[0] = 1


@pytest.mark.parametrize("cut", [0, 10, 500, -30])
def test_a_damaged_graph_is_refused(cut):
    data = encode_graph(crossing().graph)
    with pytest.raises(Refused) as refused:
        decode_graph(data[:cut])
    assert refused.value.fields == {"map": "damaged"}


def test_a_graph_of_another_version_is_refused(monkeypatch):
    data = encode_graph(crossing().graph)
    monkeypatch.setattr(graphs, "VERSION", 2)
    with pytest.raises(Refused, match="version 1"):
        decode_graph(data)
