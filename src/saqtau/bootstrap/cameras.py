"""Recorded cameras from the command line, and the demonstration's own: a server of looping pictures."""

import asyncio
import socket
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from saqtau.bootstrap.admin import enter, import_file, read_file, record
from saqtau.bootstrap.ground import Ground, ids, now
from saqtau.devices.rtsp.auth import parse_login
from saqtau.engine import postgres
from saqtau.engine.entries import said
from saqtau.engine.part import Part
from saqtau.engine.place import PRIVATE, write_private
from saqtau.engine.postgres import WORKER
from saqtau.engine.supervisor import Say
from saqtau.engine.video_camera import add_camera, find_camera, relearn, retire, switch_off, switch_on
from saqtau.jurisdiction.rooms import lawful_camera, usual_days
from saqtau.kernel.clock import HOUR, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import PlaceKind, VideoCamera
from saqtau.ledger.leaf import LeafClass
from saqtau.simulate.files import read_registers
from saqtau.simulate.loop import move_plug, serving
from saqtau.simulate.video_places import CAMERAS, OFFERED, SITES, cameras_geojson, draw_places, sites_csv

SHOWN_AT: Final = 8554
"""The port that the demonstration's cameras like best: that of most cameras' test servers."""
SHOWN_IN: Final = "5 GB"
"""What the demonstration's recordings may take: some hours of them."""
_PORT: Final = "cameras.port"
_LINES: Final = """
    select c.id, c.place, c.site, c.name,
        coalesce(case when d.id is not null then d.kind end, case when g.id is not null then g.kind end,
            case when s.ended is not null then 'recorded' else 'not_yet' end) as state,
        coalesce(d.began, g.began, s.ended) as since, s.ended as newest
    from video_camera c
    left join lateral (select * from video_disable d where d.camera = c.id and d.began <= $1
        and (d.ended is null or d.ended > $1) order by d.began limit 1) d on true
    left join lateral (select * from video_gap g where g.camera = c.id and g.ended is null
        order by g.began limit 1) g on true
    left join lateral (select max(ended) as ended from video_segment s where s.camera = c.id and s.frames > 0) s on true
    where c.retired is null order by c.region, c.site, c.id
"""


class CameraWish(msgspec.Struct, frozen=True):
    """A camera as a person names it. `lat`, `lon` None: its site's. `keep_days` None: what is usual there."""

    code: str
    address: str
    site: str
    place: str
    name: str | None = None
    room: str | None = None
    lat: float | None = None
    lon: float | None = None
    heading: float | None = None
    keep_days: int | None = None
    audio: bool = False
    credentials: Path | None = None  # a file with user:password, which is copied into the secrets
    service: str | None = None  # its ONVIF device service


async def add(ground: Ground, wish: CameraWish, by: str) -> str:
    """Add a camera. Raises Refused: INVALID (naming the field), NOT_FOUND (`site`), CONFLICT (`id`)."""
    anywhere = {"region": ground.law.regions.list[0].code, "lat": 0.0, "lon": 0.0}
    lawful_camera(ground.law, _camera(ground, wish, anywhere))  # what is wrong by itself is told before a start
    async with record(ground, WORKER) as pg:
        site = await pg.fetchrow("select region, lat, lon from site where id = $1", wish.site)
        if site is None:
            raise Refused(Kind.NOT_FOUND, f"no site {wish.site}: import sites first", site="unknown")
        camera = _camera(ground, wish, site)
        lawful_camera(ground.law, camera)
        async with pg.transaction():
            await add_camera(pg, camera, by, now())
            told = {"by": by, "camera": camera.id, "site": camera.site, "place": camera.place.value}
            await enter(ground, pg, "camera.add", told)
        if wish.credentials is not None:
            await asyncio.to_thread(_keep_credentials, ground, camera.id, wish.credentials)
    return f"{camera.id} is recorded from now on, for {camera.keep_days} days"


def _camera(ground: Ground, wish: CameraWish, site: Any) -> VideoCamera:
    facts = {
        "id": wish.code, "site": wish.site, "name": wish.name or wish.code, "region": site["region"],
        "lat": site["lat"] if wish.lat is None else wish.lat, "lon": site["lon"] if wish.lon is None else wish.lon,
        "place": wish.place, "room": wish.room, "heading": wish.heading, "address": wish.address,
        "keep_days": wish.keep_days, "audio": wish.audio,
        "back_fill": wish.service, "credentials": None if wish.credentials is None else wish.code,
    }  # fmt: skip
    try:
        if wish.keep_days is None:
            facts["keep_days"] = usual_days(ground.law, PlaceKind(wish.place))
        return msgspec.convert(facts, VideoCamera)
    except ValueError as error:  # msgspec's and the enumeration's
        field = str(error).rpartition("$.")[2].rstrip("`") if "$." in str(error) else "place"
        raise Refused(Kind.INVALID, f"camera {wish.code[:32]}: {error}", **{field: "invalid"}) from error


def _keep_credentials(ground: Ground, code: str, source: Path) -> None:
    text = read_file(source).decode("utf-8", "replace").strip()
    parse_login(text)
    folder = ground.place.secrets / "cameras"
    folder.mkdir(mode=PRIVATE, exist_ok=True)
    write_private(folder / code, text)


async def lines(ground: Ground) -> list[tuple[str, ...]]:
    """A line a camera: code, place, site, name, how it is, since when, newest picture (Unix ms, empty for none)."""
    async with record(ground, WORKER) as pg:
        rows = await pg.fetch(_LINES, now())
    return [tuple("" if value is None else str(value) for value in row) for row in rows]


async def off(ground: Ground, code: str, reason: str, by: str, *, maintenance: bool, hours: float | None) -> None:
    """Switch a camera off, or announce work on it. Raises Refused: NOT_FOUND, CONFLICT, INVALID (`why`)."""
    async with record(ground, WORKER) as pg, pg.transaction():
        camera = await find_camera(pg, code)
        kind = "maintenance" if maintenance else "disabled"
        entry = await _entered(ground, pg, f"camera.{kind}", camera, by, reason)
        until = None if hours is None else Instant(now() + round(hours * HOUR))
        await switch_off(
            pg, ids(), code, reason, by, "command_line", entry, now(),
            kind="maintenance" if maintenance else "disabled", until=until,
        )  # fmt: skip


async def on(ground: Ground, code: str, by: str) -> None:
    """Record a camera again. Raises Refused: NOT_FOUND, CONFLICT."""
    async with record(ground, WORKER) as pg, pg.transaction():
        camera = await find_camera(pg, code)
        entry = await _entered(ground, pg, "camera.enable", camera, by, None)
        await switch_on(pg, code, by, entry, now())


async def learn(ground: Ground, code: str, reason: str, by: str) -> None:
    """A camera was moved on purpose: it is learned anew. Raises Refused: NOT_FOUND, INVALID (`why`)."""
    async with record(ground, WORKER) as pg, pg.transaction():
        camera = await find_camera(pg, code)
        entry = await _entered(ground, pg, "camera.learn", camera, by, reason)
        await relearn(pg, ids(), code, reason, by, "command_line", entry, now())


async def retired(ground: Ground, code: str, reason: str, by: str) -> None:
    """A camera is gone. Raises Refused(NOT_FOUND)."""
    async with record(ground, WORKER) as pg, pg.transaction():
        camera = await find_camera(pg, code)
        await _entered(ground, pg, "camera.retire", camera, by, reason)
        await retire(pg, code, now())


async def _entered(ground: Ground, pg: Any, action: str, camera: VideoCamera, by: str, reason: str | None) -> str:
    told = {"by": by, "camera": camera.id, "site": camera.site}
    if reason is not None:
        told["reason"] = reason[:300]
    draft = said(ids(), now(), LeafClass.ADMIN, action, camera.region, None, told)
    placed = await ground.open_ledger(None).within(pg, [draft])
    return placed[0].entry


async def plug(address: str, *, out: bool) -> None:
    """Pull the plug of a camera of the demonstration, or put it in. Raises Refused(UNAVAILABLE)."""
    try:
        await move_plug(address, out=out)
    except (OSError, EOFError) as error:
        raise Refused(Kind.UNAVAILABLE, f"{address}: {error}", address="no_plug") from error


# THE DEMONSTRATION'S CAMERAS


def _port_of(folder: Path) -> int | None:
    try:
        return int((folder / _PORT).read_text())
    except (OSError, ValueError):
        return None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
        return True


def _choose_port(kept: int | None) -> int:
    for wanted in (kept, SHOWN_AT):
        if wanted is not None and _is_free(wanted):
            return wanted
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _address(port: int, path: str) -> str:
    return f"rtsp://127.0.0.1:{port}/{path}"


def on_little_room(ground: Ground) -> Ground:
    """A demonstration takes little of somebody's disk, unless he says how much."""
    if ground.config.video.budget is not None:
        return ground
    video = msgspec.structs.replace(ground.config.video, budget=SHOWN_IN)
    return msgspec.structs.replace(ground, config=msgspec.structs.replace(ground.config, video=video))


async def prepare_show(ground: Ground, folder: Path, say: Say) -> Part:
    """The looping cameras as a part, registered like real ones; again only when their port has changed."""
    kept = _port_of(folder)
    port = _choose_port(kept)
    if port != kept or not (folder / CAMERAS).is_file():
        readers = read_registers(folder).cameras
        places = draw_places(readers, readers[0].region, lambda path: _address(port, path))
        files = ((SITES, "sites", sites_csv(places.sites)), (CAMERAS, "video_cameras", cameras_geojson(places.cameras)))
        pg = await postgres.connect(ground.server(WORKER), WORKER)
        try:
            for name, kind, data in files:
                report = await import_file(ground, pg, kind, name, data, "demonstration")
                if report.refusals:
                    told = "; ".join(f"row {one.row}: {one.field}: {one.reason}" for one in report.refusals[:5])
                    raise Refused(Kind.INVALID, f"{name}: {told}", register="refused")
                await asyncio.to_thread((folder / name).write_bytes, data)
                say(f"{report.imported} {kind.replace('_', ' ')} imported")
        finally:
            await pg.close()
        await asyncio.to_thread((folder / _PORT).write_text, str(port))
    command = (sys.executable, "-m", "saqtau.bootstrap", "cameras", "--folder", str(ground.place.folder))
    return Part(name="cameras", command=command)


async def show(ground: Ground, stop: asyncio.Event) -> None:
    """Serve the demonstration's cameras until told to stop. Raises Refused(NOT_FOUND) where there is none."""
    port = _port_of(ground.place.folder / "demonstration")
    if port is None:
        raise Refused(Kind.NOT_FOUND, "no cameras were drawn in this folder", cameras="missing")
    async with serving(clock=now, port=port, commanded=True):
        await stop.wait()


def show_told(folder: Path) -> str:
    """Where cameras are to be had, how one is added, and how its plug is pulled."""
    port = _port_of(folder) or SHOWN_AT
    saqtau = Path(sys.executable).with_name("saqtau")
    saqtau = saqtau.relative_to(Path.cwd()) if saqtau.is_relative_to(Path.cwd()) else saqtau
    data = folder.parent.relative_to(Path.cwd()) if folder.parent.is_relative_to(Path.cwd()) else folder.parent
    offered = "\n".join(f"  {_address(port, path)}" for path in OFFERED)
    return (
        f"Twelve cameras are recorded: streets, a school, a police office, a colony. Free ones, to be added:\n"
        f"{offered}\n"
        f"Pull a plug and see what becomes of it: {saqtau} camera unplug {_address(port, 'cell/c-03')}\n"
        f"and put it in again with `plug` instead of `unplug`. All of them: {saqtau} camera list --folder {data}"
    )
