"""The dark minutes of cameras, counted again from an overseer's own copy of the evidence log.

Every minute the log holds, for each site, what each of its cameras recorded; the copy holds these records with their
keys (`witness/opened.py`). Here each is held against its leaf, the leaves against the signed root, and the minutes
counted without a word from the institution: what was recorded, what was dark, what was switched off, and of what
nothing was told at all. An account that was entered late, or withheld, is a finding.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import Meta

from saqtau.kernel.clock import DAY, MINUTE, SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass, parse_leaf
from saqtau.ledger.open_records import OPEN, OpenRecord, fitting, parse_lines
from saqtau.ledger.policy import LogPolicy
from saqtau.ledger.tiles import ENTRIES, TilePath, unpack_entries
from saqtau.ledger.tree import WIDTH, Edge, leaf_hashes
from saqtau.ledger.verify.finding import Finding, Say
from saqtau.ledger.verify.folder import Read
from saqtau.ledger.verify.signed import CHECKPOINT, open_signed, spell_time

TRIFLE: Final = 500
"""Milliseconds that a whole minute may lack: where two files meet."""
BEARABLE: Final = 5 * SECOND
"""And one that is not dark: lost packets, one reconnect."""
LATE: Final = 5 * MINUTE
"""An account that came longer after its minute than this is late."""
MOST: Final = 50
"""Findings, and dark times of a camera, that are told one by one."""
LONGEST: Final = 366 * DAY

Count: TypeAlias = Annotated[int, Meta(ge=0, lt=2**53)]
Code: TypeAlias = Annotated[str, Meta(max_length=64)]


class Hole(msgspec.Struct, frozen=True):
    """A gap, as a minute's record tells it."""

    began: Count
    kind: Code
    ended: Count | None = None


class Line(msgspec.Struct, frozen=True):
    """One camera's minute in a record."""

    camera: Code
    recorded_ms: Count
    last: Annotated[int, Meta(ge=-1, lt=2**53)]
    chain: Annotated[str, Meta(max_length=64)]
    gaps: tuple[Hole, ...] = ()


class Told(msgspec.Struct, frozen=True):
    """A minute of a site."""

    at: Count
    until: Count
    site: Code
    cameras: tuple[Line, ...]


class FetchedLine(msgspec.Struct, frozen=True):
    """A file that was fetched from a camera's own memory."""

    camera: Code
    began: Count
    ended: Count
    fetched: Count


class FetchedTold(msgspec.Struct, frozen=True):
    """What was fetched from the memories of a site's cameras after a gap; `at` is when it was entered."""

    at: Count
    site: Code
    cameras: tuple[FetchedLine, ...]


class Health(msgspec.Struct, frozen=True):
    """A change of how a camera is."""

    at: Count
    camera: Code
    site: Code
    verdict: Code
    before: Code


class Stretch(msgspec.Struct, frozen=True):
    """Minutes that follow each other and are of one kind: `dark`, `silent` (nothing was told) or `off`."""

    began: Instant
    ended: Instant
    kind: str
    why: str


class CameraCount(msgspec.Struct):
    """What became of the minutes of a camera, from the first that was told of it to the end of the count."""

    camera: str
    site: str
    minutes: int = 0
    recorded: int = 0
    partly: int = 0
    dark: int = 0
    off: int = 0
    silent: int = 0
    recorded_ms: int = 0
    stretches: list[Stretch] = []
    changes: list[Health] = []


class Recount(msgspec.Struct):
    """The count, and what does not hold."""

    cameras: list[CameraCount]
    findings: list[Finding]
    began: Instant
    ended: Instant


class _Minute(msgspec.Struct):
    recorded_ms: int = 0
    off_ms: int = 0
    kinds: set[str] = msgspec.field(default_factory=set)


def recount(
    read: Read,
    read_open: Callable[[int], bytes],
    arrivals: bytes,
    keys: LogPolicy,
    say: Say,
    *,
    now: Instant,
    began: Instant | None = None,
    ended: Instant | None = None,
    camera: str | None = None,
) -> Recount:
    """Count the minutes between `began` and `ended` again. Never raises for what it finds; Refused(UNAVAILABLE).

    read: the log's files. read_open: the lines of a bundle's open records; Refused(INVALID) where they are damaged.
    arrivals: the lines that say when leaves came. now: what speaks of a later time is no minute. A year at most.
    """
    signed, findings = open_signed(read(CHECKPOINT), keys, say)
    nothing = Recount([], findings, began or Instant(0), ended or Instant(0))
    if signed is None:
        return nothing
    counter = _Counter(_arrivals(arrivals), now, began, ended, camera)
    edge, withheld = Edge(), 0
    for first in range(0, signed.checkpoint.size, WIDTH):
        width = min(WIDTH, signed.checkpoint.size - first)
        try:
            leaves = unpack_entries(read(TilePath(ENTRIES, first // WIDTH, width).text))[:width]
        except Refused as refusal:
            if refusal.kind is Kind.UNAVAILABLE:
                raise
            findings.append(Finding(f"entry {first}", f"cannot be read: {refusal.message}"))
            return nothing
        edge, _ = edge.append(leaf_hashes(leaves))
        withheld += _bundle(first, leaves, read_open, counter, findings)
    if edge.root() != signed.checkpoint.root:
        findings.append(
            Finding(CHECKPOINT, f"was not made over these entries: they lead to the root {edge.root().hex()}")
        )
    if withheld:
        told = "accounts of cameras are not in this copy: withheld, erased at their term, or not fetched yet"
        findings.append(Finding("open", f"{withheld:,} {told}", unknown=True))
    findings += counter.findings
    more = len(findings) - MOST
    if more > 0:
        findings = [*findings[:MOST], Finding("and", f"{more:,} more, which are not told")]
    return Recount(counter.counts(), findings, counter.began or Instant(0), counter.ended or Instant(0))


def _bundle(
    first: int, leaves: list[bytes], read_open: Callable[[int], bytes], counter: "_Counter", findings: list[Finding]
) -> int:
    """Hand the open records of a bundle on; how many are missing."""
    try:
        lines = {one.index: one for one in parse_lines(read_open(first // WIDTH))}
    except Refused as refusal:
        findings.append(Finding(f"open/{first // WIDTH}", refusal.message))
        lines = dict[int, OpenRecord]()
    missing = 0
    for index, leaf in enumerate(leaves, first):
        parsed = parse_leaf(leaf)
        if parsed.klass not in OPEN:
            continue
        line = lines.get(index)
        if line is None:
            missing += 1
            continue
        try:
            counter.take(index, parsed.klass, fitting(leaf, line))
        except (Refused, msgspec.ValidationError) as error:
            findings.append(Finding(f"entry {index}", str(error)))
    return missing


class _Counter:
    """Takes records in the order of the log."""

    def __init__(
        self,
        came: list[tuple[int, Instant]],
        now: Instant,
        began: Instant | None,
        ended: Instant | None,
        camera: str | None,
    ) -> None:
        self._now = now
        self.findings: list[Finding] = []
        self.began, self.ended = began, ended
        self._came = came
        self._only = camera
        self._lower, self._upper = began, ended
        self._minutes: dict[str, dict[int, _Minute]] = {}
        self._site: dict[str, str] = {}
        self._heads: dict[str, tuple[int, int, str]] = {}  # camera -> minute, last link, chain
        self._first: dict[str, int] = {}  # camera -> the first minute that was ever told of it
        self._changes: dict[str, list[Health]] = {}
        self._newest = 0

    def take(self, index: int, klass: LeafClass, record: dict[str, Any]) -> None:
        """A record. Raises msgspec.ValidationError when it is not one of its class."""
        if klass is LeafClass.HEALTH:
            change = msgspec.convert(record, Health)
            if self._wanted(change.camera, change.at):
                self._changes.setdefault(change.camera, []).append(change)
                self._site.setdefault(change.camera, change.site)
            return
        if record.get("kind") == "card":
            self._fetched(index, msgspec.convert(record, FetchedTold))
            return
        told = msgspec.convert(record, Told)
        if not 0 < told.until - told.at <= LONGEST:
            raise msgspec.ValidationError(f"a minute from {told.at} to {told.until}")
        if told.until > self._now + DAY:
            raise msgspec.ValidationError(f"speaks of a minute that is to come: {told.at}")
        self._newest = max(self._newest, told.at)
        self._late(index, told)
        for line in told.cameras:
            self._chain(index, told.at, line)
            if self._only is None or line.camera == self._only:
                self._site[line.camera] = told.site
                self._add(told, line)

    def _fetched(self, index: int, told: FetchedTold) -> None:
        """Pictures out of a camera's memory make no minute recorded; none is entered before it was taken."""
        for line in told.cameras:
            if line.ended > told.at or line.fetched > told.at:
                at = spell_time(Instant(told.at))
                what = f"{line.camera}: pictures are said to be fetched before they were taken, at {at}"
                self.findings.append(Finding(f"entry {index}", what))

    def _wanted(self, camera: str, at: int) -> bool:
        inside = (self._lower is None or at >= self._lower) and (self._upper is None or at < self._upper)
        return inside and (self._only is None or camera == self._only)

    def _late(self, index: int, told: Told) -> None:
        """An entry is late when the copy was looked at long after its minute, and it was not there yet."""
        at = bisect_left(self._came, (index + 1, Instant(0)))
        if not 0 < at < len(self._came):
            return  # older than the copy's first look, or newer than its last
        missing, came = self._came[at - 1][1], self._came[at][1]
        if missing - told.until > LATE and self._wanted(self._only or "", told.at):
            what = (
                f"the minute {spell_time(Instant(told.at))} of {told.site} was not entered yet at "
                f"{spell_time(missing)}; it was there at {spell_time(came)}"
            )
            self.findings.append(Finding(f"entry {index}", what))

    def _chain(self, index: int, at: int, line: Line) -> None:
        """Two recorders may tell of one minute, while a camera is handed over; from minute to minute it only grows."""
        known = self._heads.get(line.camera, (-1, -1, ""))
        if at < known[0]:
            return
        if at > known[0] and line.last < known[1]:
            what = f"camera {line.camera}: its recording goes back from link {known[1]} to {line.last}"
            self.findings.append(Finding(f"entry {index}", what))
        if line.last == known[1] >= 0 and line.chain != known[2]:
            what = f"camera {line.camera}: two recordings have the link {line.last}"
            self.findings.append(Finding(f"entry {index}", what))
        if at > known[0] or line.last > known[1]:
            self._heads[line.camera] = at, line.last, line.chain

    def _add(self, told: Told, line: Line) -> None:
        first, last = told.at // MINUTE, -(-told.until // MINUTE)
        self._first.setdefault(line.camera, first)
        for number in range(first, last):
            at = number * MINUTE
            if not self._wanted(line.camera, at):
                continue
            minute = self._minutes.setdefault(line.camera, {}).setdefault(number, _Minute())
            minute.recorded_ms += line.recorded_ms // (last - first)
            for gap in line.gaps:
                low, high = max(gap.began, at), min(at + MINUTE if gap.ended is None else gap.ended, at + MINUTE)
                if high > low and gap.kind == "disabled":
                    minute.off_ms += high - low
                elif high > low:
                    minute.kinds.add(gap.kind)

    def counts(self) -> list[CameraCount]:
        """The counts of all cameras, by site and code."""
        last = self._upper if self._upper is not None else Instant(self._newest + MINUTE)
        last = Instant(min(last, self._newest + MINUTE))
        self.ended = last
        least = min((number for row in self._minutes.values() for number in row), default=0) * MINUTE
        self.began = Instant(max(least if self._lower is None else self._lower, last - LONGEST))
        found = []
        for camera in sorted(self._site, key=lambda code: (self._site[code], code)):
            count = CameraCount(camera, self._site[camera], changes=self._changes.get(camera, []))
            first = self._first.get(camera)
            if first is not None:
                # who was told of once is counted on, though nothing is told any more
                begin = max(first, self.began // MINUTE)
                _count(count, self._minutes.get(camera, {}), first, begin, last // MINUTE)
            found.append(count)
        return found


def _count(count: CameraCount, row: dict[int, _Minute], first: int, begin: int, stop: int) -> None:
    kinds = []
    for number in range(begin, stop):
        minute = row.get(number)
        if number == first and minute is not None and minute.recorded_ms < MINUTE - TRIFLE:
            continue  # the minute in which the camera was entered had begun without it
        count.minutes += 1
        if minute is None:
            count.silent += 1
            kinds.append((number, "silent", ""))
            continue
        recorded = min(minute.recorded_ms, MINUTE)
        count.recorded_ms += recorded
        lacking = MINUTE - recorded
        if lacking <= TRIFLE:
            count.recorded += 1
        elif lacking - minute.off_ms > BEARABLE:
            count.dark += 1
            kinds.append((number, "dark", ", ".join(sorted(minute.kinds)) or "no reason was told"))
        elif minute.off_ms > BEARABLE:
            count.off += 1
            kinds.append((number, "off", ""))
        else:
            count.partly += 1
    count.stretches = list(_stretches(kinds))


def _stretches(kinds: Iterable[tuple[int, str, str]]) -> Iterator[Stretch]:
    """Minutes that follow each other, as one."""
    began = last = -2
    same: tuple[str, str] = ("", "")
    for number, kind, why in kinds:
        if number != last + 1 or (kind, why) != same:
            if last >= 0:
                yield Stretch(Instant(began * MINUTE), Instant((last + 1) * MINUTE), *same)
            began, same = number, (kind, why)
        last = number
    if last >= 0:
        yield Stretch(Instant(began * MINUTE), Instant((last + 1) * MINUTE), *same)


def _arrivals(data: bytes) -> list[tuple[int, Instant]]:
    """(size, instant) of each line, in order; what is no such line is left out."""
    found: list[tuple[int, Instant]] = []
    for line in data.splitlines():
        words = line.split()
        if len(words) == 2 and all(word.isdigit() and len(word) < 17 for word in words):
            size = int(words[1])
            if not found or size >= found[-1][0]:
                found.append((size, Instant(int(words[0]))))
    return found


def tell(found: Recount) -> Iterator[str]:
    """The count, for people."""
    if not found.cameras:
        yield "no camera was told of in this time"
        return
    yield f"minutes from {spell_time(found.began)} to {spell_time(found.ended)}, counted from the entries alone"
    site = None
    for one in found.cameras:
        if one.site != site:
            site = one.site
            yield f"{site}:"
        share = 100 * one.recorded_ms / max(1, one.minutes * MINUTE)
        yield (
            f"  {one.camera}: {one.minutes:,} minutes, {one.recorded:,} recorded, {one.partly:,} partly, "
            f"{one.dark:,} DARK, {one.silent:,} WITHOUT A WORD, {one.off:,} switched off; {share:.2f} % of the time"
        )
        words = {"dark": "dark", "silent": "without a word", "off": "switched off"}
        for stretch in one.stretches[:MOST]:
            many = (stretch.ended - stretch.began) // MINUTE
            why = f": {stretch.why}" if stretch.why else ""
            yield f"    {spell_time(stretch.began)}, {many:,} min {words[stretch.kind]}{why}"
        if len(one.stretches) > MOST:
            yield f"    and {len(one.stretches) - MOST:,} more"
        for change in one.changes[-MOST:]:
            yield f"    {spell_time(Instant(change.at))}: {change.before} -> {change.verdict}"
