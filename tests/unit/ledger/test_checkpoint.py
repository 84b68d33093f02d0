"""Checkpoints, with the example of the specification."""

import base64

import pytest
from tests.unit.ledger.refusals import refused

from saqtau.ledger.checkpoint import Checkpoint, parse, parse_checkpoint
from saqtau.ledger.note import parse_note
from saqtau.ledger.tree import EMPTY

NOTE = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501 - signatures do not break
"""The example of C2SP tlog-cosignature."""
ROOT = base64.b64encode(b"r" * 32).decode()


def test_the_example_of_the_specification():
    found = parse(parse_note(NOTE.encode()))
    assert (found.origin, found.size) == ("example.com/behind-the-sofa", 20_852_163)
    assert found.root == base64.b64decode("CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=")
    assert found.body() == NOTE.split("\n\n", maxsplit=1)[0] + "\n"


def test_an_empty_log_has_the_root_of_the_empty_tree():
    empty = Checkpoint("a.b", 0, EMPTY)
    assert parse_checkpoint(empty.body()) == empty
    assert refused(Checkpoint("a.b", 0, b"r" * 32).body) == {"root": "invalid"}


def test_extension_lines_of_others_are_kept():
    body = f"a.b\n1\n{ROOT}\nfirst\nsecond\n"
    found = parse_checkpoint(body)
    assert found.extensions == ("first", "second")
    assert found.body() == body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("", "root"),
        ("\n", "origin"),
        ("a.b\n", "size"),
        ("a.b\n1\n", "root"),
        (f"\n1\n{ROOT}\n", "origin"),
        (f"{'a' * 1025}\n1\n{ROOT}\n", "origin"),
        (f"a\tb\n1\n{ROOT}\n", "origin"),
        (f"a.b\r\n1\n{ROOT}\n", "origin"),
        (f"a.b\n01\n{ROOT}\n", "size"),
        (f"a.b\n-1\n{ROOT}\n", "size"),
        (f"a.b\n+1\n{ROOT}\n", "size"),
        (f"a.b\n 1\n{ROOT}\n", "size"),
        (f"a.b\n1_0\n{ROOT}\n", "size"),
        (f"a.b\n١\n{ROOT}\n", "size"),
        (f"a.b\n\n{ROOT}\n", "size"),
        (f"a.b\n{2**63}\n{ROOT}\n", "size"),
        (f"a.b\n{'9' * 5000}\n{ROOT}\n", "size"),
        (f"a.b\n1\n{ROOT}", "root"),
        (f"a.b\n1\n{ROOT[:-4]}\n", "root"),
        (f"a.b\n1\n{ROOT[:-2]}N=\n", "root"),
        (f"a.b\n1\n{base64.b64encode(b'r' * 33).decode()}\n", "root"),
        (f"a.b\n0\n{ROOT}\n", "root"),
        (f"a.b\n1\n{ROOT}\n\n", "extension"),
        (f"a.b\n1\n{ROOT}\n{'x' * 1025}\n", "extension"),
        (f"a.b\n1\n{ROOT}\n" + "x\n" * 17, "extension"),
    ],
)
def test_a_body_that_is_no_checkpoint_is_refused(body, field):
    assert set(refused(parse_checkpoint, body)) == {field}


def test_a_checkpoint_that_could_be_read_in_another_way_is_not_signed():
    assert refused(Checkpoint("a.b\n5", 1, b"r" * 32).body)
    assert refused(Checkpoint("a.b", 1, b"r" * 32, ("x\ny",)).body)
    assert refused(Checkpoint("a.b", 1, b"r" * 31).body) == {"root": "invalid"}
    assert refused(Checkpoint("a.b", -1, b"r" * 32).body) == {"size": "invalid"}
