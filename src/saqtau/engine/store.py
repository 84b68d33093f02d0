"""The record's one way to change: an act, and all that follows from it, in one transaction.

An act is worked out in memory first, on locked rows (`Chain`), then written at once: a refusal on the way has written
nothing. Desks meet here: the signals a step tells reach every desk that reacts, in the same transaction.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from saqtau.engine import items, video_kept
from saqtau.engine.chain import CARRIED_OUT, EVERYWHERE, Chain, listeners
from saqtau.engine.failures import CROSSED, refusals
from saqtau.engine.lines import Outgoing, StatusLine, tell_items, tell_status
from saqtau.engine.units import lock_units, write_units
from saqtau.kernel import item as life
from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import Desks, spec
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.kernel.item import Action, Actor, Item, Open, Transition
from saqtau.kernel.signal import Status
from saqtau.kernel.terms import Calendar

_TRIES = 3
OPENED = 100
"""Items of a desk that one person has opened and that are open: what he asks to keep would else fill the disk."""
_OPENED_BY = "select count(*) from item where desk = $1 and opened_by = $2 and ended is null"


class Outcome(msgspec.Struct, frozen=True):
    """What an act led to: items at their last revision, and the parcels to publish once it is committed."""

    items: list[Item]
    outbox: list[Outgoing]


NOTHING = Outcome(items=[], outbox=[])


async def see(pg: Any, regions: frozenset[int]) -> None:
    """Row-level security of this transaction: what lies in these regions can be seen, nothing else."""
    await pg.execute("select set_config('app.regions', $1, true)", "{" + ",".join(map(str, sorted(regions))) + "}")


async def keep_specs(pg: Any, desks: Desks, now: Instant) -> None:
    """Keep every desk version an item may be opened under. Called at start."""
    rows = [
        (digest, desk.name, desk.version, now, msgspec.json.encode(spec(desk)).decode())
        for digest, desk in desks.by_hash.items()
    ]
    await pg.executemany(
        "insert into desk_spec (hash, name, version, first_seen, spec) values ($1, $2, $3, $4, $5) "
        "on conflict do nothing",
        rows,
    )


async def apply(pg: Any, desks: Desks, *transitions: Transition) -> Outcome:
    """Write steps inside the caller's transaction: items (revision compared), entries, deadlines, parcels.

    Their signals are not delivered: `fire` and `act` do that. Raises Refused(STALE) when an item has moved on.
    """
    last: dict[str, Item] = {}
    before: dict[str, int] = {}
    for one in transitions:
        before.setdefault(one.item.id, one.before)
        last[one.item.id] = one.item
    parcels = tell_items(desks, last.values())
    await items.write_opened(pg, [one for one in last.values() if before[one.id] < 0])
    await items.write_moved(pg, [(before[one.id], one) for one in last.values() if before[one.id] >= 0])
    await items.write_entries(pg, [(one.entry, one.item.region) for one in transitions])
    await items.post(pg, parcels, max((one.item.changed for one in transitions), default=Instant(0)))
    return Outcome(items=list(last.values()), outbox=parcels)


async def commit_chain(pg: Any, chain: Chain) -> Outcome:
    """Write what a chain worked out, inside the caller's transaction."""
    if not chain.steps and not chain.wanted:
        return NOTHING
    done = await apply(pg, chain.desks, *chain.steps) if chain.steps else NOTHING
    status = tell_status(await write_units(pg, chain.wanted, chain.now))
    await items.post(pg, status, chain.now)
    await video_kept.hold(pg, chain.footage, chain.now, chain.ids)
    return Outcome(items=done.items, outbox=done.outbox + status)


async def fire(
    pg: Any,
    desks: Desks,
    item_id: str,
    edge: str,
    actor: Actor,
    data: Mapping[str, Any],
    rev: int | None,
    now: Instant,
    ids: Ids,
    calendar: Calendar = Calendar(),  # noqa: B008 - frozen
) -> Outcome:
    """Move an item, and all that follows, durable when it returns (unless inside the caller's transaction).

    rev: the revision the caller saw; None takes the item as it is.
    Raises Refused: NOT_FOUND (also in a region that is not the actor's), STALE, CONFLICT, DENIED, INVALID, UNAVAILABLE.
    """
    with refusals():
        for last in (False,) * (_TRIES - 1) + (True,):
            try:
                if actor.machine and not pg.is_in_transaction():
                    quick = await _quick(pg, desks, item_id, edge, actor, data, rev, now, calendar)
                    if quick is not None:
                        return quick
                async with pg.transaction():
                    chain = Chain(pg, desks, now, ids, calendar)
                    return await _fire_chain(chain, item_id, edge, actor, data, rev)
            except CROSSED:
                if last or pg.is_in_transaction():
                    raise
            except Refused as refused:
                if refused.kind is not Kind.STALE or rev is not None or last:
                    raise
    raise items.stale(item_id)


async def _quick(
    pg: Any,
    desks: Desks,
    item_id: str,
    edge: str,
    actor: Actor,
    data: Mapping[str, Any],
    rev: int | None,
    now: Instant,
    calendar: Calendar,
) -> Outcome | None:
    """A step that tells nobody anything: two round trips, no lock. None when a desk would react."""
    found = await items.load(pg, item_id)
    step = life.fire(version(desks, found), found, edge, actor, data, now, calendar, rev=rev)
    if any(isinstance(signal, CARRIED_OUT) or listeners(desks, type(signal)) for signal in step.signals):
        return None
    parcel = tell_items(desks, (step.item,))
    if not await items.write_step(pg, step, parcel[0]):
        raise items.stale(item_id)
    return Outcome(items=[step.item], outbox=parcel)


async def _fire_chain(
    chain: Chain, item_id: str, edge: str, actor: Actor, data: Mapping[str, Any], rev: int | None
) -> Outcome:
    if not actor.machine:
        await see(chain.pg, actor.regions)
    found = await chain.family(item_id)
    if item_id not in found:
        raise items.missing(item_id)
    one = found[item_id]
    step = life.fire(version(chain.desks, one), one, edge, actor, data, chain.now, chain.calendar, rev=rev)
    if not actor.machine:
        # the kernel has let this person act; what follows from it may reach a unit from elsewhere
        await see(chain.pg, EVERYWHERE)
    await chain.take(step)
    return await commit_chain(chain.pg, chain)


async def act(
    pg: Any,
    desks: Desks,
    actions: Sequence[Action],
    now: Instant,
    ids: Ids,
    calendar: Calendar = Calendar(),  # noqa: B008 - frozen
) -> Outcome:
    """What a rule wants, and all that follows, inside the caller's transaction.

    A `Fire` whose edge is not there any more is passed over: the item has moved on by itself.
    Raises Refused and has then written nothing.
    """
    chain = Chain(pg, desks, now, ids, calendar)
    for action in actions:
        await chain.do(action)
    return await commit_chain(pg, chain)


async def open_by_hand(
    pg: Any,
    desks: Desks,
    wish: Open,
    actor: Actor,
    now: Instant,
    ids: Ids,
    calendar: Calendar = Calendar(),  # noqa: B008 - frozen
) -> Outcome:
    """A person opens an item, where the desk's `opened_by` lets his role; durable when it returns.

    Raises Refused: NOT_FOUND (no such desk), DENIED (role, region), INVALID, UNAVAILABLE.
    """
    desk = desks.current.get(wish.desk)
    if desk is None:
        raise Refused(Kind.NOT_FOUND, f"no desk {wish.desk}", desk="unknown")
    if wish.region not in actor.regions:
        raise Refused(Kind.DENIED, f"{actor.id} has no duty in region {wish.region}", region="not_yours")
    step = life.open_item(desk, wish, actor, now, ids(), calendar)
    with refusals():
        async with pg.transaction():
            await see(pg, EVERYWHERE)
            if await pg.fetchval(_OPENED_BY, desk.name, actor.id) >= OPENED:
                message = f"{actor.id} has {OPENED} open items of {desk.name}: close some first"
                raise Refused(Kind.TOO_MANY, message, opened=str(OPENED))
            chain = Chain(pg, desks, now, ids, calendar)
            await chain.take(step)
            return await commit_chain(pg, chain)


async def set_status(pg: Any, unit_id: str, status: Status, now: Instant) -> Outcome:
    """A unit comes on duty or leaves it, by its own hand or by an operator's; durable when it returns.

    Raises Refused: NOT_FOUND, CONFLICT (an item holds it: that is answered or closed first), UNAVAILABLE.
    """
    with refusals():
        async with pg.transaction():
            await see(pg, EVERYWHERE)
            found = (await lock_units(pg, [unit_id])).get(unit_id)
            if found is None:
                raise Refused(Kind.NOT_FOUND, f"no unit {unit_id}", unit="unknown")
            if found.item is not None:
                raise Refused(Kind.CONFLICT, f"unit {unit_id} is held by item {found.item}", unit="held")
            if found.status == status:
                return NOTHING
            lines: list[StatusLine] = await write_units(pg, {unit_id: (status.value, None)}, now)
            parcels = tell_status(lines)
            await items.post(pg, parcels, now)
    return Outcome(items=[], outbox=parcels)


def version(desks: Desks, one: Item) -> Any:
    """The desk version an item lives under. Raises Refused(CONFLICT) when this release does not have it."""
    desk = desks.by_hash.get(one.spec)
    if desk is None:
        message = f"item {one.id} lives under a version of {one.desk} that this release lacks"
        raise Refused(Kind.CONFLICT, message, spec="unknown")
    return desk
