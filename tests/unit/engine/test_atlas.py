"""The map of a folder: imported whole or not at all; where cameras look and units are."""

import numpy as np
import osmium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.roads.drawn import degrees, draw

from saqtau.engine import atlas as atlases
from saqtau.engine.atlas import GRAPH, Atlas, Fix, Whereabouts, import_map, need, open_atlas, place_cameras
from saqtau.engine.tiles import read_map
from saqtau.jurisdiction import load
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera
from saqtau.roads.snap import snapper
from saqtau.roads.tree import Trees

LAW = load()


def write(path, side=400.0):
    """An extract with a square of residential streets in Almaty, so many metres long."""
    make = osmium.osm.mutable
    corners = {1: (0.0, 0.0), 2: (side, 0.0), 3: (side, side), 4: (0.0, side)}
    with osmium.SimpleWriter(str(path), overwrite=True) as out:
        for node, xy in corners.items():
            lat, lon = degrees(*xy)
            out.add_node(make.Node(id=node, version=1, location=(lon, lat)))
        for number, ends in enumerate(((1, 2), (2, 3), (3, 4), (4, 1)), start=1):
            out.add_way(make.Way(id=number, version=1, nodes=list(ends), tags={"highway": "residential"}))
    return path


def quiet(_line):
    return None


@pytest.fixture(scope="module")
def street():
    drawing = draw({0: (0.0, 0.0), 1: (500.0, 0.0), 2: (1000.0, 0.0)}, (0, 1, 2))
    return Atlas(drawing.graph, snapper(drawing.graph), Trees(drawing.graph))


def test_a_map_is_read_and_opened_again_as_it_was_imported(tmp_path):
    said = []
    graph, tiles = import_map(write(tmp_path / "a.osm.pbf"), tmp_path / "map", LAW, said.append)
    found = open_atlas(tmp_path / "map")
    assert found is not None
    assert found.graph.edges == graph.edges > 0
    assert np.array_equal(found.graph.length, graph.length)
    assert read_map(tmp_path / "map") == tiles
    assert said[0].startswith("Reading")
    assert {path.name for path in (tmp_path / "map").iterdir()} == {GRAPH, "city.pmtiles", "bounds.json"}


def test_there_is_no_map_before_the_first_import_and_it_is_said_how_to_get_one(tmp_path):
    assert open_atlas(tmp_path) is None
    with pytest.raises(Refused) as refused:
        need(None)
    assert refused.value.kind is Kind.UNAVAILABLE
    assert "map import" in refused.value.message


def test_the_old_map_serves_until_the_new_one_is_whole(tmp_path, monkeypatch):
    folder = tmp_path / "map"
    import_map(write(tmp_path / "a.osm.pbf"), folder, LAW, quiet)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def no_room(*_):
        raise Refused(Kind.UNAVAILABLE, "no space left", map="tiles")

    monkeypatch.setattr(atlases, "build_tiles", no_room)
    with pytest.raises(Refused):
        import_map(write(tmp_path / "b.osm.pbf", side=800.0), folder, LAW, quiet)
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert {path.name for path in folder.iterdir()} == set(before), "nothing half made is left"


@pytest.mark.parametrize("data", [b"", b"not an extract"])
def test_a_file_that_is_no_extract_leaves_the_old_map(tmp_path, data):
    folder = tmp_path / "map"
    import_map(write(tmp_path / "a.osm.pbf"), folder, LAW, quiet)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (tmp_path / "b.osm.pbf").write_bytes(data)
    with pytest.raises(Refused):
        import_map(tmp_path / "b.osm.pbf", folder, LAW, quiet)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_damaged_graph_is_refused_and_not_half_read(tmp_path):
    import_map(write(tmp_path / "a.osm.pbf"), tmp_path / "map", LAW, quiet)
    path = tmp_path / "map" / GRAPH
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(Refused) as refused:
        open_atlas(tmp_path / "map")
    assert refused.value.kind is Kind.INVALID


def camera(name, x, y=0.0, heading=90.0):
    lat, lon = degrees(x, y)
    return Camera(name, "s", name, 2, lat, lon, heading, 60.0)


def test_a_camera_looks_along_the_lane_of_its_heading(street):
    found = place_cameras(street, [camera("east", 250), camera("west", 250, heading=270.0)])
    assert found["east"].edge != found["west"].edge
    assert street.graph.twin[found["east"].edge] == found["west"].edge


def test_a_camera_far_from_every_road_has_no_place(street):
    found = place_cameras(street, [camera("near", 250, 15), camera("far", 250, 500)])
    assert set(found) == {"near"}
    assert place_cameras(street, []) == {}


def fix(unit, at, x=100.0, speed=None, heading=None):
    lat, lon = degrees(x, 0.0)
    return Fix(unit, lon, lat, heading, "A", Instant(at), (), 2, 0, 0.5, speed)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["u1", "u2", "u3"]), st.integers(0, 9)), max_size=20))
def test_the_newest_fix_of_each_unit_is_kept_in_whatever_order_they_come(street, heard):
    seen = Whereabouts(street)
    for unit, at in heard:
        seen.see([fix(unit, at)])
    newest = {unit: max(at for other, at in heard if other == unit) for unit, _ in heard}
    now = seen.now()
    assert {one.unit: one.at for one in now.fixes} == newest
    assert list(now.ids) == [one.unit for one in now.fixes]
    assert len(now.field.xy) == len(newest)


def test_a_field_is_built_once_a_change_and_never_altered(street):
    seen = Whereabouts(street)
    assert seen.now().ids == ()
    seen.see([fix("u1", 5)])
    first = seen.now()
    assert seen.now() is first
    seen.see([fix("u1", 4)])
    assert seen.now() is first
    seen.see([fix("u1", 6, x=300.0)])
    assert seen.now() is not first
    assert first.fixes[0].at == 5


def test_a_moving_unit_has_a_velocity_and_one_without_a_heading_stands(street):
    seen = Whereabouts(street)
    seen.see([fix("u1", 5, speed=36.0, heading=90.0), fix("u2", 5, speed=36.0), fix("u3", 5, speed=36.0, heading=0.0)])
    assert np.allclose(seen.now().field.velocity, [(10, 0), (0, 0), (0, 10)], atol=1e-4)


def test_the_units_that_are_wanted_are_those_named_true(street):
    seen = Whereabouts(street)
    seen.see([fix("u1", 5), fix("u2", 5), fix("u3", 5)])
    assert seen.now().eligible({"u1": True, "u2": False}).tolist() == [True, False, False]
