"""Who looked at what, read back from the ledger: an overseer's reading, which leaves entries of its own."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys
from saqtau.engine.ledger_read import Opened, read_records
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.tree import WIDTH

LINES: Final = 1000
"""Lines of one answer."""
SCANNED: Final = 20_000
"""Entries that are opened for one answer, at most; when more lie in the time, it says that it is not whole."""
_CHUNK: Final = 1024
_WORD: Final = 200
_TAIL: Final = 20 * MINUTE
"""An access that began in the time may end so much later."""
_LATE: Final = 5_000
"""Entries that came late of one answer, at most."""

_SPANS = """
    select l.origin, l.size,
        coalesce((select max(c.size) from ledger_checkpoint c where c.log = l.id and c.at < $1), 0) as first,
        coalesce((select min(c.size) from ledger_checkpoint c where c.log = l.id and c.at >= $2), l.size) as last
    from ledger_log l where l.kind = 'access' and l.at >= $1
"""
_CAME_LATE = """
    select l.origin, split_part(d.entry, '#', 2)::int8 as index, d.moment
    from late_done d join ledger_log l on l.origin = split_part(d.entry, '#', 1)
    where d.moment >= $1 and d.moment < $2 and split_part(d.entry, '#', 2)::int8 < l.size
    order by d.moment desc limit $3
"""


class AccessLine(msgspec.Struct, frozen=True):
    """Who looked at what, for which purpose, and what he got. `delivered`, `closed`: None until the end is told.

    id: the entry that the end of the access names. entry: its place in the log, `origin#index`; another one only when
    it is `late`: written after the fact, because the ledger could not write. klass: of its leaf. told: what else it
    says in a word, like the picture of the object, or the account that was changed and from where.
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
    entry: str = ""
    klass: str = ""
    policy_set: str = ""
    told: Mapping[str, str] = {}


class Looked(msgspec.Struct, frozen=True):
    """Lines, newest first. unreadable: entries on the way whose record cannot be opened (erased, or no key).

    reached: the answer is whole from here on; what lies before is asked for with this as `until`. None: it is whole.
    """

    lines: list[AccessLine]
    unreadable: int = 0
    reached: Instant | None = None

    @property
    def whole(self) -> bool:
        """Whether there is nothing more in the time asked for."""
        return self.reached is None


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; None is all. without: not this person's. about: an object. klass: of the leaf."""

    viewer: str | None = None
    without: str | None = None
    about: str | None = None
    klass: str | None = None
    purpose: str | None = None

    def fits(self, line: AccessLine) -> bool:
        """Whether the line is asked for."""
        return (
            self.viewer in {None, line.viewer}
            and (self.without is None or self.without != line.viewer)
            and self.about in {None, line.object}
            and self.klass in {None, line.klass}
            and self.purpose in {None, line.purpose}
        )


class _Span(msgspec.Struct):
    """What of a log is still to be read, and how new that can be."""

    origin: str
    first: int
    last: int
    newest: int


async def read_access(
    grant: Grant,
    pool: Any,
    keys: Keys,
    since: Instant,
    until: Instant,
    now: Instant,
    wanted: Wanted = Wanted(),  # noqa: B008 - frozen
    limit: int = LINES,
) -> Looked:
    """Entries of [since, until), newest first, of all logs. Raises Refused: DENIED, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_ACCESS)
    with refusals():
        rows = await pool.fetch(_SPANS, since, until + _TAIL)
        places = await pool.fetch(_CAME_LATE, since, until, _LATE + 1)
        after = await pool.fetch(_CAME_LATE, until, until + _TAIL, _LATE)
    spans = [_Span(row["origin"], row["first"], row["last"], until) for row in rows if row["last"] > row["first"]]
    found: list[AccessLine] = []
    ends: dict[str, tuple[int, Instant]] = {}
    # what came late stands where the ledger was when it could write again, and is found by its own moment
    scanned = unreadable = 0
    late = {(row["origin"], row["index"]) for row in [*places[:_LATE], *after]}
    floor = Instant(min(until, places[_LATE]["moment"] + 1)) if len(places) > _LATE else None
    for origin, first, count in _runs(late):
        opened, damaged = await read_span(grant, pool, keys, origin, first, count, now)
        mine = [one for one in opened if (origin, one.index) in late]
        unreadable += damaged + sum(one.record is None for one in mine)
        for one in reversed(mine):
            _take(one, origin, ends, found, (since, until), wanted)
    # of all logs together the newest first: what was found is whole down to the newest that is still unread
    while spans and scanned < SCANNED:
        span = max(spans, key=lambda one: one.newest)
        if sum(line.at >= span.newest for line in found) >= limit:
            break
        first = max(span.first, span.last - _CHUNK)
        opened, damaged = await read_span(grant, pool, keys, span.origin, first, span.last - first, now)
        if span.newest < until:  # what is newer is gone through in any case, else asking on would lead nowhere
            scanned += len(opened) + damaged
        fresh = [one for one in opened if (span.origin, one.index) not in late]
        unreadable += damaged + sum(one.record is None for one in fresh)
        for one in reversed(fresh):
            _take(one, span.origin, ends, found, (since, until), wanted)
        span.last = first
        times = [one.record["at"] for one in opened if one.record and "at" in one.record and "late" not in one.record]
        span.newest = min([span.newest, *times])
        spans = [one for one in spans if one.last > one.first and one.newest > since]
    unread = [span.newest for span in spans] + ([floor] if floor is not None else [])
    reached = Instant(max(unread)) if unread else None
    lines = [_ended(line, ends) for line in found if reached is None or line.at >= reached]
    lines.sort(key=lambda line: (line.at, line.entry), reverse=True)
    if len(lines) > limit:
        reached = lines[limit - 1].at
        lines = [line for line in lines if line.at >= reached]  # a moment is not cut in two
    return Looked(lines, unreadable, reached)


def _runs(places: AbstractSet[tuple[str, int]]) -> Iterator[tuple[str, int, int]]:
    """Spans (origin, first, count) that hold these entries, each inside a bundle, without those that hold none."""
    bundles: dict[tuple[str, int], list[int]] = {}
    for origin, index in places:
        bundles.setdefault((origin, index // WIDTH), []).append(index)
    for (origin, _), indices in sorted(bundles.items()):
        yield origin, min(indices), max(indices) - min(indices) + 1


async def read_span(
    grant: Grant, pool: Any, keys: Keys, origin: str, first: int, count: int, now: Instant
) -> tuple[list[Opened], int]:
    """Entries of a span, and how many lie in bundles that somebody has damaged so that they cannot even be parsed.

    count: at most 10,000. Raises Refused: DENIED (the grant), UNAVAILABLE.
    """
    try:
        return [one async for one in read_records(grant, pool, keys, origin, first, count, now)], 0
    except Refused as refused:
        if refused.kind is not Kind.INVALID:
            raise
        if first // WIDTH == (first + count - 1) // WIDTH:
            return [], count
    half = (first + count // 2) // WIDTH * WIDTH
    middle = half if half > first else first - first % WIDTH + WIDTH
    left, lost = await read_span(grant, pool, keys, origin, first, middle - first, now)
    right, more = await read_span(grant, pool, keys, origin, middle, first + count - middle, now)
    return left + right, lost + more


def _take(
    one: Opened,
    origin: str,
    ends: dict[str, tuple[int, Instant]],
    found: list[AccessLine],
    span: tuple[Instant, Instant],
    wanted: Wanted,
) -> None:
    record = one.record
    if record is None or "at" not in record:
        return
    if record.get("kind") == "close":
        ends.setdefault(str(record.get("open")), (int(record.get("delivered", 0)), Instant(record["at"])))
    elif span[0] <= record["at"] < span[1]:
        line = _line(f"{origin}#{one.index}", one.leaf.klass.value, record)
        if wanted.fits(line):
            found.append(line)


def _line(entry: str, klass: str, record: Mapping[str, Any]) -> AccessLine:
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
        entry=entry,
        klass=klass,
        policy_set=record.get("policy_set", ""),
        told=_in_a_word(record),
    )


def _in_a_word(record: Mapping[str, Any]) -> dict[str, str]:
    """What of `told`, and whom it concerns, is a word or a number; the whole stands in the entry itself."""
    told = {"concerns": record.get("concerns")} | dict(record.get("told", {}))
    return {name: str(value)[:_WORD] for name, value in told.items() if isinstance(value, str | int)}


def _ended(line: AccessLine, ends: Mapping[str, tuple[int, Instant]]) -> AccessLine:
    if line.id not in ends:
        return line
    delivered, at = ends[line.id]
    return msgspec.structs.replace(line, delivered=delivered, closed=at)
