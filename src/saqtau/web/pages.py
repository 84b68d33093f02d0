"""What is not the API: the built console, the map, and the signs of life for whoever runs this."""

from pathlib import Path
from typing import Any, Final

import msgspec
import nats.errors
from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from saqtau.engine.failures import PASSING
from saqtau.engine.tiles import TILES, read_map
from saqtau.kernel.errors import Kind, Refused
from saqtau.web import metrics
from saqtau.web.auth import address_of, counted, session_of, signed_in
from saqtau.web.parts import Parts, parts_of
from saqtau.web.ranges import answer_file

_MEDIA: Final = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".pbf": "application/x-protobuf",
    ".mp3": "audio/mpeg",
    ".wav": "audio/wav",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
}


class Health(msgspec.Struct, frozen=True):
    """Whether the parts this process needs answer: "up", "down", "missing". No addresses, no versions."""

    database: str
    broker: str
    feed: str
    map: str


@get("/tiles/city.pmtiles", operation_id="readTiles", guards=[counted], include_in_schema=False)
async def tiles(request: Request[Any, Any, Any]) -> Response[Any]:
    """The map, or the part of it that a Range header asks for."""
    folder = parts_of(request).map
    if folder is None:
        raise Refused(Kind.NOT_FOUND, "no map has been imported", map="missing")
    return await answer_file(request, folder / TILES, "application/vnd.pmtiles")


@get("/healthz", operation_id="readHealth", guards=[counted], include_in_schema=False)
async def healthz(request: Request[Any, Any, Any]) -> Response[Health]:
    """200 while database and broker answer, else 503; a missing map is told, and is no reason to restart."""
    parts = parts_of(request)
    database = "up"
    try:
        await parts.pg.fetchval("select 1", timeout=2)
    except PASSING:
        database = "down"
    broker = "up"
    try:
        await parts.nc.flush(2)
    except (nats.errors.Error, OSError, TimeoutError):
        broker = "down"
    if not parts.nc.is_connected:  # a flush while the client looks for its server returns as if all were well
        broker = "down"
    feed = "up" if request.app.state.hub.caught_up.is_set() else "down"
    found = Health(database, broker, feed, _map_state(parts))
    return Response(found, status_code=200 if database == broker == "up" else 503)


def _map_state(parts: Parts) -> str:
    try:
        return "up" if parts.map is not None and read_map(parts.map) is not None else "missing"
    except Refused:
        return "down"


async def _loopback_or_administrator(connection: Any, handler: Any) -> None:
    if address_of(connection) in {"127.0.0.1", "::1"}:
        return
    await signed_in(connection, handler)
    if "administrator" not in session_of(connection).person.roles:
        raise Refused(Kind.DENIED, "figures are for loopback and the administrator", role="wrong_role")


@get("/metrics", guards=[counted, _loopback_or_administrator], include_in_schema=False, sync_to_thread=False)
def figures(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Counts of this process for Prometheus."""
    return Response(
        metrics.written(request.app.state.hub, parts_of(request).access, request.app.state.views.count),
        media_type="text/plain; version=0.0.4; charset=utf-8",
    )


def find_page(dist: Path, path: str) -> Path:
    """The file of the built console that a path names. Raises Refused(NOT_FOUND); never leaves the folder."""
    named = {"": "index.html", "tablet": "tablet.html"}.get(path.strip("/"), path.strip("/"))
    if "\0" in named:
        raise Refused(Kind.NOT_FOUND, "there is no such page", page="missing")
    file = (dist / named).resolve()
    if not file.is_relative_to(dist.resolve()) or file.suffix not in _MEDIA or not file.is_file():
        raise Refused(Kind.NOT_FOUND, "there is no such page", page="missing")
    return file


@get(["/", "/tablet"], guards=[counted], include_in_schema=False)
async def page(request: Request[Any, Any, Any]) -> Response[Any]:
    """The console, or the tablet's page."""
    return await _answer_page(request, request.url.path)


@get("/{path:path}", guards=[counted], include_in_schema=False)
async def asset(request: Request[Any, Any, Any], path: FromPath[str]) -> Response[Any]:
    """A file of the built console."""
    return await _answer_page(request, path)


async def _answer_page(request: Request[Any, Any, Any], path: str) -> Response[Any]:
    dist = parts_of(request).dist
    if dist is None:
        raise Refused(Kind.NOT_FOUND, "the console has not been built: make run builds it", page="missing")
    file = find_page(dist, path)
    return await answer_file(request, file, _MEDIA[file.suffix])


PAGES: list[HTTPRouteHandler] = [tiles, healthz, figures, page, asset]
