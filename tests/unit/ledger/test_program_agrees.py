"""The program that lies in an export package has parsers of its own: it must not accept what the ledger's refuse."""

import base64
import random

import pytest
from tests.unit.ledger.test_note import BODY, LOG, SEEN, WEAK, WITNESS
from tests.unit.ledger.test_policy import GROUPS, LINES, MALFORMED, WITNESSES, signer

from saqtau.kernel.errors import Refused
from saqtau.ledger import note, policy
from saqtau.ledger.leaf import Leaf, LeafClass, commitment, encode_leaf
from saqtau.ledger.proof import encode_proof
from saqtau.ledger.tree import leaf_hash
from saqtau.ledger.verify import export
from saqtau.ledger.verify.entry import EntryFile, encode_entry

POLICY = "".join(f"{line}\n" for line in (*LINES, *GROUPS, "quorum X-and-Y"))


def program_reads(text):
    try:
        return export.parse_policy(text, "policy")
    except export.Wrong:
        return None


@pytest.mark.parametrize("what", MALFORMED)
def test_a_policy_that_is_refused_is_refused_by_the_program_too(what):
    lines, _ = MALFORMED[what]
    text = "".join(f"{line}\n" for line in lines)
    assert program_reads(text) is None
    if lines[0] != LINES[0]:
        assert program_reads(f"{LINES[0]}\n{text}") is None


@pytest.mark.parametrize("gap", ["\u2028", "\u2029", "\x85", "\v", "\f", "\x1c", "\r"])
def test_a_comment_hides_no_witness(gap):
    mine = signer("mine.example/w", "mine")
    hidden = f"# who watches{gap}witness mine {mine.vkey(4)}\n{LINES[0]}\nquorum mine\n"
    assert program_reads(hidden) is None


@pytest.mark.parametrize("what", WEAK)
def test_a_key_for_which_anybody_can_sign_is_refused_by_the_program_too(what):
    weak = note.Verifier("w.example", 4, bytes.fromhex(WEAK[what]))
    assert program_reads(f"{LINES[0]}\nwitness w {weak.vkey}\nquorum w\n") is None


def test_both_count_the_same_witnesses():
    dice, ours, theirs = random.Random(1), policy.parse_policy(POLICY.encode()), program_reads(POLICY)
    for _ in range(60):
        names = dice.sample(sorted(WITNESSES), dice.randrange(7))
        text = note.compose_note(BODY, [LOG.sign(BODY), *(WITNESSES[name].cosign(BODY, SEEN) for name in names)])
        verdict, opened = ours.satisfied(note.parse_note(text.encode())), export.open_checkpoint(text, theirs, "note")
        assert theirs.enough(opened.witnessed) is verdict.accepted
        assert dict(opened.witnessed) == dict(verdict.witnessed)


def test_the_program_accepts_no_note_that_the_ledger_does_not():
    dice, ours, theirs = random.Random(2), policy.parse_policy(POLICY.encode()), program_reads(POLICY)
    names = ["X1", "X2", "Y1"]
    whole = note.compose_note(BODY, [LOG.sign(BODY), *(WITNESSES[name].cosign(BODY, SEEN) for name in names)]).encode()
    accepted = 0
    for _ in range(1_500):
        data = bytearray(whole)
        place = dice.randrange(len(data))
        data[place : place + dice.randrange(3)] = dice.choice([b"", b"\n", b" ", b"+", b"A", b"\xe2\x80\x94 "])
        try:
            opened = export.open_checkpoint(data.decode(), theirs, "note")
        except (export.Wrong, UnicodeDecodeError):
            continue
        if theirs.enough(opened.witnessed):
            accepted += 1
            assert ours.satisfied(note.parse_note(bytes(data))).accepted
    assert accepted, "some changes change nothing"


def entry_of(leaf, record=None, dek=None):
    body = BODY.split("\n")[0] + f"\n1\n{base64.b64encode(leaf_hash(leaf)).decode()}\n"
    signed = note.parse_note(note.compose_note(body, [LOG.sign(body)]).encode())
    proof = encode_proof(0, [], signed, leaf)
    return encode_entry(EntryFile(v=1, entry=f"{LOG.name}#0", proof=proof, record=record, dek=dek))


def test_a_leaf_that_says_two_things_is_refused_by_the_program_too():
    alone = program_reads(f"{LINES[0]}\nquorum none\n")
    leaf = encode_leaf(Leaf(b"c" * 32, LeafClass.VIEW, "2026-11-24", "access_3y"))
    assert export.check_entry(entry_of(leaf), alone, "entry").index == 0
    for twice in (
        b'{"c":"' + b"0" * 64 + b'",' + leaf[1:],
        leaf[:-1] + b',"v":1}',
        leaf.replace(b",", b", "),
        leaf + b" ",
    ):
        with pytest.raises(export.Wrong):
            export.check_entry(entry_of(twice), alone, "entry")


def test_a_record_that_says_two_things_is_refused_by_the_program():
    dek, record = bytes(range(32)), '{"action":"export","action":"view"}'
    leaf = Leaf(commitment(dek, record.encode()), LeafClass.VIEW, "2026-11-24", "access_3y")
    alone = program_reads(f"{LINES[0]}\nquorum none\n")
    with pytest.raises(export.Wrong):
        export.check_entry(entry_of(encode_leaf(leaf), record, dek.hex()), alone, "entry")


def test_the_ledger_refuses_what_these_tests_say_it_refuses():
    with pytest.raises(Refused):
        policy.parse_policy(f"{LINES[0]}\nwitness w {WITNESS.vkey(1)}\nquorum w\n".encode())
