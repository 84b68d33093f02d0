"""The chain of a camera: every fragment and every gap takes the hash of the one before into its own.

    h_n = SHA-256(h_{n-1} || len16(camera) camera || u64(seq) || u64(utc ms) || kind byte || SHA-256(bytes of the link))

Whoever knows one h_n knows that nothing before it was changed, taken out, put in or put into another order.
"""

import hashlib
import struct
from collections.abc import Iterable, Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType

import msgspec

from saqtau.kernel.clock import Instant

START = bytes(32)
"""What the first link of a camera follows."""
_PLACE = struct.Struct(">QQB")


class LinkKind(IntEnum):
    """What a link is."""

    FRAGMENT = 0
    GAP = 1


def digest(data: bytes | bytearray | memoryview) -> bytes:
    """SHA-256 of the bytes of a link's boxes."""
    return hashlib.sha256(data).digest()


def link(previous: bytes, camera: str, seq: int, at: Instant, kind: LinkKind, digested: bytes) -> bytes:
    """The chain's head after this link: 32 bytes. `seq` and `at` are 0 to 2^64-1, `camera` at most 65,535 bytes."""
    name = camera.encode()
    return hashlib.sha256(
        b"".join((previous, len(name).to_bytes(2, "big"), name, _PLACE.pack(seq, at, kind), digested))
    ).digest()


class Row(msgspec.Struct, frozen=True, gc=False):
    """A link without its bytes: what a chain can be followed with. `digest` is SHA-256 of the link's boxes."""

    seq: int
    at: Instant
    kind: LinkKind
    digest: bytes


class Fault(StrEnum):
    """What is wrong with a chain."""

    MISSING = "missing"  # links between two that follow each other were taken out
    ORDER = "order"  # a link stands before one that it follows, or twice
    CHANGED = "changed"  # this link or one before it is not what was chained when the head was published


class Broken(msgspec.Struct, frozen=True):
    """The first link that does not follow. `expected` is the sequence that had to come, `found` the one that came."""

    fault: Fault
    expected: int
    found: int


def follow(
    camera: str, previous: bytes, first: int, rows: Iterable[Row], published: Mapping[int, bytes] = MappingProxyType({})
) -> bytes | Broken:
    """The head after these links, the first of which has the sequence `first` and follows `previous`.

    published: heads that somebody else keeps (minute leaves, closing boxes), by the sequence of their last link.
    `Broken` where a sequence jumps, or where a head is not the one that was published.
    """
    head, expected = previous, first
    for row in rows:
        if row.seq != expected:
            return Broken(Fault.MISSING if row.seq > expected else Fault.ORDER, expected, row.seq)
        head = link(head, camera, row.seq, row.at, row.kind, row.digest)
        if published.get(row.seq, head) != head:
            return Broken(Fault.CHANGED, row.seq, row.seq)
        expected += 1
    return head
