"""Any text, any bytes: it is read and says the same when written again, or it is refused by the name of a field."""

import datetime as dt
import json

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.ledger.test_note import BODY, LOG, SEEN, WITNESS
from tests.unit.ledger.test_policy import GROUPS, LINES

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.checkpoint import Checkpoint, parse_checkpoint
from saqtau.ledger.leaf import Leaf, LeafClass, canonical, encode_leaf, parse_leaf
from saqtau.ledger.note import (
    COSIGNATURE,
    Verifier,
    check_cosignature,
    compose_note,
    cosign,
    is_weak,
    parse_note,
    valid_name,
)
from saqtau.ledger.policy import parse_policy
from saqtau.ledger.proof import encode_proof, parse_proof
from saqtau.ledger.sealing import open_committed, seal
from saqtau.ledger.tiles import parse_path, unpack_entries

names = st.text(min_size=1, max_size=40).filter(valid_name)
hashes = st.binary(min_size=32, max_size=32)
lines = st.text(st.characters(codec="utf-8", exclude_characters="".join(map(chr, range(32)))), min_size=1, max_size=40)
NOTE = compose_note(BODY, [LOG.sign(BODY), cosign(WITNESS, BODY, SEEN)]).encode()
POLICY = "".join(f"{line}\n" for line in (*LINES, *GROUPS, "quorum X-and-Y")).encode()


def damaged(whole):
    """The bytes with a few places changed, taken out or doubled."""

    @st.composite
    def make(draw):
        data = bytearray(whole)
        for _ in range(draw(st.integers(1, 3))):
            at = draw(st.integers(0, len(data)))
            match draw(st.integers(0, 2)):
                case 0:
                    data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
                case 1:
                    del data[at : at + draw(st.integers(1, 9))]
                case _:
                    data[at:at] = data[at : at + draw(st.integers(1, 9))]
        return bytes(data)

    return make()


def read_or_refused(parse, data):
    """What the parser gives; None when it refuses, naming a field. Any other error fails the test."""
    try:
        return parse(data)
    except Refused as refusal:
        if refusal.kind is not Kind.INVALID or not refusal.fields:
            raise
        return None


@given(st.binary(max_size=400) | damaged(NOTE))
def test_a_note_says_the_same_when_it_is_written_again(data):
    note = read_or_refused(parse_note, data)
    assert note is None or note.text.encode() == data


@given(damaged(NOTE))
def test_no_damage_to_a_note_leaves_the_signatures_of_another_text_valid(data):
    note = read_or_refused(parse_note, data)
    if note is not None and note.body != BODY:
        assert not note.check(LOG.verifier())
        assert check_cosignature(WITNESS.verifier(COSIGNATURE), note) is None


@given(names, st.sampled_from([1, 4]), st.binary(min_size=32, max_size=32).filter(lambda key: not is_weak(key)))
def test_a_verifier_key_is_read_as_it_was_written(name, kind, public):
    verifier = Verifier(name, kind, public)
    assert Verifier.parse(verifier.vkey) == verifier


@given(st.text(max_size=80) | damaged(LOG.vkey().encode()).map(lambda data: data.decode("utf-8", "surrogateescape")))
def test_a_verifier_key_has_one_spelling(text):
    verifier = read_or_refused(Verifier.parse, text)
    assert verifier is None or verifier.vkey == text


@given(lines, st.integers(1, 2**63 - 1), hashes, st.lists(lines, max_size=3))
def test_a_checkpoint_is_read_as_it_was_written(origin, size, root, extensions):
    checkpoint = Checkpoint(origin, size, root, tuple(extensions))
    assert parse_checkpoint(checkpoint.body()) == checkpoint


@given(st.text(max_size=200) | damaged(BODY.encode()).map(lambda data: data.decode("utf-8", "replace")))
def test_a_checkpoint_has_one_spelling(text):
    checkpoint = read_or_refused(parse_checkpoint, text)
    assert checkpoint is None or checkpoint.body() == text


@given(st.integers(0, 2**63 - 1), st.lists(hashes, max_size=63), st.none() | st.binary(max_size=99))
def test_a_proof_is_read_as_it_was_written(index, steps, extra):
    found = parse_proof(encode_proof(index, steps, parse_note(NOTE), extra).encode())
    assert (found.index, list(found.hashes), found.extra, found.note.text.encode()) == (index, steps, extra, NOTE)


@given(st.binary(max_size=300) | damaged(encode_proof(7, [b"h" * 32] * 3, parse_note(NOTE), b"extra").encode()))
def test_a_proof_has_one_spelling(data):
    found = read_or_refused(parse_proof, data)
    assert found is None or encode_proof(found.index, found.hashes, found.note, found.extra).encode() == data


@given(st.binary(max_size=300) | damaged(POLICY))
def test_a_policy_means_the_same_when_it_is_written_again(data):
    policy = read_or_refused(parse_policy, data)
    assert policy is None or parse_policy(policy.text()) == policy


leaves = st.builds(
    Leaf,
    commitment=hashes,
    klass=st.sampled_from(LeafClass),
    day=st.dates(dt.date(2000, 1, 1)).map(dt.date.isoformat),
    retention=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True),
)


@given(leaves)
def test_a_leaf_is_read_as_it_was_written(leaf):
    assert parse_leaf(encode_leaf(leaf)) == leaf


@given(st.binary(max_size=200) | leaves.map(encode_leaf).flatmap(damaged))
def test_a_leaf_has_one_spelling(data):
    leaf = read_or_refused(parse_leaf, data)
    assert leaf is None or encode_leaf(leaf) == data


@given(st.text(max_size=60) | damaged(b"tile/0/x001/234.p/56").map(lambda data: data.decode("latin-1")))
def test_a_path_has_one_spelling(text):
    path = read_or_refused(parse_path, text)
    assert path is None or path.text == text


@given(st.binary(max_size=600))
def test_bytes_are_entries_or_refused(data):
    entries = read_or_refused(unpack_entries, data)
    assert entries is None or sum(2 + len(entry) for entry in entries) == len(data)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=6), st.randoms(use_true_random=False))
def test_a_record_is_sealed_and_opened_in_one_spelling(record, dice):
    data = canonical(record)
    shuffled = list(record.items())
    dice.shuffle(shuffled)
    assert canonical(dict(shuffled)) == data
    assert json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == data
    key = dice.randbytes(32)
    sealed = seal(data, key, dice.randbytes)
    assert open_committed(key, sealed.wrapped, sealed.content, sealed.commitment) == data
