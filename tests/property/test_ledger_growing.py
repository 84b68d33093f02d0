"""A log's life as a state machine: it grows, its edge is put away and taken up, it publishes, it is read and proven.

What happens when the process dies between two writes is the sequencer's (tests/engine); here is the pure tree.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.property.naive_tree import NaiveTree

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.proof import verify_consistency, verify_inclusion
from saqtau.ledger.tiles import TileCache, TileReader, entries_path, pack_entries, tile_path
from saqtau.ledger.tree import WIDTH, Edge, leaf_hash, leaf_hashes

batches = st.integers(1, 9) | st.sampled_from([254, 255, 256, 257, 300, 700])


class Log(RuleBasedStateMachine):
    """`leaves` is the model; `kept` are the files that were published."""

    @initialize()
    def begin(self):
        self.leaves, self.hashes = [], []
        self.edge = Edge()
        self.kept = {}
        self.published = [0]
        self.cache = TileCache(tiles=5)
        self.naive = NaiveTree(self.hashes)

    @rule(count=batches)
    def append(self, count):
        fresh = [b"entry %d" % (len(self.leaves) + n) for n in range(count)]
        self.leaves += fresh
        self.hashes += leaf_hashes(fresh)
        self.edge, full = self.edge.append(self.hashes[-count:])
        for tile in full:
            assert tile.width == WIDTH
            self.write(tile_path(tile.level, tile.index), tile.hashes)

    @rule()
    def put_the_edge_away_and_take_it_up(self):
        self.edge = Edge.unpack(self.edge.pack(), self.edge.size)

    @rule()
    def publish(self):
        for tile in self.edge.partial():
            self.write(tile_path(tile.level, tile.index, tile.width), tile.hashes)
        for first in range(0, self.edge.size, WIDTH):
            bundle = self.leaves[first : first + WIDTH]
            self.write(entries_path(first // WIDTH, len(bundle)), pack_entries(bundle))
        self.published.append(self.edge.size)

    def write(self, path, data):
        assert self.kept.setdefault(path, data) == data, f"{path} was published already, and otherwise"

    @rule()
    def forget_partial_tiles_that_became_full(self):
        for path in [path for path in self.kept if ".p/" in path and path.split(".p/")[0] in self.kept]:
            del self.kept[path]

    @rule(size=st.data(), index=st.data())
    @precondition(lambda self: self.published[-1])
    def prove_a_leaf(self, size, index):
        size = size.draw(st.sampled_from([one for one in self.published if one]))
        index = index.draw(st.integers(0, size - 1))
        reader = self.reader(size)
        assert reader.entries(index, 1) == [self.leaves[index]]
        root = self.naive.root(size)
        assert verify_inclusion(leaf_hash(self.leaves[index]), index, size, reader.inclusion(index), root)

    @rule(data=st.data())
    def prove_that_nothing_before_was_changed(self, data):
        old, new = sorted(data.draw(st.tuples(*[st.sampled_from(self.published)] * 2)))
        proof = self.reader(self.published[-1]).consistency(old, new)
        assert verify_consistency(old, new, self.naive.root(old), self.naive.root(new), proof)

    @rule()
    def read_all_that_was_published(self):
        size = self.published[-1]
        reader = self.reader(size)
        assert reader.root() == self.naive.root(size)
        assert reader.entries(0, size) == self.leaves[:size]
        assert reader.hashes(0, size) == self.hashes[:size]

    def reader(self, size):
        def read(path):
            if path.text not in self.kept:
                raise Refused(Kind.NOT_FOUND, path.text)
            return self.kept[path.text]

        return TileReader(read, size, self.cache)

    @invariant()
    def the_root_is_that_of_the_leaves(self):
        assert self.edge.size == len(self.leaves)
        assert self.edge.root() == self.naive.root(self.edge.size)


TestLog = Log.TestCase
TestLog.settings = settings(stateful_step_count=25)
