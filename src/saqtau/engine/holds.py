"""Legal holds: records that a case keeps beyond their day.

The key of each record is wrapped once more, under the key of the case, before the key of its day dies. A case that is
over destroys its own key: what only it still kept is then erased, and the log says so.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.erasure import ERASING, RETENTION
from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys
from saqtau.engine.ledger import ACCESS, Count, Draft, Ledger, Placed
from saqtau.engine.store import see
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.sealing import rewrap
from saqtau.ledger.tree import WIDTH

MOST: Final = 1_000
"""Entries of one call."""

_SEALED = """
    select retention, to_char(day, 'YYYY-MM-DD') as day, records from ledger_records
    where log = $1 and first >= $2 and first < $3 order by first, part
"""
_HELD = """
    select l.origin, h.index from ledger_held h join ledger_log l on l.id = h.log where h.hold = $1
    order by l.origin, h.index
"""
# two who act on one case take turns; and nobody erases while a hold is being placed (`forgetting` takes its lock alone)
_TURN = f"""
    select set_config('lock_timeout', '5s', true), pg_advisory_xact_lock(23156, hashtext($1)),
        pg_advisory_xact_lock_shared({ERASING})
"""
_STANDS: Final = "select exists (select from legal_hold where case_number = $1 and lifted_at is null)"
_TOLD: Final = 2_000  # entries that a record lists
_records = msgspec.msgpack.Decoder(list[tuple[int, bytes, bytes]])


async def take_turn(pg: Any, case: str) -> None:
    """Nobody else places or lifts a hold of this case until the transaction ends."""
    await pg.execute(_TURN, case)


async def place_hold(
    grant: Grant,
    pool: Any,
    ledger: Ledger,
    keys: Keys,
    origin: str,
    indices: Sequence[int],
    now: Instant,
    random: Callable[[int], bytes],
) -> Placed:
    """Keep these entries' records for the case that the grant names; the place of the `hold` leaf.

    Raises Refused: DENIED (the grant), INVALID (`indices`, `hold`), NOT_FOUND (`origin`, `index`: no record is kept),
    CONFLICT `key=gone` (erased already), UNAVAILABLE.
    """
    must_hold(grant, now, Action.PLACE_HOLD)
    case = _case(grant)
    if not 1 <= len(indices) <= MOST or min(indices) < 0:
        raise Refused(Kind.INVALID, f"a hold takes 1 to {MOST} entries", indices="invalid")
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await take_turn(pg, case)
            row = await pg.fetchrow("select id, region from ledger_log where origin = $1", origin)
            if row is None:
                raise Refused(Kind.NOT_FOUND, "no log of that origin", origin="unknown")
            key = await asyncio.to_thread(keys.hold, case)
            wanted, found = set(indices), dict[int, tuple[bytes, bytes]]()
            for start in sorted({index - index % WIDTH for index in wanted}):
                sealed = await pg.fetch(_SEALED, row["id"], start, start + WIDTH)
                found |= await asyncio.to_thread(_rewrap, keys, sealed, key, wanted, random)
            if missing := wanted - found.keys():
                raise Refused(Kind.NOT_FOUND, f"{origin}#{min(missing)} has no record here", index="not_kept")
            held = sorted(found.items())
            await pg.execute(
                "select ledger_hold($1, $2, $3, $4, $5)",
                row["id"],
                case,
                [index for index, _ in held],
                [wrapped for _, (wrapped, _) in held],
                [content for _, (_, content) in held],
            )
            record = _record(grant, now, "placed", case) | {"origin": origin, "entries": sorted(wanted)}
            count = Count(action="hold.place", role=grant.viewer.role, delivered=len(held))
            draft = Draft(ACCESS, row["region"], LeafClass.HOLD, RETENTION, record, count)
            return (await ledger.within(pg, [draft]))[0]


async def lift_hold(grant: Grant, pool: Any, ledger: Ledger, keys: Keys, now: Instant) -> Placed | None:
    """The case that the grant names is over: its key is destroyed, then its rows; the place of the `hold` leaf.

    None: a hold of this case still stands (counted while nobody can place one), so everything is kept.
    The key dies first; a crash after it leaves rows nobody can read, and the same call again removes them.
    Raises Refused: DENIED (the grant), INVALID (`hold`), NOT_FOUND (nothing is held for it), UNAVAILABLE.
    """
    must_hold(grant, now, Action.LIFT_HOLD)
    case = _case(grant)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            await take_turn(pg, case)
            if await pg.fetchval(_STANDS, case):
                return None
            held = [f"{row['origin']}#{row['index']}" for row in await pg.fetch(_HELD, case)]
            if not held:
                await asyncio.to_thread(keys.release, case)  # of a hold that was placed half
                raise Refused(Kind.NOT_FOUND, f"nothing is held for {case}", hold="unknown")
            await asyncio.to_thread(keys.release, case)
            await pg.fetchval("select ledger_release($1)", case)
            record = _record(grant, now, "lifted", case) | {"count": len(held), "entries": held[:_TOLD]}
            count = Count(action="hold.lift", role=grant.viewer.role, delivered=len(held))
            return (await ledger.within(pg, [Draft(ACCESS, None, LeafClass.HOLD, RETENTION, record, count)]))[0]


def _case(grant: Grant) -> str:
    if not grant.request.case:
        raise Refused(Kind.INVALID, "a hold is for a case, which the grant names", hold="missing")
    return grant.request.case


def _record(grant: Grant, now: Instant, what: str, case: str) -> dict[str, Any]:
    viewer = grant.viewer
    return {"v": 1, "at": now, "what": what, "case": case, "by": viewer.id, "role": viewer.role, "under": grant.entry}


def _rewrap(
    keys: Keys, sealed: Sequence[Any], key: bytes, wanted: set[int], random: Callable[[int], bytes]
) -> dict[int, tuple[bytes, bytes]]:
    found = dict[int, tuple[bytes, bytes]]()
    for row in sealed:
        records = [one for one in _records.decode(row["records"] or b"\x90") if one[0] in wanted]
        if records:
            old = keys.find(row["retention"], row["day"])
            found |= {index: (rewrap(old, key, wrapped, random), content) for index, wrapped, content in records}
    return found
