"""What the overseer's page shows of the ledger: how its logs and witnesses stand, what is counted, where it was dark.

Every function takes the overseer's grant; what he reads is an entry too. None of it needs more than `select`.
"""

import re
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec

from saqtau.config import DEMONSTRATION_WITNESS
from saqtau.engine.access import must_hold
from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys
from saqtau.engine.ledger_read import Proofs, read_entry
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import DAY, MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.package import entry_file
from saqtau.report.figures import kind_of

GAP: Final = MINUTE
"""An entry that waits longer for a witness makes a gap."""
GAPS: Final = 100
"""Gaps of one answer, the newest."""
MONTH: Final = 30
"""Days that the page looks back."""
_ENTRY = re.compile(r"([^#\s]{1,200})#(0|[1-9][0-9]{0,15})")

_LOGS = """
    select l.id, l.origin, l.kind, l.region, l.year, l.vkey, l.size, l.at, coalesce(s.size, 0) as witnessed,
        (select min(c.at) from ledger_checkpoint c where c.log = l.id and c.size > coalesce(s.size, 0)) as since,
        coalesce(n.size > coalesce(s.size, 0), false)
            or exists (select from ledger_witness w where w.log = l.id and w.against is not null) as contradicted
    from ledger_log l
    left join lateral (
        select c.size from ledger_upheld c where c.log = l.id order by c.size desc limit 1
    ) s on true
    left join lateral (  -- also over what the log does not have any more: somebody cut it off
        select c.size from ledger_cosigned c where c.log = l.id order by c.size desc limit 1
    ) n on true
    order by l.kind, l.region, l.year desc, l.origin
"""
_WITNESSES = """
    select log, name, vkey, size, seen, away, trouble, against, name = $1 as demonstration
    from ledger_witness order by log, name
"""
_COUNTS = """
    select class, action, purpose, role, decision,
        coalesce(sum(entries) filter (where day = $1::date), 0)::int8 as today,
        coalesce(sum(entries) filter (where day > $1::date - 7), 0)::int8 as week,
        sum(entries)::int8 as month
    from ledger_count where day > $1::date - $2::int and day <= $1::date
    group by class, action, purpose, role, decision
"""
_WAITS = """
    select l.origin, g.began, g.ended, g.entries from ledger_gap g join ledger_log l on l.id = g.log
    where g.ended >= $1 order by g.ended desc limit $2
"""


class WitnessState(msgspec.Struct, frozen=True):
    """A witness of a log: the last size it cosigned and when; `away`: since when it does not, and why.

    against: what it holds against the log, "fork" or "seen_more". demonstration: this machine keeps it itself, so that
    it proves nothing.
    """

    name: str
    vkey: str
    size: int
    seen: Instant | None
    away: Instant | None
    trouble: str | None
    against: str | None = None
    demonstration: bool = False


class LogState(msgspec.Struct, frozen=True):
    """A log. `witnessed`: entries that a witness cosigned; `since`: when the oldest of the others was signed.

    contradicted: a witness refuses it as another than the one it cosigned, or cosignatures are kept here that are over
    entries it does not have.
    """

    origin: str
    kind: str
    region: int
    year: int
    vkey: str
    size: int
    at: Instant
    witnessed: int
    since: Instant | None
    contradicted: bool
    witnesses: list[WitnessState]


class KindCount(msgspec.Struct, frozen=True):
    """How often a role looked for a purpose, by kind of look, in days of UTC: today, the last 7, the last 30."""

    kind: str
    purpose: str
    role: str
    today: int
    week: int
    month: int


class Gap(msgspec.Struct, frozen=True):
    """A time in which something was missing. end None: it lasts."""

    kind: str  # "unwitnessed"
    origin: str
    begin: Instant
    end: Instant | None
    entries: int


async def read_logs(grant: Grant, pool: Any, now: Instant) -> list[LogState]:
    """How every log stands. Raises Refused: DENIED (the grant), UNAVAILABLE."""
    must_hold(grant, now, Action.READ_ACCESS)
    with refusals():
        rows = await pool.fetch(_LOGS)
        witnesses: dict[int, list[WitnessState]] = {}
        for row in await pool.fetch(_WITNESSES, DEMONSTRATION_WITNESS):
            witnesses.setdefault(row[0], []).append(WitnessState(*row[1:]))
    return [LogState(*(*row[1:], witnesses.get(row[0], []))) for row in rows]


async def read_counts(grant: Grant, pool: Any, now: Instant) -> list[KindCount]:
    """What was counted. Raises Refused: DENIED (the grant), UNAVAILABLE."""
    must_hold(grant, now, Action.READ_ACCESS)
    with refusals():
        rows = await pool.fetch(_COUNTS, _day(now), MONTH)
    sums: dict[tuple[str, str, str], list[int]] = {}
    for row in rows:
        kind = kind_of(row["class"], row["action"])
        if kind is None:
            continue
        found = sums.setdefault((kind, row["purpose"], row["role"]), [0, 0, 0])
        for at, span in enumerate(("today", "week", "month")):
            found[at] += row[span]
    return [KindCount(*key, *found) for key, found in sorted(sums.items()) if any(found)]


async def read_gaps(grant: Grant, pool: Any, now: Instant) -> list[Gap]:
    """Times of the last 30 days in which entries waited for a witness, newest first; the one that lasts comes first.

    Raises Refused: DENIED (the grant), UNAVAILABLE.
    """
    must_hold(grant, now, Action.READ_ACCESS)
    logs = await read_logs(grant, pool, now)
    with refusals():
        rows = await pool.fetch(_WAITS, now - MONTH * DAY, GAPS)
    lasting = [
        Gap("unwitnessed", log.origin, log.since, None, log.size - log.witnessed)
        for log in logs
        if log.since is not None and now - log.since > GAP
    ]
    return [*lasting, *(Gap("unwitnessed", row[0], row[1], row[2], row[3]) for row in rows)]


async def read_entry_file(grant: Grant, pool: Any, keys: Keys, proofs: Proofs, entry: str, now: Instant) -> bytes:
    """The file of one entry, as `saqtau verify entry` and others check it. entry: `origin#index`.

    Raises Refused: DENIED (the grant), INVALID or NOT_FOUND (`entry`, `origin`, `index`), UNAVAILABLE.
    """
    found = _ENTRY.fullmatch(entry)
    if found is None:
        raise Refused(Kind.INVALID, "an entry is called <origin>#<index>", entry="invalid")
    origin, index = found[1], int(found[2])
    unsealed = await read_entry(grant, pool, keys, origin, index, now)
    return entry_file(entry, await proofs.proof_of(origin, index), unsealed.record, unsealed.dek)


def today(now: Instant) -> Instant:
    """When the day of the counts began: a day of UTC."""
    return Instant(now - now % DAY)


def _day(now: Instant) -> date:
    return datetime.fromtimestamp(now / 1000, UTC).date()
