"""Time-stamps (RFC 3161): an authority that is neither the police nor the witness says that something existed."""

import hashlib
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature
from rfc3161_client import TimestampRequestBuilder, decode_timestamp_response
from rfc3161_client.base import HashAlgorithm

from saqtau.ledger.spelling import refuse
from saqtau.ledger.verify import export as verifier

MEDIA: Final = "application/timestamp-query"
LARGEST: Final = 64 * 1024
"""Bytes of an answer."""


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
        if decode_timestamp_response(answer).tst_info.nonce != asked.nonce:
            refuse("timestamp", "time-stamp: an answer to another request")
        verifier.stamped(answer, hashlib.sha256(about).digest())
    except (ValueError, IndexError, KeyError, InvalidSignature) as error:
        refuse("timestamp", f"time-stamp: {error}")
    return answer
