"""What is posted to add-checkpoint is understood exactly, or refused by the field that is wrong."""

import pytest
from tests.witnessing import GrownLog

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.note import compose_note
from saqtau.ledger.spelling import encode_base64
from saqtau.ledger.witness.request import BODY_LIMIT, parse_request

LOG = GrownLog()
HASH = encode_base64(bytes(32)).encode()


def test_a_request_says_the_old_size_the_proof_and_the_checkpoint():
    request = parse_request(LOG.request(3, 300))
    assert request.old == 3
    assert list(request.proof) == LOG.tree(300)[1].consistency(3)
    assert (request.checkpoint.origin, request.checkpoint.size) == (LOG.key.name, 300)
    assert request.note.check(LOG.key.verifier())


def test_a_request_for_a_first_checkpoint_has_no_proof():
    request = parse_request(LOG.request(0, 1))
    assert (request.old, request.proof) == (0, ())


def test_the_root_of_an_empty_tree_is_left_to_the_decision():
    body = f"{LOG.key.name}\n0\n{HASH.decode()}\n"
    request = parse_request(b"old 0\n\n" + compose_note(body, [LOG.key.sign(body)]).encode())
    assert request.checkpoint == Checkpoint(LOG.key.name, 0, bytes(32))


NOTE = LOG.note(5)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "checkpoint"),
        (b"old 0\n", "checkpoint"),
        (b"old 0\n" + NOTE, "note"),  # its first lines are taken for a proof
        (b"new 0\n\n" + NOTE, "old"),
        (b"old 00\n\n" + NOTE, "old"),
        (b"old -1\n\n" + NOTE, "old"),
        (b"old  1\n\n" + NOTE, "old"),
        (b"old 1 \n\n" + NOTE, "old"),
        (b"old 9223372036854775808\n\n" + NOTE, "old"),
        ("old ٣\n\n".encode() + NOTE, "old"),
        (b"old 1\r\n\r\n" + NOTE, "old"),
        (b"old 1\nAAAA\n\n" + NOTE, "proof"),
        (b"old 1\n" + HASH[:-2] + b"B=\n\n" + NOTE, "proof"),  # another spelling of the same bytes
        (b"old 1\n" + (HASH + b"\n") * 64 + b"\n" + NOTE, "proof"),
        (b"old 1\n\n" + NOTE[:-1], "signature"),
        (b"old 1\n\n" + NOTE.partition(b"\n\n")[0], "note"),
        (b"old 1\n\nx\n5\nAAAA\n\n\xe2\x80\x94 x AAAAAAAA\n", "root"),
        (b"old 1\n\n" + b"\xff" + NOTE, "note"),
    ],
)
def test_what_is_wrong_is_named(body, field):
    with pytest.raises(Refused) as refused:
        parse_request(body)
    assert refused.value.kind is Kind.INVALID
    assert list(refused.value.fields) == [field]


def test_more_than_a_request_can_be_is_too_large():
    with pytest.raises(Refused) as refused:
        parse_request(LOG.request(0, 5) + b"x" * BODY_LIMIT)
    assert refused.value.kind is Kind.TOO_LARGE
