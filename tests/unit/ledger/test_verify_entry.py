"""`verify entry` and `verify paper`: one entry from a file alone, a checkpoint from a sheet of paper."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.growing import LOG, ORIGIN, POLICY, Grown, dek, leaf, record, signer

from saqtau.kernel.errors import Refused
from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.note import parse_note
from saqtau.ledger.proof import encode_proof
from saqtau.ledger.tiles import tile_path
from saqtau.ledger.verify.entry import EntryFile, check_entry, encode_entry, parse_entry
from saqtau.ledger.verify.finding import silent
from saqtau.ledger.verify.folder import folder_reader
from saqtau.ledger.verify.paper import check_paper, parse_typed
from saqtau.ledger.verify.signed import keys_of

KEYS = keys_of(None, POLICY)


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return Grown(tmp_path_factory.mktemp("log")).to(300).to(700)


def told(data, keys=KEYS, leaf_=None):
    return [str(one) for one in check_entry(data, keys, silent, leaf_)]


def changed(log, **fields):
    return json.dumps({**json.loads(log.entry(400)), **fields}).encode()


def test_an_entry_holds_with_its_record_and_says_what_it_is(log):
    said = []
    assert check_entry(log.entry(400), KEYS, said.append) == []
    assert any("entry 400 is in the log: view of 2026-11-24" in line for line in said)
    assert any(record(400).decode() in line for line in said)


def test_a_bare_proof_holds_and_says_that_it_says_nothing_of_a_record(log):
    said = []
    assert check_entry(log.proof(400).encode(), KEYS, said.append) == []
    assert any("nothing was checked about what it says" in line for line in said)


def test_a_proof_that_does_not_carry_the_leaf_wants_it_beside(log):
    bare = encode_proof(400, log.reader().inclusion(400), parse_note(log.note)).encode()
    assert told(bare) == ["entry: the proof does not carry the entry itself: give it too"]
    assert told(bare, leaf_=leaf(400)) == []
    assert "is not in the log" in told(bare, leaf_=leaf(401))[0]


def test_a_record_that_is_not_the_one_committed_to_is_told(log):
    other = record(400).decode().replace("case", "duty")
    for wrong in (changed(log, record=other), changed(log, dek=dek(401).hex())):
        assert told(wrong) == [
            "entry 400: the record is not the one that the log committed to: record or key was changed"
        ]
    assert "64 hexadecimal digits" in told(changed(log, dek="zz"))[0]
    assert "64 hexadecimal digits" in told(changed(log, dek=None))[0]


def test_an_entry_called_by_another_name_is_told(log):
    for name in (f"{ORIGIN}#401", "saqtau.example/03/access/2026#400"):
        assert told(changed(log, entry=name)) == [f"entry 400: is of {ORIGIN}, not {name}"]
    assert told(changed(log, entry="400")) == ["entry: an entry is called <origin>#<index>"]


def test_an_entry_whose_checkpoint_no_known_log_signed_is_told(log):
    assert "the log's key has not signed it" in told(log.entry(400), keys_of(signer(ORIGIN, "x").vkey(), None))[0]
    (only,) = check_entry(log.entry(400), keys_of(signer("elsewhere").vkey(), None), silent)
    assert (only.unknown, only.what) == (True, f"the key of the log {ORIGIN} is not among those given")


@given(st.data())
def test_a_character_changed_in_the_proof_is_found(log, data):
    proof = log.proof(400)
    at = data.draw(st.integers(0, len(proof) - 1))
    letter = data.draw(st.characters(codec="ascii").filter(lambda one: one != proof[at]))
    assert told((proof[:at] + letter + proof[at + 1 :]).encode())


@given(st.binary(max_size=400) | st.binary(max_size=300).map(lambda data: b"{" + data))
def test_no_file_makes_the_check_fall_over(data):
    assert told(data)


def test_an_entry_file_is_read_as_it_was_written(log):
    file = EntryFile(v=1, entry=f"{ORIGIN}#400", proof=log.proof(400), record=record(400).decode(), dek=dek(400).hex())
    assert parse_entry(encode_entry(file)) == file
    assert told(encode_entry(file)) == []
    with pytest.raises(Refused):
        parse_entry(b'{"v":2,"entry":"a#1","proof":""}')
    with pytest.raises(Refused):
        parse_entry(b"{" + b" " * (3 << 20))


# paper


def paper(log, size, root):
    typed = parse_typed(ORIGIN, size, root)
    return [str(one) for one in check_paper(folder_reader(log.folder), KEYS, typed, silent)]


def grouped(root):
    return " ".join(root.hex().upper()[at : at + 4] for at in range(0, 64, 4))


@pytest.mark.parametrize("size", [0, 1, 300, 700])
def test_a_printed_checkpoint_of_any_size_is_a_beginning_of_the_log(log, size):
    assert paper(log, f"{size:,}", grouped(log.reader().root(size))) == []


def test_a_printed_checkpoint_of_other_entries_is_told(log):
    (only,) = paper(log, "300", grouped(log.reader().root(301)))
    assert only.startswith("the checkpoint on paper: the log's first 300 entries are not the ones it was made over")


def test_a_printed_checkpoint_of_a_longer_log_shows_that_it_was_rolled_back(log):
    (only,) = paper(log, "1 000", grouped(log.reader().root(300)))
    assert "says 1,000 entries, the log shows only 700" in only


def test_a_printed_checkpoint_of_another_log_is_told(log):
    typed = Checkpoint("saqtau.example/03/access/2026", 300, log.reader().root(300))
    (only,) = check_paper(folder_reader(log.folder), KEYS, typed, silent)
    assert "is of the log saqtau.example/03/access/2026" in str(only)


def test_damaged_tiles_do_not_accuse_the_paper(tmp_path):
    log = Grown(tmp_path).to(300)
    root = grouped(log.reader().root(100))
    log.flip(tile_path(0, 0), 0)
    assert paper(log, "100", root) == [
        "the checkpoint on paper: cannot be compared: the log's tiles do not lead to its signed root"
    ]


@pytest.mark.parametrize(
    ("size", "root", "field"),
    [
        ("", "00" * 32, "size"),
        ("three", "00" * 32, "size"),
        ("1" * 19, "00" * 32, "size"),
        ("-3", "00" * 32, "size"),
        ("3", "00" * 31, "root"),
        ("3", "zz" * 32, "root"),
        ("3", "!" * 44, "root"),
    ],
)
def test_what_was_typed_wrong_is_named(size, root, field):
    with pytest.raises(Refused) as refused:
        parse_typed(ORIGIN, size, root)
    assert set(refused.value.fields) == {field}


def test_the_root_may_be_typed_as_the_checkpoint_file_has_it():
    root = LOG.public
    base64 = Checkpoint(ORIGIN, 3, root).body().splitlines()[2]
    for text in (base64, base64.rstrip("="), root.hex(), grouped(root), f" {root.hex()}\n"):
        assert parse_typed(f" {ORIGIN} ", "3", text) == Checkpoint(ORIGIN, 3, root)
