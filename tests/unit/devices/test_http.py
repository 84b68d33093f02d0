"""The rim: statuses, refusals in one form, addresses, tokens."""

import msgspec
import pytest

from saqtau.devices.http import STATUS, refused, same_address, token_digest
from saqtau.kernel.errors import Kind, Refused


def test_every_kind_of_refusal_has_a_status_and_only_our_own_trouble_is_a_5xx():
    assert set(STATUS) == set(Kind)
    assert {kind for kind, status in STATUS.items() if status >= 500} == {Kind.UNAVAILABLE}


def test_a_refusal_is_kind_fields_and_message():
    answer = refused(Refused(Kind.INVALID, "too far north", lat="invalid"))
    assert msgspec.json.decode(answer.body) == {
        "kind": "invalid",
        "fields": {"lat": "invalid"},
        "message": "too far north",
    }
    assert answer.headers == ()
    assert refused(Refused(Kind.TOO_MANY, "slow down")).headers == (("Retry-After", "5"),)


@pytest.mark.parametrize(
    ("registered", "peer", "same"),
    [
        ("192.0.2.1", "192.0.2.1", True),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:0db8:0:0:0:0:0:1", True),
        ("192.0.2.1", "192.0.2.10", False),
        ("192.0.2.1", "", False),
        ("a name", "a name", False),
    ],
)
def test_an_address_is_compared_as_an_address(registered, peer, same):
    assert same_address(registered, peer) is same


def test_a_token_is_kept_as_its_sha_256():
    assert token_digest("t" * 43).hex() == "80383f974f22964fd6b7ae851b6ccc9180ed4e6fcb2e415bafcab6d822139238"
