"""Leaves in their one spelling, and the worked example of docs/reference/ledger-format.md."""

import hashlib
import hmac
import json

import pytest
from tests.unit.ledger.refusals import refused

from saqtau.ledger.leaf import MAX_RECORD, Leaf, LeafClass, canonical, commitment, encode_leaf, parse_leaf, parse_record

LEAF = Leaf(bytes(range(32)), LeafClass.VIEW, "2026-11-24", "access_5y")
TEXT = (
    b'{"c":"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",'
    b'"class":"view","day":"2026-11-24","rc":"access_5y","v":1}'
)


def test_a_leaf_is_compact_sorted_json():
    assert encode_leaf(LEAF) == TEXT
    fields = json.loads(TEXT)
    assert list(fields) == sorted(fields)
    assert json.dumps(fields, separators=(",", ":"), sort_keys=True).encode() == TEXT
    assert parse_leaf(TEXT) == LEAF


def test_the_classes_are_those_of_the_contract():
    acts = {"view", "search", "export", "deny", "login", "admin", "policy", "erase", "hold", "device", "breakglass"}
    assert {one.value for one in LeafClass} == acts | {
        "review",
        "witness",
        "close",
        "act",
        "picture",
        "report",
        "segment",
        "health",
    }
    for klass in LeafClass:
        leaf = Leaf(LEAF.commitment, klass, LEAF.day, LEAF.retention)
        assert parse_leaf(encode_leaf(leaf)) == leaf


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (b'"v":1', b'"v":2', "v"),
        (b'"v":1', b'"v":1.0', "leaf"),
        (b'"v":1', b'"v":true', "leaf"),
        (b'"v":1', b'"v":1,"v":1', "leaf"),
        (b'"v":1', b'"who":"x","v":1', "leaf"),
        (b',"v":1', b"", "leaf"),
        (b"view", b"peek", "class"),
        (b"view", b"VIEW", "class"),
        (b'"view"', b'"vie\\u0077"', "leaf"),
        (b"1d1e1f", b"1D1E1F", "c"),
        (b"1d1e1f", b"1d1e", "c"),
        (b"1d1e1f", b"1d1e1g", "c"),
        (b"2026-11-24", b"2026-11-31", "day"),
        (b"2026-11-24", b"20261124", "day"),
        (b"2026-11-24", b"2026-W48-2", "day"),
        (b"2026-11-24", b"2026-11-24T10:00", "day"),
        (b"2026-11-24", "२०२६-11-24".encode(), "day"),
        (b"access_5y", b"", "rc"),
        (b"access_5y", b"Access", "rc"),
        (b"access_5y", b"a" * 33, "rc"),
        (b"access_5y", b"a\\nb", "rc"),
        (b"{", b"{ ", "leaf"),
        (b"}", b"}\n", "leaf"),
        (b"}", b"}}", "leaf"),
        (b"}", b"", "leaf"),
    ],
)
def test_a_leaf_in_another_spelling_or_with_another_field_is_refused(old, new, field):
    assert old in TEXT
    assert set(refused(parse_leaf, TEXT.replace(old, new, 1))) == {field}


def test_a_leaf_has_limits():
    assert refused(parse_leaf, b"") == {"leaf": "invalid"}
    assert refused(parse_leaf, b"\xff") == {"leaf": "invalid"}
    assert refused(parse_leaf, b"[" * 513) == {"leaf": "too_large"}
    assert refused(encode_leaf, Leaf(b"c" * 31, LeafClass.VIEW, "2026-11-24", "a")) == {"c": "invalid"}
    assert refused(encode_leaf, Leaf(b"c" * 32, LeafClass.VIEW, "2026-11-24", 'a","v":1,"x":"')) == {"rc": "invalid"}
    assert refused(encode_leaf, Leaf(b"c" * 32, LeafClass.VIEW, "yesterday", "a")) == {"day": "invalid"}


def test_a_record_is_sorted_at_every_depth():
    assert canonical({"b": [{"z": 1, "a": "қ"}], "a": None}) == '{"a":null,"b":[{"a":"қ","z":1}]}'.encode()
    assert canonical({"a": 1, "b": 2}) == canonical({"b": 2, "a": 1})


def test_a_record_has_limits():
    assert refused(canonical, {"a": "x" * MAX_RECORD}) == {"record": "too_large"}
    assert refused(canonical, {"a": object()}) == {"record": "invalid"}
    assert refused(canonical, {"a": "\ud800"}) == {"record": "invalid"}
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert refused(canonical, {"a": deep}) == {"record": "invalid"}


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b'{"a":1,"a":2}', b"\xff",
     b'{"b":1,"a":2}', b'{"a": 1}', b'{"a":1}\n', b'{"a":"\\u0062"}', b'{"a":NaN}',
     b'{"a":{"c":1,"b":1}}', b'{"a":' + b"[" * 200_000, b'{"a":1.0e0}'],
)  # fmt: skip
def test_a_record_that_can_be_read_in_two_ways_is_refused(data):
    assert set(refused(parse_record, data)) == {"record"}


def test_a_record_is_read_as_it_was_written():
    record = {"a": None, "b": [{"z": 1.5, "қ": -7}], "c": "x", "d": True}
    assert parse_record(canonical(record)) == record


def test_a_commitment_depends_on_the_key_and_on_every_byte():
    record = canonical({"who": "pseudonym"})
    dek = bytes(range(32))
    made = commitment(dek, record)
    assert made == hmac.new(hashlib.sha256(b"commit" + dek).digest(), record, hashlib.sha256).digest()
    assert commitment(bytes(32), record) != made
    assert commitment(dek, record + b" ") != made
