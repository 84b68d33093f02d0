"""Breaking the glass: one object for fifteen minutes, told at once to the supervisor and the prosecutor."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody

from saqtau.engine.break_glass import (
    GlassLine,
    StillOpen,
    break_glass,
    check_reason,
    read_broken,
    still_open,
    unreviewed,
)
from saqtau.engine.exports import Subject, subject_of
from saqtau.kernel.access import AccessRequest, Action, Purpose
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.two_people import may_break
from saqtau.web.answers import answers
from saqtau.web.api.exports import ItemId
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.looking import asking, viewers_of, watching
from saqtau.web.parts import Parts, parts_of
from saqtau.web.schema import BY_TOKEN, Strict
from saqtau.web.sessions import Session


class BreakGlass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which object, and whose life hangs on it."""

    item: ItemId
    reason: Annotated[str, msgspec.Meta(min_length=10, max_length=300)]


class BrokenGlass(msgspec.Struct, frozen=True):
    """Broken glasses, newest first, at most 200."""

    broken: list[GlassLine]


class OpenGlass(msgspec.Struct, frozen=True):
    """What is open to the caller by a glass that he broke."""

    open: list[StillOpen]


async def ordinary_way(parts: Parts, session: Session, subject: Subject) -> bool:
    """Whether the person reads the item, pictures too, without breaking anything. Raises Refused(UNAVAILABLE)."""
    for viewer in viewers_of(session):
        wishes = [
            AccessRequest(
                action=action, purpose=Purpose.INCIDENT, object=subject.item, region=subject.region, unit=subject.unit,
                case=subject.item, sensitive=subject.sensitive,
            )
            for action in (Action.READ_ITEM, Action.READ_PICTURE)
        ]  # fmt: skip
        if all([await parts.access.allows(viewer, wish) for wish in wishes]):
            return True
    return False


@post(
    "/api/break-glass",
    operation_id="breakGlass",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[BreakGlass],
    return_dto=None,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def break_open(request: Request[Any, Any, Any], data: JSONBody[BreakGlass]) -> GlassLine:
    """Open the item for fifteen minutes (`purpose=emergency`). The review is in the queue before this answers.

    409 `glass: ordinary_way`: he reads this item anyway, and a review would be about nothing.
    """
    parts, session = parts_of(request), session_of(request)
    check_reason(data.reason)
    subject = await subject_of(parts.pg, data.item)
    wish = AccessRequest(
        action=Action.OPEN_BREAK_GLASS, purpose=Purpose.EMERGENCY, object=subject.item, region=subject.region,
        unit=subject.unit, sensitive=subject.sensitive, reason=data.reason,
    )  # fmt: skip
    viewer, wish = await asking(parts, session, [wish])
    if await parts.access.allows(viewer, wish) and await ordinary_way(parts, session, subject):
        parts.access.note(viewer, wish, refused="ordinary-way")
        raise Refused(Kind.CONFLICT, "the ordinary way to this item is open", glass="ordinary_way")
    async with parts.access.reading(viewer, wish) as (grant, _):
        # asked again inside the transaction; here so that nothing is begun that cannot end well
        may_break(await unreviewed(parts.pg, viewer.id), subject.sensitive, parts.clock())
        opened = await break_glass(
            grant, parts.pg, parts.desks, subject, data.reason, parts.clock(), parts.ids, parts.calendar
        )
    request.app.state.publisher.put(opened.outcome.outbox)
    return opened.line


@get(
    "/api/break-glass",
    operation_id="readBrokenGlass",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 429, 503),
)
async def broken(request: Request[Any, Any, Any]) -> BrokenGlass:
    """Who broke the glass over what, why, and where the review is."""
    parts, session = parts_of(request), session_of(request)
    async with watching(parts, session, Action.READ_BREAK_GLASS, about="break-glass") as (grant, delivered):
        found = await read_broken(grant, parts.pg, parts.clock())
        delivered.count = len(found)
    return BrokenGlass(found)


@get(
    "/api/break-glass/open",
    operation_id="readOpenGlass",
    guards=[counted, signed_in],
    responses=answers(401, 403, 429, 503),
)
async def still(request: Request[Any, Any, Any]) -> OpenGlass:
    """What the caller has opened himself and until when; a review that finds it not justified ends it at once."""
    parts, session = parts_of(request), session_of(request)
    return OpenGlass(await still_open(parts.pg, session.person.id, parts.clock()))
