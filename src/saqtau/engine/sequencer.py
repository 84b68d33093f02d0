"""What a batch of entries makes of a log: the rows to write, and the head after them. Pure.

A batch is planned on a head and written only if the log still stands there; otherwise it is planned again on the head
that the database gave back. The head in memory is a guess, never an authority.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.note import Signer, compose_note
from saqtau.ledger.tiles import pack_entries, unpack_entries
from saqtau.ledger.tree import WIDTH, Edge, Tile, leaf_hashes

BATCH: Final = 4096
"""Entries of a commit, at most."""

APPEND: Final = (
    "select placed, (head).id, (head).vkey, (head).size, (head).root, (head).edge, (head).tail, (head).note, (head).at "
    "from ledger_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, "
    "$21, $22, $23, $24, $25, $26, $27, $28, $29)"
)
"""One round trip, one commit: takes `arguments`."""
OPEN: Final = "select * from ledger_open($1, $2, $3, $4, $5, $6, $7)"
LOCK: Final = "select * from ledger_lock($1)"


class Count(msgspec.Struct, frozen=True):
    """Where an entry is counted: no person, no object. entries: 0 for the end of an access that was counted before."""

    action: str = ""
    purpose: str = ""
    role: str = ""
    decision: str = ""
    policy: str = ""
    entries: int = 1
    delivered: int = 0


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A leaf with its record under lock, ready to be placed. `wrapped` empty: the record is kept elsewhere."""

    leaf: bytes
    klass: LeafClass
    day: str
    retention: str
    wrapped: bytes = b""
    content: bytes = b""
    count: Count | None = None


class Head(msgspec.Struct, frozen=True):
    """Where a log stands: its edge, and with it size and root."""

    log: int
    edge: Edge
    root: bytes


class Plan(msgspec.Struct, frozen=True):
    """A batch on a head."""

    arguments: tuple[Any, ...]  # of APPEND
    before: Head
    after: Head


def read_head(row: Any) -> Head:
    """The head from a `ledger_head` row: the edge at the last multiple of 256, and the leaves since then.

    Raises ValueError when they do not lead to the row's root: then somebody has changed the tables.
    """
    size = row["size"]
    tail = unpack_entries(row["tail"], size % WIDTH)
    edge, _ = Edge.unpack(row["edge"], size - size % WIDTH).append(leaf_hashes(tail))
    root = edge.root()
    if root != row["root"]:
        raise ValueError(f"log {row['id']}: its leaves do not lead to its root at {size}")
    return Head(row["id"], edge, root)


def empty_note(signer: Signer) -> str:
    """The signed checkpoint of a log without leaves."""
    return _sign(signer, Edge())


def plan(head: Head, entries: Sequence[Entry], signer: Signer, batch: str, now: Instant) -> Plan:
    """The rows that put these entries (1 to BATCH) at the end of a log. batch: a UUID that names them for good."""
    before = head.edge
    edge, full = before.append(leaf_hashes([entry.leaf for entry in entries]))
    crossed = edge.size // WIDTH != before.size // WIDTH
    root = edge.root()
    arguments = (
        signer.name,
        before.size,
        head.root,
        batch,
        now,
        edge.size,
        root,
        _settled(edge).pack() if crossed else None,
        _sign(signer, edge, root),
        *_packs(before.size, entries),
        *_tiles(full),
        *_records(before.size, entries),
        *_counts(entries),
    )
    return Plan(arguments, head, Head(head.log, edge, root))


def _settled(edge: Edge) -> Edge:
    """The edge as it was at the last multiple of 256 leaves."""
    return Edge(edge.size - edge.size % WIDTH, ((), *edge.levels[1:]))


def _sign(signer: Signer, edge: Edge, root: bytes | None = None) -> str:
    body = Checkpoint(signer.name, edge.size, edge.root() if root is None else root).body()
    return compose_note(body, (signer.sign(body),))


def _pieces(start: int, entries: Sequence[Entry]) -> list[tuple[int, Sequence[Entry]]]:
    """Entries cut where a bundle of 256 ends: (index of the first, entries)."""
    pieces, at, end = [], 0, len(entries)
    while at < end:
        width = WIDTH - (start + at) % WIDTH
        pieces.append((start + at, entries[at : at + width]))
        at += width
    return pieces


def _packs(start: int, entries: Sequence[Entry]) -> tuple[list[int], list[int], list[bytes]]:
    pieces = _pieces(start, entries)
    return (
        [first for first, _ in pieces],
        [len(piece) for _, piece in pieces],
        [pack_entries([entry.leaf for entry in piece]) for _, piece in pieces],
    )


def _tiles(full: Sequence[Tile]) -> tuple[list[int], list[int], list[bytes]]:
    return [tile.level for tile in full], [tile.index for tile in full], [tile.hashes for tile in full]


def _records(start: int, entries: Sequence[Entry]) -> tuple[list[int], list[int], list[str], list[date], list[bytes]]:
    firsts, parts, retentions, days, sealed = list[int](), list[int](), list[str](), list[date](), list[bytes]()
    encode = msgspec.msgpack.Encoder().encode
    for first, piece in _pieces(start, entries):
        kept: dict[tuple[str, str], list[tuple[int, bytes, bytes]]] = {}
        for index, entry in enumerate(piece, first):
            if entry.wrapped:
                kept.setdefault((entry.retention, entry.day), []).append((index, entry.wrapped, entry.content))
        for part, ((retention, day), records) in enumerate(kept.items()):
            firsts.append(first)
            parts.append(part)
            retentions.append(retention)
            days.append(date.fromisoformat(day))
            sealed.append(encode(records))
    return firsts, parts, retentions, days, sealed


def _counts(entries: Sequence[Entry]) -> tuple[list[Any], ...]:
    sums: dict[tuple[str, ...], list[int]] = {}
    for entry in entries:
        count = entry.count
        if count is not None:
            key = (entry.day, entry.klass.value, count.action, count.purpose, count.role, count.decision, count.policy)
            found = sums.setdefault(key, [0, 0])
            found[0] += count.entries
            found[1] += count.delivered
    rows = [(date.fromisoformat(key[0]), *key[1:], *found) for key, found in sorted(sums.items())]
    return tuple([row[column] for row in rows] for column in range(9))
