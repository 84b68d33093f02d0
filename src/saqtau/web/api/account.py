"""My own account: what opens it, where it is open, and proving again who I am."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, Response, get, post
from litestar.params import JSONBody

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass
from saqtau.web import passkeys, people, totp
from saqtau.web.answers import answers
from saqtau.web.api.entry import Options
from saqtau.web.api.session import Me, let_in
from saqtau.web.auth import (
    SOON,
    address_of,
    counted,
    doorkeeper_of,
    failure_told,
    fresh,
    half_signed_in,
    has_second,
    session_of,
    signed_in,
    tell_own,
    whoever,
)
from saqtau.web.parts import Parts, parts_of
from saqtau.web.passkeys import Passkey, Shown
from saqtau.web.proving import by_code, by_password
from saqtau.web.schema import BY_TOKEN, Strict
from saqtau.web.sessions import Session, SessionLine, end_one, end_others, read_sessions, renew_session


class Account(msgspec.Struct, frozen=True):
    """What opens my account, and where it is open.

    codes: since when six digits of an application are asked for; recovery: how many codes of paper are left.
    """

    password: bool
    passkeys: list[Passkey]
    codes: Instant | None
    recovery: int
    identities: list[str]
    sessions: list[SessionLine]
    second_factor: Literal["required", "offered"]


class Proof(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The password, and a code where codes are set up."""

    password: Annotated[str, msgspec.Meta(max_length=256)] = ""
    code: Annotated[str, msgspec.Meta(max_length=40)] = ""


class WantPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The new password."""

    password: Annotated[str, msgspec.Meta(min_length=people.SHORTEST, max_length=people.LONGEST)]


class End(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which of my sessions; none: all but this one."""

    session: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f-]{36}\Z", max_length=36)] | None = None


class Ended(msgspec.Struct, frozen=True):
    """How many sessions ended."""

    ended: int


@get("/api/account", operation_id="readAccount", guards=[counted, half_signed_in], responses=answers(401, 429, 503))
async def account(request: Request[Any, Any, Any]) -> Account:
    """My passkeys, codes and sessions."""
    parts, session = parts_of(request), session_of(request)
    who = session.person.id
    async with parts.pg.acquire() as pg:
        kept = await pg.fetchrow(
            """select password is not null as password,
                      (select confirmed from code_makers where person = p.id) as codes,
                      array(select issuer from identities where person = p.id order by issuer) as identities
               from people p where id = $1""",
            who,
        )
        return Account(
            password=kept["password"],
            passkeys=await passkeys.read(pg, who),
            codes=kept["codes"],
            recovery=await totp.recovery_left(pg, who),
            identities=list(kept["identities"]),
            sessions=await read_sessions(pg, session, parts.clock()),
            second_factor=parts.accounts.second_factor,
        )


@post(
    "/api/account/prove/question",
    operation_id="askForProof",
    security=BY_TOKEN,
    guards=[counted, half_signed_in],
    status_code=200,
    responses=answers(401, 403, 409, 413, 429, 503),
)
async def question(request: Request[Any, Any, Any]) -> Options:
    """The question that one of my passkeys answers. Refused (409) when I have none."""
    parts, session = parts_of(request), session_of(request)
    told = await passkeys.ask_to_show(
        parts.pg, parts.accounts, parts.clock(), person=session.person, session=session.digest
    )
    return msgspec.json.decode(told, type=Options)


@post(
    "/api/account/prove/passkey",
    operation_id="proveByPasskey",
    security=BY_TOKEN,
    guards=[counted, half_signed_in],
    dto=Strict[Shown],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 413, 429, 503),
)
async def prove_by_passkey(request: Request[Any, Any, Any], data: JSONBody[Shown]) -> Response[Me]:
    """Prove again who I am: the session goes on under a fresh token, and sensitive acts are open for some minutes."""
    parts, session = parts_of(request), session_of(request)
    await passkeys.check(parts.pg, parts.accounts, data, parts.clock(), session=session.digest)
    return await proved(parts, session, "passkey")


@post(
    "/api/account/prove",
    operation_id="prove",
    security=BY_TOKEN,
    guards=[counted, half_signed_in],
    dto=Strict[Proof],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 413, 429, 503),
)
async def prove(request: Request[Any, Any, Any], data: JSONBody[Proof]) -> Response[Me]:
    """Prove again who I am by all that is set up: password and code. A refusal names what is missing."""
    parts, session = parts_of(request), session_of(request)
    kept = await parts.pg.fetchrow(
        """select password is not null as password, exists
                  (select from code_makers where person = p.id and confirmed is not null) as codes
           from people p where id = $1""",
        session.person.id,
    )
    if not kept["codes"] and (not kept["password"] or await has_second(parts.pg, session.person.id)):
        raise Refused(Kind.DENIED, "a password alone does not prove it: show a passkey", passkey="required")
    missing = {name: "missing" for name in ("password", "code") if _wants(kept, name) and not getattr(data, name)}
    if missing:
        raise Refused(Kind.INVALID, f"missing: {', '.join(missing)}", **missing)
    keeper, address = doorkeeper_of(request), address_of(request)
    methods = []
    async with failure_told(parts, session.person.id, "proof", address):
        if kept["password"]:
            await by_password(parts, keeper, session.person, data.password, address)
            methods.append("password")
        if kept["codes"]:
            methods.append(await by_code(parts, keeper, session.person, data.code, address))
    return await proved(parts, session, *methods)


def _wants(kept: Any, name: str) -> bool:
    return bool(kept["password"] if name == "password" else kept["codes"])


async def proved(parts: Parts, session: Session, *methods: str) -> Response[Any]:
    """The session of who has just proved himself by these methods: a fresh token, and its answer."""
    both = tuple(dict.fromkeys((*session.methods, *methods)))[-4:]
    told = {"methods": list(methods)}
    await parts.access.tell(LeafClass.LOGIN, "login.proved", told, viewer=whoever(session), must=False)
    return let_in(parts, await renew_session(parts.pg, session, both, parts.clock()))


@post(
    "/api/account/password",
    operation_id="changePassword",
    security=BY_TOKEN,
    guards=[counted, signed_in, fresh(SOON)],
    dto=Strict[WantPassword],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 413, 429, 503),
)
async def change_password(request: Request[Any, Any, Any], data: JSONBody[WantPassword]) -> Ended:
    """A new password of my own; my other sessions end. Needs a fresh proof."""
    parts, session = parts_of(request), session_of(request)
    async with doorkeeper_of(request).hashing(), parts.pg.acquire() as pg, pg.transaction():
        gone = await people.set_password(pg, session.person.id, data.password, parts.clock(), kept=session.digest)
        await tell_own(parts, session, "change_password")
    return _ended(request, gone)


@post(
    "/api/account/sessions/end",
    operation_id="endSessions",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[End],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 413, 429, 503),
)
async def end_sessions(request: Request[Any, Any, Any], data: JSONBody[End]) -> Ended:
    """End one of my sessions, or all but this one: at once, live streams within a second."""
    parts, session = parts_of(request), session_of(request)
    who = session.person.id
    if data.session is None:
        gone = await end_others(parts.pg, who, session.digest)
    else:
        gone = await end_one(parts.pg, who, data.session)
    told = {"ended": len(gone), "session": data.session}
    await parts.access.tell(LeafClass.LOGIN, "logout.elsewhere", told, viewer=whoever(session), must=False)
    return _ended(request, gone)


def _ended(request: Request[Any, Any, Any], gone: list[bytes]) -> Ended:
    request.app.state.hub.end_sessions(gone)
    return Ended(len(gone))


async def end_elsewhere(request: Request[Any, Any, Any]) -> None:
    """What opened an account has changed: its other sessions end."""
    parts, session = parts_of(request), session_of(request)
    _ended(request, await end_others(parts.pg, session.person.id, session.digest))


async def refuse_the_last(parts: Parts, person: str) -> None:
    """Raise Refused(CONFLICT) before the only second factor goes where one is required."""
    if parts.accounts.second_factor == "offered":
        return
    left = await parts.pg.fetchval(
        """select (select count(*) from passkeys where person = $1)
                + (select count(*) from code_makers where person = $1 and confirmed is not null)""",
        person,
    )
    if left <= 1:
        raise Refused(Kind.CONFLICT, "set up another second factor first", second_factor="the_last")
