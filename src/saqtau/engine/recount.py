"""A month counted again out of the log itself, for the overseer who does not believe the counters.

Every leaf of the month is read, every record that can be opened is opened and held against its leaf, the tree is
computed anew up to the checkpoints that the report prints, and their signatures are checked. What differs is told.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.failures import refusals
from saqtau.engine.figures import looks, month
from saqtau.engine.keys import Keys
from saqtau.engine.ledger_read import RECORDS, Opened, leaves
from saqtau.engine.looked import read_span
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.note import Verifier, check_cosignature, parse_note
from saqtau.ledger.spelling import encode_base64
from saqtau.ledger.tree import Edge, leaf_hashes
from saqtau.report.figures import Cell, Figures, LogEnd, cells

_SPANS = """
    select l.origin, min(r.first) as first, least(max(r.first) + 256, max(l.size)) as end
    from ledger_records r join ledger_log l on l.id = r.log
    where l.kind = 'access' and r.day >= $1 and r.day < $2 group by l.origin order by l.origin
"""
_KEYS = "select origin, vkey from ledger_log"
_WITNESSES = "select distinct name, vkey from ledger_witness order by name"


class Difference(msgspec.Struct, frozen=True):
    """Something that the report says and the log does not."""

    what: str
    reported: str
    counted: str


class Recount(msgspec.Struct, frozen=True):
    """What was gone through, and what differs. unreadable: entries whose record is erased or has no key here."""

    entries: int
    opened: int
    unreadable: int
    not_in_log: tuple[str, ...]
    differences: tuple[Difference, ...]


class _Counted(msgspec.Struct):
    """Counts out of the entries."""

    entries: int = 0
    opened: int = 0
    unreadable: int = 0
    kinds: Counter[tuple[str, str, str, str]] = msgspec.field(default_factory=Counter)
    erased: Counter[str] = msgspec.field(default_factory=Counter)
    broken: int = 0
    policies: set[str] = msgspec.field(default_factory=set)


NOT_IN_LOG: Final = ("alerts", "cameras", "retention", "overdue", "held", "reviews in time", "time to witnessing")
"""Figures of the registers, of cases and of now: the log does not hold them."""


async def read_recount(grant: Grant, pool: Any, keys: Keys, figures: Figures, now: Instant) -> Recount:
    """Count a month again and compare. Raises Refused: DENIED (the grant), UNAVAILABLE."""
    must_hold(grant, now, Action.READ_ACCESS)
    span = month(figures.month)
    counted = _Counted()
    with refusals():
        spans = await pool.fetch(_SPANS, span.first, span.end)
    # of a month that still runs, what was entered since the figures were counted is not of them
    sizes = {} if figures.finished else {log.origin: log.size for log in figures.logs}
    for row in spans:
        end = min(row["end"], sizes.get(row["origin"], row["end"]))
        for start in range(row["first"], end, RECORDS):
            found, damaged = await read_span(grant, pool, keys, row["origin"], start, min(RECORDS, end - start), now)
            counted.entries += damaged
            counted.unreadable += damaged
            for one in found:
                if span.first.isoformat() <= one.leaf.day < span.end.isoformat():
                    _count(counted, one)
    differences = [
        *_compare("looks", figures.looks, looks((*key, count) for key, count in counted.kinds.items())),
        *_compare(
            "erased",
            tuple(one for one in figures.erasures if one.key[0] in {"items", "records"}),
            cells(((what,), count) for what, count in counted.erased.items()),
        ),
        *_broken(figures, counted),
        *(
            Difference(f"policies of {one.day}", one.policy, "no entry names them")
            for one in figures.policies
            if one.policy not in counted.policies
        ),
    ]
    for log in figures.logs:
        differences += await _recompute(pool, log)
    return Recount(counted.entries, counted.opened, counted.unreadable, NOT_IN_LOG, tuple(differences))


def _count(counted: _Counted, one: Opened) -> None:
    counted.entries += 1
    record, klass = one.record, one.leaf.klass.value
    if record is None:
        counted.unreadable += 1
        return
    counted.opened += 1
    match klass:
        case "erase":
            counted.erased[str(record.get("what", ""))] += int(record.get("count", 0))
        case "breakglass":
            counted.broken += record.get("action") == Action.OPEN_BREAK_GLASS
        case "policy":
            counted.policies |= _hashes(record)
        case _:
            counted.kinds[klass, _word(record, "action"), _word(record, "purpose"), _word(record, "role")] += 1


def _word(record: Mapping[str, Any], name: str) -> str:
    return str(record.get(name) or "")


def _hashes(value: Any) -> set[str]:
    match value:
        case str() if len(value) == 64:
            return {value}
        case Mapping():
            return {found for one in value.values() for found in _hashes(one)}
        case list():
            return {found for one in value for found in _hashes(one)}
        case _:
            return set()


def _compare(what: str, reported: tuple[Cell, ...], counted: tuple[Cell, ...]) -> list[Difference]:
    mine, theirs = ({one.key: one.count for one in part} for part in (reported, counted))
    return [
        Difference(f"{what}: {' '.join(part for part in key if part)}", str(mine.get(key, 0)), str(theirs.get(key, 0)))
        for key in sorted(mine.keys() | theirs.keys())
        if mine.get(key, 0) != theirs.get(key, 0)
    ]


def _broken(figures: Figures, counted: _Counted) -> list[Difference]:
    reported = sum(one.count for one in figures.reviews)
    return [] if reported == counted.broken else [Difference("break-glass", str(reported), str(counted.broken))]


async def _recompute(pool: Any, log: LogEnd) -> list[Difference]:
    """The tree of a log up to the printed checkpoint, and the signatures under it."""
    with refusals():
        vkeys = {row["origin"]: row["vkey"] for row in await pool.fetch(_KEYS)}
        witnesses = {row["name"]: row["vkey"] for row in await pool.fetch(_WITNESSES)}
    edge = Edge()
    async for _, found in leaves(pool, log.origin, 0, log.size):
        edge, _ = edge.append(leaf_hashes(found))
    root = encode_base64(edge.root())
    differences = []
    if (edge.size, root) != (log.size, log.root):
        differences.append(Difference(f"log {log.origin}", f"{log.size} {log.root}", f"{edge.size} {root}"))
    try:
        note = parse_note(log.note.encode())
        stated = parse(note)
        signed = note.check(Verifier.parse(vkeys[log.origin]))
        if not signed or (stated.origin, stated.size, encode_base64(stated.root)) != (log.origin, log.size, log.root):
            differences.append(Difference(f"checkpoint of {log.origin}", "signed by the log", "its signature is wrong"))
        for one in log.witnesses:
            vkey = witnesses.get(one.witness)
            if vkey is None or check_cosignature(Verifier.parse(vkey), note) is None:
                what = f"witness {one.witness} of {log.origin}"
                differences.append(Difference(what, "cosigned", "its signature is wrong, or its key is not known"))
    except (Refused, KeyError) as error:
        differences.append(Difference(f"checkpoint of {log.origin}", "a signed note", str(error)))
    return differences
