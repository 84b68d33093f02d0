"""Every search of `roads` against a plain full search that shares no code with it (scipy over an expanded graph)."""

from math import inf

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from saqtau.kernel.errors import Refused
from saqtau.roads.ahead import units_ahead
from saqtau.roads.build import Restriction, Street, TurnCosts, build_graph
from saqtau.roads.graph import Place, RoadGraph, decode_graph, encode_graph
from saqtau.roads.nearest import nearest, unit_field
from saqtau.roads.osm import parse_maxspeed
from saqtau.roads.section import section
from saqtau.roads.snap import snap_local, snapper
from saqtau.roads.tree import driven, path_tree

COSTS = TurnCosts(junction=2, signals=3, right=1, left=4, back=11)


@st.composite
def graphs(draw) -> RoadGraph:
    """Small random networks: a jittered lattice with missing streets, one-ways, lights and turn restrictions."""
    wide, high = draw(st.integers(2, 5)), draw(st.integers(2, 4))
    where = {
        x * 10 + y: (43.2 + 0.002 * y + draw(st.floats(-5e-4, 5e-4)), 76.9 + 0.003 * x + draw(st.floats(-5e-4, 5e-4)))
        for x in range(wide)
        for y in range(high)
    }
    pairs = [(n, n + step) for n in where for step in (1, 10) if n + step in where]
    streets = [
        Street(
            number,
            pair,
            draw(st.sampled_from(["primary", "residential"])),
            draw(st.sampled_from([20.0, 40.0, 60.0])),
            backward=draw(st.integers(0, 4)) > 0,
        )
        for number, pair in enumerate(pairs)
        if draw(st.integers(0, 9)) > 0
    ]
    rules = [
        Restriction(
            draw(st.sampled_from(streets)).way, draw(st.sampled_from(sorted(where))), draw(st.sampled_from(streets)).way
        )
        for _ in range(draw(st.integers(0, 6)) if streets else 0)
    ]
    lights = frozenset(draw(st.lists(st.sampled_from(sorted(where)), max_size=3)))
    try:
        return build_graph(streets, where, rules, signals=lights, costs=COSTS)
    except Refused:
        assume(False)
        raise


places = st.tuples(st.integers(0, 10_000), st.floats(0, 1, width=32))


def at(graph: RoadGraph, place: tuple[int, float]) -> Place:
    return Place(place[0] % graph.edges, place[1])


def between(graph: RoadGraph, weight, turn_weight, start: Place, goal: Place) -> float:
    """Least weight from one place to another: a full Dijkstra from the edges after the start."""
    if start.edge == goal.edge and start.fraction <= goal.fraction:
        return (goal.fraction - start.fraction) * float(weight[start.edge])
    n = graph.edges
    source = np.repeat(np.arange(n), np.diff(graph.arc_start))
    costs = turn_weight.astype(float) + weight.astype(float)[graph.arc_to]  # to the end of the next edge
    ends = dijkstra(csr_matrix((costs, (source, graph.arc_to)), shape=(n, n)))
    best = inf
    for arc in np.flatnonzero(source == start.edge):
        onto = graph.arc_to[arc]
        best = min(best, costs[arc] + ends[onto, goal.edge])
    rest = (1 - start.fraction) * float(weight[start.edge])
    return best + rest - (1 - goal.fraction) * float(weight[goal.edge])


@settings(deadline=None, max_examples=60)
@given(graphs(), places, st.lists(places, min_size=1, max_size=12), st.integers(1, 14), st.booleans(), st.data())
def test_the_nearest_units_are_those_of_a_full_search(graph, goal, units, k, both, data):
    goal, units = at(graph, goal), [at(graph, unit) for unit in units]
    eligible = np.array([data.draw(st.integers(0, 3)) > 0 for _ in units])
    field = unit_field(graph, np.array([u.edge for u in units]), np.array([u.fraction for u in units]))
    goals = [goal]
    if both and graph.twin[goal.edge] >= 0:
        goals.append(Place(int(graph.twin[goal.edge]), 1 - goal.fraction))
    expected = sorted(
        min(between(graph, graph.seconds, graph.arc_cost, unit, one) for one in goals)
        for unit, counts in zip(units, eligible, strict=True)
        if counts
    )[:k]
    found = nearest(graph, field, goal, k, eligible=eligible, both=both)
    assert [one.seconds for one in found] == pytest.approx(expected, abs=1e-3)
    assert len({one.unit for one in found}) == len(found)
    assert all(eligible[one.unit] for one in found)


@settings(deadline=None, max_examples=40)
@given(graphs(), places, places)
def test_a_section_is_what_a_full_search_finds(graph, start, goal):
    start, goal = at(graph, start), at(graph, goal)
    free = np.zeros_like(graph.arc_cost)
    found = section(graph, start, goal)
    assert found.metres == pytest.approx(between(graph, graph.length, free, start, goal), abs=1e-2)
    assert found.least == pytest.approx(between(graph, graph.seconds, free, start, goal), abs=1e-2)


@settings(deadline=None, max_examples=40)
@given(graphs(), places)
def test_a_path_tree_enters_every_edge_when_a_full_search_does(graph, root):
    root = at(graph, root)
    tree = path_tree(graph, root)
    assert sorted(tree.edge.tolist()) == list(range(graph.edges))
    for edge, enter in zip(tree.edge[1:].tolist(), tree.enter[1:].tolist(), strict=True):
        assert enter == pytest.approx(between(graph, graph.seconds, graph.arc_cost, root, Place(edge, 0.0)), abs=1e-2)


@settings(deadline=None, max_examples=60)
@given(graphs(), places, places, st.booleans())
def test_what_is_driven_is_a_probability_that_only_shrinks_along_the_way(graph, root, earlier, known):
    tree = path_tree(graph, at(graph, root))
    mass = driven(graph, tree, path_tree(graph, at(graph, earlier)) if known else None)
    assert mass[0] == 1
    assert ((mass >= 0) & (mass <= 1 + 1e-9)).all()
    children = np.zeros(len(mass))
    np.add.at(children, tree.parent[1:], mass[1:])
    assert (children <= mass + 1e-9).all()
    assert (tree.parent[1:] < np.arange(1, len(mass))).all()


@settings(deadline=None, max_examples=60)
@given(
    graphs(), places, st.lists(places, max_size=8), st.floats(0, 60), st.floats(0, 200), st.floats(0.1, 5), st.data()
)
def test_units_ahead_are_told_once_in_order_and_within_the_window(graph, root, units, earliest, more, ratio, data):
    units = [at(graph, unit) for unit in units]
    velocity = np.array([[data.draw(st.floats(-30, 30)), data.draw(st.floats(-30, 30))] for _ in units]).reshape(-1, 2)
    field = unit_field(
        graph, np.array([u.edge for u in units]), np.array([u.fraction for u in units]), velocity=velocity
    )
    found = units_ahead(
        graph, path_tree(graph, at(graph, root)), field, earliest=earliest, latest=earliest + more, speed_ratio=ratio
    )
    chances = [one.probability for one in found]
    assert chances == sorted(chances, reverse=True)
    assert all(0 < chance <= 1 for chance in chances)
    assert len({one.unit for one in found}) == len(found)
    assert all(one.seconds > 0 for one in found)


@settings(deadline=None, max_examples=60)
@given(graphs(), st.lists(places, min_size=1, max_size=20))
def test_a_position_on_an_edge_is_snapped_onto_the_street_it_is_on(graph, units):
    units = [at(graph, unit) for unit in units]
    field = unit_field(graph, np.array([u.edge for u in units]), np.array([u.fraction for u in units]))
    found = snap_local(snapper(graph), field.xy)
    again = unit_field(graph, found.edge, found.fraction)
    assert (found.distance < 0.05).all()
    assert np.hypot(*(again.xy - field.xy).T) == pytest.approx(np.zeros(len(units)), abs=0.1)


@settings(deadline=None, max_examples=60)
@given(graphs(), st.floats(0.05, 0.95), st.integers(0, 10_000), st.floats(-20, 20))
def test_the_heading_decides_between_the_two_directions(graph, fraction, edge, wrong):
    edge = edge % graph.edges
    points = graph.points(edge).astype(float)
    east, north = points[-1] - points[0]
    field = unit_field(graph, np.array([edge]), np.array([fraction]))
    heading = (90 - np.degrees(np.arctan2(north, east)) + wrong) % 360
    found = snap_local(snapper(graph), field.xy, np.array([heading]))
    assert found.edge[0] != graph.twin[edge]


@settings(deadline=None, max_examples=30)
@given(graphs())
def test_every_edge_leads_to_every_other_and_a_saved_graph_is_the_same(graph):
    n = graph.edges
    source = np.repeat(np.arange(n), np.diff(graph.arc_start))
    net = csr_matrix((np.ones(len(source)), (source, graph.arc_to)), shape=(n, n))
    assert np.isfinite(dijkstra(net, unweighted=True)).all()
    again = decode_graph(encode_graph(graph))
    assert np.array_equal(again.back_from, graph.back_from)
    assert np.array_equal(again.shape, graph.shape)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_no_bytes_crash_the_reader_of_saved_graphs(data):
    with pytest.raises(Refused):
        decode_graph(data)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | st.from_regex(r"[0-9]{1,5}( ?km/h| mph)?(;[A-Z]{2}:[a-z]+)?", fullmatch=True))
def test_a_limit_is_nothing_or_a_speed_that_can_be_driven(text):
    kmh = parse_maxspeed(text, {"urban": 60.0})
    assert kmh == 0 or 5 <= kmh <= 150
