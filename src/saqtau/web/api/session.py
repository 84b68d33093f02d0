"""Logging in and out, and who I am."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from saqtau.web.answers import answers
from saqtau.web.auth import address_of, cookie_of, counted, doorkeeper_of, empty_cookie, log_in, session_of, signed_in
from saqtau.web.parts import Parts, parts_of
from saqtau.web.schema import BY_TOKEN, Strict
from saqtau.web.sessions import Session, end_session


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name and a password."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Me(msgspec.Struct, frozen=True):
    """Who is logged in. `csrf` goes back as X-CSRF-Token with each change; times are told in `zone`, an IANA name."""

    user: str
    name: str
    roles: tuple[str, ...]
    regions: tuple[int, ...]
    unit: str | None
    csrf: str
    language: str
    zone: str


def me_of(parts: Parts, session: Session) -> Me:
    """What a console needs to know of its session."""
    who = session.person
    return Me(
        user=who.id,
        name=who.name,
        roles=who.roles,
        regions=tuple(sorted(who.regions)),
        unit=who.unit,
        csrf=session.csrf,
        language=who.language,
        zone=str(parts.calendar.zone),
    )


@post(
    "/api/login",
    operation_id="login",
    security=[],
    guards=[counted],
    dto=Strict[Login],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 413, 429, 503),
)
async def login(request: Request[Any, Any, Any], data: JSONBody[Login]) -> Response[Me]:
    """Open a session. One answer for a wrong name and a wrong password."""
    parts = parts_of(request)
    token, session = await log_in(parts, doorkeeper_of(request), data.name, data.password, address_of(request))
    return Response(me_of(parts, session), cookies=[cookie_of(token, secure=parts.secure)])


@post(
    "/api/logout",
    operation_id="logout",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    status_code=204,
    responses={204: ResponseSpec(None, description="The session has ended."), **answers(401, 403, 429, 503)},
)
async def logout(request: Request[Any, Any, Any]) -> Response[None]:
    """End the session, in every process at once; its live streams end within a second."""
    parts = parts_of(request)
    session = session_of(request)
    await end_session(parts.pg, session)
    request.app.state.hub.end_sessions([session.digest])
    return Response(None, status_code=204, cookies=[empty_cookie(secure=parts.secure)])


@get("/api/me", operation_id="readMe", guards=[counted, signed_in], responses=answers(401, 429, 503))
async def me(request: Request[Any, Any, Any]) -> Me:
    """Who is logged in."""
    return me_of(parts_of(request), session_of(request))
