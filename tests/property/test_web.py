"""What holds for every input at the web's rim."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau.kernel.errors import Kind, Refused
from saqtau.web.limits import Buckets
from saqtau.web.people import Person, check_person
from saqtau.web.ranges import Part, parse_range
from saqtau.web.schema import DEPTH_LIMIT, decode_strictly
from saqtau.web.sessions import csrf_of, digest_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A body."""

    number: int
    word: str = ""


def refusal(act, *given):
    """What an act answered and how it was refused; one of the two is None."""
    try:
        return act(*given), None
    except Refused as refused:
        return None, refused


def depth(value):
    match value:
        case dict():
            return 1 + max(map(depth, value.values()), default=0)
        case list():
            return 1 + max(map(depth, value), default=0)
        case _:
            return 0


@given(st.binary(max_size=64) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_is_a_form_or_a_refusal_that_names_a_field(raw):
    form, refused = refusal(decode_strictly, raw, Form)
    if refused is not None:
        assert refused.kind is Kind.INVALID
        assert refused.fields
    else:
        assert type(form.number) is int
        assert "\0" not in form.word


@given(st.integers(-(2**63), 2**63 - 1), st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_good_body_is_taken_as_it_is(number, word):
    assert decode_strictly(json.dumps({"number": number, "word": word}).encode(), Form) == Form(number, word)


@given(JSON)
def test_what_is_nested_deeper_than_allowed_is_refused_and_nothing_else_for_its_depth(value):
    raw = json.dumps({"data": value}, ensure_ascii=True).encode()
    _, refused = refusal(decode_strictly, raw, dict)
    if refused is not None:
        assert "too_deep" not in refused.fields.values() or depth({"data": value}) > DEPTH_LIMIT
    else:
        assert depth({"data": value}) <= DEPTH_LIMIT


def test_a_body_of_brackets_is_refused_and_breaks_nothing():
    with pytest.raises(Refused):
        decode_strictly(b"[" * 60_000, Form)


@given(st.text(max_size=20) | st.from_regex(r"bytes=\d{0,6}-\d{0,6}", fullmatch=True), st.integers(0, 10**6))
def test_a_range_lies_within_the_file_or_is_not_served(header, size):
    match parse_range(header, size):
        case Part(start=start, end=end):
            assert 0 <= start < end <= size
        case False:
            assert header.startswith("bytes=")
        case None:
            pass


@given(st.integers(1, 10**5), st.data())
def test_a_range_asked_for_by_its_bytes_is_answered_by_them(size, data):
    start = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(start, size - 1))
    assert parse_range(f"bytes={start}-{last}", size) == Part(start, last + 1)


@given(st.lists(st.integers(0, 2_000), min_size=1, max_size=200))
def test_a_bucket_lets_through_no_more_than_its_burst_and_its_rate(gaps):
    bucket, now, taken = Buckets(rate=5, burst=10), 0, 0
    for gap in gaps:
        now += gap
        _, refused = refusal(bucket.take, "one", now)
        if refused is None:
            taken += 1
        else:
            assert refused.kind is Kind.TOO_MANY
            assert int(refused.fields["retry_after"]) >= 1
    assert taken <= 10 + 5 * now / 1000 + 1


@given(st.text(min_size=1, max_size=43))
def test_the_token_in_the_header_tells_nothing_that_opens_a_session(token):
    assert csrf_of(token) != token
    assert digest_of(csrf_of(token)) != digest_of(token)


@given(
    st.builds(Person, st.text(max_size=40), st.text(max_size=5), st.lists(st.text(max_size=9), max_size=3).map(tuple))
)
def test_any_account_is_good_or_refused_by_its_fields(person):
    _, refused = refusal(check_person, person)
    if refused is not None:
        assert refused.kind is Kind.INVALID
        assert set(refused.fields) <= {"id", "name", "roles", "regions", "unit", "language"}
