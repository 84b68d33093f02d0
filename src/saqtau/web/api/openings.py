"""Opening an item by hand: a form about a camera or a place, where a desk lets the role."""

from typing import Annotated, Any

import msgspec
from litestar import Request, post
from litestar.params import JSONBody, PathParameter

from saqtau.engine import store
from saqtau.engine.custody_reading import find_place
from saqtau.kernel.access import AccessRequest, Action, Purpose
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import open_by_form
from saqtau.kernel.register import PlaceKind
from saqtau.kernel.sensitive import sensitive_of
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.items import after_act
from saqtau.web.looking import actor_of, viewer_in
from saqtau.web.parts import Parts, parts_of
from saqtau.web.schema import BY_TOKEN, Strict
from saqtau.web.sessions import Session
from saqtau.web.views import ItemSeen

Word = Annotated[str, PathParameter(pattern=r"^[a-z_]{1,40}$", min_length=1, max_length=40)]


class OpenItem(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`data`: what the form of the desk's opening requires; its `camera` or `site` names the place."""

    data: dict[str, Any]


@post(
    "/api/desks/{desk:str}/openings/{name:str}",
    operation_id="openItem",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[OpenItem],
    return_dto=None,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def open_item(request: Request[Any, Any, Any], desk: Word, name: Word, data: JSONBody[OpenItem]) -> ItemSeen:
    """Open an item. What its form asks to keep of recordings is held in the same act."""
    parts, session = parts_of(request), session_of(request)
    outcome = await _open(parts, session, desk, name, data.data)
    request.app.state.publisher.put(outcome.outbox)
    return await after_act(parts, session, outcome.items[0].id)


async def _open(parts: Parts, session: Session, desk: str, name: str, form: dict[str, Any]) -> store.Outcome:
    known = parts.desks.current.get(desk)
    if known is None or not any(one.name == name for one in known.openings):
        raise Refused(Kind.NOT_FOUND, f"nobody opens an item of {desk} by {name}", opening="unknown")
    takers = [role for role in session.person.roles if known.opening(name, role) is not None]
    role = (takers or list(session.person.roles))[0]
    async with parts.pg.acquire() as pg:
        place = await find_place(pg, _code(form, "site"), _code(form, "camera"))
    viewer, told = viewer_in(session, role), {"edge": name, "desk": desk}
    wishes = [
        AccessRequest(
            action=Action.ACT_ON_ITEM, purpose=purpose, object=f"{desk}:{name}", region=place["region"],
            unit=viewer.unit, sensitive=sensitive_of(PlaceKind(place["place"])),
        )
        for purpose in (Purpose.DUTY, Purpose.OVERSIGHT)
    ]  # fmt: skip
    wish = next((one for one in wishes if parts.access.decides(viewer, one).allow), wishes[0])
    decision = parts.access.decides(viewer, wish)
    if not decision.allow:
        parts.access.note(viewer, wish, told)
        raise Refused(Kind.DENIED, f"{role} does not open items there", policy=decision.named)
    actor = actor_of(session.person, role, wish.purpose)
    now = parts.clock()
    try:
        wanted = open_by_form(known, name, actor, place, form, now)
        async with parts.pg.acquire() as pg:
            outcome = await store.open_by_hand(pg, parts.desks, wanted, actor, now, parts.ids, parts.calendar)
    except Refused as refused:
        if refused.kind is Kind.DENIED:
            parts.access.note(viewer, wish, told | {"why": sorted(refused.fields)}, refused="desk-opening")
        raise
    parts.access.note(viewer, wish, told | {"item": outcome.items[0].id})
    return outcome


def _code(form: dict[str, Any], name: str) -> str | None:
    """A code that the form names. Raises Refused(INVALID) for what is none."""
    value = form.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or not 1 <= len(value) <= 32 or not value.isprintable():
        raise Refused(Kind.INVALID, f"{name}: a code of the register", **{name: "invalid"})
    return value
