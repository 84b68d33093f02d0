"""The live picture of a camera: a WebSocket that brings the recorder's own fragments."""

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
from saqtau.web.parts import Parts
from saqtau.web.security import check_origin
from saqtau.web.view import LEFT, PATIENCE, Showing, Views, closing

log = structlog.get_logger("saqtau.web.live_picture")


@websocket("/api/cameras/{camera_id:str}/live", name="watchCamera")
async def live_picture(socket: WebSocket[Any, Any, Any], camera_id: FromPath[str]) -> None:
    """Text `{"init"}`, `{"skipped"}`, `{"dark"}`, `{"beat"}`; binary an init segment, then a message a fragment.

    Another site's page is refused before the socket is one. Whatever else is refused closes it, with a reason that a
    page can read: 4000 + the status of HTTP.
    """
    try:
        check_origin(socket.headers)
    except Refused:
        await socket.close()  # before it was accepted: HTTP 403
        return
    await socket.accept()
    code, reason = await _shown(socket, camera_id)
    if code == LEFT:
        return
    with suppress(OSError, RuntimeError, TimeoutError, WebSocketException):  # he may have left
        async with asyncio.timeout(PATIENCE):
            await socket.close(code, reason)


async def _shown(socket: WebSocket[Any, Any, Any], camera_id: str) -> tuple[int, str]:
    """Show it; code and reason to close with."""
    parts: Parts = socket.app.state.parts
    views: Views = socket.app.state.views
    try:
        await counted(socket, socket.route_handler)
        await signed_in(socket, socket.route_handler)
        session = socket.state.session
        look = _look(socket.query_params)
        camera = await asked_camera(parts, checked_code(camera_id))
        asked = await wish_for_camera(parts, session, Action.WATCH_CAMERA, camera, look)
        return await Showing(parts, views, socket, asked).run(session)
    except Refused as refused:
        return closing(refused)
    except OUTAGES as error:
        log.warning("unavailable", reason=type(error).__name__)
        return closing(Refused(Kind.UNAVAILABLE, "a part of the engine does not answer"))


def _look(query: Any) -> Look:
    """Raises Refused(INVALID) naming `purpose` or `case`."""
    purpose, case = str(query.get("purpose", "")), str(query.get("case", ""))
    if CASE.fullmatch(case) is None:
        raise Refused(Kind.INVALID, "case: the number of an incident or a case", case="invalid")
    try:
        return Look(Purpose(purpose) if purpose else None, case or None)
    except ValueError:
        raise Refused(Kind.INVALID, "purpose: one of the list", purpose="invalid") from None
