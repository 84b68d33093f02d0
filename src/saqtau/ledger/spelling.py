"""Numbers and bytes as text, in the one spelling that the formats allow.

What can be written in two ways can be signed in one way and read in another, so everything else is refused.
"""

import base64
import binascii
from typing import NoReturn

from saqtau.kernel.errors import Kind, Refused

HASH = 32
"""Bytes of a SHA-256 hash."""
_DIGITS = frozenset("0123456789")


def refuse(field: str, message: str, key: str = "invalid") -> NoReturn:
    """Raise Refused(INVALID) that names one field."""
    raise Refused(Kind.INVALID, message, **{field: key})


def parse_decimal(text: str, field: str, limit: int = 2**63) -> int:
    """A non-negative ASCII decimal below `limit`, without leading zeroes. Refused(INVALID) names the field."""
    if not text or len(text) > 20 or not _DIGITS.issuperset(text) or (text[0] == "0" and text != "0"):
        refuse(field, f"{field}: not a decimal number without leading zeroes")
    number = int(text)
    if number >= limit:
        refuse(field, f"{field}: number too large", "too_large")
    return number


def encode_base64(data: bytes) -> str:
    """RFC 4648 section 4, padded."""
    return base64.b64encode(data).decode("ascii")


def parse_base64(text: str, field: str) -> bytes:
    """The bytes of a padded standard base64 text; another spelling of the same bytes is Refused(INVALID)."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (ValueError, binascii.Error):
        refuse(field, f"{field}: not base64")
    if encode_base64(data) != text:
        refuse(field, f"{field}: not the canonical base64 of its bytes")
    return data


def parse_hash(text: str, field: str) -> bytes:
    """The 32 bytes of a base64 hash. Refused(INVALID) names the field."""
    if len(text) != 44:
        refuse(field, f"{field}: not a hash of 32 bytes")
    return parse_base64(text, field)
