"""Time-stamps (RFC 3161): an authority that is neither the police nor the witness says that something existed."""

import hashlib
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from rfc3161_client import TimestampRequestBuilder
from rfc3161_client.base import HashAlgorithm

from saqtau.ledger.spelling import refuse
from saqtau.ledger.verify import export as verifier

MEDIA: Final = "application/timestamp-query"
LARGEST: Final = 64 * 1024
"""Bytes of an answer."""
_INTEGER: Final = 2


class Asked(msgspec.Struct, frozen=True):
    """A request. data: what is sent (DER); nonce: what the answer must repeat."""

    data: bytes
    nonce: int


def ask(about: bytes) -> Asked:
    """A request for the SHA-256 of these bytes; the authority's certificate shall come with the answer."""
    built = TimestampRequestBuilder().data(about).hash_algorithm(HashAlgorithm.SHA256).cert_request(cert_request=True)
    request = built.nonce(nonce=True).build()
    return Asked(request.as_bytes(), request.nonce or 0)


def accept(answer: bytes, asked: Asked, about: bytes) -> bytes:
    """The answer, if it is to this request, over these bytes, and signed by the certificate that it carries.

    Whether that certificate is trusted is for whoever reads it. Refused(INVALID) names `timestamp`.
    """
    if len(answer) > LARGEST:
        refuse("timestamp", "time-stamp: too large", "too_large")
    try:
        if asked.nonce not in _numbers(answer):
            refuse("timestamp", "time-stamp: an answer to another request")
        verifier.stamped(answer, hashlib.sha256(about).digest())
    except (ValueError, IndexError, KeyError, InvalidSignature) as error:
        refuse("timestamp", f"time-stamp: {error}")
    return answer


def _numbers(answer: bytes) -> list[int]:
    """The integers of a TSTInfo: its version, the authority's serial number, the nonce.

    Read with the verifier's own parser: rfc3161-client refuses certificates that `openssl ts` did not put in order.
    """
    content = verifier.der(verifier.der(answer)[0][1])[1]
    signed = verifier.der(verifier.der(verifier.der(content[1])[1][1])[0][1])
    info = verifier.der(verifier.der(verifier.der(signed[2][1])[1][1])[0][1])
    return [int.from_bytes(value, "big", signed=True) for tag, value, _ in verifier.der(info[0][1]) if tag == _INTEGER]
