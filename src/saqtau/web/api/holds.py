"""Legal holds: what a case keeps from erasure. Two people lift one."""

import os
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter

from saqtau.engine.legal_holds import (
    AskedHold,
    Holding,
    HoldLine,
    agree_to_lift,
    ask_to_lift,
    find_hold,
    place,
    read_holds,
    thing_of,
)
from saqtau.kernel.access import AccessRequest, Action, CaseNumber, Purpose
from saqtau.web.answers import answers
from saqtau.web.auth import SOON, counted, fresh, session_of, signed_in
from saqtau.web.looking import asking, watching
from saqtau.web.parts import Parts, parts_of
from saqtau.web.schema import BY_TOKEN, Strict

HoldId = Annotated[str, PathParameter(pattern=r"^[0-9a-f-]{36}$", min_length=36, max_length=36)]
Reason = Annotated[str, msgspec.Meta(min_length=10, max_length=300)]


class PlaceHold(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a case keeps: an item with all that is said about it, or an entry of the ledger (`<origin>#<index>`)."""

    kind: Literal["item", "entry"]
    object: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._/#-]{3,128}$", min_length=3, max_length=128)]
    case: CaseNumber
    reason: Reason


class WhyLift(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a hold is not needed any more."""

    why: Reason


class Holds(msgspec.Struct, frozen=True):
    """Holds of the caller's regions, newest first, at most 200."""

    holds: list[HoldLine]


@post(
    "/api/holds",
    operation_id="placeHold",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[PlaceHold],
    return_dto=None,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def place_hold(request: Request[Any, Any, Any], data: JSONBody[PlaceHold]) -> HoldLine:
    """Keep something for a case. One person is enough: keeping harms nobody's evidence."""
    parts, session = parts_of(request), session_of(request)
    thing = await thing_of(parts.pg, data.kind, data.object)
    wishes = [
        AccessRequest(
            action=Action.PLACE_HOLD, purpose=purpose, object=data.object, region=thing.region, case=data.case,
            sensitive=thing.sensitive, reason=data.reason,
        )
        for purpose in (Purpose.CASE, Purpose.OVERSIGHT)
    ]  # fmt: skip
    async with parts.access.reading(*await asking(parts, session, wishes)) as (grant, _):
        return await place(grant, using(parts), parts.ids(), data.kind, thing, data.reason)


@get("/api/holds", operation_id="readHolds", guards=[counted, signed_in], responses=answers(400, 401, 403, 429, 503))
async def holds(
    request: Request[Any, Any, Any],
    about: Annotated[
        str | None, QueryParameter(name="object", pattern=r"^[A-Za-z0-9._/#-]{3,128}$", max_length=128)
    ] = None,
) -> Holds:
    """What is held, for which case, and which of it somebody wants lifted."""
    parts, session = parts_of(request), session_of(request)
    async with watching(parts, session, Action.READ_EXPORT, about=about or "holds") as (grant, delivered):
        found = await read_holds(grant, parts.pg, parts.clock(), about=about)
        delivered.count = len(found)
    return Holds(found)


@post(
    "/api/holds/{hold_id:str}/lift",
    operation_id="askToLiftHold",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[WhyLift],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def lift(request: Request[Any, Any, Any], hold_id: HoldId, data: JSONBody[WhyLift]) -> HoldLine:
    """Wish that a hold be lifted; another person agrees to it."""
    parts, session = parts_of(request), session_of(request)
    found = await find_hold(parts.pg, hold_id)
    wishes = _wishes(found, Action.PLACE_HOLD, data.why)
    told = {"lift": "asked", "held": found.object}
    async with parts.access.reading(*await asking(parts, session, wishes), told) as (grant, _):
        return await ask_to_lift(grant, parts.pg, hold_id, data.why, parts.clock())


@post(
    "/api/holds/{hold_id:str}/agree",
    operation_id="liftHold",
    security=BY_TOKEN,
    guards=[counted, signed_in, fresh(SOON)],
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 429, 503),
)
async def agree(request: Request[Any, Any, Any], hold_id: HoldId) -> HoldLine:
    """Lift a hold that another person wants lifted. With the last one of a case its key dies."""
    parts, session = parts_of(request), session_of(request)
    found = await find_hold(parts.pg, hold_id)
    wishes = _wishes(found, Action.LIFT_HOLD, "")
    told = {"held": found.object}
    async with parts.access.reading(*await asking(parts, session, wishes), told) as (grant, _):
        return await agree_to_lift(grant, using(parts), hold_id)


def using(parts: Parts) -> Holding:
    """What holds are made with."""
    return Holding(
        pool=parts.pg, ledger=parts.access.ledger, keys=parts.keys, clock=parts.clock, random=os.urandom
    )  # fmt: skip


def _wishes(found: AskedHold, action: Action, reason: str) -> list[AccessRequest]:
    return [
        AccessRequest(
            action=action, purpose=purpose, object=found.id, region=found.region, case=found.case, reason=reason,
            requested_by=found.asked_by if action is Action.LIFT_HOLD else None,
        )
        for purpose in (Purpose.CASE, Purpose.OVERSIGHT)
    ]  # fmt: skip
