"""How the cameras are, once a minute: the newest key picture of each is looked at, and what changes is entered.

A change of verdict and an archive that does not reach back far enough are entries of the evidence log in the same
transaction as their rows: who holds a copy of the log sees a covered camera whatever the institution says of it.
Cameras without a fresh picture are not judged: that they are dark, their gaps and minutes say.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from saqtau.engine.failures import refusals, told
from saqtau.engine.ledger import EVIDENCE, Count, Draft, Ledger
from saqtau.engine.video_decoding import Decoders
from saqtau.kernel.clock import MINUTE, SECOND, Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import PlaceKind, Room
from saqtau.ledger.leaf import LeafClass
from saqtau.video.daylight import is_day
from saqtau.video.health import Judged, Look, Reference, Verdict, judge, knows, pack, unpack
from saqtau.video.latest import Place, look_through, read_key
from saqtau.video.standing import Standing, first, repeats, short_of, step, undecodable

log = structlog.get_logger()

RETENTION: Final = "evidence_1y"
FRESH: Final = 2 * MINUTE
"""A file that nothing was written to for so long has no newest picture."""
BATCH: Final = 512
"""Cameras whose looks are written in one transaction."""
CLOCK: Final = 5 * SECOND
"""A camera's clock that differs so much from ours writes another time into its picture than the record has."""
_OUTDOORS: Final = frozenset({None, Room.YARD.value})
_AT_ONCE: Final = 16
"""Pictures that are read and decoded at the same time, at most."""

_CAMERAS: Final = """
    select c.id, c.site, c.region, c.place, c.room, c.lat, c.lon, c.keep_days, c.added, s.path, s.ended,
        (select min(began) from video_segment o where o.camera = c.id) as oldest
    from video_camera c
    left join lateral (select path, ended from video_segment s where s.camera = c.id order by s.first desc limit 1) s
        on true
    where c.retired is null and not exists (select from video_disable d where d.camera = c.id and d.kind = 'disabled'
        and d.began <= $1 and (d.ended is null or d.ended > $1))
    order by c.id
"""
_KNOWN: Final = "select camera, verdict, since, measures, drift_ms from video_health"
_REFERENCES: Final = "select camera, reference from video_reference"
_FORGET: Final = """
    with gone as (
        delete from video_reference r using video_relearn w where w.camera = r.camera and w.at >= r.at
        returning r.camera)
    select distinct camera from gone
"""
_WRITE: Final = """
    insert into video_health as h (camera, at, verdict, since, measures, drift_ms, oldest, reference_at)
    select n.camera, n.at, n.verdict, n.since, n.measures::jsonb, n.drift_ms, n.oldest, n.reference_at
    from unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::bigint[], $7::bigint[],
        $8::bigint[]) as n (camera, at, verdict, since, measures, drift_ms, oldest, reference_at)
    on conflict (camera) do update set at = excluded.at, verdict = excluded.verdict, since = excluded.since,
        measures = excluded.measures, drift_ms = coalesce(excluded.drift_ms, h.drift_ms), oldest = excluded.oldest,
        reference_at = coalesce(excluded.reference_at, h.reference_at)
"""
_LOG: Final = """
    insert into video_health_log (camera, at, verdict, before_, measures, entry)
    select n.camera, n.at, n.verdict, n.before_, n.measures::jsonb, n.entry
    from unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[])
        as n (camera, at, verdict, before_, measures, entry)
"""
_LEARN: Final = """
    insert into video_reference (camera, light, at, reference)
    select * from unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[])
    on conflict (camera, light) do update set at = excluded.at, reference = excluded.reference
"""


class Watched(msgspec.Struct, frozen=True):
    """A camera of the register, with its newest file."""

    id: str
    site: str
    region: int
    place: PlaceKind
    room: str | None
    lat: float
    lon: float
    keep_days: int
    added: Instant
    path: str | None
    ended: Instant | None
    oldest: Instant | None


class Seen(msgspec.Struct, frozen=True, eq=False):
    """What a look at one camera brought."""

    camera: Watched
    at: Instant
    judged: Judged
    standing: Standing
    before: Verdict
    told: bool
    learned: Reference | None
    short: int  # days of the archive that are missing
    short_told: bool
    drift_ms: int | None
    clock_told: bool


class Tally(msgspec.Struct):
    """What a round did: cameras looked at, without a fresh picture, whose picture was no picture; verdicts told."""

    looked: int = 0
    away: int = 0
    undecodable: int = 0
    told: int = 0


class HealthWatch:
    """Looks at cameras. One a process; processes share them by `mine`, and each sees the files of its own machine.

    pool: as saqtau_worker. mine: whether a camera is this process's.
    """

    def __init__(self, pool: Any, ledger: Ledger, decoders: Decoders, clock: Clock, mine: Any = None) -> None:
        self._pool = pool
        self._ledger = ledger
        self._decoders = decoders
        self._clock = clock
        self._mine = mine or (lambda _: True)
        self._standings: dict[str, Standing] = {}
        self._references: dict[str, tuple[Reference, ...]] = {}
        self._places: dict[str, Place] = {}
        self._short: dict[str, int] = {}
        self._drift: dict[str, int] = {}
        self._began = False

    async def round(self) -> Tally:
        """Look at every camera once. Raises Refused(UNAVAILABLE): what was written before stays."""
        tally, now = Tally(), self._clock()
        with refusals():
            if not self._began:
                await self._begin()
            for row in await self._pool.fetch(_FORGET):
                self._learn_anew(row["camera"])
            rows = await self._pool.fetch(_CAMERAS, now)
        cameras = [one for one in (_watched(row) for row in rows) if self._mine(one.id)]
        self._forget({one.id for one in cameras})
        fresh = [one for one in cameras if one.ended is not None and now - one.ended <= FRESH]
        tally.away = len(cameras) - len(fresh)
        for start in range(0, len(fresh), BATCH):
            await self._some(fresh[start : start + BATCH], tally)
        return tally

    async def _begin(self) -> None:
        for row in await self._pool.fetch(_KNOWN):
            self._standings[row["camera"]] = msgspec.structs.replace(
                first(Instant(row["since"])), verdict=Verdict(row["verdict"])
            )
            self._short[row["camera"]] = msgspec.json.decode(row["measures"]).get("short_days", 0)
            self._drift[row["camera"]] = row["drift_ms"] or 0
        for row in await self._pool.fetch(_REFERENCES):
            try:
                found = unpack(row["reference"])
            except Refused as refusal:
                log.warning("a camera is learned anew", camera=row["camera"], error=told(refusal))
                continue
            self._references[row["camera"]] = (*self._references.get(row["camera"], ()), found)
        self._began = True

    def _learn_anew(self, camera: str) -> None:
        """A person said that it was moved on purpose (`video_camera.relearn`). Its verdict stays until it is seen."""
        self._references.pop(camera, None)
        if (known := self._standings.get(camera)) is not None:
            self._standings[camera] = msgspec.structs.replace(known, suspect=None, well=None, same=(), learning=())

    def _forget(self, living: Collection[str]) -> None:
        for kept in (self._standings, self._references, self._places, self._short, self._drift):
            for gone in [one for one in kept if one not in living and self._mine(one)]:
                del kept[gone]

    async def _some(self, cameras: Sequence[Watched], tally: Tally) -> None:
        gate = asyncio.Semaphore(_AT_ONCE)

        async def guarded(camera: Watched) -> Seen | None:
            async with gate:
                return await self._look(camera)

        found = await asyncio.gather(*(guarded(one) for one in cameras))
        seen = [one for one in found if one is not None]
        tally.away += len(cameras) - len(seen)
        await self._write(seen)
        tally.looked += len(seen)
        tally.undecodable += sum(one.judged.verdict is Verdict.UNDECODABLE for one in seen)
        tally.told += sum(one.told for one in seen)

    async def _look(self, camera: Watched) -> Seen | None:
        """Look at one camera; None when its file has no picture, or is not here."""
        place = self._places.get(camera.id)
        try:
            place = await asyncio.to_thread(look_through, Path(camera.path or ""), place)
            at, data = await asyncio.to_thread(read_key, place)
        except (OSError, Refused) as error:
            if isinstance(error, OSError) or error.kind is not Kind.NOT_FOUND:
                log.warning("a recording cannot be read", camera=camera.id, error=told(error))
            return None
        self._places[camera.id] = place
        standing = self._standings.get(camera.id) or first(at)
        references = self._references.get(camera.id, ())
        now: Look | None = None
        try:
            now = await self._decoders.look(place.head, data)
            daylight = is_day(at, camera.lat, camera.lon) if camera.room in _OUTDOORS else None
            judged = judge(references, standing.well, now, daylight=daylight)
            if judged.verdict is Verdict.OK and repeats(standing, now):
                judged = await self._again(place, now, judged)
        except Refused:
            judged = undecodable()
        done = step(standing, judged, now, at, known=now is None or knows(references, now))
        short = short_of(self._clock(), camera.added, camera.oldest, camera.keep_days)
        return Seen(
            camera=camera,
            at=at,
            judged=judged,
            standing=done.standing,
            before=standing.verdict,
            told=done.told,
            learned=done.learned,
            short=short,
            short_told=(short > 0) != (self._short.get(camera.id, 0) > 0),
            drift_ms=place.drift_ms,
            clock_told=place.drift_ms is not None and _is_off(place.drift_ms) != _is_off(self._drift.get(camera.id, 0)),
        )

    async def _again(self, place: Place, now: Look, judged: Judged) -> Judged:
        """Whether another picture, seconds older, is the same too: a stream that goes round comes by now and then."""
        try:
            _, data = await asyncio.to_thread(read_key, place, 1)
            other = await self._decoders.look(place.head, data)
        except (OSError, Refused):
            return judged
        same = repeats(Standing(Verdict.OK, Instant(0), same=(other, other)), now)
        return Judged(Verdict.FROZEN, judged.measure) if same else judged

    async def _write(self, seen: Sequence[Seen]) -> None:
        """Rows, log and entries of some looks, all or none; only then is it known here too."""
        news = [(one, change) for one in seen for change in _changes(one)]
        rows = [
            (
                one.camera.id, one.at, one.standing.verdict.value, one.standing.since, _figures(one), one.drift_ms,
                one.camera.oldest, None if one.learned is None else one.at,
            )
            for one in seen
        ]  # fmt: skip
        learned = [
            (one.camera.id, "infra_red" if one.learned.colourless else "day", one.at, pack(one.learned))
            for one in seen
            if one.learned is not None
        ]
        with refusals():
            async with self._pool.acquire() as pg, pg.transaction():
                await pg.execute(_WRITE, *_columns(rows, 8))
                if learned:
                    await pg.execute(_LEARN, *_columns(learned, 4))
                if news:
                    placed = await self._ledger.within(pg, [draft_of(one, change) for one, change in news])
                    lines = [
                        (one.camera.id, one.at, change[0], change[1], _figures(one), entry.entry)
                        for (one, change), entry in zip(news, placed, strict=True)
                    ]
                    await pg.execute(_LOG, *_columns(lines, 6))
        for one in seen:
            self._standings[one.camera.id] = one.standing
            self._short[one.camera.id] = one.short
            if one.drift_ms is not None:
                self._drift[one.camera.id] = one.drift_ms
            if one.learned is not None:
                kept = self._references.get(one.camera.id, ())
                others = tuple(old for old in kept if old.colourless != one.learned.colourless)
                self._references[one.camera.id] = (*others, one.learned)


def draft_of(seen: Seen, change: tuple[str, str]) -> Draft:
    """The entry about a change: where, what, since when and what it was before; nothing of what is to be seen."""
    camera = seen.camera
    record = {
        "v": 1,
        "kind": "health",
        "at": seen.at,
        "camera": camera.id,
        "site": camera.site,
        "region": camera.region,
        "place": camera.place.value,
        "verdict": change[0],
        "before": change[1],
        "since": seen.standing.since if seen.told else seen.at,
        "short_days": seen.short,
        "drift_ms": seen.drift_ms,
    }
    count = Count(f"camera.{change[0]}", "", "", "allow", "", delivered=0)
    return Draft(EVIDENCE, camera.region, LeafClass.HEALTH, RETENTION, record, count)


def _changes(seen: Seen) -> list[tuple[str, str]]:
    """What is new about a camera: (word, word before)."""
    found = []
    if seen.told:
        found.append((seen.standing.verdict.value, seen.before.value))
    if seen.short_told:
        found.append(("archive_short", "archive_whole") if seen.short else ("archive_whole", "archive_short"))
    if seen.clock_told and seen.drift_ms is not None:
        found.append(("clock_off", "clock_right") if _is_off(seen.drift_ms) else ("clock_right", "clock_off"))
    if seen.learned is not None:
        found.append(("learned_infra_red" if seen.learned.colourless else "learned", seen.before.value))
    return found


def _is_off(drift_ms: int) -> bool:
    return abs(drift_ms) > CLOCK


def _figures(seen: Seen) -> str:
    measure = {name: _rounded(value) for name, value in msgspec.structs.asdict(seen.judged.measure).items()}
    return msgspec.json.encode({**measure, "look": seen.judged.verdict.value, "short_days": seen.short}).decode()


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _watched(row: Mapping[str, Any]) -> Watched:
    return msgspec.convert(dict(row), Watched)


def _columns(rows: Iterable[Sequence[Any]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]
