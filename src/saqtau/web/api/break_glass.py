"""Breaking the glass: one object for fifteen minutes, told at once to the supervisor and the prosecutor."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody

from saqtau.engine.break_glass import GlassLine, break_glass, check_reason, read_broken, unreviewed
from saqtau.engine.exports import subject_of
from saqtau.kernel.access import AccessRequest, Action, Purpose
from saqtau.kernel.two_people import may_break
from saqtau.web.answers import answers
from saqtau.web.api.exports import ItemId
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.looking import asking, watching
from saqtau.web.parts import parts_of
from saqtau.web.schema import BY_TOKEN, Strict


class BreakGlass(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which object, and whose life hangs on it."""

    item: ItemId
    reason: Annotated[str, msgspec.Meta(min_length=10, max_length=300)]


class BrokenGlass(msgspec.Struct, frozen=True):
    """Broken glasses, newest first, at most 200."""

    broken: list[GlassLine]


@post(
    "/api/break-glass",
    operation_id="breakGlass",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[BreakGlass],
    return_dto=None,
    responses=answers(400, 401, 403, 404, 413, 429, 503),
)
async def break_open(request: Request[Any, Any, Any], data: JSONBody[BreakGlass]) -> GlassLine:
    """Open the item for fifteen minutes (`purpose=emergency`). The review is in the queue before this answers."""
    parts, session = parts_of(request), session_of(request)
    check_reason(data.reason)
    subject = await subject_of(parts.pg, data.item)
    wish = AccessRequest(
        action=Action.OPEN_BREAK_GLASS, purpose=Purpose.EMERGENCY, object=subject.item, region=subject.region,
        unit=subject.unit, sensitive=subject.sensitive, reason=data.reason,
    )  # fmt: skip
    viewer, wish = await asking(parts, session, [wish])
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
