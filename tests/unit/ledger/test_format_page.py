"""docs/reference/ledger-format.md: its example runs, prints what it says, and our code reads and makes the same."""

import contextlib
import io
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.unit.ledger.refusals import refused

from saqtau.ledger.checkpoint import Checkpoint, parse
from saqtau.ledger.leaf import LeafClass, canonical, parse_leaf
from saqtau.ledger.note import Signer, check_cosignature, compose_note
from saqtau.ledger.proof import encode_proof, parse_proof, verify_inclusion
from saqtau.ledger.sealing import open_committed, seal
from saqtau.ledger.tree import Edge, leaf_hash, leaf_hashes

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "ledger-format.md").read_text()
BLOCKS = dict(re.findall(r"^```(python|text)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))


@pytest.fixture(scope="module")
def example():
    """The names of the example after it ran, and what it printed."""
    names, printed = {}, io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(BLOCKS["python"], "ledger-format.md", "exec"), names)
    return names, printed.getvalue()


def test_the_example_prints_what_the_page_says(example):
    assert example[1] == BLOCKS["text"]


def test_we_seal_the_record_to_the_same_bytes(example):
    names, _ = example
    random = iter([names["dek"], names["nonce"]])
    sealed = seal(names["record"], names["kek"], lambda _: next(random))
    assert (sealed.commitment, sealed.wrapped, sealed.content) == (
        names["commitment"],
        names["wrapped"],
        names["content"],
    )
    assert open_committed(names["kek"], names["wrapped"], names["content"], names["commitment"]) == names["record"]
    fields = {"purpose": "investigation", "case": "KUI-26-000417", "at": 1_795_521_600_000, "action": "read_history"}
    assert canonical(fields) == names["record"]


def test_we_grow_and_sign_the_same_log(example):
    names, _ = example
    edge, _ = Edge().append(leaf_hashes([names["first"], names["leaf"], names["third"]]))
    assert edge.root() == names["root"]
    log = Signer(names["origin"], Ed25519PrivateKey.from_private_bytes(b"L" * 32))
    witness = Signer("prosecutor.example/w1", Ed25519PrivateKey.from_private_bytes(b"W" * 32))
    body = Checkpoint(names["origin"], 3, edge.root()).body()
    assert compose_note(body, [log.sign(body), witness.cosign(body, names["seen"])]) == names["note"]


def test_the_printed_proof_is_read_and_verifies(example):
    names, printed = example
    text = printed.split("\n\n", 1)[1]
    found = parse_proof(text.encode())
    assert encode_proof(found.index, found.hashes, found.note, found.extra) == text
    checkpoint = parse(found.note)
    assert verify_inclusion(leaf_hash(found.extra), found.index, checkpoint.size, found.hashes, checkpoint.root)
    assert parse_leaf(found.extra).klass is LeafClass.SEARCH
    assert found.note.check(Signer(names["origin"], names["log"]).verifier())
    assert check_cosignature(Signer("prosecutor.example/w1", names["witness"]).verifier(4), found.note) == names["seen"]


def test_the_page_lists_every_class():
    listed = re.search(r"one of `([a-z ]+)`", PAGE)[1].split()
    assert listed == [one.value for one in LeafClass]


def test_the_page_tells_the_truth_about_a_second_spelling(example):
    names, _ = example
    assert set(refused(parse_leaf, names["leaf"].replace(b",", b", ", 1))) == {"leaf"}
