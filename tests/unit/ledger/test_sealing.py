"""Records under lock: what opens them, what does not, and what is left when the key of the day is gone."""

import hashlib
import itertools
import secrets

import pytest
from tests.unit.ledger.refusals import refused

from saqtau.ledger.leaf import MAX_RECORD, canonical
from saqtau.ledger.sealing import NONCE, TAG, WRAPPED, open_committed, rewrap, seal, unseal, unwrap

DAY, CASE = b"d" * 32, b"c" * 32
RECORD = canonical({"actor": "pseudonym", "purpose": "search_for_vehicle"})


def counted():
    """Bytes that are unpredictable to nobody, and never the same."""
    numbers = itertools.count()
    return lambda size: hashlib.sha256(next(numbers).to_bytes(4, "big")).digest()[:size]


def test_a_sealed_record_opens_with_the_key_of_its_day():
    sealed = seal(RECORD, DAY, counted())
    assert unseal(DAY, sealed.wrapped, sealed.content) == RECORD
    assert open_committed(DAY, sealed.wrapped, sealed.content, sealed.commitment) == RECORD
    assert len(sealed.wrapped) == WRAPPED
    assert len(sealed.content) == len(RECORD) + TAG


def test_the_same_record_is_never_sealed_to_the_same_bytes():
    random = counted()
    first, second = seal(RECORD, DAY, random), seal(RECORD, DAY, random)
    assert first.commitment != second.commitment, "equal acts must not be linkable by their leaves"
    assert first.content != second.content
    assert first.wrapped[:NONCE] != second.wrapped[:NONCE], "a nonce is never used twice under the key of a day"


def test_without_the_key_of_the_day_nothing_opens():
    sealed = seal(RECORD, DAY, secrets.token_bytes)
    assert refused(unseal, CASE, sealed.wrapped, sealed.content) == {"wrapped": "invalid"}
    assert refused(unseal, DAY[:-1], sealed.wrapped, sealed.content) == {"kek": "invalid"}
    assert refused(seal, RECORD, b"", secrets.token_bytes) == {"kek": "invalid"}


def test_a_hold_keeps_the_record_when_the_key_of_the_day_is_gone():
    sealed = seal(RECORD, DAY, secrets.token_bytes)
    held = rewrap(DAY, CASE, sealed.wrapped, secrets.token_bytes)
    assert open_committed(CASE, held, sealed.content, sealed.commitment) == RECORD
    assert unwrap(CASE, held) == unwrap(DAY, sealed.wrapped)
    assert refused(unseal, DAY, held, sealed.content) == {"wrapped": "invalid"}
    assert refused(rewrap, CASE, DAY, sealed.wrapped, secrets.token_bytes) == {"wrapped": "invalid"}


@pytest.mark.parametrize("what", ["wrapped", "content"])
def test_every_flipped_bit_is_noticed(what):
    sealed = seal(RECORD, DAY, secrets.token_bytes)
    parts = {"wrapped": sealed.wrapped, "content": sealed.content}
    for at in range(8 * len(parts[what])):
        data = bytearray(parts[what])
        data[at // 8] ^= 1 << at % 8
        changed = {**parts, what: bytes(data)}
        assert refused(unseal, DAY, changed["wrapped"], changed["content"]) == {what: "invalid"}


def test_records_that_were_exchanged_are_noticed_by_the_leaf():
    mine, other = seal(RECORD, DAY, secrets.token_bytes), seal(RECORD + b" ", DAY, secrets.token_bytes)
    assert unseal(DAY, other.wrapped, other.content) != RECORD
    assert refused(open_committed, DAY, other.wrapped, other.content, mine.commitment) == {"commitment": "invalid"}
    assert refused(unseal, DAY, mine.wrapped, other.content) == {"content": "invalid"}


def test_what_is_too_short_or_too_long_is_refused():
    sealed = seal(RECORD, DAY, secrets.token_bytes)
    assert refused(unseal, DAY, sealed.wrapped[:-1], sealed.content) == {"wrapped": "invalid"}
    assert refused(unseal, DAY, sealed.wrapped, b"") == {"content": "invalid"}
    assert refused(seal, b"x" * (MAX_RECORD + 1), DAY, secrets.token_bytes) == {"record": "too_large"}
