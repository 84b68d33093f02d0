"""Open records from anybody: read back as they were written, or refused; no other answer."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau.kernel.errors import Refused
from saqtau.ledger.leaf import Leaf, LeafClass, canonical, commitment, encode_leaf
from saqtau.ledger.open_records import OpenRecord, encode, fitting, parse_line, parse_lines
from saqtau.ledger.policy import of_keys
from saqtau.ledger.verify.dark import _Counter, recount
from saqtau.ledger.verify.finding import silent

texts = st.text(max_size=60)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
records = st.dictionaries(texts, values, max_size=5)
keys = st.binary(min_size=32, max_size=32)


@given(st.lists(st.tuples(st.integers(0, 2**62 - 1), records, keys), max_size=5))
def test_what_is_written_is_read_back_and_fits_its_leaf_alone(found):
    opened = [OpenRecord(index, canonical(record), dek) for index, record, dek in found]
    assert parse_lines(encode(opened)) == opened
    for one, (_, record, dek) in zip(opened, found, strict=True):
        leaf = encode_leaf(Leaf(commitment(dek, one.record), LeafClass.SEGMENT, "2026-11-24", "evidence_1y"))
        assert fitting(leaf, one) == record
        with pytest.raises(Refused) as refused:
            fitting(leaf, OpenRecord(one.index, one.record, bytes(32) if dek != bytes(32) else b"\1" * 32))
        assert "commitment" in refused.value.fields


@given(st.binary(max_size=400))
def test_any_bytes_are_a_line_or_a_refusal(data):
    for read in (parse_line, parse_lines):
        with contextlib.suppress(Refused):
            read(data)


@given(st.sampled_from([LeafClass.SEGMENT, LeafClass.HEALTH]), records, st.data())
def test_a_record_of_any_fields_is_counted_or_named(klass, record, data):
    shape = {
        "at": data.draw(st.integers(-5, 2**53)), "until": data.draw(st.integers(-5, 2**53)), "site": "s",
        "cameras": [{"camera": "c", "recorded_ms": data.draw(st.integers(-5, 2**53)), "last": 1, "chain": "a"}],
        "camera": "c", "verdict": "ok", "before": "ok",
    }  # fmt: skip
    counter = _Counter([], 2**41, None, None, None)
    with contextlib.suppress(msgspec.ValidationError):
        counter.take(0, klass, record | data.draw(st.sampled_from([{}, shape])))
    counter.counts()


@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=200))
def test_a_copy_of_anything_is_counted_or_refused(checkpoint, lines, arrivals):
    found = recount(lambda _: checkpoint, lambda _: lines, arrivals, of_keys({}, {}, 0), silent, now=2**41)
    assert found.findings
