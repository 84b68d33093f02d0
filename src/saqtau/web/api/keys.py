"""My passkeys and my codes: adding, confirming, removing. Each needs a proof of the last minutes."""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.params import JSONBody

from saqtau.web import passkeys, totp
from saqtau.web.answers import answers
from saqtau.web.api.account import end_elsewhere, proved, refuse_the_last
from saqtau.web.api.entry import Options
from saqtau.web.api.session import Me, me_of
from saqtau.web.auth import (
    SOON,
    address_of,
    cookie_of,
    counted,
    doorkeeper_of,
    fresh,
    half_signed_in,
    session_of,
    signed_in,
    tell_own,
)
from saqtau.web.parts import parts_of
from saqtau.web.passkeys import CredentialId, Made, Name
from saqtau.web.schema import BY_TOKEN, Strict
from saqtau.web.sessions import hold_keys, renew_session
from saqtau.web.throttle import bounds, count_attempt, forget_attempts
from saqtau.web.totp import Maker


class AddPasskey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the authenticator made, and how its owner calls it."""

    name: Name
    made: Made


class RemovePasskey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which passkey is lost or old."""

    id: CredentialId


class ConfirmCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The code that the application shows now."""

    code: Annotated[str, msgspec.Meta(pattern=r"\A[0-9]{6}\Z", min_length=6, max_length=6)]


class Recovery(msgspec.Struct, frozen=True):
    """Codes for paper, told this once. `me`: the session goes on under a fresh token."""

    codes: list[str]
    me: Me | None = None


class Gone(msgspec.Struct, frozen=True):
    """It opens nothing more; other sessions have ended."""

    removed: bool = True


MAY_BEGIN: list[Any] = [counted, half_signed_in, fresh(SOON)]
MAY_CHANGE: list[Any] = [counted, signed_in, fresh(SOON)]


@post(
    "/api/passkeys/question",
    operation_id="askToMakePasskey",
    security=BY_TOKEN,
    guards=MAY_BEGIN,
    status_code=200,
    responses=answers(401, 403, 409, 413, 429, 503),
)
async def question(request: Request[Any, Any, Any]) -> Options:
    """What an authenticator is asked to make."""
    parts, session = parts_of(request), session_of(request)
    told = await passkeys.ask_to_make(parts.pg, parts.accounts, session.person, session.digest, parts.clock())
    return msgspec.json.decode(told, type=Options)


@post(
    "/api/passkeys",
    operation_id="addPasskey",
    security=BY_TOKEN,
    guards=MAY_BEGIN,
    dto=Strict[AddPasskey],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 409, 413, 429, 503),
)
async def add_passkey(request: Request[Any, Any, Any], data: JSONBody[AddPasskey]) -> Response[Me]:
    """Keep a passkey. The session goes on under a fresh token, as one that was opened with it."""
    parts, session = parts_of(request), session_of(request)
    now, who = parts.clock(), session.person
    made = await passkeys.check_made(parts.pg, parts.accounts, who, session.digest, data.made, now)
    async with parts.pg.acquire() as pg, pg.transaction():
        await hold_keys(pg, session, now)
        await passkeys.keep(pg, who.id, data.name, made, data.made.transports, now)
        await tell_own(parts, session, "add_passkey", {"backed_up": made.credential_backed_up})
    return await proved(parts, session, "passkey")


@post(
    "/api/passkeys/remove",
    operation_id="removePasskey",
    security=BY_TOKEN,
    guards=MAY_CHANGE,
    dto=Strict[RemovePasskey],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def remove_passkey(request: Request[Any, Any, Any], data: JSONBody[RemovePasskey]) -> Gone:
    """A lost passkey opens nothing more, and my other sessions end."""
    parts, session = parts_of(request), session_of(request)
    await refuse_the_last(parts, session.person.id)
    async with parts.pg.acquire() as pg, pg.transaction():
        await passkeys.remove(pg, session.person.id, data.id)
        await tell_own(parts, session, "remove_passkey")
    await end_elsewhere(request)
    return Gone()


@post(
    "/api/codes/begin",
    operation_id="beginCodes",
    security=BY_TOKEN,
    guards=MAY_BEGIN,
    status_code=200,
    responses=answers(401, 403, 409, 413, 429, 503),
)
async def begin_codes(request: Request[Any, Any, Any]) -> Maker:
    """A secret for an application, told this once; it counts when one of its codes has come."""
    parts = parts_of(request)
    return await totp.begin(parts.pg, parts.accounts.key, session_of(request).person.id, parts.clock())


@post(
    "/api/codes/confirm",
    operation_id="confirmCodes",
    security=BY_TOKEN,
    guards=MAY_BEGIN,
    dto=Strict[ConfirmCode],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 409, 413, 429, 503),
)
async def confirm_codes(request: Request[Any, Any, Any], data: JSONBody[ConfirmCode]) -> Response[Recovery]:
    """From now on codes are asked for after the password. Answers the codes for paper."""
    parts, session = parts_of(request), session_of(request)
    limits = bounds(session.person.id, address_of(request), "code")
    await count_attempt(parts.pg, limits, parts.clock())
    async with parts.pg.acquire() as pg, pg.transaction():
        await hold_keys(pg, session, parts.clock())
        await totp.confirm(pg, parts.accounts.key, session.person.id, data.code, parts.clock())
        await tell_own(parts, session, "set_up_codes")
    await forget_attempts(parts.pg, limits)
    async with doorkeeper_of(request).hashing(), parts.pg.acquire() as pg:
        codes = await totp.make_recovery(pg, session.person.id, parts.clock())
    methods = tuple(dict.fromkeys((*session.methods, "code")))[-4:]
    token, renewed = await renew_session(parts.pg, session, methods, parts.clock())
    return Response(Recovery(codes, me_of(parts, renewed)), cookies=[cookie_of(token, secure=parts.secure)])


@post(
    "/api/codes/remove",
    operation_id="removeCodes",
    security=BY_TOKEN,
    guards=MAY_CHANGE,
    status_code=200,
    responses=answers(401, 403, 404, 409, 413, 429, 503),
)
async def remove_codes(request: Request[Any, Any, Any]) -> Gone:
    """Codes are not asked for any more; those of paper go with them, and my other sessions end."""
    parts, session = parts_of(request), session_of(request)
    await refuse_the_last(parts, session.person.id)
    async with parts.pg.acquire() as pg, pg.transaction():
        await totp.remove(pg, session.person.id)
        await tell_own(parts, session, "remove_codes")
    await end_elsewhere(request)
    return Gone()


@post(
    "/api/codes/recovery",
    operation_id="makeRecoveryCodes",
    security=BY_TOKEN,
    guards=MAY_CHANGE,
    status_code=200,
    responses=answers(401, 403, 409, 413, 429, 503),
)
async def make_recovery(request: Request[Any, Any, Any]) -> Recovery:
    """A fresh set of codes for paper; the old set opens nothing more. Needs codes to be set up."""
    parts, session = parts_of(request), session_of(request)
    await totp.must_be_set_up(parts.pg, session.person.id)
    async with doorkeeper_of(request).hashing(), parts.pg.acquire() as pg, pg.transaction():
        codes = await totp.make_recovery(pg, session.person.id, parts.clock())
        await tell_own(parts, session, "make_recovery_codes")
    return Recovery(codes)
