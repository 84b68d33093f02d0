"""The other ways in: a passkey, and the code that comes after a password."""

import base64
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.params import JSONBody

from saqtau.kernel.errors import Kind, Refused
from saqtau.web import challenges, passkeys
from saqtau.web.answers import answers
from saqtau.web.api.session import Me, let_in
from saqtau.web.auth import address_of, admit, counted, doorkeeper_of, failure_told, stranger_told
from saqtau.web.parts import parts_of
from saqtau.web.passkeys import Shown
from saqtau.web.people import person_of
from saqtau.web.proving import by_code
from saqtau.web.schema import Strict

Options = dict[str, Any]
"""What `navigator.credentials` takes, as WebAuthn spells it in JSON (`parseRequestOptionsFromJSON`)."""


class Ways(msgspec.Struct, frozen=True):
    """How one logs in here. passkeys_at: where a passkey works; issuer: the name of the authority's own log-in."""

    second_factor: Literal["required", "offered"]
    passkeys_at: str
    issuer: str | None


class Ticketed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The second proof: six digits of the application, or a code of paper, with the ticket of the first."""

    ticket: Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9_-]{43}\Z", min_length=43, max_length=43)]
    code: Annotated[str, msgspec.Meta(min_length=6, max_length=40)]


@get(
    "/api/login/ways",
    operation_id="readWays",
    security=[],
    guards=[counted],
    responses=answers(429, 503),
    sync_to_thread=False,
)
def ways(request: Request[Any, Any, Any]) -> Ways:
    """How one logs in here."""
    accounts = parts_of(request).accounts
    return Ways(accounts.second_factor, accounts.origins[0], None if accounts.issuer is None else accounts.issuer.name)


@post(
    "/api/login/passkey/question",
    operation_id="askForPasskey",
    security=[],
    guards=[counted],
    status_code=200,
    responses=answers(403, 413, 429, 503),
)
async def question(request: Request[Any, Any, Any]) -> Options:
    """The question that a passkey answers; it holds five minutes and once."""
    parts = parts_of(request)
    told = await passkeys.ask_to_show(parts.pg, parts.accounts, parts.clock())
    return msgspec.json.decode(told, type=Options)


@post(
    "/api/login/passkey",
    operation_id="logInByPasskey",
    security=[],
    guards=[counted],
    dto=Strict[Shown],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 413, 429, 503),
)
async def by_passkey(request: Request[Any, Any, Any], data: JSONBody[Shown]) -> Response[Me]:
    """Open a session with a passkey alone: it is two factors, for the authenticator has checked who holds it."""
    parts = parts_of(request)
    address = address_of(request)
    async with stranger_told(parts, doorkeeper_of(request), "passkey", address):
        person = await passkeys.check(parts.pg, parts.accounts, data, parts.clock())
    return let_in(parts, await admit(parts, person, ("passkey",), address))


@post(
    "/api/login/code",
    operation_id="logInByCode",
    security=[],
    guards=[counted],
    dto=Strict[Ticketed],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 413, 429, 503),
)
async def second(request: Request[Any, Any, Any], data: JSONBody[Ticketed]) -> Response[Me]:
    """Open a session with the second proof."""
    parts = parts_of(request)
    ticket = base64.urlsafe_b64decode(data.ticket + "=")
    asked = await challenges.look(parts.pg, "second", ticket, parts.clock())
    row = await parts.pg.fetchrow("select * from people where id = $1 and disabled is null", asked.person)
    if row is None:
        raise Refused(Kind.UNAUTHENTICATED, "log in again", challenge="begin_again")
    person = person_of(row)
    address = address_of(request)
    async with failure_told(parts, person.id, "code", address):
        method = await by_code(parts, doorkeeper_of(request), person, data.code, address)
    await challenges.spend(parts.pg, "second", ticket, parts.clock())
    return let_in(parts, await admit(parts, person, (asked.told.decode(), method), address))
