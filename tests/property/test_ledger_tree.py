"""The fast tree, its tiles and its proofs against RFC 6962 taken at its word."""

import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.property.naive_tree import NaiveTree, consistency_turns, turns

from saqtau.ledger.proof import verify_consistency, verify_inclusion
from saqtau.ledger.tiles import TileReader, pack_entries, parse_path, tile_path, unpack_entries
from saqtau.ledger.tree import EMPTY, Edge, leaf_hashes, subtree_root

SMALL, LARGE = 300, 66_200
"""Leaves: beyond one full tile, and beyond one full tile of tiles."""
NOTABLE = [1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_792, 65_793, LARGE - 1, LARGE]


class Grown:
    """A log grown in random batches: its naive tree, and all tiles it ever had."""

    def __init__(self, leaves, seed):
        dice = random.Random(seed)
        self.hashes = leaf_hashes(b"%d" % n for n in range(leaves))
        self.naive = NaiveTree(self.hashes)
        self.tiles = {}
        self.edge = Edge()
        while self.edge.size < leaves:
            batch = self.hashes[self.edge.size :][: dice.choice([1, 2, 3, 100, 255, 256, 257, 5_000])]
            self.edge, full = self.edge.append(batch)
            for tile in (*full, *self.edge.partial()):
                self.tiles[tile_path(tile.level, tile.index, tile.width)] = tile.hashes

    def reader(self, cache=None):
        return TileReader(lambda path: self.tiles[path.text], self.edge.size, cache)


@pytest.fixture(scope="module")
def small():
    return Grown(SMALL, 1)


@pytest.fixture(scope="module")
def large():
    return Grown(LARGE, 2)


def test_every_inclusion_proof_of_every_small_tree(small):
    reader = small.reader()
    for size in range(1, SMALL + 1):
        root = small.naive.root(size)
        for index in range(size):
            proof = reader.inclusion(index, size)
            assert proof == small.naive.path(index, 0, size)
            assert verify_inclusion(small.hashes[index], index, size, proof, root)


def test_every_consistency_proof_of_every_small_tree(small):
    reader = small.reader()
    roots = [small.naive.root(size) for size in range(SMALL + 1)]
    for new in range(1, SMALL + 1):
        for old in range(1, new):
            proof = reader.consistency(old, new)
            assert proof == small.naive.proof(old, new)
            assert verify_consistency(old, new, roots[old], roots[new], proof)
        assert reader.consistency(new, new) == reader.consistency(0, new) == []


def test_every_root_of_a_small_tree_however_it_grew(small):
    one_by_one = Edge()
    for size in range(SMALL + 1):
        root = small.naive.root(size)
        at_once, _ = Edge().append(small.hashes[:size])
        assert one_by_one == at_once
        assert at_once.root() == small.reader().root(size) == subtree_root(small.hashes[:size]) == root
        one_by_one, _ = one_by_one.append(small.hashes[size : size + 1])


sizes = st.sampled_from(NOTABLE) | st.integers(1, LARGE)


@given(size=sizes, place=st.floats(0, 1, exclude_max=True))
@example(size=LARGE, place=0.0)
@example(size=65_537, place=0.99999999)
def test_proofs_of_large_trees(large, size, place):
    index = int(place * size)
    proof = large.reader().inclusion(index, size)
    assert proof == large.naive.path(index, 0, size)
    assert large.reader().root(size) == large.naive.root(size)
    assert verify_inclusion(large.hashes[index], index, size, proof, large.naive.root(size))


@given(new=sizes, old=sizes)
@example(new=LARGE, old=65_536)
@example(new=65_536, old=256)
def test_consistency_of_large_trees(large, new, old):
    old, new = sorted((old, new))
    proof = large.reader().consistency(old, new)
    assert proof == ([] if old == new else large.naive.proof(old, new))
    assert verify_consistency(old, new, large.naive.root(old), large.naive.root(new), proof)


def flipped(hash_, bit):
    data = bytearray(hash_)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


@pytest.mark.parametrize(("index", "size"), [(0, 2), (5, 8), (6, 7), (256, 300), (65_600, 66_000)])
def test_every_flipped_bit_of_an_inclusion_proof_is_refused(large, index, size):
    leaf, root, proof = large.hashes[index], large.naive.root(size), large.reader().inclusion(index, size)
    assert verify_inclusion(leaf, index, size, proof, root)
    for bit in range(256):
        assert not verify_inclusion(flipped(leaf, bit), index, size, proof, root)
        assert not verify_inclusion(leaf, index, size, proof, flipped(root, bit))
        for at in range(len(proof)):
            wrong = [*proof[:at], flipped(proof[at], bit), *proof[at + 1 :]]
            assert not verify_inclusion(leaf, index, size, wrong, root)


@pytest.mark.parametrize(("old", "new"), [(1, 2), (6, 8), (4, 7), (256, 300), (65_536, 66_000), (65_601, 66_000)])
def test_every_flipped_bit_of_a_consistency_proof_is_refused(large, old, new):
    before, after = large.naive.root(old), large.naive.root(new)
    proof = large.reader().consistency(old, new)
    assert verify_consistency(old, new, before, after, proof)
    for bit in range(256):
        assert not verify_consistency(old, new, flipped(before, bit), after, proof)
        assert not verify_consistency(old, new, before, flipped(after, bit), proof)
        for at in range(len(proof)):
            wrong = [*proof[:at], flipped(proof[at], bit), *proof[at + 1 :]]
            assert not verify_consistency(old, new, before, after, wrong)


@given(size=st.integers(2, SMALL), data=st.data())
def test_a_leaf_is_at_its_own_index_only(small, size, data):
    index = data.draw(st.integers(0, size - 1))
    proof, root = small.reader().inclusion(index, size), small.naive.root(size)
    for other in range(size):
        assert verify_inclusion(small.hashes[index], other, size, proof, root) is (other == index)


@given(size=st.integers(1, SMALL), data=st.data())
def test_another_size_is_refused_unless_the_path_has_the_same_turns(small, size, data):
    """RFC 6962 binds a size to a root by the signature over both; the path alone binds its turns."""
    index = data.draw(st.integers(0, size - 1))
    proof, root = small.reader().inclusion(index, size), small.naive.root(size)
    for other in range(1, 2 * SMALL):
        same = index < other and turns(index, other) == turns(index, size)
        assert verify_inclusion(small.hashes[index], index, other, proof, root) is same


@given(size=st.integers(3, SMALL), data=st.data())
def test_a_proof_that_is_longer_shorter_or_in_another_order_is_refused(small, size, data):
    index = data.draw(st.integers(0, size - 1))
    proof, root, leaf = small.reader().inclusion(index, size), small.naive.root(size), small.hashes[index]
    at = data.draw(st.integers(0, len(proof)))
    assert not verify_inclusion(leaf, index, size, [*proof[:at], small.hashes[0], *proof[at:]], root)
    assert not verify_inclusion(
        leaf, index, size, [*proof[:at], *proof[at + 1 :], *([] if at < len(proof) else [root])], root
    )
    if len(proof) > 1:
        assert not verify_inclusion(leaf, index, size, proof[::-1], root)


@given(new=st.integers(3, SMALL), data=st.data())
def test_a_consistency_proof_serves_its_own_trees_only(small, new, data):
    old = data.draw(st.integers(2, new - 1))
    roots, proof = small.naive.root, small.reader().consistency(old, new)
    at = data.draw(st.integers(0, len(proof)))
    longer = [*proof[:at], small.hashes[0], *proof[at:]]
    assert not verify_consistency(old, new, roots(old), roots(new), longer)
    assert not verify_consistency(old, new, roots(old), roots(new), proof[: min(at, len(proof) - 1)])
    assert not verify_consistency(old, new, roots(new), roots(old), proof)
    assert not verify_consistency(new, old, roots(new), roots(old), proof)
    assert not verify_consistency(old - 1, new, roots(old - 1), roots(new), proof)
    assert not verify_consistency(old, new, roots(old - 1), roots(new), proof)
    assert not verify_consistency(old, new, EMPTY, roots(new), proof)


@given(new=st.integers(2, SMALL), data=st.data())
def test_a_larger_size_may_not_be_claimed_for_a_root_unless_the_proof_has_the_same_turns(small, new, data):
    old = data.draw(st.integers(1, new - 1))
    roots, proof = small.naive.root, small.reader().consistency(old, new)
    for other in range(old + 1, 2 * SMALL):
        same = consistency_turns(old, other) == consistency_turns(old, new)
        assert verify_consistency(old, other, roots(old), roots(new), proof) is same


@given(place=st.integers(0, SMALL - 1), size=st.integers(1, SMALL - 1))
def test_a_log_that_changed_one_leaf_is_consistent_with_no_tree_that_had_it(small, place, size):
    forged = NaiveTree([*small.hashes[:place], small.hashes[place - 1], *small.hashes[place + 1 :]])
    held = verify_consistency(size, SMALL, small.naive.root(size), forged.root(SMALL), forged.proof(size, SMALL))
    assert held is (place >= size)


@given(st.integers(0, 63), st.integers(0, 10**9), st.integers(1, 256))
def test_every_path_is_read_as_it_was_written(level, index, width):
    path = parse_path(tile_path(level, index, width))
    assert (path.level, path.index, path.width) == (level, index, width)


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_every_bundle_is_read_as_it_was_packed(entries):
    assert unpack_entries(pack_entries(entries), len(entries)) == entries


@given(st.integers(0, 2_000).flatmap(lambda size: st.tuples(st.just(size), st.integers(0, 700))))
def test_an_edge_is_packed_without_loss_and_goes_on_as_before(large, given_sizes):
    size, more = given_sizes
    edge, _ = Edge().append(large.hashes[:size])
    again = Edge.unpack(edge.pack(), size)
    assert again == edge
    assert again.append(large.hashes[size : size + more]) == edge.append(large.hashes[size : size + more])
