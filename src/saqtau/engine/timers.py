"""Deadlines: what is due is expired in batches, by any number of workers at once, however late.

A due item is locked by the worker that takes it and skipped by the others. Steps that tell nobody anything are worked
out together and written together; a step that a desk reacts to gets a transaction of its own.
"""

from typing import Any

import structlog

from saqtau.engine import items
from saqtau.engine.chain import CARRIED_OUT, Chain, listeners
from saqtau.engine.failures import CROSSED
from saqtau.engine.lines import Outgoing
from saqtau.engine.store import apply, commit_chain, version
from saqtau.kernel import item as life
from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.desk import CLOCK, Desks
from saqtau.kernel.errors import Refused
from saqtau.kernel.ids import Ids
from saqtau.kernel.item import Actor, Item, Transition
from saqtau.kernel.terms import Calendar

log = structlog.get_logger()

BATCH = 500
PUT_OFF = 1 * MINUTE
"""A deadline whose consequence is refused is looked at again after this; its trouble is told each time."""

_DUE = f"select {items.COLUMNS} from item where due <= $1 order by due limit $2 for update skip locked"  # noqa: S608
_CLOCK = Actor(id=CLOCK, role=CLOCK)


async def expire_due(
    pool: Any,
    desks: Desks,
    now: Instant,
    ids: Ids,
    calendar: Calendar = Calendar(),  # noqa: B008 - frozen
) -> tuple[int, list[Outgoing]]:
    """Expire all that is due. Returns how many items, and the committed parcels to publish."""
    expired, parcels = 0, []
    while True:
        count, told = await expire_batch(pool, desks, now, ids, calendar)
        parcels += told
        expired += count
        if count < BATCH:
            return expired, parcels


async def expire_batch(
    pool: Any, desks: Desks, now: Instant, ids: Ids, calendar: Calendar, batch: int = BATCH
) -> tuple[int, list[Outgoing]]:
    """Expire at most one batch; returns how many items were due, and the committed parcels to publish."""
    quiet: list[Transition] = []
    loud: list[Item] = []
    refused: list[Item] = []
    async with pool.acquire() as pg, pg.transaction():
        due = [items.to_item(row) for row in await pg.fetch(_DUE, now, batch)]
        for one in due:
            try:
                step = life.expire(version(desks, one), one, now, calendar)
            except Refused as refusal:
                log.warning("deadline cannot take effect", item=one.id, desk=one.desk, reason=refusal.message)
                refused.append(one)
                continue
            if any(isinstance(signal, CARRIED_OUT) or listeners(desks, type(signal)) for signal in step.signals):
                loud.append(one)
            else:
                quiet.append(step)
        parcels = (await apply(pg, desks, *quiet)).outbox if quiet else []
        await _put_off(pg, refused, now)
    for one in loud:
        parcels += await _expire_one(pool, desks, one.id, now, ids, calendar)
    return len(due), parcels


async def _put_off(pg: Any, refused: list[Item], now: Instant) -> None:
    if refused:
        # the item itself does not change, so its revision stays
        await pg.execute("update item set due = $2 where id = any($1)", [one.id for one in refused], now + PUT_OFF)


async def _expire_one(
    pool: Any, desks: Desks, item_id: str, now: Instant, ids: Ids, calendar: Calendar
) -> list[Outgoing]:
    """One item with all that follows; a family is locked from its eldest, as everywhere."""
    async with pool.acquire() as pg:
        try:
            async with pg.transaction():
                chain = Chain(pg, desks, now, ids, calendar)
                one = (await chain.family(item_id)).get(item_id)
                if one is None or one.due is None or one.due > now:
                    return []  # somebody acted, or another worker expired it
                await chain.take(life.expire(version(desks, one), one, now, calendar))
                return (await commit_chain(pg, chain)).outbox
        except CROSSED:
            return []  # still due: the next turn takes it
        except Refused as refusal:
            log.warning("deadline cannot take effect", item=item_id, reason=refusal.message)
            async with pg.transaction():
                for one in await items.lock(pg, [item_id]):
                    if one.due is not None and one.due <= now:
                        await _put_off(pg, [one], now)
            return []
