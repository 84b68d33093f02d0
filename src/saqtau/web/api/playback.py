"""What was recorded: a time as the fragments that lie on disk, a playlist of it, and single key pictures."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlencode

from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import HeaderParameter, PathParameter, QueryParameter
from litestar.types import ASGIApp

from saqtau.engine.recording_reading import (
    Contents,
    Portion,
    began_at,
    read_bytes,
    read_file_row,
    read_files,
    read_key_picture,
    read_portions,
    read_resumption,
    read_runs,
)
from saqtau.kernel.access import Action
from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.cameras import (
    CameraId,
    CaseAsked,
    FromAsked,
    Look,
    PurposeAsked,
    ToAsked,
    asked_camera,
    wish_for_camera,
)
from saqtau.web.errors import busy
from saqtau.web.metrics import RECORDED_BYTES
from saqtau.web.parts import parts_of
from saqtau.web.playing import Playing
from saqtau.web.ranges import Part, parse_range

LARGEST: Final = 32 << 20
"""Bytes of one range of a file."""
WIDTH: Final = 480
DECODING: Final = 24
"""Key pictures that wait for the decoder at most."""
_FILM = ResponseSpec(
    data_container=bytes, media_type="video/mp4", description="The bytes of the recording.", generate_examples=False
)
_PICTURE = ResponseSpec(
    data_container=bytes, media_type="image/jpeg", description="The key picture.", generate_examples=False
)
_LIST = ResponseSpec(
    data_container=str, media_type="application/vnd.apple.mpegurl", description="The playlist.", generate_examples=False
)
_GUARDS: Final = [counted, signed_in]
SourceAsked = Annotated[Literal["live", "card"], QueryParameter()]
FileName = Annotated[str, PathParameter(pattern=r"^[0-9]{1,18}\.mp4$", max_length=22)]
"""First sequence of a file; players look at the ending."""


@get(
    "/api/cameras/{camera_id:str}/recording",
    operation_id="playRecording",
    guards=_GUARDS,
    media_type="video/mp4",
    responses={200: _FILM, **answers(400, 401, 403, 404, 409, 429, 503)},
)
async def recording(
    request: Request[Any, Any, Any],
    camera_id: CameraId,
    began: FromAsked,
    ended: ToAsked,
    purpose: PurposeAsked = None,
    case: CaseAsked = None,
    source: SourceAsked = "live",
) -> ASGIApp:
    """What was recorded between two instants (Unix ms, at most an hour), from the key picture before the first on.

    Fragmented MP4, byte for byte as it lies on disk; a decoder is set up anew where parameters change. Where nothing
    was recorded it answers 409, and `fields.next` says when there are pictures again. `source=card`: what was fetched
    afterwards from the camera's own memory, and nothing else; the entry of the look says so.
    """
    parts, session = parts_of(request), session_of(request)
    camera = await asked_camera(parts, session, Action.PLAY_RECORDING, camera_id)
    since, until = Instant(began), Instant(ended)
    viewer, wish = await wish_for_camera(
        parts, session, Action.PLAY_RECORDING, camera, Look(purpose, case), oldest=since
    )
    contents: Contents = request.app.state.contents
    playing = Playing(parts, request.app.state.views, session.digest)
    card = source == "card"
    grant = await playing.open(viewer, wish, {"from": since, "to": until, **({"source": source} if card else {})})
    try:
        async with parts.pg.acquire() as pg:
            files = await read_files(grant, pg, camera_id, since, until, parts.clock(), card=card)
        runs = read_runs(grant, contents, files, since, until, parts.clock)
        first = await anext(runs, None)
        if first is None and card:
            raise _nothing(camera_id, None)  # noqa: TRY301 - closed below, as for any other
        if first is None:
            later = await read_resumption(grant, parts.pg, contents, files, until, parts.clock())
            raise _nothing(camera_id, later)  # noqa: TRY301 - closed below, as for any other
        return await playing.of(first, runs)
    except BaseException:
        await playing.close()
        raise


@get(
    "/api/cameras/{camera_id:str}/thumbnail",
    operation_id="readThumbnail",
    guards=_GUARDS,
    media_type="image/jpeg",
    responses={200: _PICTURE, **answers(400, 401, 403, 404, 429, 503)},
)
async def thumbnail(
    request: Request[Any, Any, Any],
    camera_id: CameraId,
    at: Annotated[int, QueryParameter(ge=0, le=2**53)],
    purpose: PurposeAsked = None,
    case: CaseAsked = None,
    width: Annotated[int, QueryParameter(ge=64, le=1920)] = WIDTH,
) -> Response[bytes]:
    """The last key picture at or before an instant as a JPEG; the header `X-At` says when it was taken."""
    parts, session = parts_of(request), session_of(request)
    camera, when = await asked_camera(parts, session, Action.PLAY_RECORDING, camera_id), Instant(at)
    look = Look(purpose, case)
    viewer, wish = await wish_for_camera(parts, session, Action.PLAY_RECORDING, camera, look, oldest=when)
    async with request.app.state.standing.using(session.digest, viewer, wish) as (grant, delivered):
        found = await read_key_picture(grant, parts.pg, request.app.state.contents, camera_id, when, parts.clock())
        if parts.decoders is None:
            raise Refused(Kind.UNAVAILABLE, "there is no decoder", decoder="missing")
        async with _turn(request.app.state.decoding):
            picture = await parts.decoders.jpeg(found.init, found.fragment, width)
        await request.app.state.glances.look(session.digest, grant)
        delivered.count, delivered.told = len(picture), {"from": found.at, "to": found.at}
    RECORDED_BYTES.inc(len(picture))
    headers = {"X-At": str(found.at), "Cache-Control": "no-store"}
    return Response(picture, headers=headers, media_type="image/jpeg")


def _nothing(camera: str, later: Instant | None) -> Refused:
    fields = {"next": str(later)} if later is not None else {}
    return Refused(Kind.CONFLICT, f"camera {camera} recorded nothing in this time", recording="nothing", **fields)


class Turns:
    """Who waits for the decoder."""

    def __init__(self) -> None:
        self.waiting = 0


class _turn:  # noqa: N801 - a context, said as a verb
    """One more who waits. Raises Refused(TOO_MANY)."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    async def __aenter__(self) -> None:
        if self._turns.waiting >= DECODING:
            raise busy("too many key pictures at once", 1, at="too_many")
        self._turns.waiting += 1

    async def __aexit__(self, *_: object) -> None:
        self._turns.waiting -= 1


@get(
    "/api/cameras/{camera_id:str}/recording.m3u8",
    operation_id="readPlaylist",
    guards=_GUARDS,
    media_type="application/vnd.apple.mpegurl",
    responses={200: _LIST, **answers(400, 401, 403, 404, 409, 429, 503)},
)
async def playlist(
    request: Request[Any, Any, Any],
    camera_id: CameraId,
    began: FromAsked,
    ended: ToAsked,
    purpose: PurposeAsked = None,
    case: CaseAsked = None,
) -> Response[str]:
    """The same time for players that take playlists (HLS, RFC 8216): byte ranges of the files, gaps said."""
    parts, session = parts_of(request), session_of(request)
    camera = await asked_camera(parts, session, Action.PLAY_RECORDING, camera_id)
    since, until = Instant(began), Instant(ended)
    viewer, wish = await wish_for_camera(
        parts, session, Action.PLAY_RECORDING, camera, Look(purpose, case), oldest=since
    )
    async with parts.access.reading(viewer, wish, {"playlist": [since, until]}) as (grant, _):
        async with parts.pg.acquire() as pg:
            files = await read_files(grant, pg, camera_id, since, until, parts.clock())
        portions = await read_portions(grant, request.app.state.contents, files, since, until, parts.clock())
    if not portions:
        raise _nothing(camera_id, None)
    asked = {"purpose": wish.purpose.value} | ({"case": wish.case} if wish.case else {})
    return Response(m3u8(portions, urlencode(asked)), media_type="application/vnd.apple.mpegurl")


def m3u8(portions: list[Portion], query: str) -> str:
    """The playlist (RFC 8216) of these pieces, relative to `/api/cameras/{id}/`. query: why somebody looks."""
    longest = max(-(-one.lasts // SECOND) for one in portions)
    lines = [
        "#EXTM3U", "#EXT-X-VERSION:7", f"#EXT-X-TARGETDURATION:{max(1, longest)}", "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-MEDIA-SEQUENCE:0", "#EXT-X-INDEPENDENT-SEGMENTS",
    ]  # fmt: skip
    file = -1
    for one in portions:
        name = f"files/{one.first}.mp4?{query}"
        if one.apart:
            lines.append("#EXT-X-DISCONTINUITY")
        if one.first != file or one.apart:
            file = one.first
            when = datetime.fromtimestamp(one.began / SECOND, UTC).isoformat(timespec="milliseconds")
            lines += [f'#EXT-X-MAP:URI="{name}",BYTERANGE="{one.init}@0"', f"#EXT-X-PROGRAM-DATE-TIME:{when}"]
        lines += [f"#EXTINF:{one.lasts / SECOND:.3f},", f"#EXT-X-BYTERANGE:{one.size}@{one.start}", name]
    return "\n".join([*lines, "#EXT-X-ENDLIST", ""])


@get(
    "/api/cameras/{camera_id:str}/files/{name:str}",
    operation_id="readRecordingFile",
    guards=_GUARDS,
    media_type="video/mp4",
    responses={206: _FILM, **answers(400, 401, 403, 404, 429, 503)},
)
async def file_part(
    request: Request[Any, Any, Any],
    camera_id: CameraId,
    name: FileName,
    asked_range: Annotated[str | None, HeaderParameter(name="Range", max_length=100)] = None,
    purpose: PurposeAsked = None,
    case: CaseAsked = None,
) -> Response[bytes]:
    """Bytes of a file that a playlist names: one range, at most 32 MiB. Entered once in 15 minutes, counted."""
    parts, session = parts_of(request), session_of(request)
    camera, first = await asked_camera(parts, session, Action.PLAY_RECORDING, camera_id), int(name.removesuffix(".mp4"))
    async with parts.pg.acquire() as pg:
        oldest = await began_at(pg, camera_id, first)  # of a file that is not there: now, and he is told under a grant
    look = Look(purpose, case)
    viewer, wish = await wish_for_camera(parts, session, Action.PLAY_RECORDING, camera, look, oldest=oldest)
    async with request.app.state.standing.using(session.digest, viewer, wish) as (grant, delivered):
        async with parts.pg.acquire() as pg:
            file = await read_file_row(grant, pg, camera_id, first, parts.clock())
        total = (await asyncio.to_thread(file.path.stat)).st_size
        part = parse_range(asked_range, total)
        if not isinstance(part, Part) or part.end - part.start > LARGEST:
            raise Refused(Kind.INVALID, "Range: one range of at most 32 MiB", Range="invalid")
        data = await read_bytes(grant, file, part.start, part.end - part.start, parts.clock())
        await request.app.state.glances.look(session.digest, grant)
        delivered.count, delivered.told = len(data), {"from": file.began, "to": file.ended}
    RECORDED_BYTES.inc(len(data))
    headers = {"Content-Range": f"bytes {part.start}-{part.end - 1}/{total}", "Accept-Ranges": "bytes"}
    return Response(data, status_code=206, headers=headers, media_type="video/mp4")
