"""Wishes about cameras: in which role and for which purpose a person asks.

`purpose` and `case` are what the person chose; without a purpose his standing ones are tried.
"""

import re
from typing import Annotated, Final

import msgspec
from litestar.params import PathParameter, QueryParameter

from saqtau.engine.video_reading import CameraPlace, place_of
from saqtau.kernel.access import AccessRequest, Action, Purpose, Viewer
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import PlaceKind
from saqtau.kernel.sensitive import sensitive_of
from saqtau.web.hidden import NOWHERE, hidden, knows
from saqtau.web.looking import STANDING, asking, viewers_of
from saqtau.web.parts import Parts
from saqtau.web.sessions import Session

CAMERA: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")
CASE: Final = re.compile(r"[A-Za-z0-9А-Яа-я/._-]{0,40}")
CameraId = Annotated[str, PathParameter(pattern=f"^{CAMERA.pattern}$", min_length=1, max_length=32)]
PurposeAsked = Annotated[Purpose | None, QueryParameter()]
CaseAsked = Annotated[str | None, QueryParameter(pattern=f"^{CASE.pattern}$", max_length=40)]
FromAsked = Annotated[int, QueryParameter(name="from", ge=0, le=2**53)]
ToAsked = Annotated[int, QueryParameter(name="to", ge=0, le=2**53)]


class Look(msgspec.Struct, frozen=True):
    """Why somebody looks, as he said it."""

    purpose: Purpose | None = None
    case: str | None = None

    @property
    def purposes(self) -> tuple[Purpose, ...]:
        """The purposes to try, in this order."""
        return STANDING if self.purpose is None else (self.purpose,)


async def wish_for_camera(
    parts: Parts, session: Session, action: Action, camera: CameraPlace, look: Look, *, oldest: Instant | None = None
) -> tuple[Viewer, AccessRequest]:
    """The role and the request in which this person asks for a camera. oldest: of the pictures that are asked for.

    Raises Refused(DENIED, `camera`): it may not be his to know of (`web/hidden`); that is entered.
    """
    age = 0 if oldest is None else max(0, -(-(parts.clock() - oldest) // DAY))
    wishes = [
        AccessRequest(
            action=action, purpose=one, object=camera.id, region=camera.region, case=look.case or None,
            sensitive=camera.sensitive, age_days=min(age, 100_000),
        )
        for one in look.purposes
    ]  # fmt: skip
    viewer, wish = await asking(parts, session, wishes)
    await must_know(parts, session, camera, viewer, wish)
    return viewer, wish


async def must_know(parts: Parts, session: Session, camera: CameraPlace, viewer: Viewer, wish: AccessRequest) -> None:
    """Refuse (DENIED, `camera`) a wish about a camera of which he may not even know that it is there; it is entered."""
    if not knows_camera(parts, session, camera) and not await parts.access.allows(viewer, wish):
        raise await hidden(parts, viewer, wish, "camera")


def checked_code(camera: str) -> str:
    """The camera's code. Raises Refused(INVALID, `camera_id`) when it is none."""
    if CAMERA.fullmatch(camera) is None:
        raise Refused(Kind.INVALID, "camera_id: the code of a camera", camera_id="invalid")
    return camera


async def asked_camera(parts: Parts, session: Session, action: Action, camera: str) -> CameraPlace:
    """Where the camera is. Raises Refused: NOT_FOUND for who may know of any camera, DENIED for everybody else."""
    try:
        async with parts.pg.acquire() as pg:
            return await place_of(pg, camera)
    except Refused as refused:
        nowhere = [CameraPlace(camera, "", NOWHERE, place, 0.0, 0.0) for place in PlaceKind]
        if refused.kind is not Kind.NOT_FOUND or all(knows_camera(parts, session, one) for one in nowhere):
            raise
    wish = AccessRequest(action=action, purpose=Purpose.DUTY, object=camera, region=NOWHERE)
    raise await hidden(parts, viewers_of(session)[0], wish, "camera")


def knows_camera(parts: Parts, session: Session, camera: CameraPlace) -> bool:
    """Whether this person is shown where this camera is and how it is: then he is told why its pictures are not his."""
    wish = AccessRequest(
        action=Action.READ_CAMERA, purpose=Purpose.DUTY, object=camera.id, region=camera.region,
        sensitive=camera.sensitive,
    )  # fmt: skip
    return knows(parts, session, wish)


KINDS: Final = tuple(
    (sensitive, frozenset(place for place in PlaceKind if sensitive_of(place) == sensitive))
    for sensitive in sorted({sensitive_of(place) for place in PlaceKind}, key=sorted)
)
"""Places that the policies cannot tell apart, by why they are sensitive."""


def places_for(parts: Parts, session: Session, action: Action) -> dict[tuple[Viewer, AccessRequest], set[PlaceKind]]:
    """The standing wishes of this person that are allowed, and the kinds of places that each is for.

    None is allowed: the first of all, for no place, so that the denial is of something.
    """
    found: dict[tuple[Viewer, AccessRequest], set[PlaceKind]] = {}
    every = [
        (viewer, AccessRequest(action=action, purpose=purpose, object="cameras", sensitive=sensitive), places)
        for sensitive, places in KINDS
        for purpose in STANDING
        for viewer in viewers_of(session)
    ]
    done: set[PlaceKind] = set()
    for viewer, wish, places in every:
        if not places <= done and parts.access.decides(viewer, wish).allow:
            found[viewer, wish] = set(places)
            done |= places
    return found or {every[0][:2]: set()}
