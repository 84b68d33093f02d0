"""The Merkle tree of RFC 6962, kept by its right edge: what is needed to append, to publish and to say the root.

A tile is 256 hashes of one level (C2SP tlog-tiles); level 0 are leaf hashes, each hash of level n is the root of a full
tile of level n-1. Full tiles never change and are handed out once; the edge keeps the partial ones.
"""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from saqtau.ledger.spelling import HASH, refuse

WIDTH = 256
"""Hashes of a full tile."""
BITS = 8
"""Tree levels that a tile spans."""
EMPTY = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""
_LEAF = b"\x00"
_NODE = b"\x01"


class Tile(msgspec.Struct, frozen=True):
    """One row of hashes: `hashes` are 32 bytes each, joined; 256 of them in a full tile."""

    level: int
    index: int
    hashes: bytes

    @property
    def width(self) -> int:
        """Number of hashes, 1 to 256."""
        return len(self.hashes) // HASH


def leaf_hash(leaf: bytes) -> bytes:
    """SHA-256(0x00 || leaf)."""
    return hashlib.sha256(_LEAF + leaf).digest()


def leaf_hashes(leaves: Iterable[bytes]) -> list[bytes]:
    """`leaf_hash` of each."""
    sha256 = hashlib.sha256
    return [sha256(_LEAF + leaf).digest() for leaf in leaves]


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(_NODE + left + right).digest()


def pair_hashes(hashes: Sequence[bytes]) -> list[bytes]:
    """The parents of an even row of hashes."""
    sha256, each = hashlib.sha256, iter(hashes)
    return [sha256(_NODE + left + right).digest() for left, right in zip(each, each, strict=True)]


class Edge(msgspec.Struct, frozen=True):
    """The right edge of a tree.

    levels[l]: hashes of the partial tile of level l, fewer than 256; as many levels as full tiles below ask for.
    peaks[h]: root of the complete subtree of 2**h leaves that bit h of the size stands for; empty where the bit is 0.
    They follow from the levels, so that a root costs a hash a bit of the size, and a leaf costs about one node hash.
    """

    size: int = 0
    levels: tuple[tuple[bytes, ...], ...] = ()
    peaks: tuple[bytes, ...] = ()

    def append(self, hashes: Sequence[bytes]) -> "tuple[Edge, list[Tile]]":
        """The edge after these leaf hashes, and the tiles that became full, lower levels first, left to right."""
        rising, peaks, levels = list(hashes), list(self.peaks), list(self.levels)
        size, full, level = self.size + len(hashes), list[Tile](), 0
        while rising:
            if level == len(levels):
                levels.append(())
            old = levels[level]
            row = [*old, *rising]
            first = (self.size >> (BITS * level)) // WIDTH
            whole = len(row) - len(row) % WIDTH
            full += [
                Tile(level, first + start // WIDTH, b"".join(row[start : start + WIDTH]))
                for start in range(0, whole, WIDTH)
            ]
            levels[level] = tuple(row[whole:])
            rising = _rise(peaks, rising, BITS * level)
            level += 1
        return Edge(size, tuple(levels), tuple(peaks[: size.bit_length()])), full

    def root(self) -> bytes:
        """The RFC 6962 root over all leaves."""
        root = b""
        for peak in self.peaks:
            if peak:
                root = node_hash(peak, root) if root else peak
        return root or EMPTY

    def partial(self) -> list[Tile]:
        """The partial tiles of this size, lower levels first; none is empty."""
        return [
            Tile(level, self.size >> (BITS * (level + 1)), b"".join(row))
            for level, row in enumerate(self.levels)
            if row
        ]

    def pack(self) -> bytes:
        """All hashes of the levels, joined; the size says how many belong to which."""
        return b"".join(hash_ for row in self.levels for hash_ in row)

    @classmethod
    def unpack(cls, data: bytes, size: int) -> "Edge":
        """The edge of a tree of `size` leaves from what `pack` gave. Refused(INVALID) names `edge` or `size`."""
        if not 0 <= size < 2**63:
            refuse("size", "edge: not the size of a tree")
        widths = row_widths(size)
        if len(data) != HASH * sum(widths):
            refuse("edge", f"edge: {len(data)} bytes do not belong to a tree of {size} leaves")
        levels, peaks, at = list[tuple[bytes, ...]](), list[bytes](), 0
        for level, width in enumerate(widths):
            row = tuple(data[at + HASH * n : at + HASH * (n + 1)] for n in range(width))
            at += HASH * width
            levels.append(row)
            _rise(peaks, list(row), BITS * level)
        return cls(size, tuple(levels), tuple(peaks[: size.bit_length()]))


def row_widths(size: int) -> list[int]:
    """Widths of the partial tiles of a tree, by level; 0 where a level has only full ones."""
    widths = []
    while size:
        widths.append(size % WIDTH)
        size //= WIDTH
    return widths


def subtree_root(hashes: Sequence[bytes]) -> bytes:
    """The RFC 6962 root over a row of hashes that are leaves, or roots of complete subtrees of one height."""
    if not hashes:
        return EMPTY
    peaks: list[bytes] = []
    row = list(hashes)
    while row:
        odd = row.pop() if len(row) % 2 else b""
        peaks.append(odd)
        row = pair_hashes(row)
    root = b""
    for peak in peaks:
        if peak:
            root = node_hash(peak, root) if root else peak
    return root


def _rise(peaks: list[bytes], row: list[bytes], height: int) -> list[bytes]:
    """Put a row of hashes of subtrees of 2**height leaves into the peaks; returns roots that became 2**(height+8)."""
    while len(peaks) < height + BITS:
        peaks.append(b"")
    for at in range(height, height + BITS):
        if peaks[at]:
            row.insert(0, peaks[at])
        peaks[at] = row.pop() if len(row) % 2 else b""
        row = pair_hashes(row)
    return row
