"""The log for those who hold it against its keeper: checkpoints for everybody, tiles for overseers and witnesses.

C2SP tlog-tiles under `/ledger/{origin}`. A checkpoint says a size and a hash, and is open to everybody, live: how
busy a region is can be watched by it. Tiles say of which classes. Nothing here speaks of a person.
"""

import hmac
from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from saqtau.engine.ledger_open import read_open
from saqtau.engine.ledger_read import checkpoint as read_checkpoint
from saqtau.engine.ledger_read import logs as read_logs
from saqtau.engine.ledger_read import tile as read_tile
from saqtau.kernel.access import Action
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.open_records import encode
from saqtau.ledger.spelling import encode_base64
from saqtau.ledger.tiles import parse_path
from saqtau.ledger.witness.loglist import compose_list
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.looking import standing
from saqtau.web.parts import Parts, parts_of

FOR_EVER: Final = "private, max-age=31536000, immutable"
"""Tiles never change; private, since a cache between us and an overseer asks nobody for a session."""
_LOG: Final = "/ledger/{authority:str}/{region:str}/{kind:str}/{year:str}"
_BEARER: Final = "Bearer "
_NOTE = ResponseSpec(str, media_type="text/plain", description="A signed note.", generate_examples=False)
_TILE = ResponseSpec(
    bytes, media_type="application/octet-stream", description="The tile's bytes.", generate_examples=False
)
_LINES = ResponseSpec(bytes, media_type="application/jsonl", description="A line a record.", generate_examples=False)


class LogServed(msgspec.Struct, frozen=True):
    """A log: its origin and key, how many entries it has, and the root over them (base64)."""

    origin: str
    vkey: str
    size: int
    root: str


class LogsServed(msgspec.Struct, frozen=True):
    """The logs of this authority. `signed` is the same as a note signed by `authority`, the key that names new logs."""

    authority: str
    signed: str
    logs: list[LogServed]


async def may_copy(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard: the mirror's token, or a session. Raises Refused(UNAUTHENTICATED) and what `signed_in` raises."""
    given = connection.headers.get("authorization", "")
    if not given.startswith(_BEARER):
        connection.state.mirror = False
        await signed_in(connection, handler)
        return
    parts: Parts = connection.app.state.parts
    wanted = parts.mirror_token
    if not wanted or not hmac.compare_digest(given.removeprefix(_BEARER).encode(), wanted.encode()):
        raise Refused(Kind.UNAUTHENTICATED, "that is not the mirror's token", token="wrong")  # noqa: S106 - a reason
    connection.state.mirror = True


@get("/ledger/logs", operation_id="readLogs", security=[], guards=[counted], responses=answers(429, 503))
async def logs(request: Request[Any, Any, Any]) -> LogsServed:
    """Every log there is: origins, keys, sizes; and the signed list by which a witness learns of new ones."""
    parts = parts_of(request)
    if parts.signers is None:
        raise Refused(Kind.UNAVAILABLE, "this house has no ledger", ledger="unavailable")
    found = await read_logs(parts.pg)
    authority = parts.signers.signer(parts.signers.authority)
    return LogsServed(
        authority=authority.vkey(),
        signed=compose_list(authority, [one.vkey for one in found]),
        logs=[LogServed(one.origin, one.vkey, one.size, encode_base64(one.root)) for one in found],
    )


@get(
    f"{_LOG}/checkpoint",
    operation_id="readCheckpoint",
    security=[],
    guards=[counted],
    media_type="text/plain",
    responses={200: _NOTE, **answers(400, 404, 429, 503)},
)
async def checkpoint(
    request: Request[Any, Any, Any],
    authority: FromPath[str],
    region: FromPath[str],
    kind: FromPath[str],
    year: FromPath[str],
) -> Response[str]:
    """The newest checkpoint of a log, signed by it, with the cosignatures of its witnesses."""
    note = await read_checkpoint(parts_of(request).pg, _origin(authority, region, kind, year))
    return Response(note, media_type="text/plain; charset=utf-8", headers={"Cache-Control": "no-cache"})


@get(
    f"{_LOG}/tile/{{path:path}}",
    operation_id="readTile",
    guards=[counted, may_copy],
    media_type="application/octet-stream",
    responses={200: _TILE, **answers(400, 401, 403, 404, 429, 503)},
)
async def tile(
    request: Request[Any, Any, Any],
    authority: FromPath[str],
    region: FromPath[str],
    kind: FromPath[str],
    year: FromPath[str],
    path: FromPath[str],
) -> Response[bytes]:
    """A tile of hashes, or a bundle of entries under `tile/entries`: for overseers, and witnesses with their token."""
    parts, origin = parts_of(request), _origin(authority, region, kind, year)
    wanted = parse_path(f"tile/{path.lstrip('/')}")
    if request.state.mirror:
        data = await read_tile(parts.pg, origin, wanted)
    else:
        session, keeper = session_of(request), request.app.state.standing
        viewer, wish = standing(parts, session, Action.READ_LEDGER)
        async with keeper.using(session.digest, viewer, wish) as (_, delivered):
            data = await read_tile(parts.pg, origin, wanted)
            delivered.count = len(data)
    return Response(data, media_type="application/octet-stream", headers={"Cache-Control": FOR_EVER})


@get(
    f"{_LOG}/open/{{first:int}}",
    operation_id="readOpenRecords",
    guards=[counted, may_copy],
    media_type="application/jsonl",
    responses={200: _LINES, **answers(400, 401, 403, 404, 429, 503)},
)
async def open_records(
    request: Request[Any, Any, Any],
    authority: FromPath[str],
    region: FromPath[str],
    kind: FromPath[str],
    year: FromPath[str],
    first: FromPath[int],
) -> Response[bytes]:
    """What cameras recorded and how they were, of the entries from `first` to the end of its bundle, with their keys.

    Records that speak of no person: an overseer keeps them as long as he likes and checks each against its leaf.
    """
    parts, origin = parts_of(request), _origin(authority, region, kind, year)
    if request.state.mirror:
        data = encode(await read_open(parts.pg, parts.keys, origin, first))
    else:
        session, keeper = session_of(request), request.app.state.standing
        viewer, wish = standing(parts, session, Action.READ_LEDGER)
        async with keeper.using(session.digest, viewer, wish) as (_, delivered):
            data = encode(await read_open(parts.pg, parts.keys, origin, first))
            delivered.count = len(data)
    return Response(data, media_type="application/jsonl", headers={"Cache-Control": "no-store"})


def _origin(authority: str, region: str, kind: str, year: str) -> str:
    """Raises Refused(NOT_FOUND) for what no log can be called."""
    origin = f"{authority}/{region}/{kind}/{year}"
    if len(origin) > 200 or not origin.isprintable():
        raise Refused(Kind.NOT_FOUND, "no log of that origin", origin="unknown")
    return origin
