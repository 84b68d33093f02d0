"""What a person is shown of cameras besides pictures: where they are, how they are, their gaps, who looks at them.

Every function takes the grant first. States are found when they are asked for, from what recorders and health have
told: a recorder that has died tells nothing, so a camera of which nothing was written for long counts as dark.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Collection
from typing import Any, Final

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.failures import refusals
from saqtau.engine.reading import regions_of
from saqtau.engine.store import see
from saqtau.engine.video_watch import COMING
from saqtau.kernel.access import Action, Grant, Purpose
from saqtau.kernel.clock import DAY, MINUTE, SECOND, Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import PlaceKind
from saqtau.kernel.sensitive import Sensitive, sensitive_of
from saqtau.video.account import without
from saqtau.video.gap import GapKind
from saqtau.video.health import TAMPERED
from saqtau.video.told import ASKS

UNHEARD: Final = MINUTE
"""A camera of which nothing was written for so long is dark, whatever its last word was."""
SEEN: Final = 30 * SECOND
"""A viewer whose process has not said for so long that he still looks does not look any more."""
LONGEST: Final = 31 * DAY
"""Of a timeline."""
LINES: Final = 20_000
CAMERAS: Final = 50_000
FRESH: Final = SECOND
SPARED: Final = 5
"""An answer about states serves so long for whoever asks the same: at least `FRESH`, and this times what it took."""
MOST_KEPT: Final = 64


class CameraPlace(msgspec.Struct, frozen=True):
    """What a wish must say of a camera before anybody may look at it; nothing of what it sees."""

    id: str
    site: str
    region: int
    place: PlaceKind
    lat: float
    lon: float

    @property
    def sensitive(self) -> frozenset[Sensitive]:
        """Why its pictures need more than the police's consent."""
        return sensitive_of(self.place)


class CameraSeen(msgspec.Struct, frozen=True):
    """A camera and how it is. kind: of the gap that lasts, or the verdict of its health; `since` it is so.

    watchers: how many look now; null for who may not know it.
    """

    id: str
    site: str
    name: str
    region: int
    place: PlaceKind
    room: str | None
    lat: float
    lon: float
    heading: float | None
    field_of_view: float
    reach: float
    audio: bool
    keep_days: int
    state: str  # well, waiting (for its first picture), dark, tampered, disabled
    since: Instant | None
    kind: str | None
    oldest: Instant | None
    watchers: int | None
    item: str | None


class CardSeen(msgspec.Struct, frozen=True):
    """Whether the camera's own memory was asked for a gap, and what came of it since `at`; `why` where nothing did."""

    state: str  # wanted, fetching, fetched, nothing, refused, given_up
    at: Instant
    found_ms: int
    why: str | None


class GapSeen(msgspec.Struct, frozen=True):
    """Time without picture; `ended` null while it lasts."""

    id: str
    began: Instant
    ended: Instant | None
    kind: str
    packets: int | None
    by: str | None
    why: str | None
    item: str | None
    card: CardSeen | None = None


class FetchedSeen(msgspec.Struct, frozen=True):
    """Time of which pictures were fetched from the camera's own memory, `fetched` later: never of what was recorded."""

    began: Instant
    ended: Instant
    fetched: Instant


class HeldSeen(msgspec.Struct, frozen=True):
    """Time that is kept for a case. acknowledged: by the recorder, from when on nothing of it goes."""

    id: str
    began: Instant
    ended: Instant
    case: str
    acknowledged: Instant | None


class Timeline(msgspec.Struct, frozen=True):
    """What there is of a camera in a time: `[began, ended]` of what is recorded, gaps, holds; no picture."""

    now: Instant
    recorded: list[tuple[Instant, Instant]]
    gaps: list[GapSeen]
    holds: list[HeldSeen]
    oldest: Instant | None
    fetched: list[FetchedSeen] = []


class Watcher(msgspec.Struct, frozen=True):
    """Who looks at a camera now, in which role, for which purpose; `kind` live or recording."""

    viewer: str
    role: str
    purpose: str
    kind: str
    since: Instant


async def place_of(pg: Any, camera: str) -> CameraPlace:
    """Where a camera is and what kind of place, for the wish that asks for a grant. Raises Refused(NOT_FOUND)."""
    with refusals():
        async with pg.transaction():
            await see(pg, EVERYWHERE)
            row = await pg.fetchrow("select id, site, region, place, lat, lon from video_camera where id = $1", camera)
    if row is None:
        raise Refused(Kind.NOT_FOUND, f"there is no camera {camera}", camera="unknown")
    return msgspec.convert(dict(row), CameraPlace)


_STATES: Final = """
    select c.id, c.site, c.name, c.region, c.place, c.room, c.lat, c.lon, c.heading, c.field_of_view, c.reach, c.audio,
        c.keep_days, c.added, g.kind as gap, g.began as gap_began, g.item, o.began as off, h.verdict, h.since as felt,
        t.word as told, t.began as told_began, s.ended as written, f.began as oldest,
        coalesce(w.looking, 0)::int as looking
    from video_camera c
    left join lateral (select kind, began, item from video_gap where camera = c.id and ended is null
        order by began limit 1) g on true
    left join lateral (select began from video_disable where camera = c.id and kind = 'disabled' and began <= $2
        and (ended is null or ended > $2) order by began limit 1) o on true
    left join video_health h on h.camera = c.id
    left join lateral (select word, began from video_told where camera = c.id and ended is null and word = any($7)
        and c.back_fill is not null order by began limit 1) t on true
    left join lateral (select ended from video_segment where camera = c.id
        order by began desc, first desc limit 1) s on true
    left join lateral (select began from video_segment where camera = c.id and frames > 0 order by began limit 1) f
        on true
    left join lateral (select count(*) as looking from video_watch where camera = c.id and until is null
        and seen > $3 and (purpose <> $4 or $5)) w on true
    where c.retired is null and c.place = any($1) order by c.id limit $6
"""


class States:
    """How cameras are, a second old, or a few where reading them takes long: many screens ask, each under its grant.

    All 40,000 cameras of a country take PostgreSQL 0.9 s, those of a region 0.06 s.
    """

    def __init__(self, pool: Any, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._kept: OrderedDict[_Shown, _Read] = OrderedDict()

    async def read(
        self, grant: Grant, places: Collection[PlaceKind], now: Instant, *, counted: Collection[PlaceKind] = ()
    ) -> list[CameraSeen]:
        """As `read_states`."""
        must_hold(grant, now, Action.READ_CAMERA)
        shown = (regions_of(grant.viewer), frozenset(places), frozenset(counted), _oversees(grant))
        known = self._kept.setdefault(shown, _Read())
        self._kept.move_to_end(shown)
        if len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)
        async with known.lock:
            began = self._clock()
            if began >= known.until:
                async with self._pool.acquire() as pg:
                    known.cameras = await read_states(grant, pg, places, began, counted=counted)
                took = self._clock() - began
                known.until = Instant(began + max(FRESH, SPARED * took))
        return known.cameras


_Shown = tuple[frozenset[int], frozenset[PlaceKind], frozenset[PlaceKind], bool]


class _Read:
    """What was read last, for whoever may see the same."""

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.until = Instant(0)
        self.cameras: list[CameraSeen] = []


def _oversees(grant: Grant) -> bool:
    return grant.request.purpose is Purpose.OVERSIGHT


async def read_states(
    grant: Grant, pg: Any, places: Collection[PlaceKind], now: Instant, *, counted: Collection[PlaceKind] = ()
) -> list[CameraSeen]:
    """Cameras of these kinds of places that the viewer may see, by their code. Raises Refused(DENIED).

    counted: where he may know how many look. That an overseer looks is told to overseers only: an institution that
    sees the prosecutor come is another one than the one he came to see.
    """
    must_hold(grant, now, Action.READ_CAMERA)
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            rows = await pg.fetch(
                _STATES, [one.value for one in places], now, now - SEEN, Purpose.OVERSIGHT.value,
                _oversees(grant), CAMERAS, sorted(ASKS),
            )  # fmt: skip
    return [_seen(row, now, counted) for row in rows]


def _seen(row: Any, now: Instant, counted: Collection[PlaceKind]) -> CameraSeen:
    place = PlaceKind(row["place"])
    state, kind, since = _state(row, now)
    return CameraSeen(
        row["id"], row["site"], row["name"], row["region"], place, row["room"], row["lat"], row["lon"], row["heading"],
        row["field_of_view"], row["reach"], row["audio"], row["keep_days"], state, since, kind, row["oldest"],
        row["looking"] if place in counted else None, row["item"],
    )  # fmt: skip


def _state(row: Any, now: Instant) -> tuple[str, str | None, Instant | None]:
    """State, kind and since when."""
    if row["off"] is not None:
        return "disabled", GapKind.DISABLED.value, row["off"]
    if row["oldest"] is None and now - row["added"] <= COMING:
        return "waiting", row["gap"], row["added"]
    if row["gap"] is not None:
        return "dark", row["gap"], row["gap_began"]
    written = row["written"] if row["written"] is not None else row["added"]
    if now - written > UNHEARD:
        return "dark", GapKind.DOWN.value, written
    if row["verdict"] in TAMPERED:
        return "tampered", row["verdict"], row["felt"]
    if row["told"] is not None:
        return "tampered", row["told"], row["told_began"]
    return "well", None, None


_RECORDED: Final = """
    select began, ended from video_segment where camera = $1 and began < $3 and ended > $2 order by began limit $4
"""
_GAPS: Final = """
    select g.id, g.began, g.ended, g.kind, g.packets, g.by, g.why, g.item, f.state, f.changed, f.found_ms,
        f.why as card_why
    from video_gap g left join video_fetch f on f.gap = g.id
    where g.camera = $1 and g.began < $3 and (g.ended is null or g.ended > $2) order by g.began limit $4
"""
_FETCHED: Final = """
    select greatest(c.spans[n], $2), least(c.spans[n + 1], $3), c.fetched
    from video_card c, generate_series(1, cardinality(c.spans), 2) n
    where c.camera = $1 and c.began < $3 and c.ended > $2 and c.spans[n] < $3 and c.spans[n + 1] > $2
    order by 1 limit $4
"""
_HELD: Final = """
    select id, began, ended, case_number, acknowledged from video_hold
    where camera = $1 and lifted is null and began < $3 and ended > $2 order by began limit $4
"""


async def read_timeline(grant: Grant, pg: Any, camera: str, began: Instant, ended: Instant, now: Instant) -> Timeline:
    """What there is of a camera between two instants. Raises Refused: DENIED, INVALID (`from`, `to`)."""
    must_hold(grant, now, Action.READ_CAMERA, named=camera)
    check_range(began, ended)
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            span = (camera, began, ended, LINES)
            segments = await pg.fetch(_RECORDED, *span)
            gaps = await pg.fetch(_GAPS, *span)
            holds = await pg.fetch(_HELD, *span)
            fetched = await pg.fetch(_FETCHED, *span)
            oldest = await pg.fetchval("select min(began) from video_segment where camera = $1", camera)
    return Timeline(
        now=now,
        recorded=_recorded([(row[0], row[1]) for row in segments], [(row[1], row[2]) for row in gaps], began, ended),
        gaps=[_gap_seen(row) for row in gaps],
        holds=[HeldSeen(*row) for row in holds],
        oldest=oldest,
        fetched=[FetchedSeen(*row) for row in fetched],
    )


def _gap_seen(row: Any) -> GapSeen:
    card = None if row["state"] is None else CardSeen(row["state"], row["changed"], row["found_ms"], row["card_why"])
    return GapSeen(
        row["id"], row["began"], row["ended"], row["kind"], row["packets"], row["by"], row["why"], row["item"], card
    )


def _recorded(
    segments: list[tuple[int, int]], gaps: list[tuple[int, int | None]], began: int, ended: int
) -> list[tuple[Instant, Instant]]:
    """What files cover, less the gaps in them, within the window. All are in the order of their begin."""
    covered = _merged([(max(low, began), min(high, ended)) for low, high in segments], SECOND)
    holes = _merged([(low, ended if high is None else high) for low, high in gaps])
    return [(Instant(low), Instant(high)) for low, high in without(covered, holes)]


def _merged(spans: list[tuple[int, int]], bridged: int = 0) -> list[tuple[int, int]]:
    """Apart from each other; what is not further than `bridged` ms from the one before belongs to it."""
    found: list[tuple[int, int]] = []
    for low, high in spans:
        if found and low <= found[-1][1] + bridged:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        elif low < high:
            found.append((low, high))
    return found


def check_range(began: Instant, ended: Instant) -> None:
    """Refuse (INVALID, `from` or `to`) what is no time, or too long."""
    if not 0 <= began < 2**53:
        raise Refused(Kind.INVALID, "from: an instant, Unix ms", **{"from": "invalid"})
    if not began < ended <= began + LONGEST:
        raise Refused(Kind.INVALID, "to: behind from, at most 31 days", to="invalid")


async def read_watchers(grant: Grant, pg: Any, camera: str, now: Instant) -> list[Watcher]:
    """Who looks at a camera now; overseers are shown to overseers only. Raises Refused(DENIED)."""
    must_hold(grant, now, Action.READ_WATCHERS, named=camera)
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            rows = await pg.fetch(
                """select viewer, role, purpose, kind, min(since) as since from video_watch
                   where camera = $1 and until is null and seen > $2 and (purpose <> $3 or $4)
                   group by viewer, role, purpose, kind order by min(since), viewer limit 500""",
                camera, now - SEEN, Purpose.OVERSIGHT.value, _oversees(grant),
            )  # fmt: skip
    return [Watcher(*row) for row in rows]
