"""The chain of custody of a package: entries of the ledger with their records and proofs, for somebody outside.

An entry is given with its record and the record's own key, so that a stranger can hold the record against the leaf; a
record that may not be opened any more is given as leaf and proof.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys
from saqtau.engine.ledger_read import Proofs, Unsealed, checkpoint, read_entry, read_records
from saqtau.kernel.access import Grant
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.note import COSIGNATURE, Note, Verifier, parse_note
from saqtau.ledger.package import entry_file
from saqtau.ledger.policy import LogPolicy, of_keys
from saqtau.ledger.proof import encode_proof

MOST: Final = 5_000
"""Entries of a chain of custody."""

SCANNED: Final = 200_000
"""Entries that are looked through for those about an item, at most; a chain that is cut there says so."""
_STEP: Final = 1024

_SPANS: Final = """
    select l.origin, l.size,
        coalesce((select max(c.size) from ledger_checkpoint c where c.log = l.id and c.at < $2), 0) as first
    from ledger_log l where l.kind = 'access' and l.region = any($1::int2[]) and l.at >= $2
    order by l.year, l.origin
"""
_PICTURES: Final = "select entry from picture_entry where item = any($1::text[]) order by item, name"
_COSIGNED: Final = """
    select distinct c.size from ledger_upheld c join ledger_log l on l.id = c.log
    where l.origin = $1 and c.size > $2 order by c.size limit 20
"""
_NEWEST_COSIGNED: Final = """
    select c.size from ledger_upheld c join ledger_log l on l.id = c.log where l.origin = $1 and c.size > $2
    order by c.size desc limit 1
"""
_KEYS: Final = "select distinct vkey, name from ledger_witness order by vkey"
_LOGS: Final = "select vkey from ledger_log where origin = any($1::text[]) order by origin"


class Place(msgspec.Struct, frozen=True, order=True):
    """Where an entry stands."""

    origin: str
    index: int

    @property
    def entry(self) -> str:
        """The entry's id."""
        return f"{self.origin}#{self.index}"


class Opened(msgspec.Struct, frozen=True):
    """An entry: leaf, record and the record's key; the last two are None where it may not be opened any more."""

    place: Place
    found: Unsealed


def place_of(entry: str) -> Place | None:
    """Where an entry stands; None for one that came late and has no place yet, or that is no entry."""
    origin, mark, index = entry.rpartition("#")
    if not mark or not origin or not (index.isascii() and index.isdigit() and len(index) < 19):
        return None
    return Place(origin, int(index))


async def open_entries(grant: Grant, pg: Any, keys: Keys, places: Sequence[Place], now: Instant) -> list[Opened]:
    """These entries. Raises Refused: DENIED (the grant), NOT_FOUND, TOO_LARGE (too many), UNAVAILABLE."""
    if len(places) > MOST:
        raise Refused(Kind.TOO_LARGE, f"a chain of custody of more than {MOST} entries", entries="too_many")
    return [Opened(place, await read_entry(grant, pg, keys, place.origin, place.index, now)) for place in places]


class About(msgspec.Struct, frozen=True):
    """Where the entries about something stand, in order. whole: false when not all could be looked through."""

    places: tuple[Place, ...]
    whole: bool


async def entries_about(
    grant: Grant,
    pool: Any,
    keys: Keys,
    objects: AbstractSet[str],
    regions: AbstractSet[int],
    since: Instant,
    now: Instant,
) -> About:
    """Every entry about these items since they began: who looked, who was denied, who acted, and what left.

    regions: whose logs are looked through. An entry is about an item when it names it as object, as case, or is the end
    of an access to it; pictures' entries of the evidence log are added. Raises Refused: DENIED, UNAVAILABLE.
    """
    found: list[Place] = []
    left, whole = SCANNED, True
    with refusals():
        spans = await pool.fetch(_SPANS, sorted(regions), since)
    for span in spans:
        opened: set[str] = set()
        for first in range(span["first"], span["size"], _STEP):
            if left <= 0 or len(found) >= MOST // 2:
                whole = False
                break
            async for one in read_records(grant, pool, keys, span["origin"], first, _STEP, now):
                left -= 1
                if one.record is not None and _is_about(one.record, objects, opened):
                    stands = Place(span["origin"], one.index)
                    opened |= {stands.entry, f"late:{one.record.get('id')}"}
                    found.append(stands)
    with refusals():
        rows = await pool.fetch(_PICTURES, sorted(objects))
    kept = [place for row in rows if (place := place_of(row["entry"])) is not None]
    return About((*kept, *found), whole)


def _is_about(record: Mapping[str, Any], objects: AbstractSet[str], opened: AbstractSet[str]) -> bool:
    return record.get("object") in objects or record.get("case") in objects or record.get("open") in opened


async def oversight_policy(pg: Any, origins: Iterable[str]) -> LogPolicy:
    """The policy for these logs: the witnesses that the notary knows, one of which is enough."""
    with refusals():
        logs = [row[0] for row in await pg.fetch(_LOGS, sorted(set(origins)))]
        witnesses = [row["vkey"] for row in await pg.fetch(_KEYS)]
    known = [vkey for vkey in witnesses if Verifier.parse(vkey).kind == COSIGNATURE]
    return of_keys(dict.fromkeys(logs), dict.fromkeys(known), 1 if known else 0)


async def some_answer(pg: Any) -> bool:
    """Whether some witness answered when it was asked last."""
    with refusals():
        found: bool = await pg.fetchval("select exists (select from ledger_witness where away is null)")
    return found


async def newest_note(pg: Any, origin: str, beyond: int, policy: LogPolicy) -> tuple[Note, bool]:
    """A checkpoint that covers entry `beyond`, and whether it satisfies the policy with a witness behind it.

    The smallest cosigned one that does is taken, so that the choice is the same later; else the last one of the log.
    """
    with refusals():
        sizes = [row[0] for row in await pg.fetch(_COSIGNED, origin, beyond)]
        newest = await pg.fetchval(_NEWEST_COSIGNED, origin, beyond)
    for size in dict.fromkeys([*sizes, *([newest] if newest is not None else [])]):
        note = parse_note((await checkpoint(pg, origin, size)).encode())
        verdict = policy.satisfied(note)
        if verdict.accepted and verdict.witnessed:
            return note, True
    return parse_note((await checkpoint(pg, origin)).encode()), False


class Chain(msgspec.Struct, frozen=True):
    """Entry files in order, and the checkpoints they are proved against. witnessed: each of those is cosigned."""

    files: tuple[bytes, ...]
    notes: Mapping[str, Note]  # origin -> the checkpoint
    witnessed: bool


async def prove(pg: Any, proofs: Proofs, opened: Sequence[Opened], policy: LogPolicy) -> Chain:
    """Entries as files, all of a log against one checkpoint. Raises Refused: NOT_FOUND, UNAVAILABLE."""
    last: dict[str, int] = {}
    for one in opened:
        last[one.place.origin] = max(one.place.index, last.get(one.place.origin, -1))
    notes: dict[str, Note] = {}
    witnessed = bool(last)
    for origin, index in last.items():
        notes[origin], behind = await newest_note(pg, origin, index, policy)
        witnessed = witnessed and behind
    files = []
    for one in opened:
        note = notes[one.place.origin]
        hashes = await proofs.inclusion(one.place.origin, one.place.index, parse(note).size)
        proof = encode_proof(one.place.index, hashes, note, one.found.leaf)
        files.append(entry_file(one.place.entry, proof, one.found.record, one.found.dek))
    return Chain(tuple(files), notes, witnessed)
