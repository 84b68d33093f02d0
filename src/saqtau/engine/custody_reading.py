"""What an overseer and a supervisor are shown of places of custody: each minute of each camera, what was asked there.

Every function takes the grant first. No picture and nobody's words: figures, and the states of minutes.
"""

from typing import Any, Final

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.failures import refusals
from saqtau.engine.reading import regions_of
from saqtau.engine.store import see
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import DAY, HOUR, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.account import MinuteState

PLACES: Final = ("police_office", "penal_colony")
CAMERAS: Final = 2_000
SITES: Final = 2_000
YEAR: Final = 365 * DAY
_HOURS: Final = 24


class SiteOfCustody(msgspec.Struct, frozen=True):
    """A police office or a colony with its cameras by room, and how many are dark by some open item."""

    id: str
    name: str
    region: int
    place: str
    lat: float
    lon: float
    cameras: int
    rooms: dict[str, int]


class MinutesOfCamera(msgspec.Struct, frozen=True):
    """A day of a camera: 1,440 digits, each a `video.account.MinuteState`."""

    id: str
    name: str
    room: str | None
    minutes: str


class DayOfSite(msgspec.Struct, frozen=True):
    """The dark-minutes ledger of a place and a day. sums: minutes of all cameras by state."""

    site: str
    began: Instant
    cameras: list[MinutesOfCamera]
    sums: dict[str, int]


class Figures(msgspec.Struct, frozen=True):
    """What became of what was opened in the last year, by state, and of complaints by what pictures said."""

    since: Instant
    states: dict[str, int]
    complaints: dict[str, int]


_SITES: Final = """
    select s.id, s.name, s.region, min(c.place) as place, s.lat, s.lon, count(*)::int as cameras,
        json_agg(coalesce(c.room, '')) as rooms
    from video_camera c join site s on s.id = c.site
    where c.retired is null and c.place = any($1) group by s.id order by s.name, s.id limit $2
"""
_CAMERAS: Final = """
    select id, name, room from video_camera where site = $1 and place = any($2) and retired is null
    order by room nulls last, name, id limit $3
"""
_MINUTES: Final = "select camera, hour, minutes from video_hour where camera = any($1) and hour >= $2 and hour < $3"
_STATES: Final = """
    select state, count(*)::int as count from item where desk = 'custody' and opened >= $1
        and ($2::text is null or data ->> 'site' = $2) group by state
"""
_COMPLAINTS: Final = """
    select data -> 'answer' ->> 'footage' as footage, count(*)::int as count from item where desk = 'custody'
        and opened >= $1 and state in ('founded', 'unfounded') and ($2::text is null or data ->> 'site' = $2) group by 1
"""


async def site_of(pg: Any, site: str) -> int:
    """The region of a place of custody, for the wish that asks for a grant. Raises Refused(NOT_FOUND)."""
    with refusals():
        async with pg.transaction():
            await see(pg, EVERYWHERE)
            region: int | None = await pg.fetchval(
                "select region from video_camera where site = $1 and place = any($2) limit 1", site, list(PLACES)
            )
    if region is None:
        raise Refused(Kind.NOT_FOUND, f"{site} is no place of custody with cameras", site="unknown")
    return region


async def read_sites(grant: Grant, pg: Any, now: Instant) -> list[SiteOfCustody]:
    """Places of custody of the viewer's regions, by name. Raises Refused(DENIED)."""
    must_hold(grant, now, Action.READ_CAMERA)
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            rows = await pg.fetch(_SITES, list(PLACES), SITES)
    return [
        SiteOfCustody(
            row["id"], row["name"], row["region"], row["place"], row["lat"], row["lon"], row["cameras"],
            _counted(msgspec.json.decode(row["rooms"], type=list[str])),
        )
        for row in rows
    ]  # fmt: skip


def _counted(names: list[str]) -> dict[str, int]:
    return {name: names.count(name) for name in sorted(set(names))}


async def read_minutes(grant: Grant, pg: Any, site: str, began: Instant, now: Instant) -> DayOfSite:
    """24 hours of every camera of a place from `began`, the first ms of an hour. Raises Refused: DENIED, INVALID."""
    must_hold(grant, now, Action.READ_CAMERA, named=site)
    if began % HOUR:
        raise Refused(Kind.INVALID, "from: the first millisecond of an hour", **{"from": "invalid"})
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            cameras = await pg.fetch(_CAMERAS, site, list(PLACES), CAMERAS)
            rows = await pg.fetch(_MINUTES, [row["id"] for row in cameras], began, began + DAY)
    days = {row["id"]: bytearray(_HOURS * 60) for row in cameras}
    for row in rows:
        at = (row["hour"] - began) // HOUR * 60
        days[row["camera"]][at : at + 60] = row["minutes"]
    sums = {state.name.lower(): sum(day.count(state.value) for day in days.values()) for state in MinuteState}
    return DayOfSite(
        site=site,
        began=began,
        cameras=[
            MinutesOfCamera(row["id"], row["name"], row["room"], "".join(map(str, days[row["id"]]))) for row in cameras
        ],
        sums=sums,
    )


async def read_figures(grant: Grant, pg: Any, site: str | None, now: Instant) -> Figures:
    """What became of the items of a place, or of all the viewer sees. Raises Refused(DENIED)."""
    must_hold(grant, now, Action.READ_CAMERA)
    since = Instant(now - YEAR)
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            states = await pg.fetch(_STATES, since, site)
            complaints = await pg.fetch(_COMPLAINTS, since, site)
    return Figures(
        since=since,
        states={row["state"]: row["count"] for row in states},
        complaints={row["footage"] or "unknown": row["count"] for row in complaints},
    )


async def find_place(pg: Any, site: str | None, camera: str | None) -> dict[str, Any]:
    """What the register knows of where somebody wants to open an item: site, kind of place, region, name, where it is.

    Raises Refused: INVALID (`camera`, `site`: neither is named, or they do not belong together), NOT_FOUND.
    """
    if site is None and camera is None:
        raise Refused(Kind.INVALID, "a camera or a site is named", site="missing")
    with refusals():
        async with pg.transaction():
            await see(pg, EVERYWHERE)
            row = await pg.fetchrow(
                """select c.site, c.place, c.region, c.lat, c.lon, c.id, c.name from video_camera c
                   where ($1::text is null or c.site = $1) and ($2::text is null or c.id = $2) and c.retired is null
                   order by c.id limit 1""",
                site, camera,
            )  # fmt: skip
    if row is None:
        what, named = ("camera", camera) if camera is not None else ("site", site)
        raise Refused(Kind.NOT_FOUND, f"there is no {what} {named} with pictures", **{what: "unknown"})
    found = dict(row)
    code, name = found.pop("id"), found.pop("name")
    return found | {"camera": code if camera is not None else None, "name": name if camera is not None else None}
