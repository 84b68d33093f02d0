"""Cameras: where they are and how they are, their gaps, who looks at them; adding one, switching one off and on."""

from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody

from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.failures import refusals
from saqtau.engine.store import see
from saqtau.engine.video_camera import add_camera, must_be_of_one_place, relearn, switch_off, switch_on
from saqtau.engine.video_reading import CameraSeen, Timeline, Watcher, read_timeline, read_watchers
from saqtau.jurisdiction.rooms import lawful_camera
from saqtau.kernel.access import AccessRequest, Action, Purpose, Viewer
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import VideoCamera
from saqtau.kernel.sensitive import Sensitive, sensitive_of
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.cameras import (
    CameraId,
    FromAsked,
    Look,
    ToAsked,
    asked_camera,
    must_know,
    places_for,
    wish_for_camera,
)
from saqtau.web.looking import asking
from saqtau.web.parts import Parts, parts_of
from saqtau.web.schema import BY_TOKEN, Strict
from saqtau.web.sessions import Session

Reason = Annotated[str, msgspec.Meta(min_length=10, max_length=300)]


class Cameras(msgspec.Struct, frozen=True):
    """Every camera that the caller may know of, by its code; `now` is our time."""

    now: Instant
    cameras: list[CameraSeen]


class NewCamera(VideoCamera, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A camera that is to be recorded, and why."""

    reason: Reason


class Why(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a camera is switched off or on; it stands in the log for good."""

    reason: Reason


class Switched(msgspec.Struct, frozen=True):
    """A camera and the entry of the log about what was done to it."""

    camera: str
    entry: str


@get("/api/cameras", operation_id="readCameras", guards=[counted, signed_in], responses=answers(401, 403, 429, 503))
async def cameras(request: Request[Any, Any, Any]) -> Cameras:
    """Cameras of the caller's regions and kinds of places, with their states. Entered once in 15 minutes."""
    parts, session = parts_of(request), session_of(request)
    counted_places = {place for places in places_for(parts, session, Action.READ_WATCHERS).values() for place in places}
    found: list[CameraSeen] = []
    for (viewer, wish), places in places_for(parts, session, Action.READ_CAMERA).items():
        async with request.app.state.standing.using(session.digest, viewer, wish) as (grant, delivered):
            seen = await request.app.state.states.read(grant, places, parts.clock(), counted=counted_places)
            delivered.count = len(seen)
        found += seen
    return Cameras(parts.clock(), sorted(found, key=lambda camera: camera.id))


@get(
    "/api/cameras/{camera_id:str}/timeline",
    operation_id="readTimeline",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 404, 429, 503),
)
async def timeline(request: Request[Any, Any, Any], camera_id: CameraId, began: FromAsked, ended: ToAsked) -> Timeline:
    """What is recorded of a camera between two instants (Unix ms, at most 31 days), its gaps and its holds."""
    parts, session = parts_of(request), session_of(request)
    camera = await asked_camera(parts, session, Action.READ_CAMERA, camera_id)
    viewer, wish = await wish_for_camera(parts, session, Action.READ_CAMERA, camera, Look())
    async with request.app.state.standing.using(session.digest, viewer, wish) as (grant, delivered):
        async with parts.pg.acquire() as pg:
            found = await read_timeline(grant, pg, camera_id, Instant(began), Instant(ended), parts.clock())
        delivered.count = len(found.recorded) + len(found.gaps)
    return found


@get(
    "/api/cameras/{camera_id:str}/watchers",
    operation_id="readWatchers",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 404, 429, 503),
)
async def watchers(request: Request[Any, Any, Any], camera_id: CameraId) -> list[Watcher]:
    """Who looks at a camera now, and for which purpose. Overseers are shown to overseers only."""
    parts, session = parts_of(request), session_of(request)
    camera = await asked_camera(parts, session, Action.READ_WATCHERS, camera_id)
    viewer, wish = await wish_for_camera(parts, session, Action.READ_WATCHERS, camera, Look())
    async with request.app.state.standing.using(session.digest, viewer, wish) as (grant, delivered):
        async with parts.pg.acquire() as pg:
            found = await read_watchers(grant, pg, camera_id, parts.clock())
        delivered.count = len(found)
    return found


@post(
    "/api/cameras",
    operation_id="addCamera",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[NewCamera],
    return_dto=None,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def add(request: Request[Any, Any, Any], data: JSONBody[NewCamera]) -> Switched:
    """Record another camera. A room that must not be recorded is refused with the law's reason (`fields.room`)."""
    parts, session = parts_of(request), session_of(request)
    if parts.law is None:
        raise Refused(Kind.UNAVAILABLE, "there is no table of law to hold a camera against", law="missing")
    camera = msgspec.convert(
        {name: getattr(data, name) for name in VideoCamera.__struct_fields__}, VideoCamera, from_attributes=True
    )
    _check_reach(camera)
    viewer, wish = await _maintaining(parts, session, camera.id, camera.region, sensitive_of(camera.place), data.reason)
    told = {"done": "added", "site": camera.site, "place": camera.place.value, "room": camera.room}
    async with parts.access.reading(viewer, wish, told) as (grant, done):
        lawful_camera(parts.law, camera)
        with refusals():
            async with parts.pg.acquire() as pg, pg.transaction():
                await see(pg, EVERYWHERE)
                await must_be_of_one_place(pg, camera)
                await add_camera(pg, camera, viewer.id, parts.clock())
        done.count = 1
        return Switched(camera.id, grant.entry)


def _check_reach(camera: VideoCamera) -> None:
    """What a browser may not add: who sits at the machine may. Raises Refused(INVALID, `address` or `credentials`)."""
    if camera.address.startswith("file:"):
        raise Refused(Kind.INVALID, "a file of the machine is added by its command", address="file_by_command_only")
    try:
        nowhere = ip_address(urlsplit(camera.address).hostname or "").is_link_local
    except ValueError:  # a name
        nowhere = False
    if nowhere:  # where machines of a cloud ask for their own passwords
        raise Refused(Kind.INVALID, "an address of this line only is added by its command", address="link_local")
    if camera.credentials not in {None, camera.id}:
        # whoever names an address of his own for another camera's password is told it
        raise Refused(Kind.INVALID, "a camera is asked with its own password", credentials="of_another_camera")


@post(
    "/api/cameras/{camera_id:str}/disable",
    operation_id="disableCamera",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[Why],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def disable(request: Request[Any, Any, Any], camera_id: CameraId, data: JSONBody[Why]) -> Switched:
    """Record nothing of a camera until it is switched on again. The gap names who, when and why."""
    return await _switch(parts_of(request), session_of(request), camera_id, data.reason, on=False)


@post(
    "/api/cameras/{camera_id:str}/enable",
    operation_id="enableCamera",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[Why],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def enable(request: Request[Any, Any, Any], camera_id: CameraId, data: JSONBody[Why]) -> Switched:
    """Record a camera again."""
    return await _switch(parts_of(request), session_of(request), camera_id, data.reason, on=True)


@post(
    "/api/cameras/{camera_id:str}/learn",
    operation_id="learnCamera",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[Why],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def learn(request: Request[Any, Any, Any], camera_id: CameraId, data: JSONBody[Why]) -> Switched:
    """A camera was moved on purpose: how it looks when it is well is learned anew from its next pictures."""
    parts, session = parts_of(request), session_of(request)
    camera = await asked_camera(parts, session, Action.MANAGE_CAMERA, camera_id)
    viewer, wish = await _maintaining(parts, session, camera.id, camera.region, camera.sensitive, data.reason)
    await must_know(parts, session, camera, viewer, wish)
    async with parts.access.reading(viewer, wish, {"done": "learn anew"}) as (grant, done):
        with refusals():
            async with parts.pg.acquire() as pg, pg.transaction():
                await see(pg, EVERYWHERE)
                await relearn(
                    pg, parts.ids(), camera_id, data.reason, viewer.id, viewer.role, grant.entry, parts.clock()
                )
        done.count = 1
        return Switched(camera_id, grant.entry)


async def _switch(parts: Parts, session: Session, camera_id: str, reason: str, *, on: bool) -> Switched:
    camera = await asked_camera(parts, session, Action.MANAGE_CAMERA, camera_id)
    viewer, wish = await _maintaining(parts, session, camera.id, camera.region, camera.sensitive, reason)
    await must_know(parts, session, camera, viewer, wish)
    async with parts.access.reading(viewer, wish, {"done": "enabled" if on else "disabled"}) as (grant, done):
        with refusals():
            async with parts.pg.acquire() as pg, pg.transaction():
                await see(pg, EVERYWHERE)
                now = parts.clock()
                if on:
                    await switch_on(pg, camera_id, viewer.id, grant.entry, now)
                else:
                    await switch_off(pg, parts.ids(), camera_id, reason, viewer.id, viewer.role, grant.entry, now)
        done.count = 1
        return Switched(camera_id, grant.entry)


async def _maintaining(
    parts: Parts, session: Session, camera: str, region: int, sensitive: frozenset[Sensitive], reason: str
) -> tuple[Viewer, AccessRequest]:
    """The wish to change a camera; its entry is durable before anything is changed."""
    wishes = [
        AccessRequest(
            action=Action.MANAGE_CAMERA, purpose=purpose, object=camera, region=region, sensitive=sensitive,
            reason=reason,
        )
        for purpose in (Purpose.MAINTENANCE, Purpose.DUTY)
    ]  # fmt: skip
    return await asking(parts, session, wishes)
