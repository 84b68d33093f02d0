"""Live pictures of cameras: WebSockets that bring the recorder's own fragments, of one camera or of a wall of them."""

import asyncio
from contextlib import suppress
from typing import Any

import structlog
from litestar import WebSocket, websocket
from litestar.exceptions import WebSocketException
from litestar.params import FromPath

from saqtau.kernel.access import Action, Purpose
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.auth import counted, signed_in
from saqtau.web.cameras import CASE, Look, asked_camera, checked_code, wish_for_camera
from saqtau.web.errors import OUTAGES
from saqtau.web.lanes import Ask, Lane, Lanes
from saqtau.web.parts import Parts
from saqtau.web.security import check_origin
from saqtau.web.view import LEFT, PATIENCE, Alone, Showing, Views, Way, closing

log = structlog.get_logger("saqtau.web.live_picture")


@websocket("/api/cameras/{camera_id:str}/live", name="watchCamera")
async def live_picture(socket: WebSocket[Any, Any, Any], camera_id: FromPath[str]) -> None:
    """Text `{"init"}`, `{"skipped"}`, `{"dark"}`, `{"beat"}`; binary an init segment, then a message a fragment.

    `stills=1`: key pictures as JPEG instead, each after `{"still": utc ms}`. Another site's page is refused before the
    socket is one. Whatever else is refused closes it, with a reason that a page can read: 4000 + the status of HTTP.
    """
    if not await _accepted(socket):
        return
    query = socket.query_params
    ask = Ask(
        0, camera_id, str(query.get("purpose", "")), str(query.get("case", "")), stills=query.get("stills") == "1"
    )
    code, reason = await _shown(socket, Alone(socket), ask)
    await _close(socket, code, reason)


@websocket("/api/live-pictures", name="watchCameras")
async def live_pictures(socket: WebSocket[Any, Any, Any]) -> None:
    """Many pictures over one socket, for browsers open sockets to a house one after the other.

    The page asks `{"view": n, "camera", "purpose", "case", "stills"}` and leaves by `{"view": n, "leave": true}`; each
    view is asked for, let in, entered and ended as over a socket of its own. Words come with `"view": n`, bytes behind
    `n` as 32 bits, big-endian; `{"view": n, "closed": code, "kind", "fields"}` ends one.
    """
    if not await _accepted(socket):
        return
    refusal = await _refused(socket)
    if refusal is not None:  # a stranger keeps no socket open: a process has only so many for everybody
        await _close(socket, *closing(refusal))
        return

    async def show(lane: Lane, ask: Ask) -> tuple[int, str]:
        return await _shown(socket, lane, ask)

    most = socket.app.state.parts.limits.views_per_session
    code, reason = await Lanes(socket, show, most).run()
    await _close(socket, code, reason)


async def _accepted(socket: WebSocket[Any, Any, Any]) -> bool:
    try:
        check_origin(socket.headers)
    except Refused:
        await socket.close()  # before it was accepted: HTTP 403
        return False
    await socket.accept()
    return True


async def _close(socket: WebSocket[Any, Any, Any], code: int, reason: str) -> None:
    if code == LEFT:
        return
    with suppress(OSError, RuntimeError, TimeoutError, WebSocketException):  # he may have left
        async with asyncio.timeout(PATIENCE):
            await socket.close(code, reason)


async def _refused(socket: WebSocket[Any, Any, Any]) -> Refused | None:
    """Why this socket is nobody's; None: a session that holds asks over it."""
    try:
        await counted(socket, socket.route_handler)
        await signed_in(socket, socket.route_handler)
    except Refused as refused:
        return refused
    except OUTAGES as error:
        log.warning("unavailable", reason=type(error).__name__)
        return Refused(Kind.UNAVAILABLE, "a part of the engine does not answer")
    return None


async def _shown(socket: WebSocket[Any, Any, Any], way: Way, ask: Ask) -> tuple[int, str]:
    """Show it; code and reason to close with."""
    parts: Parts = socket.app.state.parts
    views: Views = socket.app.state.views
    try:
        await counted(socket, socket.route_handler)
        await signed_in(socket, socket.route_handler)
        session = socket.state.session
        look = _look(ask.purpose, ask.case)
        camera = await asked_camera(parts, session, Action.WATCH_CAMERA, checked_code(ask.camera))
        asked = await wish_for_camera(parts, session, Action.WATCH_CAMERA, camera, look)
        return await Showing(parts, views, way, asked, stills=ask.stills).run(session)
    except Refused as refused:
        return closing(refused)
    except OUTAGES as error:
        log.warning("unavailable", reason=type(error).__name__)
        return closing(Refused(Kind.UNAVAILABLE, "a part of the engine does not answer"))


def _look(purpose: str, case: str) -> Look:
    """Raises Refused(INVALID) naming `purpose` or `case`."""
    if CASE.fullmatch(case) is None:
        raise Refused(Kind.INVALID, "case: the number of an incident or a case", case="invalid")
    try:
        return Look(Purpose(purpose) if purpose else None, case or None)
    except ValueError:
        raise Refused(Kind.INVALID, "purpose: one of the list", purpose="invalid") from None
