"""Tiles made from a real extract: what they cover, what they keep, what a broken extract leaves behind."""

import gzip
import json
from pathlib import Path

import pytest

from saqtau.engine.tiles import ATTRIBUTION, build_tiles, read_map
from saqtau.kernel.errors import Kind, Refused
from saqtau.simulate.city import make_city
from saqtau.simulate.pbf import write_pbf


@pytest.fixture(scope="module")
def extract(tmp_path_factory):
    file = tmp_path_factory.mktemp("extract") / "city.osm.pbf"
    write_pbf(make_city(7), file)
    return file


@pytest.fixture(scope="module")
def built(extract, tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    steps = []
    found = build_tiles(extract, folder, lambda step, part: steps.append((step, part)))
    return folder, found, steps


def metadata(tiles: Path):
    """The JSON metadata of a PMTiles file (version 3: offset and length at bytes 24 and 32, gzip)."""
    data = tiles.read_bytes()
    assert data[:7] == b"PMTiles"
    offset, length = (int.from_bytes(data[at : at + 8], "little") for at in (24, 32))
    return json.loads(gzip.decompress(data[offset : offset + length]))


def test_the_tiles_have_one_layer_with_the_kept_keys_only(built):
    folder, _, _ = built
    about = metadata(folder / "city.pmtiles")
    (layer,) = about["vector_layers"]
    assert layer["id"] == "osm"
    assert set(layer["fields"]) == {"highway", "name", "building", "waterway", "landuse", "natural"}
    assert (layer["minzoom"], layer["maxzoom"]) == (6, 14)
    assert about["attribution"] == ATTRIBUTION


def test_the_bounds_are_those_of_the_streets(built):
    folder, found, _ = built
    west, south, east, north = found.bounds
    assert 65.1 < west < east < 65.3
    assert 50.4 < south < north < 50.5
    assert read_map(folder) == found


def test_progress_ends_at_all_of_each_step_and_nothing_is_left_beside_the_map(built):
    folder, _, steps = built
    assert ("features", 1.0) in steps
    assert steps[-1] == ("tiles", 1.0)
    assert all(0 <= part <= 1 for _, part in steps)
    assert sorted(file.name for file in folder.iterdir()) == ["bounds.json", "city.pmtiles"]


def test_a_folder_without_a_map_says_none_and_a_damaged_one_is_refused(tmp_path):
    assert read_map(tmp_path) is None
    (tmp_path / "city.pmtiles").write_bytes(b"")
    (tmp_path / "bounds.json").write_text("{")
    with pytest.raises(Refused) as refused:
        read_map(tmp_path)
    assert refused.value.kind is Kind.INVALID


def test_a_broken_extract_is_refused_and_the_old_map_stays(extract, built, tmp_path):
    folder, found, _ = built
    before = (folder / "city.pmtiles").read_bytes()
    broken = tmp_path / "broken.osm.pbf"
    broken.write_bytes(extract.read_bytes()[:40_000])
    with pytest.raises(Refused) as refused:
        build_tiles(broken, folder)
    assert refused.value.kind is Kind.INVALID
    assert (folder / "city.pmtiles").read_bytes() == before
    assert read_map(folder) == found


def test_an_extract_without_streets_is_refused(tmp_path):
    empty = tmp_path / "empty.osm"
    empty.write_text('<osm version="0.6"><node id="1" version="1" lat="50" lon="65"/></osm>')
    with pytest.raises(Refused) as refused:
        build_tiles(empty, tmp_path / "map")
    assert refused.value.fields == {"map": "no_roads"}


def test_a_missing_extract_is_not_found(tmp_path):
    with pytest.raises(Refused) as refused:
        build_tiles(tmp_path / "nowhere.osm.pbf", tmp_path)
    assert refused.value.kind is Kind.NOT_FOUND
