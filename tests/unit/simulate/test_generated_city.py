"""The generated city is a real extract: complete, connected, the same for the same seed."""

from collections import Counter, defaultdict
from itertools import pairwise

import osmium
import pytest

from saqtau.kernel.errors import Kind, Refused
from saqtau.simulate.city import make_city
from saqtau.simulate.pbf import write_pbf
from saqtau.simulate.streets import LIMITS


@pytest.fixture(scope="module")
def city():
    return make_city(7)


@pytest.fixture(scope="module")
def extract(city, tmp_path_factory):
    file = tmp_path_factory.mktemp("city") / "city.osm.pbf"
    write_pbf(city, file)
    return file


def streets(city):
    drivable = {*LIMITS, "residential"}
    return [way for way in city.ways if way.tags.get("highway") in drivable]


def directed_edges(city):
    """Edges between junctions, as an importer splits them."""
    uses = Counter()
    for way in streets(city):
        uses.update(way.nodes)
        uses.update((way.nodes[0], way.nodes[-1]))
    edges = []
    for way in streets(city):
        cuts = [node for node in way.nodes if uses[node] > 1]
        oneway = way.tags.get("oneway")
        for start, end in pairwise(cuts):
            if oneway != "-1":
                edges.append((start, end))
            if oneway == "-1" or (oneway is None and "junction" not in way.tags):
                edges.append((end, start))
    return edges


def reached(edges, start):
    onward = defaultdict(list)
    for tail, head in edges:
        onward[tail].append(head)
    seen, waiting = {start}, [start]
    while waiting:
        for node in onward[waiting.pop()]:
            if node not in seen:
                seen.add(node)
                waiting.append(node)
    return seen


def test_the_same_seed_makes_the_same_city_and_another_seed_another():
    assert make_city(3) == make_city(3)
    assert make_city(3).nodes != make_city(4).nodes


@pytest.mark.parametrize("seed", range(6))
def test_the_city_has_about_2500_directed_edges_and_nearly_all_reach_each_other(seed):
    city = make_city(seed)
    edges = directed_edges(city)
    assert 2_100 <= len(edges) <= 2_900
    centre = city.ways[0].nodes[0]
    there = reached(edges, centre)
    back = reached([(head, tail) for tail, head in edges], centre)
    everywhere = {node for edge in edges for node in edge}
    assert len(there & back) >= 0.97 * len(everywhere)


def test_few_bridges_cross_the_river(city):
    assert Counter(way.tags["highway"] for way in streets(city) if "bridge" in way.tags) == {
        "trunk": 2,
        "secondary": 2,
        "primary": 1,
    }


def test_forbidden_turns_start_and_end_at_their_crossing(city):
    assert len(city.restrictions) >= 10
    ways = {way.id: way for way in city.ways}
    for turn in city.restrictions:
        for way in (ways[turn.way_from], ways[turn.way_to]):
            assert turn.via in (way.nodes[0], way.nodes[-1])


def test_no_street_runs_through_the_lake_park(city):
    u0, v0, u1, v1 = city.parks[0]
    (a, b), (c, d) = city.lattice.at(u0 + 0.2, v0 + 0.2), city.lattice.at(u0 + 0.2, v1 - 0.2)
    (e, f), (g, h) = city.lattice.at(u1 - 0.2, v0 + 0.2), city.lattice.at(u1 - 0.2, v1 - 0.2)
    west, east, south, north = max(a, c), min(e, g), max(b, f), min(d, h)
    points = {node.id: node.point for node in city.nodes}
    inside = [
        way
        for way in streets(city)
        for x, y in (points[node] for node in way.nodes)
        if west < x < east and south < y < north
    ]
    assert inside == []


def test_the_extract_read_back_by_osmium_is_the_city(city, extract):
    found = Counter()
    names = set()
    for thing in osmium.FileProcessor(extract).with_locations():
        found[thing.type_str()] += 1
        if thing.is_way():
            assert all(node.location.valid() for node in thing.nodes)
            names.add(thing.tags.get("name", ""))
    assert found == {"n": len(city.nodes), "w": len(city.ways), "r": len(city.restrictions)}
    assert "Абай даңғылы" in names


def test_the_same_city_makes_the_same_bytes(city, extract, tmp_path):
    again = tmp_path / "again.osm.pbf"
    write_pbf(city, again)
    assert again.read_bytes() == extract.read_bytes()
    assert list(tmp_path.iterdir()) == [again]


def test_an_extract_with_another_ending_is_refused(city, tmp_path):
    with pytest.raises(Refused) as refused:
        write_pbf(city, tmp_path / "city.geojson")
    assert refused.value.kind is Kind.INVALID
