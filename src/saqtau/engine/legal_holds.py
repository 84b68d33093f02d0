"""What a case keeps from erasure: an item with all the ledger says about it, or one entry. Two people lift it.

The row keeps the item (`erase_ended` passes it over); the keys of records are wrapped under the key of the case.
A hold that was placed and whose records could not be kept at once is placed again by the same call.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.custody import entries_about, open_entries, place_of
from saqtau.engine.exports import subject_of
from saqtau.engine.failures import refusals
from saqtau.engine.holds import MOST, lift_hold, place_hold, take_turn
from saqtau.engine.keys import Keys
from saqtau.engine.ledger import Ledger
from saqtau.engine.reading import regions_of
from saqtau.engine.store import see
from saqtau.engine.wishes import REASON
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.sensitive import Sensitive
from saqtau.kernel.two_people import LAPSES, Signature, Wish, agree

HeldKind = Literal["item", "entry"]
LISTED: Final = 200
_COLUMNS: Final = """
    id, kind, object, region, case_number, reason, placed_by, placed_role, placed_at, entry, asked_by, asked_role,
    asked_at, asked_why, asked_entry, lifted_at
"""
_ONE: Final = f"select {_COLUMNS} from legal_hold where id = $1 for update"  # noqa: S608 - constant
_ALL: Final = f"""
    select {_COLUMNS} from legal_hold where $1::text is null or object = $1 order by placed_at desc, id desc limit $2
"""  # noqa: S608 - constants of ours
_SAME: Final = f"""
    select {_COLUMNS} from legal_hold where object = $1 and case_number = $2 and lifted_at is null limit 1
"""  # noqa: S608 - constants of ours


class HoldLine(msgspec.Struct, frozen=True):
    """A hold, and who wants it lifted."""

    id: str
    kind: str
    object: str
    region: int
    case: str
    reason: str
    placed_by: str
    placed_role: str
    placed_at: Instant
    entry: str
    asked_by: str | None
    asked_role: str | None
    asked_at: Instant | None
    asked_why: str | None
    asked_entry: str | None
    lifted_at: Instant | None


class HeldThing(msgspec.Struct, frozen=True):
    """What a request about a hold must say before anybody may act on it."""

    region: int
    unit: str | None
    sensitive: frozenset[Sensitive]
    since: Instant


class AskedHold(msgspec.Struct, frozen=True):
    """What a request about an existing hold must say."""

    id: str
    object: str
    region: int
    case: str
    asked_by: str | None


class Holding(msgspec.Struct, frozen=True):
    """What a hold is made with. pool: as saqtau_app."""

    pool: Any
    ledger: Ledger
    keys: Keys
    clock: Clock
    random: Callable[[int], bytes]


async def thing_of(pool: Any, kind: HeldKind, named: str) -> HeldThing:
    """Where it lies. Raises Refused: NOT_FOUND, INVALID (`object`)."""
    if kind == "item":
        found = await subject_of(pool, named)
        return HeldThing(found.region, found.unit, found.sensitive, found.opened)
    place = place_of(named)
    with refusals():
        row = place and await pool.fetchrow(
            "select region from ledger_log where origin = $1 and size > $2", place.origin, place.index
        )
    if not row:
        raise Refused(Kind.NOT_FOUND, "there is no such entry", object="unknown")
    return HeldThing(row["region"], None, frozenset(), Instant(0))


async def find_hold(pool: Any, name: str) -> AskedHold:
    """A hold, for the request that asks for leave to act on it. Raises Refused(NOT_FOUND)."""
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            line = await _load(pg, name)
    return AskedHold(line.id, line.object, line.region, line.case, line.asked_by)


async def place(grant: Grant, using: Holding, name: str, kind: HeldKind, thing: HeldThing, reason: str) -> HoldLine:
    """Keep it for the case that the grant names. Raises Refused: DENIED, INVALID, CONFLICT (erased), UNAVAILABLE."""
    now, request, viewer = using.clock(), grant.request, grant.viewer
    must_hold(grant, now, Action.PLACE_HOLD)
    _check(reason)
    if not request.case:
        raise Refused(Kind.INVALID, "a hold is for a case", case="missing")
    with refusals():
        async with using.pool.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            await pg.execute("select pg_advisory_xact_lock(23159, hashtext($1))", request.object)
            await take_turn(pg, request.case)  # who lifts the last one sees this one, or is done before it
            row = await pg.fetchrow(_SAME, request.object, request.case)
            if row is None:
                await pg.execute(
                    """insert into legal_hold (id, kind, object, region, case_number, reason, placed_by, placed_role,
                           placed_at, entry) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)""",
                    name, kind, request.object, max(thing.region, 1), request.case, reason, viewer.id, viewer.role, now,
                    grant.entry,
                )  # fmt: skip
                row = await pg.fetchrow(_SAME, request.object, request.case)
    for origin, indices in (await _records(grant, using, kind, thing)).items():
        for start in range(0, len(indices), MOST):
            part = indices[start : start + MOST]
            await place_hold(grant, using.pool, using.ledger, using.keys, origin, part, using.clock(), using.random)
    return HoldLine(*row)


async def _records(grant: Grant, using: Holding, kind: HeldKind, thing: HeldThing) -> dict[str, list[int]]:
    """Entries whose records are kept: those that can still be opened."""
    now, named = using.clock(), grant.request.object
    if kind == "entry":
        one = place_of(named)
        places = [one] if one is not None else []
    else:
        found = await entries_about(
            grant, using.pool, using.keys, {named}, {thing.region}, thing.since, now
        )  # fmt: skip
        places = list(found.places)
    kept: dict[str, list[int]] = {}
    for opened in await open_entries(grant, using.pool, using.keys, places, now):
        if opened.found.record is not None:
            kept.setdefault(opened.place.origin, []).append(opened.place.index)
    if kind == "entry" and not kept:
        raise Refused(Kind.CONFLICT, "the record of this entry has been erased", object="gone")
    return kept


async def ask_to_lift(grant: Grant, pool: Any, name: str, why: str, now: Instant) -> HoldLine:
    """Wish that a hold be lifted; another person agrees. Raises Refused: DENIED, CONFLICT, INVALID, UNAVAILABLE."""
    must_hold(grant, now, Action.PLACE_HOLD, Action.LIFT_HOLD)
    _check(why)
    viewer = grant.viewer
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(viewer))
            line = await _load(pg, name)
            if line.lifted_at is not None:
                raise Refused(Kind.CONFLICT, "the hold is lifted already", hold="lifted")
            if line.asked_at is not None and now < line.asked_at + LAPSES:
                raise Refused(Kind.CONFLICT, "somebody has asked for it already", hold="asked")
            await pg.execute(
                """update legal_hold set asked_by = $2, asked_role = $3, asked_at = $4, asked_why = $5, asked_entry = $6
                   where id = $1""",
                name, viewer.id, viewer.role, now, why, grant.entry,
            )  # fmt: skip
            return await _load(pg, name)


async def agree_to_lift(grant: Grant, using: Holding, name: str) -> HoldLine:
    """Lift a hold that another person wants lifted; with the last hold of a case its key dies.

    Called for a hold that is lifted already it finishes what an earlier call could not: the key and the records.
    Raises Refused: DENIED (the own wish), CONFLICT (nobody asked, it lapsed), UNAVAILABLE.
    """
    now, viewer = using.clock(), grant.viewer
    must_hold(grant, now, Action.LIFT_HOLD, named=name)
    with refusals():
        async with using.pool.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            line = await _load(pg, name)
            if line.asked_by is None or line.asked_at is None:
                raise Refused(Kind.CONFLICT, "nobody asked for this hold to be lifted", hold="not_asked")
            if line.lifted_at is None:
                await take_turn(pg, line.case)
                agree(Wish(asked_by=line.asked_by, asked_at=line.asked_at), Signature(viewer.id, viewer.role, now))
                await pg.execute(
                    "insert into signature (kind, wish, signer, role, at, entry) values ('hold', $1, $2, $3, $4, $5)",
                    f"{name}@{line.asked_at}", viewer.id, viewer.role, now, grant.entry,
                )  # fmt: skip
                await pg.execute("update legal_hold set lifted_at = $2 where id = $1", name, now)
                line = await _load(pg, name)
    try:
        await lift_hold(grant, using.pool, using.ledger, using.keys, using.clock())
    except Refused as refused:
        if refused.kind is not Kind.NOT_FOUND:  # nothing of the ledger was kept for it
            raise
    return line


async def read_holds(grant: Grant, pool: Any, now: Instant, *, about: str | None = None) -> list[HoldLine]:
    """Holds of the viewer's regions, newest first, at most 200. Raises Refused: DENIED, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_EXPORT)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            return [HoldLine(*row) for row in await pg.fetch(_ALL, about, LISTED)]


async def _load(pg: Any, name: str) -> HoldLine:
    row = await pg.fetchrow(_ONE, name)
    if row is None:
        raise Refused(Kind.NOT_FOUND, f"there is no hold {name}", hold="unknown")
    return HoldLine(*row)


def _check(reason: str) -> None:
    least, most = REASON
    if not least <= len(reason.strip()) or len(reason) > most:
        raise Refused(Kind.INVALID, f"the reason: {least} to {most} letters", reason="length")
