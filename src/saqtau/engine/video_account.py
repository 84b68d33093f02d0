"""The minute account of every camera: what became of each minute, told when it is over and again when more is known.

A minute is told as soon as the recorder has written beyond it, and without its word half a minute later: a dead
recorder explains nothing. It is told again while it is young (a gap that was entered late), when a person explains it,
when it expires, and when lost pictures are fetched from the camera afterwards.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from saqtau.engine.failures import refusals
from saqtau.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant
from saqtau.video.account import MinuteState, Span, hours, minutes, recorded
from saqtau.video.gap import Gap, GapKind

YOUNG: Final = 6 * MINUTE
"""Minutes that are told again in every round."""
WAITED: Final = 30 * SECOND
"""How long a minute waits for its recorder's word."""
REACHED: Final = MINUTE
"""How long a camera that was just entered may take to be reached for the first time."""
LOOKED_BACK: Final = 26 * HOUR
"""How far back a process that begins looks for what changed while none ran."""
AT_ONCE: Final = 2_000
"""Cameras that one statement tells of."""
UNBELIEVED: Final = ("unexplained", "not_explained", "found", "found_dark", "referred")
"""States of an item in which what was said explains nothing: nobody has spoken, or the prosecutor was not satisfied."""

_CAMERAS: Final = """
    select id, region, place, added, retired from video_camera
    where (retired is null or retired > $1) and added < $2 and ($3::text[] is null or id = any($3))
"""
_SEGMENTS: Final = """
    select camera, began, ended from video_segment
    where ended > $1 and began < $2 and began > $1 - 86400000 and ($3::text[] is null or camera = any($3))
    union all
    select camera, began, ended from video_deleted
    where ended > $1 and began < $2 and ($3::text[] is null or camera = any($3))
"""
_GAPS: Final = """
    select camera, began, ended, kind, by, why from video_gap
    where began < $2 and (ended is null or ended > $1) and ($3::text[] is null or camera = any($3))
    union all
    select camera, began, ended, 'expired', null, null from video_deleted
    where ended > $1 and began < $2 and ($3::text[] is null or camera = any($3))
"""
_CARDS: Final = """
    select camera, spans from video_card
    where ended > $1 and began < $2 and ($3::text[] is null or camera = any($3))
    union all
    select camera, spans from video_card_deleted
    where ended > $1 and began < $2 and ($3::text[] is null or camera = any($3))
"""
_ACTS: Final = """
    select camera, began, ended from video_disable
    where began < $2 and (ended is null or ended > $1) and ($3::text[] is null or camera = any($3))
"""
_ITEMS: Final = """
    select data::text as data from item
    where desk in ('custody', 'street_cameras') and state <> all($3::text[])
        and (data ->> 'dark_since')::bigint < $2
        and coalesce((data ->> 'dark_until')::bigint, 9223372036854775807) > $1
"""
_MASKS: Final = """
    select camera, boxes::text as boxes, since,
        lead(since) over (partition by camera order by version) as until
    from video_mask where $1::text[] is null or camera = any($1)
"""
_TELL: Final = """
    update video_hour h set minutes = overlay(h.minutes placing n.part from n.place)
    from unnest($1::text[], $2::bigint[], $3::int[], $4::bytea[]) as n (camera, hour, place, part)
    where h.camera = n.camera and h.hour = n.hour and substring(h.minutes from n.place for length(n.part)) <> n.part
"""
_BEGIN: Final = """
    insert into video_hour (camera, hour, minutes)
    select n.camera, n.hour, overlay(decode(repeat('00', 60), 'hex') placing n.part from n.place)
    from unnest($1::text[], $2::bigint[], $3::int[], $4::bytea[]) as n (camera, hour, place, part)
    where not exists (select from video_hour h where h.camera = n.camera and h.hour = n.hour)
    on conflict do nothing
"""
_CHANGED: Final = """
    select data::text as data from item
    where desk in ('custody', 'street_cameras') and changed > $1 and data ->> 'dark_since' is not null
"""
_GONE: Final = """
    select camera, began, ended from video_deleted where at > $1
    union all select camera, began, ended from video_card where entered > $1
"""


class _Dark(msgspec.Struct):
    camera: str
    since: int
    until: int | None = None


class _Outage(msgspec.Struct):
    """What an item says of darkness; of one camera in the street, of several in custody."""

    dark_since: int
    dark_until: int | None = None
    camera: str | None = None
    cameras: tuple[_Dark, ...] | None = None
    explained: tuple[Any, ...] = ()

    @property
    def spans(self) -> Iterable[tuple[str, Span]]:
        """Cameras and when they were dark."""
        if self.cameras is not None:
            return ((one.camera, _span(one.since, one.until)) for one in self.cameras)
        return () if self.camera is None else ((self.camera, _span(self.dark_since, self.dark_until)),)


class Box(msgspec.Struct):
    """A mask's rectangle, in parts of the picture."""

    left: float
    top: float
    right: float
    bottom: float


_outage = msgspec.json.Decoder(_Outage)
_boxes = msgspec.json.Decoder(list[Box])


class Counted(msgspec.Struct):
    """What a round counted over the minutes that are over: milliseconds expected and recorded, by (region, place)."""

    until: Instant
    cameras: int = 0
    told: int = 0  # hours of cameras that have changed
    expected: dict[tuple[int, str], int] = {}
    recorded: dict[tuple[int, str], int] = {}
    unexplained: dict[tuple[int, str], int] = {}  # minutes


class Known(msgspec.Struct):
    """What is known of one camera in a window."""

    segments: list[Span] = []
    gaps: list[Gap] = []
    maintenance: list[Span] = []
    explained: list[Span] = []
    masked: list[Span] = []
    fetched: list[Span] = []


class Account:
    """Tells minutes. One process at a time does it: whoever has the lock. pool: as saqtau_worker."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._told_to: Instant | None = None  # up to where shares were counted
        self._mark: Instant | None = None  # changes before this have been told

    async def round(self, now: Instant) -> Counted:
        """Tell what is young, and what was changed since the last round. Raises Refused(UNAVAILABLE)."""
        last = Instant(now - now % MINUTE)
        # a minute that still waits for its recorder's word is counted in a later round
        counted = Counted(until=Instant((now - WAITED) // MINUTE * MINUTE))
        with refusals():
            async with self._pool.acquire() as pg, pg.transaction():
                if not await pg.fetchval("select pg_try_advisory_xact_lock(23170, 1)"):
                    return counted
                await self._tell(pg, Instant(last - YOUNG), last, now, counted, None)
                began = self._mark if self._mark is not None else Instant(now - LOOKED_BACK)
                # a row is there some seconds after the instant that stands in it
                for camera, low, high in await _changed(pg, Instant(began - MINUTE), now):
                    await recount(pg, camera, low, high, now)
                self._mark = now
        self._told_to = counted.until
        return counted

    async def _tell(
        self, pg: Any, began: Instant, ended: Instant, now: Instant, counted: Counted, only: list[str] | None
    ) -> None:
        cameras = await pg.fetch(_CAMERAS, began, ended, only)
        found = await _facts(pg, began, ended, only)
        rows = []
        for row in cameras:
            facts = found.get(row["id"], Known())
            states = _states(facts, began, ended, now, row["added"], row["retired"])
            rows += _rows(row["id"], began, states)
            self._count(counted, row, facts, began, states)
        counted.cameras = len(cameras)
        counted.told = await _write(pg, rows)

    def _count(self, counted: Counted, row: Mapping[str, Any], facts: Known, began: Instant, states: bytes) -> None:
        """Add the minutes that no round has counted: figures are sums, and a sum counts once."""
        key = row["region"], row["place"]
        for number, state in enumerate(states):
            at = Instant(began + number * MINUTE)
            if state == MinuteState.UNKNOWN or (self._told_to is not None and at < self._told_to):
                continue
            end = Instant(at + MINUTE)
            if end > counted.until:
                break
            share = recorded(at, end, facts.segments, facts.gaps)
            due = state not in {MinuteState.MAINTENANCE, MinuteState.MASKED}
            counted.expected[key] = counted.expected.get(key, 0) + (
                max(share, end - max(at, row["added"] + REACHED)) if due else share
            )
            counted.recorded[key] = counted.recorded.get(key, 0) + share
            counted.unexplained[key] = counted.unexplained.get(key, 0) + (state == MinuteState.UNEXPLAINED)


async def recount(pg: Any, camera: str, began: Instant, ended: Instant, now: Instant) -> None:
    """Tell a camera's minutes again, from `began` to `ended`, as everything stands now. In the caller's transaction.

    For whoever explains, deletes, or fetches afterwards. Minutes that are not over are left out.
    """
    first = Instant(began - began % MINUTE)
    last = Instant(min(-(-ended // MINUTE) * MINUTE, now - now % MINUTE))
    while first < last:
        stop = Instant(min(first + DAY, last))
        rows = await pg.fetch(_CAMERAS, first, stop, [camera])
        facts = (await _facts(pg, first, stop, [camera])).get(camera, Known())
        for row in rows:
            states = _states(facts, first, stop, now, row["added"], row["retired"])
            await _write(pg, _rows(camera, first, states))
        first = stop


def _states(
    facts: Known, began: Instant, ended: Instant, now: Instant, added: Instant, retired: Instant | None
) -> bytes:
    """The minutes of one camera."""
    if _is_whole(facts, began, ended) and added <= began and retired is None:
        return bytes([MinuteState.RECORDED]) * ((ended - began) // MINUTE)
    spoken = max((one.ended or now for one in (*facts.segments, *facts.maintenance)), default=Instant(0))
    if any(gap.ended is None for gap in facts.gaps):
        spoken = now
    told = Instant(max(spoken, now - WAITED))
    return minutes(
        began,
        Instant(ended if retired is None else max(began, min(ended, retired - retired % MINUTE))),
        facts.segments,
        facts.gaps,
        facts.maintenance,
        masked=facts.masked,
        explained=facts.explained,
        fetched=facts.fetched,
        known=Instant(added + REACHED),
        told=told,
    )


def _is_whole(facts: Known, began: Instant, ended: Instant) -> bool:
    """The usual case, found quickly: nothing but recordings, one after the other."""
    if facts.gaps or facts.maintenance or facts.masked:
        return False
    at = int(began)
    for one in sorted(facts.segments, key=lambda span: span.began):
        if one.began > at or one.ended is None:
            return False
        at = max(at, one.ended)
    return at >= ended


async def _facts(pg: Any, began: Instant, ended: Instant, only: list[str] | None) -> dict[str, Known]:
    found: dict[str, Known] = {}

    def of(camera: str) -> Known:
        return found.setdefault(camera, Known())

    for row in await pg.fetch(_SEGMENTS, began, ended, only):
        of(row["camera"]).segments.append(Span(row["began"], row["ended"]))
    for row in await pg.fetch(_GAPS, began, ended, only):
        gap = Gap(row["camera"], row["began"], row["ended"], GapKind(row["kind"]), None, row["by"], row["why"])
        of(gap.camera).gaps.append(gap)
        if gap.by is not None and gap.why is not None and gap.kind is not GapKind.DISABLED:
            of(gap.camera).explained.append(Span(gap.began, gap.ended))
    for row in await pg.fetch(_CARDS, began, ended, only):
        of(row["camera"]).fetched += [Span(*pair) for pair in zip(row["spans"][::2], row["spans"][1::2], strict=True)]
    for row in await pg.fetch(_ACTS, began, ended, only):
        of(row["camera"]).maintenance.append(Span(row["began"], row["ended"]))
    for row in await pg.fetch(_ITEMS, began, ended, list(UNBELIEVED)):
        outage = _outage.decode(row["data"])
        for camera, span in outage.spans if outage.explained else ():
            of(camera).explained.append(span)
    for row in await pg.fetch(_MASKS, only):
        if any(box.left <= 0 and box.top <= 0 and box.right >= 1 and box.bottom >= 1 for box in _boxes.decode(row[1])):
            of(row["camera"]).masked.append(Span(row["since"], row["until"]))
    return found


async def _changed(pg: Any, since: Instant, now: Instant) -> list[tuple[str, Instant, Instant]]:
    """Times whose minutes are to be told again: of items that changed, of what was deleted, of what was fetched."""
    found = []
    for row in await pg.fetch(_CHANGED, since):
        outage = _outage.decode(row["data"])
        found += [(camera, span.began, span.ended or now) for camera, span in outage.spans]
    found += [(row["camera"], row["began"], row["ended"]) for row in await pg.fetch(_GONE, since)]
    return found


Row = tuple[str, Instant, int, bytes]  # camera, hour, place (from 1) and states


def _rows(camera: str, began: Instant, states: bytes) -> list[Row]:
    """The states as parts of their hours. Minutes that are not known stand at the ends only, and replace nothing."""
    found = []
    for hour, row in hours(began, states).items():
        part = row.strip(b"\0")
        if part:
            found.append((camera, hour, row.index(part) + 1, part))
    return found


async def _write(pg: Any, rows: Sequence[Row]) -> int:
    told = 0
    for start in range(0, len(rows), AT_ONCE):
        columns = [list(column) for column in zip(*rows[start : start + AT_ONCE], strict=True)]
        for statement in (_TELL, _BEGIN):
            told += int((await pg.execute(statement, *columns)).rpartition(" ")[2])
    return told


def _span(began: int, ended: int | None) -> Span:
    return Span(Instant(began), None if ended is None else Instant(ended))
