"""Footage that an item needs is held in the transaction of the act that needs it, and the recorder's word comes back.

A hold is placed for the item (its id stands where a case number stands) on each camera concerned. The recorder
acknowledges a hold before anything of its time may go; when all holds of an item are acknowledged, its desk is told.
"""

from collections.abc import Sequence
from typing import Any, Final

from saqtau.engine import items
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.kernel.item import Item
from saqtau.kernel.signal import FootageHeld, FootageWanted

MOST: Final = 2_000
"""Cameras of one place."""

_CAMERAS: Final = """
    select id from video_camera where site = $1 and ($2::text is null or id = $2) order by id limit $3
"""
_HOLD: Final = """
    insert into video_hold (id, camera, began, ended, case_number, by, role, why, asked, entry)
    select n.id, n.camera, $3, $4, $5, $6, $7, $8, $9, $10 from unnest($1::text[], $2::text[]) as n (id, camera)
"""
_ANSWERED: Final = f"""
    with told as (
        select case_number, count(distinct camera) as cameras, sum(coalesce(kept_ms, 0)) as kept,
            sum(ended - began) as wanted, count(*) as holds
        from video_hold where lifted is null and length(case_number) = 36 group by case_number
        having bool_and(acknowledged is not null)
    )
    select {items.COLUMNS}, t.cameras, t.kept, t.wanted, t.holds from told t
    join item i on i.id = t.case_number
    where i.ended is null and coalesce((i.data -> 'kept' ->> 'wanted')::bigint, -1) <> t.wanted
    limit 200
"""  # noqa: S608 - columns are ours


async def hold(pg: Any, wanted: Sequence[FootageWanted], now: Instant, ids: Ids) -> None:
    """Place the holds that these signals want. Raises Refused(INVALID, `camera`): none of that place."""
    for one in wanted:
        cameras = [row["id"] for row in await pg.fetch(_CAMERAS, one.site, one.camera, MOST)]
        if one.camera is not None and not cameras:
            raise Refused(Kind.INVALID, f"{one.site} has no camera {one.camera}", camera="unknown")
        await pg.execute(
            _HOLD, [ids() for _ in cameras], cameras, one.began, one.ended, one.item, one.by, "desk", one.why, now,
            f"item:{one.item}",
        )  # fmt: skip


async def answered(pg: Any) -> list[tuple[Item, FootageHeld]]:
    """Items all of whose holds the recorder has acknowledged since they were told last, with what to tell them."""
    found = []
    for row in await pg.fetch(_ANSWERED):
        item = items.to_item(row)
        kept, wanted = int(row["kept"]), int(row["wanted"])
        found.append((item, FootageHeld(item.id, row["cameras"], kept, max(0, wanted - kept), wanted)))
    return found
