from datetime import date
from pathlib import Path

import pytest
from tests.unit.roads.drawn import degrees

from saqtau.jurisdiction import Bounds, load
from saqtau.kernel.errors import Kind, Refused
from saqtau.roads.osm import import_osm, parse_maxspeed

LAW = load()
MAPS = Path(__file__).resolve().parents[4] / "shared" / "data" / "maps"
SQUARE = {1: (0, 0), 2: (400, 0), 3: (400, 400), 4: (0, 400)}


def way(number, nodes, **tags):
    tags = {"highway": "residential", **tags}
    body = "".join(f'<nd ref="{n}"/>' for n in nodes) + "".join(
        f'<tag k="{k.replace("__", ":")}" v="{v}"/>' for k, v in tags.items()
    )
    return f'<way id="{number}" version="1">{body}</way>'


def restriction(number, rule, origin, via, target, kind="node", **tags):
    tags = {"type": "restriction", "restriction": rule, **tags}
    body = "".join(f'<tag k="{k}" v="{v}"/>' for k, v in tags.items())
    return (
        f'<relation id="{number}" version="1"><member type="way" ref="{origin}" role="from"/>'
        f'<member type="{kind}" ref="{via}" role="via"/><member type="way" ref="{target}" role="to"/>{body}</relation>'
    )


@pytest.fixture
def imported(tmp_path):
    def run(*things, nodes=SQUARE, within=None, name="city.osm"):
        points = "".join(
            '<node id="{}" version="1" lat="{:.7f}" lon="{:.7f}"/>'.format(n, *degrees(*xy)) for n, xy in nodes.items()
        )
        path = tmp_path / name
        path.write_text(f'<?xml version="1.0"?><osm version="0.6">{points}{"".join(things)}</osm>')
        return import_osm(path, LAW.speeds, LAW.limits, within=within)

    return run


def test_a_residential_street_becomes_two_edges_at_the_speed_of_its_class(imported):
    graph = imported(way(1, (1, 2), name="Абай көшесі"))
    assert graph.edges == 2
    assert graph.names == ("", "Абай көшесі")
    assert graph.seconds[0] == pytest.approx(400 / 30 * 3.6, rel=1e-3)


@pytest.mark.parametrize("oneway", ["yes", "1", "true", "-1", "reverse"])
def test_one_way_streets_are_one_edge(imported, oneway):
    graph = imported(way(1, (1, 2, 3, 4, 1), oneway=oneway), way(2, (1, 3)))
    assert (graph.twin < 0).sum() == 2


def test_a_roundabout_is_one_way_without_being_told(imported):
    graph = imported(way(1, (1, 2, 3, 4, 1), junction="roundabout"), way(2, (1, 3)))
    assert (graph.twin < 0).sum() == 2


@pytest.mark.parametrize(
    "tags",
    [
        {"access": "private"},
        {"motor_vehicle": "no"},
        {"highway": "footway"},
        {"area": "yes"},
        {"service": "driveway", "highway": "service"},
        {"oneway": "reversible"},
    ],
)
def test_ways_closed_to_cars_are_left_out(imported, tags):
    graph = imported(way(1, (1, 2)), way(2, (2, 3), **tags))
    assert graph.edges == 2


def test_the_particular_tag_opens_what_the_general_one_closes(imported):
    assert imported(way(1, (1, 2)), way(2, (2, 3), access="no", motor_vehicle="yes")).edges == 4


def test_a_limit_in_one_direction_counts_there_only(imported):
    graph = imported(way(1, (1, 2), maxspeed__forward="60"))
    assert sorted(graph.limit.tolist()) == [30, 60]


def test_turn_restrictions_are_read_and_those_through_ways_are_counted(imported):
    nodes = {1: (-400, 0), 2: (0, 0), 3: (0, 400), 5: (400, 0), 6: (0, -400)}
    ways = [way(1, (1, 2)), way(2, (2, 3)), way(3, (2, 5)), way(4, (2, 6))]
    free = imported(*ways, nodes=nodes)
    bound = imported(
        *ways,
        restriction(1, "no_left_turn", 1, 2, 2),
        restriction(2, "no_u_turn", 1, 4, 2, kind="way"),
        restriction(3, "no_left_turn", 1, 2, 3, **{"except": "motorcar"}),
        nodes=nodes,
    )
    assert len(free.arc_to) - len(bound.arc_to) == 1
    assert bound.facts["restrictions"] == 1
    assert bound.facts["turns_left_out"] == 1


def test_a_way_is_cut_where_the_extract_lacks_a_node(imported):
    graph = imported(way(1, (1, 2, 77, 3, 4)), way(2, (1, 4)))
    assert graph.length.max() == pytest.approx(400, rel=1e-3)
    assert graph.edges == 6


@pytest.mark.parametrize(
    ("text", "kmh"),
    [
        ("60", 60),
        ("60 km/h", 60),
        ("40 mph", 64.37376),
        ("80;60", 60),
        ("KZ:urban", 60),
        ("RU:rural", 100),
        ("walk", 6),
        ("none", 0),
        ("signals", 0),
        ("999", 0),
        ("1", 0),
        ("", 0),
        ("KZ:", 0),
        ("60;;", 60),
        ("sixty", 0),
    ],
)
def test_the_many_ways_to_write_a_limit(text, kmh):
    assert parse_maxspeed(text, LAW.limits.kmh) == pytest.approx(kmh)


def refused(path, **more):
    with pytest.raises(Refused) as caught:
        import_osm(path, LAW.speeds, LAW.limits, **more)
    return caught.value.kind, caught.value.fields["map"]


def test_a_missing_file_is_not_found(tmp_path):
    assert refused(tmp_path / "no.osm.pbf") == (Kind.NOT_FOUND, "not_found")


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.osm.pbf", b"", "empty"),
        ("a.osm.pbf", b"this is a letter, not a map" * 50, "broken"),
        ("a.osm.pbf", bytes(range(256)) * 20, "broken"),
        ("a.osm", b"<osm><node id='x'", "broken"),
        ("a.osm", b"<?xml version='1.0'?><html></html>", "broken"),
        ("a.osm", b"<?xml version='1.0'?><osm version='0.6'></osm>", "no_roads"),
        ("a.zip", b"PK\x03\x04", "format"),
    ],
)
def test_what_is_no_extract_is_refused_with_the_reason(tmp_path, name, content, why):
    path = tmp_path / name
    path.write_bytes(content)
    assert refused(path) == (Kind.INVALID, why)


def test_an_extract_cut_short_is_refused_or_smaller_but_never_a_crash(tmp_path):
    whole = MAPS / "almaty.osm.pbf"
    if not whole.is_file():
        pytest.skip("../shared/data/maps/almaty.osm.pbf is absent: the real extract is not tested")
    path = tmp_path / "cut.osm.pbf"
    path.write_bytes(whole.read_bytes()[:-1000])
    assert refused(path) == (Kind.INVALID, "broken")


def test_an_extract_of_another_country_is_refused(imported):
    far = Bounds(source="test", since=date(2026, 1, 1), south=47.0, north=48.0, west=9.0, east=10.0)
    with pytest.raises(Refused, match=r"lies at 43\.20, 76\.90"):
        imported(way(1, (1, 2)), within=far)
    assert imported(way(1, (1, 2)), within=LAW.bounds).edges == 2


def test_the_real_almaty_is_a_city():
    path = MAPS / "almaty.osm.pbf"
    if not path.is_file():
        pytest.skip("../shared/data/maps/almaty.osm.pbf is absent: the real extract is not tested")
    graph = import_osm(path, LAW.speeds, LAW.limits, within=LAW.bounds)
    assert graph.edges > 20_000
    assert graph.facts["kilometres"] > 5_000
    assert graph.facts["restrictions"] > 80
    assert any("Абая" in name for name in graph.names)
