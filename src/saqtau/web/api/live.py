"""The live picture of a shift: everything once, then what changes."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, QueryParameter
from litestar.types import ASGIApp

from saqtau.engine.lines import ItemLine
from saqtau.engine.reading import UnitView, read_positions, read_queue, read_register
from saqtau.engine.tiles import read_map
from saqtau.kernel.access import Action
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.looking import may, viewers_of, watching
from saqtau.web.parts import Parts, parts_of
from saqtau.web.sessions import Session
from saqtau.web.stream import LiveAnswer, Watch

TILES_PATH = "/tiles/city.pmtiles"


class UnitSeen(msgspec.Struct, frozen=True):
    """A unit as the map first shows it; later it moves by rows."""

    id: str
    call_sign: str
    status: str
    item: str | None
    lon: float | None
    lat: float | None
    heading: float | None
    at: Instant | None
    flags: tuple[str, ...]


class CameraSeen(msgspec.Struct, frozen=True):
    """A camera as the map shows it."""

    id: str
    name: str
    lon: float
    lat: float
    heading: float
    limit: float


class MapSeen(msgspec.Struct, frozen=True):
    """Where the map is and what it covers: west, south, east, north. Without a map both are null."""

    bounds: tuple[float, float, float, float] | None
    tiles: str | None


class Overview(msgspec.Struct, frozen=True):
    """Everything a console shows when it starts. The stream goes on behind `feed`.

    on_shift: whether pictures and the past are open to this person now; dispatch is in any case.
    """

    now: Instant
    feed: int
    units: list[UnitSeen]
    cameras: list[CameraSeen]
    items: list[ItemLine]
    map: MapSeen
    on_shift: bool


def _unit_seen(unit: UnitView) -> UnitSeen:
    return UnitSeen(
        unit.id, unit.call_sign, unit.status, unit.item, unit.lon, unit.lat, unit.heading, unit.at, unit.flags
    )  # fmt: skip


def map_seen(parts: Parts) -> MapSeen:
    """The map of this folder; a damaged one counts as none here, and /healthz says so."""
    try:
        found = read_map(parts.map) if parts.map is not None else None
    except Refused:
        found = None
    return MapSeen(found.bounds, TILES_PATH) if found is not None else MapSeen(None, None)


async def _items(parts: Parts, session: Session) -> list[ItemLine]:
    async with watching(parts, session, Action.WATCH_QUEUE) as (grant, delivered), parts.pg.acquire() as pg:
        lines = await read_queue(grant, pg, parts.desks, parts.clock())
        delivered.count = len(lines)
    return lines


async def _units(parts: Parts, session: Session) -> list[UnitSeen]:
    if not may(parts, session, Action.WATCH_UNITS):
        return []
    async with watching(parts, session, Action.WATCH_UNITS) as (grant, delivered), parts.pg.acquire() as pg:
        units = await read_positions(grant, pg, parts.clock())
        delivered.count = len(units)
    return [_unit_seen(unit) for unit in units]


async def _cameras(parts: Parts, session: Session) -> list[CameraSeen]:
    if not may(parts, session, Action.READ_REGISTER):
        return []
    async with (
        watching(parts, session, Action.READ_REGISTER, about="cameras") as (grant, delivered),
        parts.pg.acquire() as pg,
    ):
        rows = await read_register(grant, pg, "cameras", parts.clock(), limit=10_000)
        delivered.count = len(rows)
    return [CameraSeen(row["id"], row["name"], row["lon"], row["lat"], row["heading"], row["limit"]) for row in rows]


@get("/api/overview", operation_id="readOverview", guards=[counted, signed_in], responses=answers(401, 403, 429, 503))
async def overview(request: Request[Any, Any, Any]) -> Overview:
    """Everything a console shows when it starts: open items, units, cameras of the caller's regions."""
    parts, session = parts_of(request), session_of(request)
    feed = request.app.state.hub.last  # before the record is read, so that nothing falls between
    items = await _items(parts, session)
    return Overview(
        now=parts.clock(),
        feed=feed,
        units=await _units(parts, session),
        cameras=await _cameras(parts, session),
        items=items,
        map=map_seen(parts),
        on_shift=any([await parts.access.on_shift(viewer) for viewer in viewers_of(session)]),
    )


_STREAM = ResponseSpec(
    data_container=str,
    media_type="text/event-stream",
    description="Events `items`, `units`, `status`, `beat`, `reload`; `id` is the feed's sequence.",
    generate_examples=False,
)


def _sequence(text: str | None, field: str) -> int | None:
    """A sequence of the feed. Raises Refused(INVALID) naming where it stood."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise Refused(Kind.INVALID, f"{field} is a sequence of the feed", **{field: "not_a_sequence"})
    return int(text)


@get(
    "/api/live",
    operation_id="followLive",
    guards=[counted, signed_in],
    media_type="text/event-stream",
    responses={200: _STREAM, **answers(400, 401, 403, 429, 503)},
)
async def live(
    request: Request[Any, Any, Any],
    after: Annotated[int | None, QueryParameter(ge=0, le=10**17)] = None,
    last_event_id: Annotated[str | None, HeaderParameter(name="Last-Event-ID", max_length=18)] = None,
) -> ASGIApp:
    """What changes behind `after`, as server-sent events. A browser that comes back says where it stood by itself."""
    parts, session, hub = parts_of(request), session_of(request), request.app.state.hub
    watch = Watch(parts, session)
    stood = _sequence(last_event_id, "Last-Event-ID")
    hub.check_room(session.digest)
    audience = await watch.open()
    try:
        after = stood if stood is not None else after
        client = hub.join(audience, session.digest, after, session.person.id)
    except Refused:
        await watch.close()
        raise
    return LiveAnswer(hub, watch, client)
