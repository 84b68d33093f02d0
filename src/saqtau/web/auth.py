"""Who asks: logging in, the session of a request, and what a request that changes something must bring."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler

from saqtau.kernel.access import Viewer
from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass
from saqtau.web.accounts import is_second
from saqtau.web.errors import busy
from saqtau.web.limits import Buckets
from saqtau.web.parts import Parts
from saqtau.web.people import LONGEST, Person, password_holds, person_of
from saqtau.web.security import CSRF_HEADER, SAFE, check_origin, check_token
from saqtau.web.sessions import LIFE, Session, cookie_name, find_session, open_session
from saqtau.web.throttle import bound_of_address, bounds, count_attempt, forget_attempts

_TOKEN_LENGTH: Final = 43  # 32 bytes in base64
SOON: Final = 5
"""Minutes after a proof within which keys may be changed, and what takes two people approved."""
Admitted = tuple[str, Session]
"""The token for the cookie, and the session it opens."""
Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]


_UNASKED: Final = frozenset({"challenge", "state"})
"""Fields of refusals of an answer to a question that was not put, or not to this browser."""


class Unasked:
    """Answers to questions that nobody put, counted: a stranger's noise is one entry a minute, however much it is."""

    def __init__(self) -> None:
        self._count = 0
        self._told = Instant(0)

    def count(self, now: Instant) -> int:
        """How many since they were last told, when it is time to tell; else 0."""
        self._count += 1
        if now - self._told < MINUTE:
            return 0
        found, self._count, self._told = self._count, 0, now
        return found


class Doorkeeper:
    """What this process remembers between requests: rates, and how many passwords it is checking."""

    def __init__(self, parts: Parts) -> None:
        limits = parts.limits
        self.by_session = Buckets(limits.session_rate, limits.session_burst)
        self.by_address = Buckets(limits.address_rate, limits.address_burst)
        self.unasked = Unasked()
        self._hashing = asyncio.Semaphore(limits.hashing)
        self._waiting = 0
        self._most_waiting = limits.hashing_queue

    @asynccontextmanager
    async def hashing(self) -> AsyncIterator[None]:
        """A turn at the work that takes memory and time. Raises Refused(TOO_MANY) when too many wait."""
        if self._waiting >= self._most_waiting:
            raise busy("too many log-ins at once", 2, name="try_again")
        self._waiting += 1
        try:
            async with self._hashing:
                yield
        finally:
            self._waiting -= 1

    async def password_holds(self, kept: str | None, word: str) -> bool:
        """Check a password in a thread, a few at a time. Raises Refused(TOO_MANY) when too many wait."""
        async with self.hashing():
            return await asyncio.to_thread(password_holds, kept, word)


def doorkeeper_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Doorkeeper:
    """The doorkeeper of the application that answers."""
    keeper: Doorkeeper = connection.app.state.doorkeeper
    return keeper


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Where a request comes from; a proxy's word is taken by uvicorn only from addresses it trusts."""
    return connection.client.host if connection.client is not None else "0.0.0.0"  # noqa: S104 - no bind


def session_of(request: Request[Any, Any, Any]) -> Session:
    """The session that the guard found."""
    session: Session = request.state.session
    return session


async def counted(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: no address asks more than its share, and no other site's page changes anything here."""
    connection.state.began = time.perf_counter()
    parts: Parts = connection.app.state.parts
    doorkeeper_of(connection).by_address.take(address_of(connection), parts.clock())
    if connection.scope.get("method") not in SAFE:
        check_origin(connection.headers)


async def signed_in(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """A guard: a session that holds, within its rate; changes bring its token.

    Raises Refused: UNAUTHENTICATED, DENIED (`second_factor`: the session serves only to set one up).
    """
    await half_signed_in(connection, handler)
    session: Session = connection.state.session
    if session.limited:
        raise Refused(Kind.DENIED, "set up a second factor first", second_factor="set_up_first")


async def half_signed_in(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: as `signed_in`, and open to who still has to set up a second factor. For his own account only."""
    parts: Parts = connection.app.state.parts
    now = parts.clock()
    token = connection.cookies.get(cookie_name(secure=parts.secure), "")
    session = None
    if len(token) == _TOKEN_LENGTH and token.isascii():
        session = await find_session(parts.pg, token, now)
    if session is None:
        raise Refused(Kind.UNAUTHENTICATED, "log in first", session="none")
    doorkeeper_of(connection).by_session.take(session.digest, now)
    # a page opens a socket without headers of its own: there its origin is the proof, checked by `counted`
    if connection.scope["type"] != ScopeType.WEBSOCKET and connection.scope.get("method") not in SAFE:
        check_token(connection.headers.get(CSRF_HEADER), session.csrf)
    connection.state.session = session


def fresh(minutes: int) -> Guard:
    """A guard behind `signed_in` for what is not done from an unlocked, empty desk.

    Raises Refused(DENIED, `fresh`) when the person proved himself longer ago: the console then asks and tries again.
    """

    async def proved_of_late(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
        parts: Parts = connection.app.state.parts
        session: Session = connection.state.session
        if parts.clock() > session.proved + minutes * MINUTE:
            raise Refused(Kind.DENIED, f"prove again who you are: asked once in {minutes} minutes", fresh="prove_again")

    return proved_of_late


async def log_in(parts: Parts, keeper: Doorkeeper, name: str, word: str, address: str) -> Admitted | Person:
    """A fresh session and its token; or the person, when he has a code maker or passkeys and must show one of them.

    Raises Refused: TOO_MANY (also before the password is looked at), UNAUTHENTICATED with one answer, after one length
    of time, whether the name, the password or both are wrong.
    """
    limits = bounds(name, address)
    await count_attempt(parts.pg, limits, parts.clock())
    row = await parts.pg.fetchrow("select * from people where id = $1 and disabled is null", name)
    kept = row["password"] if row is not None else None
    if not await keeper.password_holds(kept, word[: LONGEST + 1]) or row is None:
        # what was typed as a name may be a password: only a name that there is stands in the entry
        await tell_of_failure(parts, row["id"] if row is not None else None, "password", address)
        raise Refused(Kind.UNAUTHENTICATED, "name or password is wrong", name="wrong", password="wrong")  # noqa: S106
    await forget_attempts(parts.pg, limits)
    person: Person = person_of(row)
    if await has_second(parts.pg, person.id):
        return person
    return await admit(parts, person, ("password",), address)


async def has_second(pg: Any, person: str) -> bool:
    """Whether a person has set up anything besides a password."""
    found: bool = await pg.fetchval(
        """select exists (select from passkeys where person = $1)
               or exists (select from code_makers where person = $1 and confirmed is not null)""",
        person,
    )
    return found


async def admit(parts: Parts, person: Person, methods: tuple[str, ...], address: str) -> Admitted:
    """Open a session: the one place where it is done, whichever way a person came in.

    With `second_factor = "required"` a session without one serves only to set one up.
    Raises Refused(DENIED, `account`): a glass that he broke was not reviewed in time.
    """
    if await parts.pg.fetchval("select account_locked($1, $2)", person.id, parts.clock()):
        await tell_of_failure(parts, person.id, "locked", address)
        message = "the account is locked until the prosecutor has reviewed a broken glass"
        raise Refused(Kind.DENIED, message, account="locked_until_reviewed")
    limited = parts.accounts.second_factor == "required" and not is_second(methods)
    token, session = await open_session(parts.pg, person, address, parts.clock(), parts.ids, methods, limited=limited)
    told = {"methods": list(methods), "address": address, "limited": limited}
    await parts.access.tell(LeafClass.LOGIN, "login", told, viewer=whoever(session), must=False)
    return token, session


def whoever(session: Session) -> Viewer:
    """The person of a session in no one role in particular: for entries about the session itself."""
    person = session.person
    return Viewer(person.id, ",".join(person.roles), person.regions, person.unit, session.id)


async def tell_of_failure(parts: Parts, account: str | None, way: str, address: str) -> None:
    """Leave an entry about a log-in that failed. account: only one that there is."""
    told = {"account": account, "way": way, "address": address}
    await parts.access.tell(LeafClass.LOGIN, "login.failed", told, must=False)


@asynccontextmanager
async def failure_told(parts: Parts, account: str | None, way: str, address: str) -> AsyncIterator[None]:
    """Whoever is not let in inside leaves an entry; the refusal goes on."""
    try:
        yield
    except Refused as refused:
        if refused.kind in {Kind.UNAUTHENTICATED, Kind.DENIED}:
            await tell_of_failure(parts, account, way, address)
        raise


@asynccontextmanager
async def stranger_told(parts: Parts, keeper: Doorkeeper, way: str, address: str) -> AsyncIterator[None]:
    """As `failure_told` where nobody has named an account: each failure counts against the address.

    What answers no question of ours leaves no entry of its own, or anybody could fill the log: how many they were is
    told once a minute at most. Raises Refused(TOO_MANY) before anything is tried.
    """
    limits = bound_of_address(address, way)
    await count_attempt(parts.pg, limits, parts.clock())
    try:
        yield
    except Refused as refused:
        if refused.kind not in {Kind.UNAUTHENTICATED, Kind.DENIED}:
            await forget_attempts(parts.pg, limits)
        elif not refused.fields.keys() & _UNASKED:
            await tell_of_failure(parts, None, way, address)
        elif count := keeper.unasked.count(parts.clock()):
            told = {"way": "unasked", "count": count}
            await parts.access.tell(LeafClass.LOGIN, "login.failed", told, must=False)
        raise
    await forget_attempts(parts.pg, limits)


async def tell_own(parts: Parts, session: Session, action: str, told: Mapping[str, Any] | None = None) -> None:
    """Leave an entry about what a person changes of his own account, before it stands.

    Raises Refused(UNAVAILABLE) when it cannot be left: then the caller's transaction is undone.
    """
    await parts.access.tell(LeafClass.ADMIN, f"account.{action}", told, viewer=whoever(session))


def cookie_of(token: str, *, secure: bool) -> Cookie:
    """The session's cookie: no script reads it, no other site sends it."""
    name = cookie_name(secure=secure)
    return Cookie(
        key=name, value=token, path="/", httponly=True, samesite="strict", secure=secure, max_age=LIFE // 1000
    )  # fmt: skip


def empty_cookie(*, secure: bool) -> Cookie:
    """What takes the cookie away."""
    name = cookie_name(secure=secure)
    return Cookie(key=name, value="", path="/", httponly=True, samesite="strict", secure=secure, max_age=0)
