"""Units in the record: what each does now, which item holds it, and who may take it from that item.

A machine never takes a unit from an item that holds it, and only the holder frees it; a person's order may take it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from saqtau.engine.lines import StatusLine
from saqtau.kernel.clock import Instant
from saqtau.kernel.signal import Status, UnitStatus

_SELECT = "select id, region, status, status_item, status_since, status_rev from unit where id = any($1::text[])"
_LOCK = f"{_SELECT} order by id for update"
_SET = """
    update unit u set status = w.status, status_item = w.item, status_since = $4, status_rev = u.status_rev + 1
    from unnest($1::text[], $2::text[], $3::text[]) as w (id, status, item) where u.id = w.id
    returning u.id, u.region, u.status, u.status_item, u.status_since, u.status_rev
"""


class UnitNow(msgspec.Struct, frozen=True):
    """A unit's state in the record. `item` holds it."""

    id: str
    region: int
    status: str
    item: str | None
    since: Instant
    rev: int


def _now(row: Any) -> UnitNow:
    return UnitNow(*row)


async def read_units(pg: Any, unit_ids: Sequence[str]) -> dict[str, UnitNow]:
    """Units by id, not locked."""
    return {row[0]: _now(row) for row in await pg.fetch(_SELECT, list(unit_ids))}


async def lock_units(pg: Any, unit_ids: Sequence[str]) -> dict[str, UnitNow]:
    """Units by id, locked until the transaction ends. Unknown ones are missing from the answer."""
    return {row[0]: _now(row) for row in await pg.fetch(_LOCK, list(unit_ids))}


async def write_units(pg: Any, wanted: Mapping[str, tuple[str, str | None]], now: Instant) -> list[StatusLine]:
    """Set status and holder of locked units, in the caller's transaction; returns the lines to tell."""
    if not wanted:
        return []
    ids = sorted(wanted)
    rows = await pg.fetch(_SET, ids, [wanted[one][0] for one in ids], [wanted[one][1] for one in ids], now)
    changed = map(_now, rows)
    return [
        StatusLine(unit=one.id, status=one.status, item=one.item, rev=one.rev, region=one.region, since=one.since)
        for one in changed
    ]


def may_take(now: UnitNow, wish: UnitStatus, tellers: frozenset[str]) -> bool:
    """Whether a wish about a unit is carried out. tellers: the item that tells it, with its parent and its children.

    A free unit takes any wish, but a machine reserves only one that is available. A held one takes those of its holder;
    a person's order (`override`) gives it to another item, but nobody frees it for an item that does not hold it.
    """
    if now.item is None:
        return wish.override or wish.status is not Status.RESERVED or now.status == Status.AVAILABLE
    if now.item in tellers:
        return True
    return wish.override and wish.item is not None
