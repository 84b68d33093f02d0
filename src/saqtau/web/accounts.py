"""What the ways in are made of, handed in by `bootstrap`: who we are to an authenticator, the keys, another house."""

from typing import Final, Literal

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SECOND: Final = frozenset({"passkey", "code", "recovery", "oidc_second"})
"""Methods that need more than a password: something the person has."""


class Issuer(msgspec.Struct, frozen=True, kw_only=True):
    """The identity provider of the authority. `second`: the `amr` value by which it says that it asked for two."""

    issuer: str
    client: str
    secret: str | None
    redirect: str
    name: str
    claim: str = "sub"
    second: str = "mfa"


class Accounts(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the ways in.

    rp: the WebAuthn relying party's id, a domain. origins: what a browser may say it is at; the first is told to those
    who come by another address. key: 32 bytes from which the keys of sealed secrets are derived.
    """

    second_factor: Literal["required", "offered"] = "offered"
    rp: str = "localhost"
    origins: tuple[str, ...] = ("http://localhost",)
    key: bytes = b""
    issuer: Issuer | None = None


def derived(key: bytes, use: str) -> bytes:
    """A key of 32 bytes for one use. Raises ValueError for a key that is too short to be one."""
    if len(key) < 32:
        raise ValueError("the key of the accounts has fewer than 32 bytes")
    return HKDF(SHA256(), 32, None, f"saqtau accounts {use} v1".encode()).derive(key)


def is_second(methods: tuple[str, ...]) -> bool:
    """Whether these methods together are two factors."""
    return not SECOND.isdisjoint(methods)
