"""Logging in and out, and who I am."""

import base64
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get, post
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody

from saqtau.ledger.leaf import LeafClass
from saqtau.web import challenges
from saqtau.web.answers import answers
from saqtau.web.auth import (
    Admitted,
    address_of,
    cookie_of,
    counted,
    doorkeeper_of,
    empty_cookie,
    half_signed_in,
    log_in,
    session_of,
    whoever,
)
from saqtau.web.parts import Parts, parts_of
from saqtau.web.people import Person
from saqtau.web.schema import BY_TOKEN, Strict
from saqtau.web.sessions import Session, end_session


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name and a password."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class Me(msgspec.Struct, frozen=True):
    """Who is logged in. `csrf` goes back as X-CSRF-Token with each change; times are told in `zone`, an IANA name.

    limited: the session serves only to set up a second factor.
    """

    user: str
    name: str
    roles: tuple[str, ...]
    regions: tuple[int, ...]
    unit: str | None
    csrf: str
    language: str
    zone: str
    methods: tuple[str, ...]
    limited: bool


class Second(msgspec.Struct, frozen=True):
    """The password was right, and a second proof is asked for: a code with this `ticket`, or a passkey."""

    ticket: str
    ways: tuple[str, ...]


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
        methods=session.methods,
        limited=session.limited,
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
async def login(request: Request[Any, Any, Any], data: JSONBody[Login]) -> Response[Me | Second]:
    """Open a session, or ask for the second proof. One answer for a wrong name and a wrong password."""
    parts = parts_of(request)
    done = await log_in(parts, doorkeeper_of(request), data.name, data.password, address_of(request))
    if isinstance(done, Person):
        return Response(await ask_for_second(parts, done, "password"))
    return let_in(parts, done)


def let_in(parts: Parts, admitted: Admitted) -> Response[Any]:
    """The answer that carries a fresh session's cookie."""
    token, session = admitted
    return Response(me_of(parts, session), cookies=[cookie_of(token, secure=parts.secure)])


async def ask_for_second(parts: Parts, person: Person, first: str) -> Second:
    """A ticket for who gave a first proof; it opens nothing by itself."""
    ticket = await challenges.put(parts.pg, "second", parts.clock(), person=person.id, told=first.encode())
    codes = await parts.pg.fetchval(
        "select exists (select from code_makers where person = $1 and confirmed is not null)", person.id
    )
    return Second(base64.urlsafe_b64encode(ticket).decode().rstrip("="), ("code", "passkey") if codes else ("passkey",))


@post(
    "/api/logout",
    operation_id="logout",
    security=BY_TOKEN,
    guards=[counted, half_signed_in],
    status_code=204,
    responses={204: ResponseSpec(None, description="The session has ended."), **answers(401, 403, 429, 503)},
)
async def logout(request: Request[Any, Any, Any]) -> Response[None]:
    """End the session, in every process at once; its live streams end within a second."""
    parts = parts_of(request)
    session = session_of(request)
    await end_session(parts.pg, session)
    await parts.access.tell(LeafClass.LOGIN, "logout", viewer=whoever(session), must=False)
    request.app.state.hub.end_sessions([session.digest])
    return Response(None, status_code=204, cookies=[empty_cookie(secure=parts.secure)])


@get("/api/me", operation_id="readMe", guards=[counted, half_signed_in], responses=answers(401, 429, 503))
async def me(request: Request[Any, Any, Any]) -> Me:
    """Who is logged in."""
    return me_of(parts_of(request), session_of(request))
