"""Silence is a signal: a unit on duty that sends no position for 90 s opens an item, and closes it when heard."""

from typing import Any, Final

from saqtau.engine import items, store
from saqtau.engine.lines import Outgoing
from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.desk import Desks
from saqtau.kernel.ids import Ids
from saqtau.kernel.item import Action, Item
from saqtau.kernel.signal import Signal, Status, UnitHeard, UnitSilent
from saqtau.kernel.terms import Calendar

PROMISE: Final = 90 * SECOND

_ON_DUTY = """
    select u.id, u.region, p.received, p.lat, p.lon, greatest(coalesce(p.received, 0), u.status_since) as last
    from unit u left join unit_position p on p.unit = u.id where u.status <> $1
"""
_OPEN = f"select {items.COLUMNS} from item where desk = 'location_dark' and ended is null"  # noqa: S608 - columns are ours
_LOCK: Final = 0x51E


async def listen(pg: Any, desks: Desks, now: Instant, ids: Ids, calendar: Calendar) -> list[Outgoing]:
    """Open and close what silence demands, in one transaction; returns what to publish. One worker at a time."""
    async with pg.transaction():
        if not await pg.fetchval("select pg_try_advisory_xact_lock($1)", _LOCK):
            return []
        units = await pg.fetch(_ON_DUTY, Status.OFF_DUTY.value)
        dark = {item.data["silent_unit"]: item for item in map(items.to_item, await pg.fetch(_OPEN))}
        silent = {row["id"]: row for row in units if now - row["last"] > PROMISE}
        actions: list[Action] = []
        for unit, row in silent.items():
            if unit not in dark:
                told = UnitSilent(unit=unit, region=row["region"], last=row["received"], lat=row["lat"], lon=row["lon"])
                actions += _reactions(desks, told, ())
        for unit, item in dark.items():
            if unit not in silent:
                actions += _reactions(desks, UnitHeard(unit=unit, item=item.id), (item,))
        if not actions:
            return []
        return (await store.act(pg, desks, actions, now, ids, calendar)).outbox


def _reactions(desks: Desks, signal: Signal, family: tuple[Item, ...]) -> list[Action]:
    kind = type(signal)
    return [
        action for desk in desks.current.values() if kind in desk.reacts for action in desk.reacts[kind](signal, family)
    ]
