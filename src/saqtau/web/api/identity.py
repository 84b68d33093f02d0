"""The way in by the authority's own identity provider. The callback is a page: it answers with where to go."""

import secrets
from typing import Any, Final, Literal

import msgspec
import structlog
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.params import JSONBody
from litestar.response import Redirect

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass
from saqtau.web import challenges
from saqtau.web.answers import answers
from saqtau.web.api.session import ask_for_second
from saqtau.web.auth import address_of, admit, cookie_of, counted, doorkeeper_of, has_second, stranger_told, whoever
from saqtau.web.oidc import Provider, part
from saqtau.web.parts import Parts, parts_of
from saqtau.web.people import Person, person_of
from saqtau.web.schema import Strict
from saqtau.web.sessions import cookie_name, find_by_digest, find_session, renew_session

log = structlog.get_logger("saqtau.web.identity")

BINDING: Final = "saqtau_identity"
PAGES: Final = {"console": "/", "tablet": "/tablet", "proof": "/#/account"}
"""Where a browser can be sent afterwards: nowhere else."""
_ANSWER: Final = {"state": 100, "code": 4000, "iss": 400}
"""What a provider's answer may hold, and how many characters of it."""


class Begin(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where to afterwards. "proof": it is to prove again who I am, in the session I have."""

    to: Literal["console", "tablet", "proof"]


class Begun(msgspec.Struct, frozen=True):
    """Where the browser goes now."""

    address: str


class _Asked(msgspec.Struct):
    to: str
    at: Instant


def provider_of(request: Request[Any, Any, Any]) -> Provider:
    """The identity provider. Raises Refused(NOT_FOUND) where none is configured."""
    provider: Provider | None = request.app.state.provider
    if provider is None:
        raise Refused(Kind.NOT_FOUND, "no identity provider is configured", issuer="none")
    return provider


@post(
    "/api/oidc/begin",
    operation_id="beginIdentity",
    security=[],
    guards=[counted],
    dto=Strict[Begin],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 413, 429, 503),
)
async def begin(request: Request[Any, Any, Any], data: JSONBody[Begin]) -> Response[Begun]:
    """Ask where to go to log in at the identity provider. The answer is bound to this browser by a cookie."""
    parts, provider, now = parts_of(request), provider_of(request), parts_of(request).clock()
    digest = None
    if data.to == "proof":
        session = await find_session(parts.pg, request.cookies.get(cookie_name(secure=parts.secure), ""), now)
        if session is None:
            raise Refused(Kind.UNAUTHENTICATED, "log in first", session="none")
        digest = session.digest
    token = secrets.token_urlsafe(32)
    address = await provider.address(token, prove=data.to == "proof")
    await challenges.keep(
        parts.pg, "identity", token.encode(), now, session=digest, told=msgspec.json.encode(_Asked(data.to, now))
    )
    return Response(Begun(address), cookies=[_binding(token, 300, secure=parts.secure)])


def _binding(token: str, seconds: int, *, secure: bool) -> Cookie:
    """Lax, for the provider's page sends the browser back here: that is a visit from another site."""
    return Cookie(
        key=BINDING, value=token, path="/api/oidc", httponly=True, samesite="lax", secure=secure, max_age=seconds
    )  # fmt: skip


@get(
    "/api/oidc/callback",
    operation_id="endIdentity",
    security=[],
    guards=[counted],
    status_code=303,
    include_in_schema=False,
)
async def callback(request: Request[Any, Any, Any]) -> Response[Any]:
    """Where the identity provider sends the browser back to: opens the session and goes on to the page."""
    parts = parts_of(request)
    try:
        answer = {name: request.query_params.get(name, "")[: most + 1] for name, most in _ANSWER.items()}
        async with stranger_told(parts, doorkeeper_of(request), "oidc", address_of(request)):
            place, cookies = await _arrive(request, parts, answer)
    except Refused as refused:
        log.warning("log-in by identity refused", kind=refused.kind, fields=dict(refused.fields))
        reason = "away" if refused.kind is Kind.UNAVAILABLE else next(iter(refused.fields), "refused")
        place, cookies = f"/?refused={reason}", []
    return Redirect(place, status_code=303, cookies=[*cookies, _binding("", 0, secure=parts.secure)])


async def _arrive(request: Request[Any, Any, Any], parts: Parts, answer: dict[str, str]) -> tuple[str, list[Cookie]]:
    """Where to, and the cookies. Raises Refused, whatever does not hold."""
    provider, now = provider_of(request), parts.clock()
    token, state = request.cookies.get(BINDING, ""), answer["state"]
    if not token or not state or not secrets.compare_digest(part(token, "state").encode(), state.encode()):
        raise Refused(Kind.UNAUTHENTICATED, "not begun in this browser", state="wrong")
    asked = await challenges.spend(parts.pg, "identity", token.encode(), now)
    told = msgspec.json.decode(asked.told, type=_Asked)
    if not answer["code"]:
        raise Refused(Kind.UNAUTHENTICATED, "the identity provider said no", denied="by_provider")
    since = told.at if told.to == "proof" else None
    found = await provider.identity(token, answer["code"], answer["iss"] or None, since)
    person = await _person(parts, provider.issuer.issuer, found.subject)
    methods = ("oidc", "oidc_second") if found.second else ("oidc",)
    if asked.session is not None:
        return PAGES[told.to], [await _prove(parts, asked.session, person, methods, now)]
    if not found.second and await has_second(parts.pg, person.id):
        second = await ask_for_second(parts, person, "oidc")
        return f"{PAGES[told.to]}#/second/{second.ticket}/{'-'.join(second.ways)}", []
    opened, _ = await admit(parts, person, methods, address_of(request))
    return PAGES[told.to], [cookie_of(opened, secure=parts.secure)]


async def _person(parts: Parts, issuer: str, subject: str) -> Person:
    row = await parts.pg.fetchrow(
        """select p.* from identities i join people p on p.id = i.person
           where i.issuer = $1 and i.subject = $2 and p.disabled is null""",
        issuer,
        subject,
    )
    if row is None:
        raise Refused(Kind.UNAUTHENTICATED, "this identity has no account here", identity="unknown")
    return person_of(row)


async def _prove(parts: Parts, digest: bytes, person: Person, methods: tuple[str, ...], now: Instant) -> Cookie:
    session = await find_by_digest(parts.pg, digest, now)
    if session is None or session.person.id != person.id:
        raise Refused(Kind.UNAUTHENTICATED, "another person than the session's", identity="other")
    if "oidc_second" not in methods and await has_second(parts.pg, person.id):
        raise Refused(Kind.UNAUTHENTICATED, "show a passkey or a code", second_factor="required")
    both = tuple(dict.fromkeys((*session.methods, *methods)))[-4:]
    token, _ = await renew_session(parts.pg, session, both, now)
    told = {"methods": list(methods)}
    await parts.access.tell(LeafClass.LOGIN, "login.proved", told, viewer=whoever(session), must=False)
    return cookie_of(token, secure=parts.secure)
