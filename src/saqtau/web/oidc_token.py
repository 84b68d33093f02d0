"""An ID token: what must hold before a word of it is believed (OpenID Connect Core, 3.1.3.7). Pure."""

import hmac
from typing import Any, Final

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.accounts import Issuer

ALGORITHMS: Final = ("RS256", "PS256", "ES256", "EdDSA")
"""Signatures by a key that only the issuer has. `none` and every HS are out: a public key is no shared secret."""
SKEW: Final = 60
"""Seconds that two houses' clocks may differ."""
LARGEST: Final = 16_384
"""Characters of the largest ID token."""
_KINDS: Final = {"RSA", "EC", "OKP"}


class Identity(msgspec.Struct, frozen=True):
    """Whom the issuer vouches for. second: it says that it asked for two factors."""

    subject: str
    second: bool


class _Claims(msgspec.Struct):
    iss: str
    aud: str | list[str]
    exp: int | float
    iat: int | float
    nonce: str
    nbf: int | float = 0
    azp: str | None = None
    auth_time: int | float | None = None
    amr: list[str] = []


def keys_of(document: Any) -> KeySet:
    """The signing keys of a JWK set; those of other kinds are passed over. Raises Refused(UNAVAILABLE)."""
    listed = document.get("keys") if isinstance(document, dict) else None
    good = [
        key
        for key in listed or []
        if isinstance(key, dict) and key.get("kty") in _KINDS and key.get("use", "sig") == "sig"
    ]
    try:
        return KeySet.import_key_set({"keys": good[:50]})
    except (JoseError, ValueError, KeyError, TypeError) as error:
        raise Refused(Kind.UNAVAILABLE, f"the keys of the identity provider: {error}", issuer="keys") from error


def read_token(token: str, keys: KeySet, issuer: Issuer, nonce: str, now: Instant, since: Instant | None) -> Identity:
    """Whom a token is about.

    nonce: what was sent along. since: when a proof was asked for that must not be older than that.
    Raises Refused(UNAUTHENTICATED) naming the claim that does not hold.
    """
    if len(token) > LARGEST:
        raise _no("token", "too_large")
    try:
        decoded = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
        claims = msgspec.convert(decoded, _Claims)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _no("token", type(error).__name__) from error
    seconds = now / SECOND
    audience = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    checks = {
        "iss": claims.iss == issuer.issuer,
        "aud": audience == [issuer.client] and claims.azp in {None, issuer.client},
        "exp": seconds < claims.exp + SKEW,
        "iat": seconds - 600 < claims.iat < seconds + SKEW,
        "nbf": claims.nbf < seconds + SKEW,
        "nonce": hmac.compare_digest(claims.nonce.encode(errors="replace"), nonce.encode()),
        "auth_time": since is None or (claims.auth_time or 0) >= since / SECOND - SKEW,
    }
    for name, holds in checks.items():
        if not holds:
            raise _no(name, "wrong")
    subject = decoded.get(issuer.claim)
    if not isinstance(subject, str) or not 1 <= len(subject) <= 255 or "\0" in subject:
        raise _no(issuer.claim, "missing")
    return Identity(subject, issuer.second in claims.amr)


def _no(claim: str, why: str) -> Refused:
    return Refused(Kind.UNAUTHENTICATED, f"the identity provider's word does not hold: {claim} {why}", token=claim)
