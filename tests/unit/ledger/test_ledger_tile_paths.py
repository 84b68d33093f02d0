"""Paths of tiles, bundles of entries, and what a reader does with tiles that are not what they should be."""

import pytest
from tests.unit.ledger.refusals import refused

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.tiles import (
    ENTRIES,
    TileCache,
    TilePath,
    TileReader,
    entries_path,
    pack_entries,
    parse_path,
    tile_path,
    unpack_entries,
)
from saqtau.ledger.tree import Edge, leaf_hash, leaf_hashes

PATHS = {
    "tile/0/000": TilePath(0, 0),
    "tile/0/x001/x234/067": TilePath(0, 1_234_067),
    "tile/1/x001/000.p/17": TilePath(1, 1_000, 17),
    "tile/63/999.p/255": TilePath(63, 999, 255),
    "tile/entries/x273/001": TilePath(ENTRIES, 273_001),
    "tile/entries/273.p/112": TilePath(ENTRIES, 273, 112),
}


@pytest.mark.parametrize("text", PATHS)
def test_paths_of_the_specification(text):
    assert parse_path(text) == PATHS[text]
    assert PATHS[text].text == text


def test_paths_are_made_by_level_and_by_entries():
    assert tile_path(2, 1_234_067, 3) == "tile/2/x001/x234/067.p/3"
    assert entries_path(7) == "tile/entries/007"


@pytest.mark.parametrize(
    "text",
    [
        "", "tile", "tile/0", "tile/0/", "/tile/0/000", "tile/0/000/", "tile/0/0", "tile/0/0000", "tile/00/000",
        "tile/64/000", "tile/-1/000", "tile/0/001/000", "tile/0/x000/001", "tile/0/x001", "tile/0/000.p/0",
        "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/000.p/1/", "tile/0/000.p", "tile/0/000\n",
        "tile/0/000.p/1\n", "tile/data/000", "tile/0/../000", "tile/0/٠٠٠", "tile/0/000.p/١", "TILE/0/000",
        "tile/0/" + "x001/" * 6 + "000", "tile/0/" + "x001/" * 70 + "000",
    ],
)  # fmt: skip
def test_a_path_in_another_spelling_is_refused(text):
    assert refused(parse_path, text) == {"path": "invalid"}


def test_entries_are_packed_as_the_specification_says():
    assert pack_entries([b"", b"ab", b"c" * 300]) == b"\0\0" + b"\0\2ab" + b"\1\x2c" + b"c" * 300
    assert unpack_entries(b"\0\0\0\2ab") == [b"", b"ab"]
    assert unpack_entries(b"") == []
    assert unpack_entries(b"\0\0\0\0", 2) == [b"", b""]


def test_bundles_that_are_cut_or_of_another_count_are_refused():
    assert refused(unpack_entries, b"\0") == {"entries": "invalid"}
    assert refused(unpack_entries, b"\0\1") == {"entries": "invalid"}
    assert refused(unpack_entries, b"\0\2ab\0\5abcd") == {"entries": "invalid"}
    assert refused(unpack_entries, b"\0\0", 2) == {"entries": "invalid"}
    assert refused(unpack_entries, b"\0\0\0\0", 1) == {"entries": "invalid"}
    assert refused(pack_entries, [b"x" * 65_536]) == {"entry": "too_large"}
    assert unpack_entries(pack_entries([b"x" * 65_535])) == [b"x" * 65_535]


LEAVES = [str(n).encode() for n in range(600)]


def stored(*sizes):
    """Tiles and bundles of a log that published these sizes."""
    kept, edge = {}, Edge()
    for size in sizes:
        edge, full = edge.append(leaf_hashes(LEAVES[edge.size : size]))
        for tile in (*full, *edge.partial()):
            kept[tile_path(tile.level, tile.index, tile.width)] = tile.hashes
        for first in range(0, size, 256):
            bundle = LEAVES[first : min(first + 256, size)]
            kept[entries_path(first // 256, len(bundle))] = pack_entries(bundle)
    return kept


def read_from(kept, asked=None):
    def read(path):
        if asked is not None:
            asked.append(path.text)
        if path.text not in kept:
            raise Refused(Kind.NOT_FOUND, path.text)
        return kept[path.text]

    return read


def test_entries_come_across_bundles():
    reader = TileReader(read_from(stored(600)), 600)
    assert reader.entries(0, 600) == LEAVES
    assert reader.entries(250, 270) == LEAVES[250:520]
    assert reader.entries(512, 0) == []
    assert reader.hashes(250, 10) == [leaf_hash(leaf) for leaf in LEAVES[250:260]]


def test_a_partial_tile_that_is_gone_is_taken_from_the_full_one():
    old = TileReader(read_from(stored(300)), 300)
    kept = stored(300, 600)
    del kept["tile/0/001.p/44"], kept["tile/entries/001.p/44"]
    later = TileReader(read_from(kept), 300)
    assert later.inclusion(299) == old.inclusion(299)
    assert later.entries(290, 10) == LEAVES[290:300]


def test_a_tile_that_is_not_there_at_all_is_not_found():
    reader = TileReader(read_from({}), 300)
    with pytest.raises(Refused) as caught:
        reader.root()
    assert caught.value.kind is Kind.NOT_FOUND


@pytest.mark.parametrize("path", ["tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2"])
@pytest.mark.parametrize("hashes", [-1, 1])
def test_tiles_of_another_width_are_refused(path, hashes):
    kept = stored(600)
    kept[path] = kept[path][:-32] if hashes < 0 else kept[path] + b"h" * 32
    reader = TileReader(read_from(kept), 600)
    assert refused(lambda: (reader.root(), reader.hashes(0, 600))) == {"tile": "invalid"}


@pytest.mark.parametrize(("tile", "count"), [(0, 255), (0, 257), (2, 87), (2, 89)])
def test_bundles_of_another_count_are_refused(tile, count):
    kept = stored(600)
    kept[entries_path(tile, 256 if tile == 0 else 88)] = pack_entries(LEAVES[:count])
    assert refused(TileReader(read_from(kept), 600).entries, 0, 600) == {"entries": "invalid"}


def test_a_reader_refuses_what_lies_beyond_its_size():
    reader = TileReader(read_from(stored(600)), 600)
    assert refused(reader.inclusion, 600) == {"index": "invalid"}
    assert refused(reader.inclusion, -1) == {"index": "invalid"}
    assert refused(reader.inclusion, 5, 5) == {"index": "invalid"}
    assert refused(reader.inclusion, 5, 601) == {"size": "invalid"}
    assert refused(reader.consistency, 7, 6) == {"old": "invalid"}
    assert refused(reader.consistency, -1) == {"old": "invalid"}
    assert refused(reader.root, 601) == {"size": "invalid"}
    assert refused(reader.entries, 599, 2) == {"first": "invalid"}
    assert refused(reader.hashes, -1, 2) == {"first": "invalid"}
    assert refused(TileReader, read_from({}), -1) == {"size": "invalid"}


def test_a_cache_spares_tiles_that_were_read_and_forgets_the_least_used():
    kept, asked, cache = stored(300, 600), [], TileCache(tiles=2)
    read = read_from(kept, asked)
    TileReader(read, 300, cache).hashes(0, 256)
    TileReader(read, 600, cache).hashes(0, 256)
    assert asked == ["tile/0/000"], "a full tile is the same at every size"
    TileReader(read, 300, cache).hashes(256, 44)
    TileReader(read, 600, cache).hashes(256, 44)
    assert asked == ["tile/0/000", "tile/0/001.p/44", "tile/0/001"], "a partial tile is another at every size"
    TileReader(read, 600, cache).hashes(0, 1)
    assert asked[-1] == "tile/0/000", "the cache has room for two"


def test_what_a_cache_was_asked_for_last_stays():
    asked = []
    reader = TileReader(read_from(stored(600), asked), 600, TileCache(tiles=2))
    for index in (0, 256, 0, 512, 0):
        reader.hashes(index, 1)
    assert asked == ["tile/0/000", "tile/0/001", "tile/0/002.p/88"]
