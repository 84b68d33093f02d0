"""Files of proofs, with the example of C2SP tlog-proof in its shape."""

import base64

import pytest
from tests.unit.ledger.refusals import refused
from tests.unit.ledger.test_note import BODY, LOG, SEEN, WITNESS, note_of

from saqtau.ledger.note import cosign
from saqtau.ledger.proof import MAX_EXTRA, encode_proof, parse_proof, verify_consistency, verify_inclusion
from saqtau.ledger.tree import EMPTY, node_hash

HASHES = [bytes([n]) * 32 for n in range(3)]
CHECKPOINT = note_of(LOG.sign(BODY), cosign(WITNESS, BODY, SEEN))


def lines(*more, head="c2sp.org/tlog-proof@v1", index="index 7", gap="\n"):
    return ("\n".join([head, *more, index]) + "\n" + gap + CHECKPOINT.text).encode()


def test_a_proof_is_written_as_the_specification_says():
    text = encode_proof(73_894, HASHES, CHECKPOINT, b"agdl")
    assert text == (
        "c2sp.org/tlog-proof@v1\nextra YWdkbA==\nindex 73894\n"
        + "".join(base64.b64encode(step).decode() + "\n" for step in HASHES)
        + f"\n{CHECKPOINT.text}"
    )


@pytest.mark.parametrize("extra", [None, b"", b"more"])
@pytest.mark.parametrize("count", [0, 3, 63])
def test_what_is_written_is_read(extra, count):
    steps = [bytes([n]) * 32 for n in range(count)]
    found = parse_proof(encode_proof(0, steps, CHECKPOINT, extra).encode())
    assert (found.index, found.hashes, found.note, found.extra) == (0, tuple(steps), CHECKPOINT, extra)


HASH = base64.b64encode(b"h" * 32).decode()
MALFORMED = {
    "nothing": (b"", "proof"),
    "no checkpoint": (b"c2sp.org/tlog-proof@v1\nindex 7\n", "proof"),
    "another version": (lines(head="c2sp.org/tlog-proof@v2"), "proof"),
    "a header with a space": (lines(head="c2sp.org/tlog-proof@v1 "), "proof"),
    "letters beyond ASCII": (lines("extra ключ"), "proof"),
    "no index": (lines(index="indx 7"), "index"),
    "an index with a leading zero": (lines(index="index 07"), "index"),
    "a negative index": (lines(index="index -7"), "index"),
    "two extras": (lines("extra AAAA", "extra AAAA"), "index"),
    "an extra after the index": (lines(index="index 7\nextra AAAA"), "hash"),
    "an extra that is no base64": (lines("extra AAA"), "extra"),
    "a hash that is short": (lines(index="index 7\nAAAA"), "hash"),
    "a hash in another spelling": (lines(index=f"index 7\n{HASH[:-2]}B="), "hash"),
    "a second empty line": (lines(gap="\n\n").replace(CHECKPOINT.text.encode(), b"\n"), "signature"),
    "no signature": (lines().split("—".encode())[0], "signature"),
    "a carriage return": (lines().replace(b"index 7\n", b"index 7\r\n"), "index"),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_a_proof_is_refused_for(what):
    data, field = MALFORMED[what]
    assert set(refused(parse_proof, data)) == {field}


def test_a_proof_has_limits():
    assert refused(parse_proof, encode_proof(1, HASHES * 22, CHECKPOINT).encode()) == {"hash": "too_many"}
    assert refused(parse_proof, encode_proof(1, [], CHECKPOINT, b"x" * (MAX_EXTRA + 1)).encode()) == {
        "extra": "too_large"
    }
    assert refused(parse_proof, b"x" * 1_000_000) == {"proof": "too_large"}


LEAF, OTHER = b"a" * 32, b"b" * 32
ROOT = node_hash(LEAF, OTHER)


def test_a_proof_of_inclusion_is_refused_when_its_shape_is_wrong():
    assert verify_inclusion(LEAF, 0, 2, [OTHER], ROOT)
    assert verify_inclusion(OTHER, 1, 2, [LEAF], ROOT)
    assert verify_inclusion(LEAF, 0, 1, [], LEAF)
    assert not verify_inclusion(LEAF, 0, 2, [], LEAF)
    assert not verify_inclusion(LEAF, 0, 1, [OTHER], ROOT)
    assert not verify_inclusion(LEAF, 0, 1, [OTHER], node_hash(OTHER, LEAF)), "nothing is above the root"
    assert not verify_inclusion(LEAF, 2, 2, [OTHER], ROOT)
    assert not verify_inclusion(LEAF, -1, 2, [OTHER], ROOT)
    assert not verify_inclusion(LEAF, 0, 0, [], EMPTY)
    assert not verify_inclusion(LEAF[:-1], 0, 1, [], LEAF[:-1])
    assert not verify_inclusion(LEAF + OTHER, 0, 1, [], LEAF + OTHER)
    assert not verify_inclusion(LEAF, 0, 2, [OTHER, b""], ROOT)


def test_a_proof_of_consistency_is_refused_when_its_shape_is_wrong():
    assert verify_consistency(1, 2, LEAF, ROOT, [OTHER])
    assert not verify_consistency(1, 2, LEAF, ROOT, [])
    assert not verify_consistency(1, 2, OTHER, ROOT, [OTHER])
    assert not verify_consistency(1, 2, LEAF, ROOT, [OTHER, OTHER])
    assert not verify_consistency(2, 1, ROOT, LEAF, [OTHER])
    assert not verify_consistency(-1, 2, LEAF, ROOT, [OTHER])
    assert not verify_consistency(1, 2, LEAF, ROOT, [OTHER[:-1]])
    assert not verify_consistency(1, 2, LEAF[:-1], node_hash(LEAF[:-1], OTHER), [OTHER])
    assert not verify_consistency(1, 2, LEAF, node_hash(LEAF, b"x"), [b"x"])
    left, third, fourth = ROOT, b"c" * 32, b"d" * 32
    three, four = node_hash(left, third), node_hash(left, node_hash(third, fourth))
    assert verify_consistency(3, 4, three, four, [third, fourth, left])
    above = [node_hash(OTHER, three), node_hash(OTHER, four)]
    assert not verify_consistency(3, 4, *above, [third, fourth, left, OTHER]), "nothing is above the root"


def test_trees_of_one_size_are_consistent_when_they_are_equal():
    assert verify_consistency(2, 2, ROOT, ROOT, [])
    assert not verify_consistency(2, 2, ROOT, LEAF, [])
    assert not verify_consistency(2, 2, ROOT, ROOT, [LEAF])


def test_every_tree_begins_with_the_empty_one_and_no_other():
    assert verify_consistency(0, 2, EMPTY, ROOT, [])
    assert verify_consistency(0, 0, EMPTY, EMPTY, [])
    assert not verify_consistency(0, 2, LEAF, ROOT, [])
    assert not verify_consistency(0, 0, ROOT, ROOT, [])
    assert not verify_consistency(0, 2, EMPTY, ROOT, [LEAF])
