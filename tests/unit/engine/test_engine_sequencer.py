"""What a batch makes of a log, held against the whole tree, whatever the batches."""

from datetime import date

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from saqtau.engine.keys import Signers
from saqtau.engine.sequencer import Count, Entry, Head, empty_note, plan, read_head
from saqtau.kernel.clock import Instant
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.note import parse_note
from saqtau.ledger.tiles import unpack_entries
from saqtau.ledger.tree import EMPTY, Edge, leaf_hashes

SIGNER = Signers("saqtau.test", bytes(32)).signer("saqtau.test/02/access/2026")
NAMES = (
    "origin", "expected", "expected_root", "batch", "at", "size", "root", "edge", "note", "pack_first", "pack_count",
    "pack_leaves", "tile_level", "tile_index", "tile_hashes", "record_first", "record_part", "record_retention",
    "record_day", "record_sealed", "count_day", "count_class", "count_action", "count_purpose", "count_role",
    "count_decision", "count_policy", "count_entries", "count_delivered",
)  # fmt: skip
BATCH = "0199a3c4-7c00-7000-8000-000000000000"

sizes = st.lists(st.one_of(st.integers(1, 3), st.integers(1, 700), st.sampled_from((255, 256, 257))), max_size=8)


def entry(number, **given):
    return Entry(b"leaf %d" % number, LeafClass.VIEW, "2026-11-24", "access_3y", **given)


def planned(head, entries):
    made = plan(head, entries, SIGNER, BATCH, Instant(7))
    return made, dict(zip(NAMES, made.arguments, strict=True))


@given(sizes)
def test_a_log_grown_in_any_batches_is_the_tree_over_all_leaves(sizes):
    head, edge, packs, tiles, number = Head(1, Edge(), EMPTY), b"", [], [], 0
    for size in sizes:
        made, rows = planned(head, [entry(number + n) for n in range(size)])
        number += size
        assert (rows["expected"], rows["expected_root"], rows["size"]) == (head.edge.size, head.root, number)
        edge = edge if rows["edge"] is None else rows["edge"]
        packs += zip(rows["pack_first"], rows["pack_count"], rows["pack_leaves"], strict=True)
        tiles += zip(rows["tile_level"], rows["tile_index"], rows["tile_hashes"], strict=True)
        head = made.after
        note = parse_note(rows["note"].encode())
        assert note.check(SIGNER.verifier())
        assert (parse(note).size, parse(note).root) == (number, rows["root"])
        tail = b"".join(leaves for first, _, leaves in packs if first >= number - number % 256)
        row = {"id": 1, "size": number, "root": rows["root"], "edge": edge, "tail": tail}
        assert read_head(row) == head  # another process goes on from what is stored
    whole, full = Edge().append(leaf_hashes(b"leaf %d" % n for n in range(number)))
    assert head.edge == whole
    assert len(tiles) == len(full)
    assert set(tiles) == {(tile.level, tile.index, tile.hashes) for tile in full}
    at = 0
    for first, count, leaves in packs:
        assert first == at
        assert first // 256 == (first + count - 1) // 256, "a pack crosses a bundle"
        assert unpack_entries(leaves, count) == [b"leaf %d" % n for n in range(first, first + count)]
        at += count
    assert at == number


kinds = st.tuples(st.sampled_from(("a_1y", "b_3y")), st.sampled_from(("2026-11-24", "2026-11-25")), st.booleans())


@given(st.integers(0, 600), st.lists(kinds, min_size=1, max_size=400))
def test_every_record_lies_beside_its_leaf_under_its_class_and_day(before, kinds):
    edge, _ = Edge().append(leaf_hashes(b"%d" % n for n in range(before)))
    entries = [
        Entry(b"%d" % n, LeafClass.VIEW, day, code, b"w%d" % n if kept else b"", b"c%d" % n)
        for n, (code, day, kept) in enumerate(kinds)
    ]
    _, rows = planned(Head(1, edge, edge.root()), entries)
    found = {}
    for first, code, day, sealed in zip(
        *(rows[f"record_{x}"] for x in ("first", "retention", "day", "sealed")), strict=True
    ):
        for index, wrapped, content in msgspec.msgpack.decode(sealed):
            assert first in rows["pack_first"]
            assert first <= index < first + 256
            found[index] = (code, day, wrapped, content)
    assert found == {
        before + n: (code, date.fromisoformat(day), b"w%d" % n, b"c%d" % n)
        for n, (code, day, kept) in enumerate(kinds) if kept
    }  # fmt: skip
    keys = list(zip(rows["record_first"], rows["record_part"], strict=True))
    assert len(set(keys)) == len(keys)


counts = st.builds(
    Count, st.sampled_from("ab"), st.just("duty"), st.sampled_from("xy"), st.just("allow"), st.just("p"),
    st.integers(0, 1), st.integers(0, 9),
)  # fmt: skip


@given(st.lists(st.one_of(st.none(), counts), min_size=1, max_size=60))
def test_counts_are_summed_once_a_key(given):
    _, rows = planned(Head(1, Edge(), EMPTY), [entry(n, count=count) for n, count in enumerate(given)])
    keys = list(zip(rows["count_action"], rows["count_role"], strict=True))
    told = [count for count in given if count is not None]
    assert keys == sorted(set(keys))
    assert set(keys) == {(count.action, count.role) for count in told}
    assert sum(rows["count_entries"]) == sum(count.entries for count in told)
    assert sum(rows["count_delivered"]) == sum(count.delivered for count in told)


def test_an_empty_log_has_a_signed_checkpoint():
    note = parse_note(empty_note(SIGNER).encode())
    assert note.check(SIGNER.verifier())
    assert (parse(note).origin, parse(note).size, parse(note).root) == (SIGNER.name, 0, EMPTY)
