"""Reading the ledger's tables: logs, checkpoints, tiles, bundles, proofs; and, with a grant, what the leaves commit to.

Everything but `read_records` is free of persons. What is served is a copy, not a verdict: who reads it checks it.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, TypeVar

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import Leaf, parse_leaf, parse_record
from saqtau.ledger.note import parse_note
from saqtau.ledger.proof import encode_proof
from saqtau.ledger.sealing import open_committed, unwrap
from saqtau.ledger.tiles import ENTRIES, TileCache, TilePath, TileReader, pack_entries, unpack_entries
from saqtau.ledger.tree import BITS, WIDTH, leaf_hashes, row_widths

_MAY_OPEN: Final = (Action.READ_ACCESS, Action.RECEIVE_EXPORT, Action.PLACE_HOLD)
"""An overseer reads; a chain of custody goes with an export and stays with a hold."""
RECORDS: Final = 10_000
"""Entries whose records one call opens, at most."""
_AT_ONCE: Final = 16 * WIDTH
_HASH: Final = 32
_CACHED_LOGS: Final = 64
_LEVELS, _INDICES = 8, 2**48  # beyond them no tile can be

_LOGS = "select id, origin, kind, region, year, vkey, size, root, at from ledger_log order by origin"
_NOTE = "select id, size, note from ledger_log where origin = $1"
_NOTE_AT = "select note from ledger_checkpoint where log = $1 and size = $2"
_LINES = "select line from ledger_cosigned where log = $1 and size = $2 and over = $3 order by witness"
_WITNESSED = "select size from ledger_upheld where log = $1 and size > $2 order by size desc limit 1"
_TILE = """
    select l.id, l.size, case when t.hashes is null and $2 > 0 then l.edge end as edge, t.hashes
    from ledger_log l left join ledger_tile t on t.log = l.id and t.level = $2 and t.index = $3
    where l.origin = $1
"""
_BUNDLE = """
    select l.size, (
        select string_agg(p.leaves, ''::bytea order by p.first) from ledger_pack p
        where p.log = l.id and p.first >= $2 and p.first < $3) as leaves
    from ledger_log l where l.origin = $1
"""
_PACKS = "select first, leaves from ledger_pack where log = $1 and first >= $2 and first < $3 order by first"
_SEALED = """
    select first, retention, to_char(day, 'YYYY-MM-DD') as day, records from ledger_records
    where log = $1 and first >= $2 and first < $3 order by first, part
"""
_HELD = "select index, hold, wrapped, content from ledger_held where log = $1 and index >= $2 and index < $3"

_records = msgspec.msgpack.Decoder(list[tuple[int, bytes, bytes]])
Found = TypeVar("Found")


class LogLine(msgspec.Struct, frozen=True):
    """A log and where it stands."""

    id: int
    origin: str
    kind: str
    region: int
    year: int
    vkey: str
    size: int
    root: bytes
    at: Instant


class Opened(msgspec.Struct, frozen=True):
    """An entry as an overseer reads it. record: None when it cannot be read, and `why` says so."""

    index: int
    leaf: Leaf
    record: dict[str, Any] | None
    why: str = ""  # "" | erased | key_missing | not_kept | damaged | held:<case> (readable, by that hold)


class Unsealed(msgspec.Struct, frozen=True):
    """An entry with the exact bytes committed to and the record's key; both None when it cannot be opened."""

    leaf: bytes
    record: bytes | None = None
    dek: bytes | None = None


async def logs(pg: Any) -> list[LogLine]:
    """All logs, by origin."""
    with refusals():
        return [LogLine(*row) for row in await pg.fetch(_LOGS)]


async def checkpoint(pg: Any, origin: str, size: int | None = None) -> str:
    """The signed checkpoint of a log, with the cosignatures there are: the last one, or that of a size.

    Raises Refused: NOT_FOUND (`origin`, or `size`: not a size at which it was kept), UNAVAILABLE.
    """
    with refusals():
        log, newest, note = await _log(pg, origin)
        if size is not None and size != newest:
            note = await pg.fetchval(_NOTE_AT, log, size)
            if note is None:
                raise Refused(Kind.NOT_FOUND, f"{origin}: no checkpoint of {size} entries is kept", size="unknown")
        # only those over this very note: a log that was put back and grew again has others of the same size
        over = hashlib.sha256(note.encode()).digest()
        lines = await pg.fetch(_LINES, log, newest if size is None else size, over)
        return "".join((note, *(row[0] for row in lines)))


async def witnessed(pg: Any, origin: str, beyond: int = 0) -> int | None:
    """The greatest size that a witness has cosigned, if one beyond `beyond` was. Errors as `checkpoint`."""
    with refusals():
        log, _, _ = await _log(pg, origin)
        found: int | None = await pg.fetchval(_WITNESSED, log, beyond)
        return found


async def tile(pg: Any, origin: str, path: TilePath) -> bytes:
    """A tile's hashes, or a bundle of entries, as C2SP tlog-tiles serves it; a partial one is a prefix.

    Raises Refused: NOT_FOUND (`origin`, or `path`: beyond the log), UNAVAILABLE.
    """
    with refusals():
        if path.level >= _LEVELS or path.index >= _INDICES:
            await _log(pg, origin)
            raise _beyond(origin, path)
        if path.level == ENTRIES:
            return await _bundle(pg, origin, path)
        row = await pg.fetchrow(_TILE, origin, path.level, path.index)
        there = await _there(pg, origin, path, row)
        if row["hashes"] is not None:
            hashes: bytes = row["hashes"]
        elif path.level == 0:
            hashes = b"".join(leaf_hashes(unpack_entries(await _bundle(pg, origin, path))))
        else:
            start = _HASH * sum(row_widths(row["size"])[1 : path.level])
            hashes = row["edge"][start : start + _HASH * min(there, WIDTH)]
        return hashes[: _HASH * path.width]


async def _bundle(pg: Any, origin: str, path: TilePath) -> bytes:
    start = path.index * WIDTH
    row = await pg.fetchrow(_BUNDLE, origin, start, start + path.width)
    there = await _there(pg, origin, path, row)
    data: bytes = row["leaves"]
    return data if there == path.width == WIDTH else pack_entries(unpack_entries(data)[: path.width])


async def _there(pg: Any, origin: str, path: TilePath, row: Any) -> int:
    """How many hashes or entries from the tile's first on there are, at least its width. Raises Refused(NOT_FOUND)."""
    if row is None:
        await _log(pg, origin)
        raise _beyond(origin, path)
    there: int = (row["size"] >> (BITS * max(path.level, 0))) - path.index * WIDTH
    if there < path.width:
        raise _beyond(origin, path)
    return min(there, WIDTH)


def _beyond(origin: str, path: TilePath) -> Refused:
    return Refused(Kind.NOT_FOUND, f"{origin}: {path.text} is beyond the log", path="unknown")


class Proofs:
    """Proofs from the tables, with the tiles used last in memory. pg: pool or connection."""

    def __init__(self, pg: Any, tiles: int = 256) -> None:
        self._pg = pg
        self._tiles = tiles
        self._caches: OrderedDict[str, TileCache] = OrderedDict()

    async def inclusion(self, origin: str, index: int, size: int) -> list[bytes]:
        """The audit path of an entry in the tree of `size`. Refused: INVALID (`index`, `size`), NOT_FOUND."""
        return await self._prove(origin, size, lambda reader: reader.inclusion(index))

    async def consistency(self, origin: str, old: int, size: int) -> list[bytes]:
        """That the tree of `old` is a prefix of that of `size`. Refused: INVALID (`old`, `size`), NOT_FOUND."""
        return await self._prove(origin, size, lambda reader: reader.consistency(old))

    async def proof_of(self, origin: str, index: int) -> str:
        """The `.tlog-proof` file of an entry under the newest witnessed checkpoint that covers it, or the last one.

        Its extra line is the leaf.
        Raises Refused: NOT_FOUND (`origin`, `index`), UNAVAILABLE.
        """
        size = await witnessed(self._pg, origin, index)
        note = parse_note((await checkpoint(self._pg, origin, size)).encode())
        covered = size if size is not None else int(note.body.split("\n")[1])
        if not 0 <= index < covered:
            raise Refused(Kind.NOT_FOUND, f"{origin} has no entry {index}", index="unknown")
        leaf = [one async for _, found in leaves(self._pg, origin, index, 1) for one in found]
        return encode_proof(index, await self.inclusion(origin, index, covered), note, leaf[0])

    async def _prove(self, origin: str, size: int, make: Callable[[TileReader], Found]) -> Found:
        cache = self._caches.setdefault(origin, TileCache(self._tiles))
        self._caches.move_to_end(origin)
        if len(self._caches) > _CACHED_LOGS:
            self._caches.popitem(last=False)
        brought: dict[TilePath, bytes] = {}

        def read(path: TilePath) -> bytes:
            if path not in brought:
                raise _Wanted(path)
            return brought[path]

        reader = TileReader(read, size, cache)
        while True:
            try:
                return make(reader)
            except _Wanted as wanted:
                brought[wanted.path] = await tile(self._pg, origin, wanted.path)


class _Wanted(Exception):  # noqa: N818 - not an error: a proof says which tile it needs next
    def __init__(self, path: TilePath) -> None:
        super().__init__(path.text)
        self.path = path


async def leaves(pg: Any, origin: str, first: int, count: int) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Leaves of a span, pack by pack: (index of the first, leaves). Errors as `checkpoint`."""
    with refusals():
        log, size, _ = await _log(pg, origin)
        end = min(first + count, size)
        for start in range(first - first % WIDTH, end, _AT_ONCE):
            for row in await pg.fetch(_PACKS, log, start, min(start + _AT_ONCE, end)):
                found = unpack_entries(row["leaves"])
                skip = max(first - row["first"], 0)
                part = found[skip : max(end - row["first"], 0)]
                if part:
                    yield row["first"] + skip, part


async def read_records(
    grant: Grant, pg: Any, keys: Keys, origin: str, first: int, count: int, now: Instant
) -> AsyncIterator[Opened]:
    """Entries of a span with their records opened, in order, held against what their leaves commit to.

    pg: a pool. Keys are read anew each time: one that was destroyed a moment ago opens nothing.
    Raises Refused: DENIED (the grant), INVALID (`count` over 10,000, `first`), NOT_FOUND (`origin`), UNAVAILABLE.
    """
    must_hold(grant, now, *_MAY_OPEN)
    if not 0 <= count <= RECORDS:
        raise Refused(Kind.INVALID, f"at most {RECORDS} entries are opened at once", count="too_many")
    if not 0 <= first < 2**62:
        raise Refused(Kind.INVALID, "an entry's index is not negative", first="invalid")
    with refusals():
        log, size, _ = await _log(pg, origin)
        end = min(first + count, size)
        for start in range(first - first % WIDTH, end, WIDTH):
            stop = min(start + WIDTH, end)
            packs = await pg.fetch(_PACKS, log, start, stop)
            sealed = await pg.fetch(_SEALED, log, start, stop)
            held = await pg.fetch(_HELD, log, start, stop)
            entries = [leaf for row in packs for leaf in unpack_entries(row["leaves"])]
            opened = await asyncio.to_thread(_open, keys, start, entries, sealed, held)
            for one in opened:
                if first <= one.index < end:
                    yield one


async def read_entry(grant: Grant, pg: Any, keys: Keys, origin: str, index: int, now: Instant) -> Unsealed:
    """One entry with the bytes that its leaf commits to and their key: what an outsider needs to check it himself.

    Raises Refused: DENIED (the grant), NOT_FOUND (`origin`, `index`), UNAVAILABLE.
    """
    must_hold(grant, now, *_MAY_OPEN)
    with refusals():
        log, size, _ = await _log(pg, origin)
        if not 0 <= index < size:
            raise Refused(Kind.NOT_FOUND, f"{origin} has no entry {index}", index="unknown")
        start = index - index % WIDTH
        packs = await pg.fetch(_PACKS, log, start, index + 1)
        sealed = await pg.fetch(_SEALED, log, start, index + 1)
        held = await pg.fetch(_HELD, log, index, index + 1)
        leaf = [leaf for row in packs for leaf in unpack_entries(row["leaves"])][index - start]
        return await asyncio.to_thread(_unseal, keys, index, leaf, sealed, held)


class Span(msgspec.Struct, frozen=True):
    """Entries that follow each other, and their sealed records: index -> key (None: gone), wrapped DEK, content."""

    first: int
    leaves: list[bytes]
    sealed: dict[int, tuple[bytes | None, bytes, bytes]]


async def sealed_span(pg: Any, keys: Keys, origin: str, first: int, count: int) -> Span:
    """Entries with what their records are sealed in; nothing is opened. The span lies within one bundle of 256.

    Raises Refused: NOT_FOUND (`origin`), UNAVAILABLE.
    """
    with refusals():
        log, size, _ = await _log(pg, origin)
        stop = min(first + count, size)
        if first >= stop:
            return Span(first, [], {})
        start = first - first % WIDTH
        packs = await pg.fetch(_PACKS, log, start, stop)
        sealed = await pg.fetch(_SEALED, log, start, stop)
        held = await pg.fetch(_HELD, log, first, stop)
        leaves_ = [leaf for row in packs for leaf in unpack_entries(row["leaves"])][first - start : stop - start]
        locks, _ = await asyncio.to_thread(_locks, keys, sealed, held)
    return Span(
        first,
        leaves_,
        {index: (key, wrapped, content) for index, (key, _, wrapped, content) in locks.items()},
    )


def _unseal(keys: Keys, index: int, leaf: bytes, sealed: list[Any], held: list[Any]) -> Unsealed:
    found, _ = _locks(keys, sealed, held)
    key, _, wrapped, content = found.get(index, (None, "", b"", b""))
    if key is None:
        return Unsealed(leaf)
    try:
        record = open_committed(key, wrapped, content, parse_leaf(leaf).commitment)
    except Refused:
        return Unsealed(leaf)
    return Unsealed(leaf, record, unwrap(key, wrapped))


_Locks = dict[int, tuple[bytes | None, str, bytes, bytes]]  # index -> key, why, wrapped, content


def _locks(keys: Keys, sealed: list[Any], held: list[Any]) -> tuple[_Locks, set[tuple[str, str]]]:
    """What opens the records of a span, and the (class, day) whose records are gone."""
    found: _Locks = {}
    erased: set[tuple[str, str]] = set()
    for row in sealed:
        if row["records"] is None:
            erased.add((row["retention"], row["day"]))
            continue
        key, why = _key(lambda row=row: keys.find(row["retention"], row["day"]))  # type: ignore[misc]
        for index, wrapped, content in _records.decode(row["records"]):
            found[index] = (key, why, wrapped, content)
    for row in held:
        if row["index"] not in found or found[row["index"]][0] is None:
            key, why = _key(lambda row=row: keys.find_hold(row["hold"]))  # type: ignore[misc]
            found[row["index"]] = (key, why or f"held:{row['hold']}", row["wrapped"], row["content"])
    return found, erased


def _open(keys: Keys, start: int, entries: list[bytes], sealed: list[Any], held: list[Any]) -> list[Opened]:
    """Open what can be opened of one bundle."""
    found, erased = _locks(keys, sealed, held)
    opened = []
    for index, data in enumerate(entries, start):
        leaf = parse_leaf(data)
        key, why, wrapped, content = found.get(
            index, (None, "erased" if (leaf.retention, leaf.day) in erased else "not_kept", b"", b"")
        )
        record = None
        if key is not None:
            try:
                record = parse_record(open_committed(key, wrapped, content, leaf.commitment))
            except Refused:
                why = "damaged"
        opened.append(Opened(index, leaf, record, why))
    return opened


def _key(find: Callable[[], bytes]) -> tuple[bytes | None, str]:
    try:
        return find(), ""
    except Refused as refusal:
        match refusal.kind:
            case Kind.CONFLICT:
                return None, "erased"
            case Kind.NOT_FOUND:
                return None, "key_missing"
            case _:
                raise


async def _log(pg: Any, origin: str) -> tuple[int, int, str]:
    row = await pg.fetchrow(_NOTE, origin)
    if row is None:
        raise Refused(Kind.NOT_FOUND, "no log of that origin", origin="unknown")
    return row["id"], row["size"], row["note"]
