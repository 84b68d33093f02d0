"""Cameras with an ONVIF service are listened to: what one tells of itself is a row, a line and an entry of the log.

Told is not seen: a device may say what it likes, and what we saw of its picture stands in `video_health`. That it told
somebody is at it opens an item all the same (`video_watch`), in seconds, where a look takes two minutes.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any, Final

import msgspec
import structlog

from saqtau.engine.failures import refusals, told
from saqtau.engine.ledger import EVIDENCE, Count, Draft, Ledger
from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Clock, Instant
from saqtau.kernel.errors import Refused
from saqtau.kernel.ids import Ids
from saqtau.ledger.leaf import LeafClass
from saqtau.video.told import INSTANTS, Batch, Change, Key, Word, changes, clock_set, silent

log = structlog.get_logger()

RETENTION: Final = "evidence_1y"
MOST_AN_HOUR: Final = 120
"""Changes of one camera in an hour. One that tells more is not listened to until the hour is over, and that is said."""
MOST_CAMERAS: Final = 4_000
"""Cameras that one process listens to."""
LONGEST: Final = 5 * 60.0  # s between two tries of a camera that does not answer

_CAMERAS: Final = f"""
    select c.id, c.site, c.region, c.place, c.back_fill as service, c.credentials from video_camera c
    where c.retired is null and c.back_fill is not null and not exists (select from video_disable d
        where d.camera = c.id and d.kind = 'disabled' and d.began <= $1 and (d.ended is null or d.ended > $1))
    order by c.id limit {MOST_CAMERAS}
"""  # noqa: S608 - a constant
_ALONE: Final = "select pg_advisory_xact_lock(hashtextextended('told/' || $1, 0))"
_OPEN: Final = "select word, source, began from video_told where camera = $1 and ended is null"
_BEGIN: Final = """
    insert into video_told (id, camera, word, source, began, ended, moved_ms, entry)
    values ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_END: Final = """
    update video_told set ended = greatest(began, $4), confirmed = $5, ended_entry = $6
    where camera = $1 and word = $2 and source = $3 and ended is null
"""
_LOG: Final = """
    insert into video_health_log (camera, at, verdict, before_, measures, entry) values ($1, $2, $3, $4, $5::jsonb, $6)
"""


class Teller(msgspec.Struct, frozen=True):
    """A camera that is listened to. service: its ONVIF device service. credentials: the code of its file of secrets."""

    id: str
    site: str
    region: int
    place: str
    service: str
    credentials: str | None


Listen = Callable[[Teller, Callable[[Batch], Awaitable[None]]], Awaitable[None]]
"""Listens until cancelled; raises Refused when it ends."""


class TooMuch(Exception):  # noqa: N818 - what happened
    """A camera told more than anybody reads."""


class Listening:
    """Listens to all cameras of the register that have an ONVIF service. One a house.

    pool: as saqtau_worker.
    """

    def __init__(self, pool: Any, ledger: Ledger, listen: Listen, clock: Clock, ids: Ids, random: Random) -> None:
        self._pool = pool
        self._ledger = ledger
        self._listen = listen
        self._clock = clock
        self._ids = ids
        self._random = random
        self._tasks: dict[Teller, asyncio.Task[None]] = {}
        self.hearing: set[str] = set()
        """Cameras that have answered since they were last asked."""

    async def round(self) -> None:
        """Begin with cameras that are new, leave those that are gone. Raises Refused(UNAVAILABLE)."""
        with refusals():
            rows = await self._pool.fetch(_CAMERAS, self._clock())
        wanted = {msgspec.convert(dict(row), Teller) for row in rows}
        if len(wanted) == MOST_CAMERAS:
            log.warning("not all cameras are listened to", most=MOST_CAMERAS)
        await self._leave([one for one in self._tasks if one not in wanted])
        for one in wanted - self._tasks.keys():
            self._tasks[one] = asyncio.create_task(self._go_on(one), name=f"listening to {one.id}")

    async def stop(self) -> None:
        """Leave all."""
        await self._leave(list(self._tasks))

    async def _leave(self, cameras: Sequence[Teller]) -> None:
        tasks = [self._tasks.pop(one) for one in cameras]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.hearing -= {one.id for one in cameras}

    async def _go_on(self, camera: Teller) -> None:
        await asyncio.sleep(self._random.uniform(0.0, 1.0))  # not all at once
        tries, ear = 0, Ear(self._pool, self._ledger, camera, self._clock, self._ids)

        async def hear(batch: Batch) -> None:
            nonlocal tries
            await ear.hear(batch)
            self.hearing.add(camera.id)
            tries = 0

        while True:
            ear.begin()
            try:
                await self._listen(camera, hear)
            except Refused as refused:
                if tries == 0:  # once for each silence
                    log.warning("a camera tells nothing of itself", camera=camera.id, error=told(refused))
            except TooMuch:
                log.warning("a camera tells too much of itself", camera=camera.id)
                await asyncio.sleep((ear.full_until - self._clock()) / SECOND)
            except Exception:
                log.exception("a camera cannot be listened to", camera=camera.id)
            self.hearing.discard(camera.id)
            tries += 1
            await asyncio.sleep(min(LONGEST, 2.0 ** min(tries, 10)) * self._random.uniform(0.5, 1.0))


class Ear:
    """What one camera tells, entered."""

    def __init__(self, pool: Any, ledger: Ledger, camera: Teller, clock: Clock, ids: Ids) -> None:
        self._pool = pool
        self._ledger = ledger
        self._camera = camera
        self._clock = clock
        self._ids = ids
        self._drift: int | None = None
        self._said: set[Key] = set()
        self._hour, self._count = Instant(0), 0
        self.full_until = Instant(0)

    def begin(self) -> None:
        """It is listened to anew: it will tell all its states."""
        self._said = set()

    async def hear(self, batch: Batch) -> None:
        """Enter what an answer brought. Raises Refused(UNAVAILABLE): nothing was; TooMuch: it is enough for now."""
        now = self._clock()
        self._said |= {(one.word, one.source) for one in batch.heard}
        set_ = clock_set(self._drift, batch.drift)
        if batch.heard or batch.settled or set_ is not None:
            with refusals():
                enough = await self._enter(batch, set_, now)
            if enough:
                raise TooMuch
        if batch.drift is not None:
            self._drift = batch.drift

    async def _enter(self, batch: Batch, set_: Change | None, now: Instant) -> bool:
        """Enter what is new; whether it was too much, which is entered in its stead."""
        async with self._pool.acquire() as pg, pg.transaction():
            await pg.execute(_ALONE, self._camera.id)
            rows = await pg.fetch(_OPEN, self._camera.id)
            open_ = {(Word(row["word"]), row["source"]): Instant(row["began"]) for row in rows}
            news = changes(open_, batch.heard)
            if batch.settled:
                news += silent(open_, self._said)
            if set_ is not None:
                news.append(set_)
            if not news:
                return False
            enough = not self._spend(len(news), now)
            if enough:
                news = [Change(Word.MUCH, on=True)]
            since = {**{(one.word, one.source): now for one in news if one.on}, **open_}
            placed = await self._ledger.within(
                pg, [draft_of(self._camera, one, since[one.word, one.source], now) for one in news]
            )
            for change, entry in zip(news, placed, strict=True):
                await self._write(pg, change, entry.entry, now)
        log.info("a camera told of itself", camera=self._camera.id, words=[one.word.value for one in news])
        return enough

    def _spend(self, many: int, now: Instant) -> bool:
        if now - self._hour > HOUR:
            self._hour, self._count = now, 0
        if self._count + many > MOST_AN_HOUR:
            self.full_until = Instant(self._hour + HOUR + MINUTE)
            return False
        self._count += many
        return True

    async def _write(self, pg: Any, change: Change, entry: str, now: Instant) -> None:
        camera, (word, before) = self._camera.id, words(change)
        if change.on:
            ended = now if change.word in INSTANTS else None
            await pg.execute(
                _BEGIN, self._ids(), camera, change.word.value, change.source, now, ended, change.moved, entry
            )
        else:
            await pg.execute(_END, camera, change.word.value, change.source, now, change.confirmed, entry)
        about = {"source": change.source, "confirmed": change.confirmed, "moved_ms": change.moved}
        await pg.execute(_LOG, camera, now, word, before, msgspec.json.encode(about).decode(), entry)


def words(change: Change) -> tuple[str, str]:
    """The word of a change and the word before it, as they stand in log and entries."""
    on, off = change.word.value, f"{change.word.value}_over"
    return (on, off) if change.on else (off, on)


def draft_of(camera: Teller, change: Change, since: Instant, now: Instant) -> Draft:
    """The entry about a change: a record as those of the looks, and what was told besides."""
    word, before = words(change)
    record: Mapping[str, Any] = {
        "v": 1,
        "kind": "told",
        "at": now,
        "camera": camera.id,
        "site": camera.site,
        "region": camera.region,
        "place": camera.place,
        "verdict": word,
        "before": before,
        "since": since,
        "source": change.source,
        "confirmed": change.confirmed,
        "moved_ms": change.moved,
    }
    count = Count(f"camera.{word}", "", "", "allow", "", delivered=0)
    return Draft(EVIDENCE, camera.region, LeafClass.HEALTH, RETENTION, dict(record), count)
