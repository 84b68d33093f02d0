"""The city for any seed."""

from hypothesis import given, settings
from hypothesis import strategies as st

from saqtau.simulate.city import make_city
from saqtau.simulate.lattice import degrees


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_every_way_is_made_of_nodes_that_are_there_and_lie_in_the_steppe(seed):
    city = make_city(seed)
    points = {node.id: node.point for node in city.nodes}
    assert len(points) == len(city.nodes)
    for way in city.ways:
        assert len(way.nodes) >= 2
        assert all(node in points for node in way.nodes)
        assert all(here != onward for here, onward in zip(way.nodes, way.nodes[1:], strict=False))
    for point in points.values():
        lat, lon = degrees(point)
        assert 50.35 < lat < 50.55
        assert 65.0 < lon < 65.35


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_a_forbidden_turn_names_two_ways_that_meet(seed):
    city = make_city(seed)
    ways = {way.id: way for way in city.ways}
    for turn in city.restrictions:
        assert turn.way_from != turn.way_to
        assert turn.via in ways[turn.way_from].nodes
        assert turn.via in ways[turn.way_to].nodes
