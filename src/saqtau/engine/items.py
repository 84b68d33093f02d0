"""Items in the record: how they are read, locked and written. One statement a step, one statement a batch.

An item is compared by its revision when it is written: who was slower writes nothing.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from saqtau.engine.lines import Outgoing
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Entry, Item, Transition

COLUMNS = (
    "id, desk, spec, state, rev, region, priority, opened, changed, opened_by, owner, unit, due, paused_for, "
    "remaining, parent, lat, lon, retention, ended, data"
)

_ONE = f"select {COLUMNS} from item where id = $1"  # noqa: S608 - constant
_SOME = f"select {COLUMNS} from item where id = any($1::text[]) order by id for update"  # noqa: S608
# the eldest first and then by id, always: two who lock one family do not wait for each other in a circle
_FAMILY = f"""
    with eldest as (select coalesce(parent, id) as id from item where id = $1)
    select {COLUMNS} from item
    where id = (select id from eldest) or parent = (select id from eldest)
    order by parent is not null, id for update
"""  # noqa: S608 - constants of ours

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def to_item(row: Any) -> Item:
    """The item of a row of COLUMNS."""
    return Item(
        id=row[0],
        desk=row[1],
        spec=row[2],
        state=row[3],
        rev=row[4],
        region=row[5],
        priority=row[6],
        opened=row[7],
        changed=row[8],
        opened_by=row[9],
        owner=row[10],
        unit=row[11],
        due=row[12],
        paused_for=row[13],
        left=row[14],
        parent=row[15],
        lat=row[16],
        lon=row[17],
        retention=row[18],
        ended=row[19],
        data=_decode(row[20]),
    )


async def load(pg: Any, item_id: str) -> Item:
    """The item as it is now, not locked. Raises Refused(NOT_FOUND), also when it lies in a region one may not see."""
    row = await pg.fetchrow(_ONE, item_id)
    if row is None:
        raise missing(item_id)
    return to_item(row)


async def lock(pg: Any, item_ids: Sequence[str]) -> list[Item]:
    """Those of the items that are there, locked until the transaction ends."""
    return [to_item(row) for row in await pg.fetch(_SOME, list(item_ids))]


async def lock_family(pg: Any, item_id: str) -> list[Item]:
    """An item's parent (or itself when it has none) first, then all children; all locked. Empty: not there."""
    return [to_item(row) for row in await pg.fetch(_FAMILY, item_id)]


def missing(item_id: str) -> Refused:
    """There is no such item here."""
    return Refused(Kind.NOT_FOUND, f"no item {item_id}", item="unknown")


def stale(item_id: str) -> Refused:
    """Somebody was faster."""
    return Refused(Kind.STALE, f"item {item_id} has moved on", rev="stale")


# One round trip: the revision is compared, and entry and parcel are written only when it was still there.
_STEP = """
    with moved as (
        update item set state = $3, rev = $4, priority = $5, changed = $6, owner = $7, unit = $8, due = $9,
            paused_for = $10, remaining = $11, lat = $12, lon = $13, retention = $14, ended = $15, data = $16
        where id = $1 and rev = $2 returning region
    ), posted as (
        insert into outbox (id, topic, created, payload) select $24, $25, $6, $26 from moved where $24::text is not null
    )
    insert into entry (item, rev, at, edge, start, came_to, actor, role, purpose, region, warnings, data)
    select $1, $4, $6, $17, $18, $3, $19, $20, $21, region, $22, $23 from moved returning seq
"""


async def write_step(pg: Any, transition: Transition, parcel: Outgoing | None) -> bool:
    """One step in one statement, durable when it returns outside of a transaction. False when somebody was faster."""
    item, entry = transition.item, transition.entry
    row = await pg.fetchval(
        _STEP,
        item.id,
        transition.before,
        item.state,
        item.rev,
        item.priority,
        item.changed,
        item.owner,
        item.unit,
        item.due,
        item.paused_for,
        item.left,
        item.lat,
        item.lon,
        item.retention,
        item.ended,
        _encode(item.data).decode(),
        entry.edge,
        entry.start,
        entry.actor,
        entry.role,
        entry.purpose,
        [warning.replace("\0", "") for warning in entry.warnings],
        _encode(entry.data).decode(),
        parcel.id if parcel else None,
        parcel.topic if parcel else None,
        parcel.payload if parcel else None,
    )
    return row is not None


_OPEN = f"""
    insert into item ({COLUMNS})
    select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int4[], $6::int2[], $7::int2[], $8::int8[],
        $9::int8[], $10::text[], $11::text[], $12::text[], $13::int8[], $14::text[], $15::int8[], $16::text[],
        $17::float8[], $18::float8[], $19::text[], $20::int8[], $21::json[])
"""  # noqa: S608 - constants of ours

_MOVE = """
    with wanted as (
        select * from unnest($1::text[], $2::int4[], $3::text[], $4::int4[], $5::int2[], $6::int8[], $7::text[],
            $8::text[], $9::int8[], $10::text[], $11::int8[], $12::float8[], $13::float8[], $14::text[], $15::int8[],
            $16::json[]) as w (id, before, state, rev, priority, changed, owner, unit, due, paused_for, remaining,
            lat, lon, retention, ended, data)
    ), moved as (
        update item i set state = w.state, rev = w.rev, priority = w.priority, changed = w.changed, owner = w.owner,
            unit = w.unit, due = w.due, paused_for = w.paused_for, remaining = w.remaining, lat = w.lat, lon = w.lon,
            retention = w.retention, ended = w.ended, data = w.data
        from wanted w where i.id = w.id and i.rev = w.before returning 1
    )
    select count(*) from moved
"""

_LOG = """
    insert into entry (item, rev, at, edge, start, came_to, actor, role, purpose, region, warnings, data)
    select e.item, e.rev, e.at, e.edge, e.start, e.came_to, e.actor, e.role, e.purpose, e.region,
        case e.warnings when '' then '{}'::text[] else string_to_array(e.warnings, E'\\x1f') end, e.data
    from unnest($1::text[], $2::int4[], $3::int8[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::int2[], $11::text[], $12::json[])
        as e (item, rev, at, edge, start, came_to, actor, role, purpose, region, warnings, data)
"""

_POST = """
    insert into outbox (id, topic, created, payload)
    select id, topic, $4, payload from unnest($1::text[], $2::text[], $3::bytea[]) as o (id, topic, payload)
"""


async def write_opened(pg: Any, items: Sequence[Item]) -> None:
    """New items, in the caller's transaction."""
    if items:
        await pg.execute(_OPEN, *_columns([(*_key(one), *_rest(one)) for one in items], 21))


async def write_moved(pg: Any, moves: Sequence[tuple[int, Item]]) -> None:
    """Items with the revision they had, in the caller's transaction. Refused(STALE) names one that has moved on."""
    if moves:
        rows = [
            (
                one.id, before, one.state, one.rev, one.priority, one.changed, one.owner, one.unit, one.due,
                one.paused_for, one.left, one.lat, one.lon, one.retention, one.ended, _encode(one.data).decode(),
            )
            for before, one in moves
        ]  # fmt: skip
        moved = await pg.fetchval(_MOVE, *_columns(rows, 16))
        if moved != len(rows):
            known = {one.id: one.rev for one in await lock(pg, [row[0] for row in rows])}
            raise stale(next(row[0] for row in rows if known.get(row[0]) != row[3]))


async def write_entries(pg: Any, entries: Sequence[tuple[Entry, int]]) -> None:
    """Entries with the region of their item, in the caller's transaction."""
    if entries:
        rows = [
            (
                one.item, one.rev, one.at, one.edge, one.start, one.to, one.actor, one.role, one.purpose, region,
                _listed(one.warnings), _encode(one.data).decode(),
            )
            for one, region in entries
        ]  # fmt: skip
        await pg.execute(_LOG, *_columns(rows, 12))


async def post(pg: Any, parcels: Sequence[Outgoing], now: Instant) -> None:
    """Parcels into the outbox, in the caller's transaction."""
    if parcels:
        rows = [(one.id, one.topic, one.payload) for one in parcels]
        await pg.execute(_POST, *_columns(rows, 3), now)


def _listed(warnings: tuple[str, ...]) -> str:
    """Warnings in one text: an array of arrays must be rectangular."""
    return "\x1f".join(warning.replace("\0", "").replace("\x1f", " ") for warning in warnings)


def _key(one: Item) -> tuple[Any, ...]:
    return (
        one.id, one.desk, one.spec, one.state, one.rev, one.region, one.priority, one.opened, one.changed,
        one.opened_by,
    )  # fmt: skip


def _rest(one: Item) -> tuple[Any, ...]:
    return (
        one.owner, one.unit, one.due, one.paused_for, one.left, one.parent, one.lat, one.lon, one.retention, one.ended,
        _encode(one.data).decode(),
    )  # fmt: skip


def _columns(rows: Sequence[tuple[Any, ...]], width: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width
