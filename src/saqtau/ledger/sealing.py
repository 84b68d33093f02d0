"""Sealing of records: a key a record, wrapped under the key of its retention and day. A record dies with that key.

DEK = 32 random bytes, used once, so AES-256-GCM may take the nonce 0 for the content.
wrapped = 12 bytes nonce || AES-256-GCM(KEK, DEK): 60 bytes. content = AES-256-GCM(DEK, record): 16 bytes longer.
"""

import hmac
from collections.abc import Callable

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from saqtau.ledger.leaf import DEK, MAX_RECORD, commitment
from saqtau.ledger.spelling import refuse

KEK = 32
"""Bytes of the key of a (retention code, day), or of a hold."""
NONCE = 12
TAG = 16
WRAPPED = NONCE + DEK + TAG
_ONCE = bytes(NONCE)

Random = Callable[[int], bytes]
"""So many unpredictable bytes: `secrets.token_bytes` but in tests."""


class Sealed(msgspec.Struct, frozen=True):
    """A record under lock. The commitment goes into the leaf; it is useless without the DEK that `wrapped` holds."""

    commitment: bytes  # 32
    wrapped: bytes  # 60
    content: bytes


def seal(record: bytes, kek: bytes, random: Random) -> Sealed:
    """Seal a record's bytes under a key of 32 bytes. Refused(INVALID) names `kek` or `record`."""
    if len(record) > MAX_RECORD:
        refuse("record", f"record: longer than {MAX_RECORD} bytes", "too_large")
    dek = random(DEK)
    return Sealed(commitment(dek, record), _wrap(dek, kek, random), AESGCM(dek).encrypt(_ONCE, record, None))


def unwrap(kek: bytes, wrapped: bytes) -> bytes:
    """The DEK of a record, which opens it and its commitment. Refused(INVALID) names `kek` or `wrapped`."""
    if len(wrapped) != WRAPPED:
        refuse("wrapped", "record: its key is not 60 bytes")
    try:
        return _cipher(kek).decrypt(wrapped[:NONCE], wrapped[NONCE:], None)
    except InvalidTag:
        refuse("wrapped", "record: its key does not open with this key")


def unseal(kek: bytes, wrapped: bytes, content: bytes) -> bytes:
    """The record's bytes. Whether they are what a leaf committed to is not checked: `open_committed` does that.

    Refused(INVALID) names `kek`, `wrapped` or `content`.
    """
    return _decrypt(unwrap(kek, wrapped), content)


def open_committed(kek: bytes, wrapped: bytes, content: bytes, committed: bytes) -> bytes:
    """As `unseal`, and Refused(INVALID) names `commitment` when this is not the record of that leaf."""
    dek = unwrap(kek, wrapped)
    record = _decrypt(dek, content)
    if not hmac.compare_digest(commitment(dek, record), committed):
        refuse("commitment", "record: not the one that the leaf committed to")
    return record


def rewrap(old: bytes, new: bytes, wrapped: bytes, random: Random) -> bytes:
    """The same DEK under another key; the content stays as it is. Refused(INVALID) names `kek` or `wrapped`."""
    return _wrap(unwrap(old, wrapped), new, random)


def _wrap(dek: bytes, kek: bytes, random: Random) -> bytes:
    nonce = random(NONCE)
    return nonce + _cipher(kek).encrypt(nonce, dek, None)


def _decrypt(dek: bytes, content: bytes) -> bytes:
    try:
        return AESGCM(dek).decrypt(_ONCE, content, None)
    except InvalidTag:
        refuse("content", "record: its content does not open with its key")


def _cipher(kek: bytes) -> AESGCM:
    if len(kek) != KEK:
        refuse("kek", "key: not 32 bytes")
    return AESGCM(kek)
