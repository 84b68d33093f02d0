"""How cameras are besides their state: what they lack although they record, and one camera's health and changes."""

from typing import Any

import msgspec
from litestar import Request, get

from saqtau.engine.video_lacks import CameraHealth, HealthSeen, read_health, read_lacks
from saqtau.kernel.access import Action
from saqtau.kernel.clock import Instant
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.cameras import CameraId, Look, asked_camera, places_for, wish_for_camera
from saqtau.web.parts import parts_of


class Lacking(msgspec.Struct, frozen=True):
    """Cameras of the caller that lack something, by their code."""

    now: Instant
    cameras: list[CameraHealth]


@get("/api/camera-health", operation_id="readLacks", guards=[counted, signed_in], responses=answers(401, 403, 429, 503))
async def lacks(request: Request[Any, Any, Any]) -> Lacking:
    """Cameras that record and lack a reference, a right clock, days of their archive, or a look. No picture."""
    parts, session = parts_of(request), session_of(request)
    found: list[CameraHealth] = []
    for (viewer, wish), places in places_for(parts, session, Action.READ_CAMERA).items():
        async with request.app.state.standing.using(session.digest, viewer, wish) as (grant, delivered):
            async with parts.pg.acquire() as pg:
                seen = await read_lacks(grant, pg, places, parts.clock())
            delivered.count = len(seen)
        found += seen
    return Lacking(parts.clock(), sorted(found, key=lambda camera: camera.id))


@get(
    "/api/cameras/{camera_id:str}/health",
    operation_id="readHealth",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 404, 429, 503),
)
async def health(request: Request[Any, Any, Any], camera_id: CameraId) -> HealthSeen:
    """A camera's last look, references, clock and archive, and what changed; nothing of what is to be seen."""
    parts, session = parts_of(request), session_of(request)
    camera = await asked_camera(parts, session, Action.READ_CAMERA, camera_id)
    viewer, wish = await wish_for_camera(parts, session, Action.READ_CAMERA, camera, Look())
    async with request.app.state.standing.using(session.digest, viewer, wish) as (grant, delivered):
        async with parts.pg.acquire() as pg:
            found = await read_health(grant, pg, camera_id, parts.clock())
        delivered.count = 1 + len(found.changes) + len(found.told)
    return found
