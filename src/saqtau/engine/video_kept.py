"""Footage that an item needs is held in the transaction of the act that needs it, and the recorder's word comes back.

A hold is placed for the item (its id stands where a case number stands) on each camera concerned. The recorder
acknowledges a hold before anything of its time may go; when all holds of an item are acknowledged and their time is
over, its desk is told how much of it there is.
"""

from collections.abc import Sequence
from typing import Any, Final

from saqtau.engine import items
from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.kernel.item import Item
from saqtau.kernel.signal import FootageHeld, FootageWanted

MOST: Final = 2_000
"""Cameras of one place."""

INDEXED: Final = 5 * SECOND
"""How far the index of an open file may be behind the file."""

_CAMERAS: Final = """
    select id from video_camera where site = $1 and ($2::text is null or id = $2) order by id limit $3
"""
_HOLD: Final = """
    insert into video_hold (id, camera, began, ended, case_number, by, role, why, asked, entry)
    select n.id, n.camera, $3, $4, $5, $6, $7, $8, $9, $10 from unnest($1::text[], $2::text[]) as n (id, camera)
"""
_ANSWERED: Final = f"""
    with told as (
        select case_number, count(distinct camera) as cameras, sum(ended - began)::bigint as wanted
        from video_hold where lifted is null and length(case_number) = 36 group by case_number
        having bool_and(acknowledged is not null) and max(ended) < $1::bigint - {INDEXED}
    )
    select {items.COLUMNS}, t.cameras, t.wanted from told t join item i on i.id = t.case_number
    where i.ended is null and coalesce((i.data -> 'kept' ->> 'wanted')::bigint, -1) <> t.wanted
    limit 200
"""  # noqa: S608 - columns are ours
_RECORDED: Final = """
    select coalesce(sum(s.ended - s.began - coalesce(g.away, 0)), 0)::bigint from video_hold h
    cross join lateral (
        select greatest(v.began, h.began) as began, least(v.ended, h.ended) as ended from video_segment v
        where v.camera = h.camera and v.began < h.ended and v.ended > h.began) s
    left join lateral (
        select sum(least(coalesce(p.ended, s.ended), s.ended) - greatest(p.began, s.began)) as away from video_gap p
        where p.camera = h.camera and p.began < s.ended and coalesce(p.ended, s.ended) > s.began) g on true
    where h.case_number = $1 and h.lifted is null
"""


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


async def answered(pg: Any, now: Instant) -> list[tuple[Item, FootageHeld]]:
    """Items all of whose holds are acknowledged and whose time is over and indexed, with what to tell them."""
    found = []
    for row in await pg.fetch(_ANSWERED, now):
        item, wanted = items.to_item(row), int(row["wanted"])
        kept = min(wanted, max(0, int(await pg.fetchval(_RECORDED, item.id))))
        found.append((item, FootageHeld(item.id, row["cameras"], kept, wanted - kept, wanted)))
    return found
