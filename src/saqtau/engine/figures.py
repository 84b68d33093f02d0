"""The exact figures of a month, from the record, for the public report. Days are UTC's, as those of the ledger.

What is counted in the ledger's own tables can be counted again out of its entries: `engine/recount.py`.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.failures import refusals
from saqtau.engine.store import see
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import DAY, HOUR, MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import parse_note
from saqtau.report.figures import (
    LOOKS,
    Before,
    Cell,
    Figures,
    LogEnd,
    PolicyChange,
    Seen,
    Witnessing,
    cells,
    kind_of,
)

REVIEW: Final = 72 * HOUR
"""In this time a use of break-glass is reviewed."""
PATIENCE: Final = MINUTE
"""An entry that waits longer for a witness counts as unwitnessed."""
ALERT_DESK: Final = "dangerous_drivers"
_MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])", re.ASCII)

OUTCOMES: Final[Mapping[str, str]] = {
    "stopped": "stopped",
    "not_seen": "not_seen",
    "wrong_vehicle": "wrong",
    "rejected": "wrong",
    "cancelled": "cancelled",
    "lapsed": "lapsed",
}
"""What became of an alert, by the state it ended in; an open one is "open"."""
_NO_ALERT: Final = ["to_confirm", "erased"]
"""States of reads that a person has not confirmed: no alert was issued."""

_COUNTS = """
    select class, action, purpose, role, sum(entries)::int8 as entries, sum(delivered)::int8 as delivered
    from ledger_count c join ledger_log l on l.id = c.log
    where l.kind = 'access' and c.day >= $1 and c.day < $2
    group by class, action, purpose, role
"""
_REVIEWS = """
    select case when i.ended is null then 'open' when i.ended <= g.at + $3 then 'in_time' else 'late' end as outcome,
        count(*) from broken_glass g left join item i on i.id = g.review where g.at >= $1 and g.at < $2 group by 1
"""
_ALERTS = """
    select state, ended is null as open, count(*) from item
    where desk = $1 and opened >= $2 and opened < $3 and not state = any ($4::text[]) group by 1, 2
"""
_CAMERAS = "select region::text, count(*) from camera group by 1"
_HELD = "select count(*) from (select distinct log, index from ledger_held) held"
_KEPT = "select retention, day, count(*) from ledger_records where records is not null and day < $1 group by 1, 2"
_POLICIES = """
    select to_char(to_timestamp(in_force / 1000) at time zone 'UTC', 'YYYY-MM-DD'), hash from policy_set
    where in_force >= $1 and in_force < $2 order by in_force, id
"""
_DELAYS = """
    select c.size, min(s.at) - c.at as waited from ledger_checkpoint c
    join ledger_upheld s on s.log = c.log and s.size = c.size
    where c.at >= $1 and c.at < $2 group by c.log, c.size, c.at
"""
_DELAY = f"""
    with delays as ({_DELAYS})
    select count(*), percentile_disc(0.5) within group (order by waited)::int8,
        percentile_disc(0.95) within group (order by waited)::int8 from delays
"""  # noqa: S608 - constants
_WAITS = """
    select began, ended from ledger_gap where began < $2 and ended > $1
    union all
    select w.began, $2 from ledger_log l cross join lateral (
        select min(c.at) as began from ledger_checkpoint c where c.log = l.id and c.size > coalesce(
            (select s.size from ledger_upheld s where s.log = l.id order by s.size desc limit 1), 0)
    ) w
    where $2 - w.began > $3
"""
_ENDS = """
    select l.origin, c.size, c.at, c.note, l.id from ledger_log l cross join lateral (
        select size, at, note from ledger_checkpoint c where c.log = l.id and c.at < $1 order by c.size desc limit 1
    ) c order by l.origin
"""
_BEFORE = """
    select size, witness, at from ledger_upheld where log = $1 and size = (
        select max(size) from ledger_upheld where log = $1 and size < $2) order by witness
"""
_LINES = "select witness, line, at from ledger_upheld where log = $1 and size = $2 order by witness"


class Span(msgspec.Struct, frozen=True):
    """A month: days and instants, the last ones not of it."""

    first: date
    end: date

    @property
    def since(self) -> Instant:
        """When it begins."""
        return _instant(self.first)

    @property
    def until(self) -> Instant:
        """When the next one begins."""
        return _instant(self.end)


def month(text: str) -> Span:
    """A month as YYYY-MM. Raises Refused(INVALID) that names `month`."""
    found = _MONTH.fullmatch(text)
    if found is None or found[1] < "2020":
        raise Refused(Kind.INVALID, f"{text!r} is no month: YYYY-MM, from 2020 on", month="invalid")
    year, number = int(found[1]), int(found[2])
    return Span(date(year, number, 1), date(year + number // 12, number % 12 + 1, 1))


async def read_figures(
    grant: Grant,
    pool: Any,
    named: str,
    authority: str,
    terms: Mapping[str, tuple[str, int]],
    now: Instant,
) -> Figures:
    """The figures of a month. terms: class of retention -> its ISO 8601 duration, and the same in ms.

    Of a month that has not ended, those until now. Raises Refused: DENIED (the grant), INVALID (`month`), UNAVAILABLE.
    """
    must_hold(grant, now, Action.MAKE_REPORT)
    span = month(named)
    if span.since > now:
        raise Refused(Kind.INVALID, f"{named} has not begun", month="too_early")
    end = min(span.until, now)
    with refusals():
        async with pool.acquire() as pg, pg.transaction(isolation="repeatable_read", readonly=True):
            await see(pg, EVERYWHERE)
            counts = await pg.fetch(_COUNTS, span.first, span.end)
            reviews = await pg.fetch(_REVIEWS, span.since, span.until, REVIEW)
            alerts = await pg.fetch(_ALERTS, ALERT_DESK, span.since, span.until, _NO_ALERT)
            return Figures(
                month=named,
                finished=now >= span.until,
                authority=authority,
                looks=looks(
                    (row["class"], row["action"], row["purpose"], row["role"], row["entries"]) for row in counts
                ),
                reviews=cells(((row[0],), row[1]) for row in reviews),
                alerts=cells(((OUTCOMES.get(row[0], "open") if not row[1] else "open",), row[2]) for row in alerts),
                erasures=await _erasures(pg, counts, terms, end),
                cameras=cells(((row[0],), row[1]) for row in await pg.fetch(_CAMERAS)),
                retention=tuple(sorted((name, term) for name, (term, _) in terms.items())),
                policies=tuple(PolicyChange(*row) for row in await pg.fetch(_POLICIES, span.since, span.until)),
                witnessing=await _witnessing(pg, span.since, end),
                logs=await _ends(pg, span.until),
            )


def looks(counted: Iterable[tuple[str, str, str, str, int]]) -> tuple[Cell, ...]:
    """Looks and denials out of counts by (class, action, purpose, role); break-glass is told by its reviews."""
    found = []
    for klass, action, purpose, role, count in counted:
        kind = kind_of(klass, action)
        if kind in {*LOOKS, "denied"}:
            found.append(((str(kind), purpose, role), count))
    return cells(found)


async def _erasures(
    pg: Any, counts: Iterable[Any], terms: Mapping[str, tuple[str, int]], end: Instant
) -> tuple[Cell, ...]:
    gone = [((row["action"],), row["delivered"]) for row in counts if row["class"] == "erase" and row["action"]]
    overdue = 0
    for retention, day, _ in await pg.fetch(_KEPT, _day(end)):
        if retention in terms and _instant(day) + DAY + terms[retention][1] + DAY < end:
            overdue += 1
    return cells([*gone, (("overdue",), overdue), (("held",), await pg.fetchval(_HELD))])


async def _witnessing(pg: Any, since: Instant, end: Instant) -> Witnessing:
    count, median, late = await pg.fetchrow(_DELAY, since, end)
    waits = await pg.fetch(_WAITS, since, end, PATIENCE)
    spans = [(max(since, began), min(end, ended)) for began, ended in waits]
    return Witnessing(count, median, late, -(-covered(spans) // MINUTE))


def covered(spans: Iterable[tuple[int, int]]) -> int:
    """How long at least one of these spans lasted; where they overlap they count once."""
    total, reached = 0, 0
    for begin, end in sorted(spans):
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total


async def _ends(pg: Any, until: Instant) -> tuple[LogEnd, ...]:
    found = []
    for origin, size, at, note, log in await pg.fetch(_ENDS, until):
        if not size:
            continue
        lines = await pg.fetch(_LINES, log, size)
        root = parse_note(note.encode()).body.split("\n")[2]
        seen = tuple(Seen(row["witness"], row["at"]) for row in lines)
        text = "".join((note, *(row["line"] for row in lines)))
        before = None if seen else await _witnessed_before(pg, log, size)
        found.append(LogEnd(origin, size, root, at, seen, text, before))
    return tuple(found)


async def _witnessed_before(pg: Any, log: int, size: int) -> Before | None:
    """The last checkpoint below this size that a witness cosigned."""
    rows = await pg.fetch(_BEFORE, log, size)
    return Before(rows[0]["size"], tuple(Seen(row["witness"], row["at"]) for row in rows)) if rows else None


def _instant(day: date) -> Instant:
    return Instant(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000)


def _day(at: Instant) -> date:
    return datetime.fromtimestamp(at / 1000, UTC).date()
