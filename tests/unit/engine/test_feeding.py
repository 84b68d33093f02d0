"""What a witness answers, as the log understands it."""

import pytest
from tests.witnessing import GrownLog, signer

from saqtau.engine.feeding import Says, parse_witnesses, understand
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import parse_note

WITNESS = signer("witness.test/1", 9)
VKEY = WITNESS.vkey(4)
NOTE = parse_note(GrownLog().note(5))
LINE = WITNESS.cosign(NOTE.body, 1_795_500_000)
SIZE = "text/x.tlog.size"


@pytest.mark.parametrize(
    ("status", "media", "text", "says", "size"),
    [
        (200, "", LINE, Says.COSIGNED, 5),
        (200, "", WITNESS.sign(NOTE.body), Says.NO, 0),  # the signature of a log is no cosignature
        (200, "", WITNESS.cosign("another\n", 5), Says.NO, 0),
        (200, "", "", Says.NO, 0),
        (409, SIZE, "3\n", Says.SEEN_LESS, 3),
        (409, f"{SIZE}; charset=utf-8", "5\n", Says.SEEN_LESS, 5),
        (409, SIZE, "6\n", Says.SEEN_MORE, 6),
        (409, SIZE, "006\n", Says.NO, 0),
        (409, SIZE, "9223372036854775808\n", Says.NO, 0),
        (409, "text/plain", "3\n", Says.NO, 0),
        (422, "", "", Says.FORK, 0),
        (403, "", "", Says.NO, 0),
        (404, "", "", Says.NO, 0),
        (500, "", "", Says.NO, 0),
        (301, "", "", Says.NO, 0),
    ],
)
def test_an_answer_is_understood(status, media, text, says, size):
    heard = understand(WITNESS.verifier(4), NOTE, 5, status, media, text)
    assert (heard.says, heard.size) == (says, size)
    assert (heard.line == LINE) is (says is Says.COSIGNED)
    assert heard.told or says is Says.COSIGNED


def test_witnesses_are_named_by_their_keys():
    (one, two) = parse_witnesses([f"{VKEY} https://w.test/", f"{signer('other.test', 8).vkey(4)} http://10.0.0.1:1/w"])
    assert (one.name, one.url, one.verifier.vkey) == ("witness.test/1", "https://w.test", VKEY)
    assert two.url == "http://10.0.0.1:1/w"


@pytest.mark.parametrize(
    "lines",
    [
        ["nonsense https://w.test"],
        [f"{WITNESS.vkey(1)} https://w.test"],  # the key of a log
        [f"{VKEY} https://w.test", f"{VKEY} https://elsewhere.test"],
    ],
)
def test_what_names_no_witness_is_refused(lines):
    with pytest.raises(Refused) as refused:
        parse_witnesses(lines)
    assert refused.value.kind is Kind.INVALID
    assert list(refused.value.fields) == ["ledger.witnesses"]
