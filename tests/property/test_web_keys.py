"""Whatever comes in from browsers, authenticators and identity providers: an answer or a refusal, never a fault."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as some
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet
from tests.api.authenticator import Authenticator, spelled

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.web import challenges
from saqtau.web.accounts import Accounts, Issuer, is_second
from saqtau.web.oidc import checked, is_safe, part
from saqtau.web.oidc_token import keys_of, read_token
from saqtau.web.passkeys import Made, challenge_in, read_made, unspell

ISSUER = Issuer(
    issuer="https://id.example", client="saqtau", secret=None, redirect="https://s.example/api/oidc/callback", name="x"
)
KEY = ECKey.generate_key("P-256", parameters={"kid": "one"})
KEYS = KeySet([KEY])
NOW = Instant(time.time_ns() // 1_000_000)
JSON = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats(allow_nan=False) | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
CLAIMS = some.fixed_dictionaries(
    {},
    optional={
        name: JSON | some.sampled_from(["https://id.example", "saqtau", ["saqtau"], "n", NOW // 1000, ["mfa"]])
        for name in ("iss", "aud", "sub", "exp", "iat", "nbf", "nonce", "azp", "auth_time", "amr")
    },
)


def good():
    return {
        "iss": "https://id.example", "aud": "saqtau", "sub": "s", "nonce": "n",
        "exp": NOW // 1000 + 60, "iat": NOW // 1000,
    }  # fmt: skip


def tried(call):
    """(what came, the kind of refusal, the fields it names); anything else is a fault."""
    try:
        return call(), None, []
    except Refused as refused:
        return None, refused.kind, list(refused.fields)


def sign(claims):
    return jwt.encode({"alg": "ES256", "kid": "one"}, claims, KEY)


@given(some.text(max_size=200))
def test_no_text_is_a_token(text):
    with pytest.raises(Refused):
        read_token(text, KEYS, ISSUER, "n", NOW, None)


@given(CLAIMS)
def test_a_signed_token_is_believed_only_with_all_its_claims(changes):
    claims = good() | changes
    found, kind, _ = tried(lambda: read_token(sign(claims), KEYS, ISSUER, "n", NOW, None))
    assert kind in {None, Kind.UNAUTHENTICATED}
    if found is not None:
        assert claims["iss"] == "https://id.example"
        assert claims["aud"] in ("saqtau", ["saqtau"])
        assert claims["nonce"] == "n"
        assert found.subject == claims["sub"]
        assert claims["exp"] > NOW / 1000 - 60


@given(some.integers(min_value=0), some.integers(min_value=1, max_value=255))
def test_a_token_with_a_changed_letter_is_not_believed(place, change):
    text = sign(good())
    at = place % len(text)
    changed = text[:at] + chr(ord(text[at]) ^ change) + text[at + 1 :]
    found, _, _ = tried(lambda: read_token(changed, KEYS, ISSUER, "n", NOW, None))
    assert found is None or found.subject == "s"  # the last letter of base64 has bits that nobody reads


@given(JSON)
def test_whatever_a_provider_says_of_itself_it_is_ours_or_refused(told):
    for read in (lambda: checked(told, ISSUER), lambda: keys_of(told)):
        assert tried(read)[1] in {None, Kind.UNAVAILABLE}


@given(some.text(max_size=60))
def test_only_https_and_this_machine_are_safe(text):
    if is_safe(text):
        assert text.lower().lstrip().startswith(("https://", "http://"))
    assert not is_safe(f"http://{text}.example")


@given(some.text(min_size=1, max_size=60), some.text(min_size=1, max_size=60))
def test_what_is_sent_along_tells_nothing_of_the_rest(one, other):
    parts = {part(one, use) for use in ("state", "nonce", "verifier")}
    assert len(parts) == 3
    assert all(len(text) == 43 for text in parts)
    if one != other:
        assert parts.isdisjoint({part(other, use) for use in ("state", "nonce", "verifier")})


@given(some.binary(max_size=300))
def test_client_data_gives_its_challenge_or_is_refused(raw):
    found, kind, fields = tried(lambda: challenge_in(raw))
    assert isinstance(found, bytes) or (kind, fields) == (Kind.INVALID, ["client_data"])


@given(some.binary(max_size=60))
def test_bytes_are_spelled_back(raw):
    assert unspell(spelled(raw), "x") == raw


ACCOUNTS = Accounts(rp="localhost", origins=("http://localhost:8470",))


@given(some.lists(some.tuples(some.integers(min_value=0), some.integers(min_value=0, max_value=255)), max_size=4))
def test_an_attestation_with_changed_bytes_is_refused_not_broken(changes):
    stick, challenge = Authenticator(), b"c" * 32
    made = stick.make({"user": {"id": spelled(b"h" * 16)}, "challenge": spelled(challenge)})
    raw = bytearray(unspell(made["attestation"], "x"))
    for place, byte in changes:
        raw[place % len(raw)] = byte
    answer = Made(made["id"], made["client_data"], spelled(bytes(raw)))
    found, kind, _ = tried(lambda: read_made(ACCOUNTS, answer, challenge))
    assert kind in {None, Kind.INVALID}
    if found is not None:
        assert found.user_verified
        assert spelled(found.credential_id) == made["id"]


@given(some.lists(some.sampled_from(["password", "oidc", "code", "recovery", "passkey", "oidc_second"]), max_size=4))
def test_two_factors_are_more_than_what_one_knows(methods):
    assert is_second(tuple(methods)) == bool(set(methods) - {"password", "oidc"})


def test_a_question_lives_five_minutes():
    assert challenges.LIFE == 300_000
