"""Identifiers: UUIDv7, so that they sort by time. Time and randomness are handed in (RFC 9562, section 5.7)."""

from collections.abc import Callable
from uuid import UUID

from saqtau.kernel.clock import Instant

Ids = Callable[[], str]
"""A source of fresh identifiers; live code uses `uuid7` over the system's clock and randomness."""


def uuid7(now: Instant, random: bytes) -> str:
    """A UUIDv7 string. now: Unix ms in 0..2**48-1. random: at least 10 bytes, only 74 bits of them are used."""
    value = (now & (1 << 48) - 1) << 80 | int.from_bytes(random[:10], "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return str(UUID(int=value))


def uuid7_source(clock: Callable[[], Instant], random: Callable[[int], bytes]) -> Ids:
    """An `Ids` over a clock and a source of randomness (`secrets.token_bytes` in live code)."""
    return lambda: uuid7(clock(), random(10))
