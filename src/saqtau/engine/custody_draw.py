"""The random review: once a day stretches of every place of custody are drawn for the prosecutor, and held for him."""

import base64
from datetime import date, datetime, time, timedelta
from typing import Any, Final

import msgspec

from saqtau.desks.custody.draw import draw
from saqtau.desks.custody.rules import drawn
from saqtau.engine import store
from saqtau.engine.lines import Outgoing
from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.desk import Desks
from saqtau.kernel.ids import Ids
from saqtau.kernel.item import Open
from saqtau.kernel.terms import Calendar

LOOKED_BACK: Final = 3
"""Days that are drawn late, after a worker was away."""
AT_ONCE: Final = 200
"""Places of one transaction."""

_LOCK: Final = 0xD2A3
_SITES: Final = """
    select c.site, min(c.region)::int as region, min(c.place) as place,
        json_agg(json_build_object('id', c.id, 'name', c.name, 'place', c.place, 'lat', c.lat, 'lon', c.lon)) as cameras
    from video_camera c
    where c.place in ('police_office', 'penal_colony') and c.added < $2::bigint
        and (c.retired is null or c.retired > $2::bigint)
        and not exists (select from custody_drawn d where d.site = c.site and d.day = $1)
    group by c.site order by c.site limit $3
"""
_ROOT: Final = """
    select l.origin, c.size, c.note from ledger_log l join ledger_checkpoint c on c.log = l.id
    where l.kind = 'evidence' and l.region = $1 and c.size > 0 and c.at >= $2 order by c.at, c.size limit 1
"""
_DONE: Final = """
    insert into custody_drawn (site, day, seed, at) select n.site, $2, n.seed, $3
    from unnest($1::text[], $4::text[]) as n (site, seed)
"""


async def draw_reviews(pg: Any, desks: Desks, now: Instant, ids: Ids, calendar: Calendar) -> list[Outgoing]:
    """Draw the days that are over, in one transaction; returns what to publish. One worker at a time.

    A place whose log signed nothing since its day ended is drawn once it has.
    """
    today = datetime.fromtimestamp(now / SECOND, calendar.zone).date()
    async with pg.transaction():
        if not await pg.fetchval("select pg_try_advisory_xact_lock($1)", _LOCK):
            return []
        wishes: list[Open] = []
        for back in range(LOOKED_BACK, 0, -1):
            wishes += await _day(pg, today - timedelta(days=back), now, calendar)
        if not wishes:
            return []
        return (await store.act(pg, desks, wishes, now, ids, calendar)).outbox


async def _day(pg: Any, day: date, now: Instant, calendar: Calendar) -> list[Open]:
    began, ended = _midnight(day, calendar), _midnight(day + timedelta(days=1), calendar)
    wishes: list[Open] = []
    done: list[tuple[str, str]] = []
    for row in await pg.fetch(_SITES, day, ended, AT_ONCE):
        signed = await pg.fetchrow(_ROOT, row["region"], ended)
        if signed is None:
            continue
        origin, size, root = signed["note"].split("\n", 3)[:3]
        seed = f"{origin} {size} {root}"
        cameras = {one["id"]: one for one in msgspec.json.decode(row["cameras"])}
        found = draw(base64.b64decode(root), row["site"], row["place"], list(cameras), began, ended)
        wishes += [drawn(row["site"], row["region"], cameras[one.camera], one.began, one.ended, seed) for one in found]
        done.append((row["site"], seed))
    if done:
        sites, seeds = map(list, zip(*done, strict=True))
        await pg.execute(_DONE, sites, day, now, seeds)
    return wishes


def _midnight(day: date, calendar: Calendar) -> Instant:
    return Instant(round(datetime.combine(day, time.min, calendar.zone).timestamp() * SECOND))
