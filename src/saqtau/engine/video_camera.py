"""Cameras that are recorded: their rows, their masks, and who switched one off.

Functions take a connection inside the caller's transaction, so that an act and its entry in the ledger are both there
or neither.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Box, VideoCamera

Switched = Literal["disabled", "maintenance"]
REASON: Final = (10, 300)
"""Letters of the reason of whoever switches a camera off."""

_COLUMNS: Final = (
    "id, site, name, region, place, room, lat, lon, heading, field_of_view, reach, address, credentials, audio, "
    "keep_days, back_fill"
)
_MASKS: Final = """
    (select m.boxes::text from video_mask m where m.camera = c.id order by m.version desc limit 1) as boxes
"""
_ALL: Final = f"select {_COLUMNS}, {_MASKS} from video_camera c where retired is null order by id"  # noqa: S608 - constant
_RETIRED: Final = f"select {_COLUMNS}, {_MASKS} from video_camera c where retired is not null"  # noqa: S608
_ONE: Final = f"select {_COLUMNS}, {_MASKS} from video_camera c where id = $1 and retired is null"  # noqa: S608
_WRITE: Final = f"""
    insert into video_camera as c ({_COLUMNS}, added, added_by)
    select n.*, $18, $17 from unnest($1::text[], $2::text[], $3::text[], $4::int2[], $5::text[], $6::text[],
        $7::float8[], $8::float8[], $9::float8[], $10::float8[], $11::float8[], $12::text[], $13::text[], $14::bool[],
        $15::int4[], $16::text[]) as n ({_COLUMNS})
    on conflict (id) do update set site = excluded.site, name = excluded.name, region = excluded.region,
        place = excluded.place, room = excluded.room, lat = excluded.lat, lon = excluded.lon,
        heading = excluded.heading, field_of_view = excluded.field_of_view, reach = excluded.reach,
        address = excluded.address, credentials = excluded.credentials, audio = excluded.audio,
        keep_days = excluded.keep_days, back_fill = excluded.back_fill, retired = null
"""  # noqa: S608 - constants of ours
_MASK: Final = """
    insert into video_mask (camera, version, boxes, since, by)
    select n.camera, coalesce(m.version, 0) + 1, n.boxes::json, $3, $4
    from unnest($1::text[], $2::text[]) as n (camera, boxes)
    left join lateral (select version, boxes from video_mask v where v.camera = n.camera
        order by version desc limit 1) m on true
    where n.boxes <> coalesce(m.boxes::text, '[]')
"""
_ELSEWHERE: Final = """
    select id from video_camera where place <> $2 and split_part(lower(address), '?', 1) = split_part(lower($1), '?', 1)
    order by id limit 1
"""
_MOVED: Final = """
    select c.id from video_camera c join unnest($1::text[], $2::text[]) as n (id, place) on n.id = c.id
    where c.place <> n.place and exists (select from video_segment s where s.camera = c.id) order by c.id limit 1
"""
_OPEN: Final = """
    select id, camera, kind, began, ended, by, role, why from video_disable
    where began <= $1 and (ended is null or ended > $1) order by began
"""
_BOXES = msgspec.json.Decoder(tuple[Box, ...])


class Off(msgspec.Struct, frozen=True):
    """A camera is switched off, or there is work on it. `ended` None: until somebody ends it."""

    id: str
    camera: str
    kind: Switched
    began: Instant
    ended: Instant | None
    by: str
    role: str
    why: str


async def read_cameras(pg: Any) -> dict[str, VideoCamera]:
    """Every camera that is not retired, by its code."""
    return {row["id"]: _camera(row) for row in await pg.fetch(_ALL)}


async def read_retired(pg: Any) -> dict[str, VideoCamera]:
    """Cameras that are gone, whose recordings still have their days to stay, and to go."""
    return {row["id"]: _camera(row) for row in await pg.fetch(_RETIRED)}


async def find_camera(pg: Any, code: str) -> VideoCamera:
    """One camera. Raises Refused(NOT_FOUND), also for one outside of the regions of the transaction."""
    row = await pg.fetchrow(_ONE, code)
    if row is None:
        raise Refused(Kind.NOT_FOUND, f"there is no camera {code}", camera="unknown")
    return _camera(row)


async def write_cameras(pg: Any, cameras: Sequence[VideoCamera], by: str, now: Instant) -> None:
    """Add them or replace what is known of them; a changed mask becomes a new version. Their sites must be there.

    Raises Refused(CONFLICT, `place`): what a camera recorded stays under the law of its place, as does who may see it.
    """
    moved = await pg.fetchval(_MOVED, [one.id for one in cameras], [one.place.value for one in cameras])
    if moved is not None:
        told = f"{moved} has recorded at another kind of place: enter another camera"
        raise Refused(Kind.CONFLICT, told, place="recorded")
    rows = [
        (
            one.id, one.site, one.name, one.region, one.place.value, one.room.value if one.room else None, one.lat,
            one.lon, one.heading, one.field_of_view, one.reach, one.address, one.credentials, one.audio, one.keep_days,
            one.back_fill,
        )
        for one in cameras
    ]  # fmt: skip
    await pg.execute(_WRITE, *map(list, zip(*rows, strict=True)), by, now)
    masks = [msgspec.json.encode(one.mask).decode() for one in cameras]
    await pg.execute(_MASK, [one.id for one in cameras], masks, now, by)


async def add_camera(pg: Any, camera: VideoCamera, by: str, now: Instant) -> None:
    """Add one. Raises Refused: CONFLICT (`id` is taken), NOT_FOUND (`site`), INVALID (`region` is not the site's)."""
    if await pg.fetchval("select true from video_camera where id = $1", camera.id):
        raise Refused(Kind.CONFLICT, f"there is a camera {camera.id} already", id="taken")
    region = await pg.fetchval("select region from site where id = $1", camera.site)
    if region is None:
        raise Refused(Kind.NOT_FOUND, f"no site {camera.site}: import sites first", site="unknown")
    if region != camera.region:
        raise Refused(Kind.INVALID, f"site {camera.site} lies in region {region}", region="other_than_site")
    await write_cameras(pg, [camera], by, now)


async def must_be_of_one_place(pg: Any, camera: VideoCamera) -> None:
    """Its stream is not already that of a camera of another kind of place: as a street's, anybody on duty sees a cell.

    Raises Refused(CONFLICT, `address`).
    """
    other = await pg.fetchval(_ELSEWHERE, camera.address, camera.place.value)
    if other is not None:
        told = f"this is the stream of camera {other}, of another kind of place"
        raise Refused(Kind.CONFLICT, told, address="of_another_place")


async def switch_off(
    pg: Any,
    name: str,
    camera: str,
    why: str,
    by: str,
    role: str,
    entry: str,
    now: Instant,
    *,
    kind: Switched = "disabled",
    until: Instant | None = None,
) -> Off:
    """Nothing is recorded of it from now on (or, `maintenance`: work is announced), for a reason. name: a new id.

    entry: of the ledger. Raises Refused: NOT_FOUND (`camera`), CONFLICT (`camera` is switched off), INVALID (`why`,
    `until`).
    """
    _check_reason(why)
    if until is not None and until <= now:
        raise Refused(Kind.INVALID, "it ends before it begins", until="past")
    await find_camera(pg, camera)
    await pg.execute("select pg_advisory_xact_lock(23170, hashtext($1))", camera)
    if await _off(pg, camera, now) is not None:
        raise Refused(Kind.CONFLICT, f"camera {camera} is switched off already", camera="disabled")
    await pg.execute(
        """insert into video_disable (id, camera, kind, began, ended, by, role, why, entry)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
        name, camera, kind, now, until, by, role, why, entry,
    )  # fmt: skip
    return Off(name, camera, kind, now, until, by, role, why)


async def switch_on(pg: Any, camera: str, by: str, entry: str, now: Instant) -> Off:
    """It is recorded again. Raises Refused: NOT_FOUND (`camera`), CONFLICT (`camera` is not switched off)."""
    await find_camera(pg, camera)
    await pg.execute("select pg_advisory_xact_lock(23170, hashtext($1))", camera)
    off = await _off(pg, camera, now)
    if off is None:
        raise Refused(Kind.CONFLICT, f"camera {camera} is not switched off", camera="enabled")
    if off.ended is None:
        await pg.execute(
            "update video_disable set ended = $2, ended_by = $3, ended_entry = $4 where id = $1", off.id, now, by, entry
        )
        return msgspec.structs.replace(off, ended=now)
    raise Refused(Kind.CONFLICT, f"camera {camera} is switched on by itself at its time", camera="has_end")


async def relearn(pg: Any, name: str, camera: str, why: str, by: str, role: str, entry: str, now: Instant) -> None:
    """It was moved on purpose: how it looks when it is well is learned anew, from its next pictures. name: a new id.

    Raises Refused: NOT_FOUND (`camera`), INVALID (`why`).
    """
    _check_reason(why)
    await find_camera(pg, camera)
    await pg.execute(
        "insert into video_relearn (id, camera, at, by, role, why, entry) values ($1, $2, $3, $4, $5, $6, $7)",
        name, camera, now, by, role, why, entry,
    )  # fmt: skip


async def retire(pg: Any, camera: str, now: Instant) -> None:
    """It is gone: recorded no more; its pictures stay for their days. Raises Refused(NOT_FOUND)."""
    await find_camera(pg, camera)
    await pg.execute("update video_camera set retired = $2 where id = $1", camera, now)


async def read_off(pg: Any, now: Instant) -> dict[str, Off]:
    """Cameras that are switched off or worked on now; of two the one that records nothing."""
    found: dict[str, Off] = {}
    for row in await pg.fetch(_OPEN, now):
        off = Off(*row)
        if off.camera not in found or off.kind == "disabled":
            found[off.camera] = off
    return found


async def _off(pg: Any, camera: str, now: Instant) -> Off | None:
    return (await read_off(pg, now)).get(camera)


def _camera(row: Mapping[str, Any]) -> VideoCamera:
    facts = {name: value for name, value in row.items() if name != "boxes"}
    facts["mask"] = _BOXES.decode(row["boxes"]) if row["boxes"] else ()
    return msgspec.convert(facts, VideoCamera)


def _check_reason(why: str) -> None:
    least, most = REASON
    if len(why.strip()) < least or len(why) > most or not why.isprintable():
        raise Refused(Kind.INVALID, f"the reason: {least} to {most} letters", why="length")
