"""Reading the record. Every function takes the grant first and reads nothing that it is not for."""

from typing import Any, Final

import msgspec

from saqtau.engine import items
from saqtau.engine.access import must_hold
from saqtau.engine.blobs import Blobs
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.failures import refusals
from saqtau.engine.lines import REVIEWS, ItemLine, concerned, item_line
from saqtau.engine.store import see
from saqtau.kernel.access import UNBOUND, Action, Grant, Purpose, Viewer
from saqtau.kernel.clock import Instant
from saqtau.kernel.compartment import hidden_from
from saqtau.kernel.desk import Desks
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Entry, Item
from saqtau.kernel.sensitive import Sensitive, sensitive

ROWS = 1000


class Whereabouts(msgspec.Struct, frozen=True):
    """What a request must say about an item before anybody may read it."""

    region: int
    unit: str | None
    sensitive: frozenset[Sensitive]  # what the item and its family are about


class PictureLine(msgspec.Struct, frozen=True):
    """A picture that could be read."""

    name: str
    media: str
    size: int


class ItemView(msgspec.Struct, frozen=True):
    """An item with its log, its children and the names of its pictures."""

    item: Item
    entries: list[Entry]
    children: list[Item]
    pictures: list[PictureLine]


class UnitView(msgspec.Struct, frozen=True):
    """A unit, what it does, and where it was heard last."""

    id: str
    call_sign: str
    region: int
    skills: tuple[str, ...]
    status: str
    item: str | None
    since: Instant
    lat: float | None
    lon: float | None
    heading: float | None
    speed: float | None
    at: Instant | None
    received: Instant | None
    flags: tuple[str, ...]


def regions_of(viewer: Viewer) -> frozenset[int]:
    """The regions whose rows this viewer may see."""
    return EVERYWHERE if viewer.role in UNBOUND else viewer.regions


def regions_under(grant: Grant) -> frozenset[int]:
    """The regions whose rows this grant shows: the viewer's, and the one object's under a broken glass."""
    if grant.request.purpose is Purpose.EMERGENCY and grant.request.region is not None:
        return frozenset({grant.request.region})
    return regions_of(grant.viewer)


_KIN: Final = f"""
    with eldest as (select coalesce(parent, id) as id from item where id = $1)
    select {items.COLUMNS} from item where id in ($1, (select id from eldest)) or parent = (select id from eldest)
"""  # noqa: S608 - constant
"""An item, its parent and all children of that."""


async def where_is(pg: Any, item_id: str, viewer: Viewer) -> Whereabouts:
    """Region and unit of an item and whom it concerns, for the request that asks for a grant; nothing of its content.

    An item without a unit counts as the viewer's unit's while one of its open children is with that unit.
    Raises Refused(NOT_FOUND).
    """
    with refusals():
        async with pg.transaction():
            await see(pg, EVERYWHERE)
            rows = await pg.fetch(_KIN, item_id)
    family = {item.id: item for item in map(items.to_item, rows)}
    item = family.get(item_id)
    if item is None:
        raise items.missing(item_id)
    unit = item.unit
    if unit is None and viewer.unit is not None:
        with_unit = (one for one in family.values() if one.parent == item_id and one.ended is None)
        unit = viewer.unit if any(one.unit == viewer.unit for one in with_unit) else None
    return Whereabouts(region=item.region, unit=unit, sensitive=sensitive(*family.values()))


async def read_item(grant: Grant, pg: Any, item_id: str, now: Instant) -> ItemView:
    """One item, whole. Raises Refused: DENIED, NOT_FOUND, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_ITEM, named=item_id)
    with refusals():
        async with pg.transaction():
            await see(pg, regions_under(grant))
            item = await items.load(pg, item_id)
            if concerned(item.desk, item.data) == grant.viewer.id:
                raise Refused(Kind.DENIED, "the review of his own glass", review="own_glass")
            if grant.request.region not in {None, item.region}:
                raise Refused(Kind.DENIED, "the grant is for another region", grant="other_region")
            log = await pg.fetch(
                "select item, rev, at, edge, start, came_to, actor, role, purpose, data, warnings from entry "
                "where item = $1 order by rev, seq limit $2",
                item_id,
                ROWS,
            )
            children = await pg.fetch(
                f"select {items.COLUMNS} from item where parent = $1 order by opened, id limit $2",  # noqa: S608
                item_id,
                ROWS,
            )
            pictures = await pg.fetch("select name, media, size from picture where item = $1 order by name", item_id)
    return ItemView(
        item=item,
        entries=[_entry(row) for row in log],
        children=[items.to_item(row) for row in children],
        pictures=[PictureLine(*row) for row in pictures],
    )


def _entry(row: Any) -> Entry:
    return Entry(
        item=row[0],
        rev=row[1],
        at=row[2],
        edge=row[3],
        start=row[4],
        to=row[5],
        actor=row[6],
        role=row[7],
        purpose=row[8],
        data=msgspec.json.decode(row[9]),
        warnings=tuple(row[10]),
    )


async def read_queue(
    grant: Grant,
    pg: Any,
    desks: Desks,
    now: Instant,
    *,
    desk: str | None = None,
    ended: bool = False,
    limit: int = ROWS,
) -> list[ItemLine]:
    """Lines of the queue, most urgent first; a patrol (`own.watch`) gets those of its own unit. Refused: DENIED."""
    must_hold(grant, now, Action.WATCH_QUEUE, Action.WATCH_OWN)
    own = grant.viewer.unit if grant.request.action is Action.WATCH_OWN else None
    if grant.request.action is Action.WATCH_OWN and own is None:
        return []
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            rows = await pg.fetch(
                f"select {items.COLUMNS} from item where (ended is not null) = $1 "  # noqa: S608 - constants of ours
                "and ($2::text is null or desk = $2) and ($3::text is null or unit = $3) "
                "and desk <> all($6) "
                f"and case when desk = '{REVIEWS}' then data ->> 'officer' is distinct from $5 else true end "
                "order by priority, opened desc, id limit $4",
                ended,
                desk,
                own,
                min(limit, ROWS),
                grant.viewer.id,
                list(hidden_from(desks.current.values(), grant.viewer.role)) if own is None else [],
            )
    return [item_line(desks, items.to_item(row)) for row in rows]


async def read_picture(grant: Grant, pg: Any, blobs: Blobs, item_id: str, name: str, now: Instant) -> tuple[str, bytes]:
    """Media type and bytes of an item's picture. Raises Refused: DENIED, NOT_FOUND, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_PICTURE, named=item_id)
    with refusals():
        async with pg.transaction():
            await see(pg, regions_under(grant))
            row = await pg.fetchrow(
                "select media, sha256 from picture where item = $1 and name = $2 and ($3::int2 is null or region = $3)",
                item_id,
                name,
                grant.request.region,
            )
    if row is None:
        raise Refused(Kind.NOT_FOUND, f"item {item_id} has no picture {name}", picture="unknown")
    return row["media"], await blobs.get(row["sha256"])


_UNITS = """
    select u.id, u.call_sign, u.region, u.skills, u.status, u.status_item, u.status_since, p.lat, p.lon, p.heading,
        p.speed, p.at, p.received, coalesce(p.flags, '{}')
    from unit u left join unit_position p on p.unit = u.id
    where $1::text is null or u.id = $1 order by u.id
"""


async def read_positions(grant: Grant, pg: Any, now: Instant) -> list[UnitView]:
    """Every unit the viewer may see; a patrol (`own.watch`) sees its own. Raises Refused(DENIED)."""
    must_hold(grant, now, Action.WATCH_UNITS, Action.WATCH_OWN)
    own = grant.viewer.unit if grant.request.action is Action.WATCH_OWN else None
    if grant.request.action is Action.WATCH_OWN and own is None:
        return []
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            rows = await pg.fetch(_UNITS, own)
    return [UnitView(*(*row[:3], tuple(row[3]), *row[4:13], tuple(row[13]))) for row in rows]


_REGISTERS = {
    "cameras": (
        Action.READ_REGISTER,
        """select id, site, name, region, lat, lon, heading, speed_limit as "limit", certificate_number,
            certificate_from, certificate_until from camera order by id""",
    ),
    "sites": (Action.READ_REGISTER, "select id, name, region, lat, lon from site order by id"),
    "units": (Action.READ_REGISTER, "select id, call_sign, region, plate, skills from unit order by id"),
    "officers": (Action.READ_REGISTER, "select id, name, region, unit from officer order by id"),
    "vehicles": (
        Action.READ_LIST,
        "select plate, ground, authority, basis, expires, region, note from listed_vehicle order by plate, ground",
    ),
}


async def read_register(
    grant: Grant, pg: Any, kind: str, now: Instant, *, after: int = 0, limit: int = ROWS
) -> list[dict[str, Any]]:
    """Rows of a register the viewer may see, as plain dictionaries. Raises Refused: NOT_FOUND, DENIED."""
    if kind not in _REGISTERS:
        raise Refused(Kind.NOT_FOUND, f"no register {kind}", register="unknown")
    action, sql = _REGISTERS[kind]
    must_hold(grant, now, action)
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            rows = await pg.fetch(f"{sql} limit $1 offset $2", min(limit, 10_000), after)
    return [dict(row) for row in rows]
