"""Who looked at what, read back from the ledger: an overseer's reading, which leaves entries of its own."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys
from saqtau.engine.ledger_read import Opened, read_records
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import MINUTE, Instant

LINES: Final = 1000
"""Lines of one answer."""
SCANNED: Final = 20_000
"""Entries that are opened for one answer, at most; when more lie in the time, it says that it is not whole."""
_CHUNK: Final = 1024
_TAIL: Final = 20 * MINUTE
"""An access that began in the time may end so much later."""

_SPANS = """
    select l.origin, l.size,
        coalesce((select max(c.size) from ledger_checkpoint c where c.log = l.id and c.at < $1), 0) as first,
        coalesce((select min(c.size) from ledger_checkpoint c where c.log = l.id and c.at >= $2), l.size) as last
    from ledger_log l where l.kind = 'access' and l.at >= $1
"""
_COUNTS = """
    select c.action, c.purpose, c.role, c.decision, sum(c.entries)::int8 as entries, sum(c.delivered)::int8 as delivered
    from ledger_count c join ledger_log l on l.id = c.log
    where l.kind = 'access' and c.day >= (to_timestamp($1::int8 / 1000) at time zone 'UTC')::date
        and c.day <= (to_timestamp($2::int8 / 1000) at time zone 'UTC')::date and c.action <> ''
    group by c.action, c.purpose, c.role, c.decision having sum(c.entries) > 0
    order by entries desc, c.action, c.purpose, c.role, c.decision limit 1000
"""


class AccessLine(msgspec.Struct, frozen=True):
    """Who looked at what, for which purpose, and what he got. `delivered`, `closed`: None until the end is told.

    `late`: it was written after the fact, because the ledger could not write. `readable` is false for an entry whose
    record was erased or cannot be opened; then only its id is known.
    """

    id: str
    at: Instant
    viewer: str
    role: str
    action: str
    purpose: str
    object: str
    case: str | None
    region: int | None
    unit: str | None
    decision: str
    policy: str
    delivered: int | None
    closed: Instant | None
    late: bool = False


class AccessCount(msgspec.Struct, frozen=True):
    """How often a role looked for a purpose. `delivered`: rows, or bytes of pictures."""

    action: str
    purpose: str
    role: str
    decision: str
    entries: int
    delivered: int


class Looked(msgspec.Struct, frozen=True):
    """Lines, newest first; `whole` is false when there are more than are listed."""

    lines: list[AccessLine]
    whole: bool


async def read_access(
    grant: Grant,
    pool: Any,
    keys: Keys,
    since: Instant,
    until: Instant,
    now: Instant,
    *,
    viewer: str | None = None,
    about: str | None = None,
) -> Looked:
    """Entries of [since, until), newest first; `about` is an object. Raises Refused: DENIED, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_ACCESS)
    with refusals():
        spans = await pool.fetch(_SPANS, since, until + _TAIL)
    found: list[AccessLine] = []
    ends: dict[str, tuple[int, Instant]] = {}
    scanned = 0
    whole = True
    for span in spans:
        last = span["last"]
        while last > span["first"]:
            if scanned >= SCANNED:
                whole = False
                break
            first = max(span["first"], last - _CHUNK)
            opened = [one async for one in read_records(grant, pool, keys, span["origin"], first, last - first, now)]
            scanned += len(opened)
            for one in reversed(opened):
                _take(one, span["origin"], ends, found, since, until)
            last = first
    wanted = [_ended(line, ends) for line in found if viewer in {None, line.viewer} and about in {None, line.object}]
    wanted.sort(key=lambda line: (line.at, line.id), reverse=True)
    return Looked(wanted[:LINES], whole and len(wanted) <= LINES)


def _take(
    one: Opened,
    origin: str,
    ends: dict[str, tuple[int, Instant]],
    found: list[AccessLine],
    since: Instant,
    until: Instant,
) -> None:
    record = one.record
    if record is None or "at" not in record:
        return
    if record.get("kind") == "close":
        ends.setdefault(str(record.get("open")), (int(record.get("delivered", 0)), Instant(record["at"])))
    elif since <= record["at"] < until:
        found.append(_line(f"{origin}#{one.index}", record))


def _line(entry: str, record: Mapping[str, Any]) -> AccessLine:
    late = bool(record.get("late"))
    decision = record.get("decision", "")
    return AccessLine(
        id=f"late:{record['id']}" if late and "id" in record else entry,
        at=Instant(record["at"]),
        viewer=record.get("viewer", ""),
        role=record.get("role", ""),
        action=record.get("action", record.get("kind", "")),
        purpose=record.get("purpose", ""),
        object=record.get("object", ""),
        case=record.get("case"),
        region=record.get("region"),
        unit=record.get("unit"),
        decision=decision,
        policy=",".join(record.get("policies", ())) or ("nothing-permits" if decision == "deny" else ""),
        delivered=None,
        closed=None,
        late=late,
    )


def _ended(line: AccessLine, ends: Mapping[str, tuple[int, Instant]]) -> AccessLine:
    if line.id not in ends:
        return line
    delivered, at = ends[line.id]
    return msgspec.structs.replace(line, delivered=delivered, closed=at)


async def read_access_counts(
    grant: Grant, pool: Any, since: Instant, until: Instant, now: Instant
) -> list[AccessCount]:
    """Counts of the days (UTC) that [since, until) touches. Raises Refused: DENIED, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_ACCESS)
    with refusals():
        return [AccessCount(*row) for row in await pool.fetch(_COUNTS, since, until - 1)]
