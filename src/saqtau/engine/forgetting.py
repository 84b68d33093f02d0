"""Records of the ledger whose term is over: the key of their day is destroyed, and the log says so.

In this order, each step safe to repeat, so that a crash anywhere ends in a right state:
  1. the key is destroyed (marked, overwritten, removed): from here on nobody reads them, in no backup either;
  2. one transaction nulls the records and appends the `erase` leaf.
A crash in between leaves rows whose key is gone; the next round finds them and does step 2. A leaf that says "erased"
is never there before the key is dead. What a case holds has its key wrapped under the case's and is skipped, by number.

A clock that is wrong by years would erase everything at once. So nothing is erased while the witnesses, whose clocks
are not ours, say that it is much earlier.

Whoever has the leaves computes the root again: the leaves of this class and day, in order, but those that were held.
"""

import asyncio
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

import msgspec
import structlog

from saqtau.engine.erasure import ERASING, RETENTION
from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys
from saqtau.engine.ledger import ACCESS, Count, Draft, Ledger, day_of
from saqtau.kernel.clock import DAY, HOUR, SECOND, Instant
from saqtau.kernel.errors import Refused
from saqtau.ledger.leaf import LeafClass, parse_leaf
from saqtau.ledger.note import parse_signatures
from saqtau.ledger.tiles import unpack_entries
from saqtau.ledger.tree import Edge, leaf_hashes

log = structlog.get_logger()

GRACE: Final = HOUR
"""After the day and the term: as far as the clocks of two machines may lie apart, and a batch may wait."""
VOUCHED: Final = 30 * DAY
"""How far our clock may be ahead of the last cosignature; when all witnesses are silent for longer, erasing stops."""
_PACKS_AT_ONCE: Final = 64
_COSIGNATURE: Final = 8 + 64  # bytes: time and Ed25519
_HELD_TOLD: Final = 10_000  # numbers of held entries that a record lists

_LAST_LINES = """
    select c.line from ledger_log l cross join lateral (
        select line from ledger_cosigned c where c.log = l.id order by c.size desc limit 3) c
"""
_DUE_DAYS = """
    select distinct to_char(day, 'YYYY-MM-DD') from ledger_records
    where records is not null and retention = $1 and day < $2
"""
_LOGS_OF = """
    select l.id, l.origin, l.region from ledger_log l where exists (
        select from ledger_records r where r.log = l.id and r.retention = $1 and r.day = $2 and r.records is not null)
    order by l.origin
"""
_PACKS_OF = """
    select p.first, p.leaves from ledger_records r join ledger_pack p on p.log = r.log and p.first = r.first
    where r.log = $1 and r.retention = $2 and r.day = $3 and r.records is not null order by p.first
"""
_HELD = "select distinct index from ledger_held where log = $1"


class Erased(msgspec.Struct, frozen=True):
    """What went from one log."""

    origin: str
    retention: str
    day: str
    count: int
    root: bytes  # RFC 6962 root over the commitments, in the order of the log
    held: tuple[int, ...]  # entries that a case keeps


async def forget_due(pool: Any, ledger: Ledger, keys: Keys, terms: Mapping[str, int], now: Instant) -> list[Erased]:
    """Erase the records of every (class, day) whose term is over; what went. terms: class -> ms after the day's end.

    pool: as saqtau_worker, not the ledger's. Processes take turns: who finds another at it does nothing. Nothing
    happens either while the clock is not vouched for. A class without a term is kept.
    Raises Refused(UNAVAILABLE); what was done before stays done.
    """
    done: list[Erased] = []
    with refusals():
        async with pool.acquire() as guard:
            if not await is_vouched(guard, now):
                return done
            if not await guard.fetchval("select pg_try_advisory_lock($1)", ERASING):
                return done
            try:
                for retention, day in await _due(guard, keys, terms, now):
                    await asyncio.to_thread(keys.destroy, retention, day)
                    async with pool.acquire() as pg, pg.transaction():
                        done += await _forget(pg, ledger, retention, day, terms[retention], now)
            finally:
                await guard.execute("select pg_advisory_unlock($1)", ERASING)
    for one in done:
        log.info(
            "records erased by retention", origin=one.origin, retention=one.retention, day=one.day, count=one.count
        )
    return done


async def is_vouched(pg: Any, now: Instant) -> bool:
    """Whether the witnesses' own times allow that it is now; also where none has cosigned yet. Refused(UNAVAILABLE)."""
    with refusals():
        rows = await pg.fetch(_LAST_LINES)
    times = [seconds for row in rows for seconds in _times(row["line"])]
    if not times or now - max(times) * SECOND <= VOUCHED:
        return True
    log.error("nothing is erased: the clock is far ahead of every witness", now=now, witnessed=max(times))
    return False


def _times(line: str) -> list[int]:
    """The times (Unix seconds) in cosignature lines; none in what is no such line."""
    try:
        found = parse_signatures(line)
    except Refused:
        return []
    return [int.from_bytes(one.data[:8], "big") for one in found if len(one.data) == _COSIGNATURE]


async def _due(pg: Any, keys: Keys, terms: Mapping[str, int], now: Instant) -> list[tuple[str, str]]:
    """(class, day) whose key or whose records are still there though their term is over, oldest first."""
    there = await asyncio.to_thread(keys.days)
    due = set()
    for retention, term in terms.items():
        first_kept = day_of(Instant(now - term - GRACE))
        due |= {(retention, day) for code, day in there if code == retention and day < first_kept}
        rows = await pg.fetch(_DUE_DAYS, retention, date.fromisoformat(first_kept))
        due |= {(retention, row[0]) for row in rows}
    return sorted(due, key=lambda one: (one[1], one[0]))


async def _forget(pg: Any, ledger: Ledger, retention: str, day: str, term: int, now: Instant) -> list[Erased]:
    on = date.fromisoformat(day)
    erased, drafts = list[Erased](), list[Draft]()
    for log_id, origin, region in await pg.fetch(_LOGS_OF, retention, on):
        held = {row[0] for row in await pg.fetch(_HELD, log_id)}
        edge, kept = Edge(), list[int]()
        async for commitments in _commitments(pg, log_id, retention, on):
            kept += [index for index, _ in commitments if index in held]
            edge, _ = edge.append(leaf_hashes([one for index, one in commitments if index not in held]))
        await pg.fetchval("select ledger_erase($1, $2, $3)", log_id, retention, on)
        one = Erased(origin, retention, day, edge.size, edge.root(), tuple(kept))
        erased.append(one)
        drafts.append(_told(one, region, term, now))
    if drafts:
        await ledger.within(pg, drafts)
    return erased


async def _commitments(pg: Any, log_id: int, retention: str, on: date) -> Any:
    day = on.isoformat()
    async for row in pg.cursor(_PACKS_OF, log_id, retention, on, prefetch=_PACKS_AT_ONCE):
        leaves = enumerate(map(parse_leaf, unpack_entries(row["leaves"])), row["first"])
        yield [(index, leaf.commitment) for index, leaf in leaves if leaf.retention == retention and leaf.day == day]


def _told(one: Erased, region: int, term: int, now: Instant) -> Draft:
    record = {
        "v": 1,
        "what": "records",
        "at": now,
        "origin": one.origin,
        "retention": one.retention,
        "day": one.day,
        "policy": f"{one.retention}:{term}",
        "count": one.count,
        "root": one.root.hex(),
        "held": len(one.held),
        "held_entries": one.held[:_HELD_TOLD],
    }
    count = Count(action="records", policy=one.retention, delivered=one.count)
    return Draft(ACCESS, region, LeafClass.ERASE, RETENTION, record, count)
