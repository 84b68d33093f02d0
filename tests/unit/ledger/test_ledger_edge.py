"""The tree against the vectors that every RFC 6962 implementation knows (CT's merkle_tree_test)."""

import pytest
from tests.unit.ledger.refusals import refused

from saqtau.ledger.proof import verify_consistency, verify_inclusion
from saqtau.ledger.tiles import TileReader
from saqtau.ledger.tree import EMPTY, Edge, leaf_hash, leaf_hashes, node_hash, row_widths, subtree_root

LEAVES = [
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = [
    (0, 1, []),
    (0, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (5, 8, ["bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
    (2, 3, ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
]  # fmt: skip
CONSISTENCY = [
    (1, 1, []),
    (1, 8, ["96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"]),
    (6, 8, ["0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"]),
]  # fmt: skip


def reader(size):
    edge, full = Edge().append(leaf_hashes(LEAVES[:size]))
    assert not full
    kept = {tile.level: tile.hashes for tile in edge.partial()}
    return TileReader(lambda path: kept[path.level], size)


def test_the_hashes_of_rfc_6962():
    assert EMPTY.hex() == ROOTS[0]
    assert leaf_hash(b"L123456").hex() == "395aa064aa4c29f7010acfe3f25db9485bbd4b91897b6ad7ad547639252b4d56"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


@pytest.mark.parametrize("size", range(9))
def test_the_known_roots(size):
    edge, _ = Edge().append(leaf_hashes(LEAVES[:size]))
    assert edge.root().hex() == ROOTS[size]
    assert subtree_root(leaf_hashes(LEAVES[:size])).hex() == ROOTS[size]
    assert reader(8).root(size).hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_the_known_inclusion_proofs(index, size, proof):
    assert [step.hex() for step in reader(size).inclusion(index)] == proof
    steps = [bytes.fromhex(step) for step in proof]
    assert verify_inclusion(leaf_hash(LEAVES[index]), index, size, steps, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_the_known_consistency_proofs(old, new, proof):
    assert [step.hex() for step in reader(new).consistency(old)] == proof
    steps = [bytes.fromhex(step) for step in proof]
    assert verify_consistency(old, new, bytes.fromhex(ROOTS[old]), bytes.fromhex(ROOTS[new]), steps)


def test_a_tree_of_70000_has_the_tiles_that_the_specification_counts():
    edge, full = Edge().append(leaf_hashes(str(n).encode() for n in range(70_000)))
    assert [sum(tile.level == level for tile in full) for level in range(3)] == [273, 1, 0]
    assert [(tile.level, tile.index, tile.width) for tile in edge.partial()] == [(0, 273, 112), (1, 1, 17), (2, 0, 1)]
    assert row_widths(70_000) == [112, 17, 1]


def test_a_tree_of_256_has_one_full_tile_and_a_partial_one_above():
    edge, full = Edge().append(leaf_hashes(str(n).encode() for n in range(256)))
    assert [(tile.level, tile.index, tile.width) for tile in full] == [(0, 0, 256)]
    assert [(tile.level, tile.index, tile.width) for tile in edge.partial()] == [(1, 0, 1)]
    assert edge.partial()[0].hashes == edge.root()


def test_nothing_appended_is_nothing_changed():
    edge, _ = Edge().append(leaf_hashes(LEAVES))
    assert edge.append([]) == (edge, [])
    assert Edge().append([]) == (Edge(), [])
    assert Edge().root() == EMPTY


def test_an_edge_that_does_not_belong_to_the_size_is_refused():
    edge, _ = Edge().append(leaf_hashes(LEAVES))
    assert Edge.unpack(edge.pack(), 8) == edge
    assert refused(Edge.unpack, edge.pack(), 7) == {"edge": "invalid"}
    assert refused(Edge.unpack, edge.pack()[:-1], 8) == {"edge": "invalid"}
    assert refused(Edge.unpack, b"", 2**63) == {"size": "invalid"}
    assert refused(Edge.unpack, b"", -1) == {"size": "invalid"}
