"""Sessions: opaque, on the server, ended at once by deleting them. Only hashes of their tokens are stored."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec

from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.web.accounts import is_second
from saqtau.web.people import Person, person_of

COOKIE: Final = "saqtau_session"
LIFE: Final = 12 * HOUR
IDLE_CONSOLE: Final = 30 * MINUTE
IDLE_TABLET: Final = 12 * HOUR
"""A tablet in a vehicle stays signed in for the shift."""
_SEEN_STEP: Final = 30 * SECOND
"""`seen` is written at most this often, so that reading costs no write."""


class Session(msgspec.Struct, frozen=True):
    """Who is asking. `csrf` must come back in a header with everything that changes something.

    methods: how he proved himself ("password", "code", "recovery", "passkey", "oidc"); `proved`: when last.
    limited: it serves only to set up a second factor.
    """

    id: str
    digest: bytes
    person: Person
    csrf: str
    opened: Instant
    ends: Instant
    methods: tuple[str, ...] = ("password",)
    proved: Instant = Instant(0)
    limited: bool = False


class SessionLine(msgspec.Struct, frozen=True):
    """A session as its person sees it in the list of his own."""

    id: str
    opened: Instant
    seen: Instant
    ends: Instant
    address: str | None
    methods: tuple[str, ...]
    current: bool


def cookie_name(*, secure: bool) -> str:
    """The cookie's name. With TLS its prefix has browsers refuse one that another host, or a page without TLS, sets."""
    return f"__Host-{COOKIE}" if secure else COOKIE


def digest_of(token: str) -> bytes:
    """What the database knows a token by."""
    return hashlib.sha256(token.encode()).digest()


def csrf_of(token: str) -> str:
    """The header token bound to a session token; nothing of the one can be computed from the other's hash."""
    mac = hmac.digest(token.encode(), b"saqtau csrf v1", "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


async def open_session(
    pg: Any, person: Person, address: str | None, now: Instant, ids: Ids, methods: Sequence[str], *, limited: bool
) -> tuple[str, Session]:
    """A fresh session and the token for its cookie. Called by `auth.admit` only, which tells of it."""
    token = secrets.token_urlsafe(32)
    idle = IDLE_TABLET if "patrol" in person.roles else IDLE_CONSOLE
    ends = Instant(now + LIFE)
    session = Session(ids(), digest_of(token), person, csrf_of(token), now, ends, tuple(methods), now, limited)
    await pg.execute(
        """insert into sessions (digest, id, person, opened, seen, ends, idle, address, methods, proved, limited)
           values ($1, $2, $3, $4, $4, $5, $6, $7::text::inet, $8, $4, $9)""",
        session.digest,
        session.id,
        person.id,
        now,
        session.ends,
        idle,
        address,
        list(methods),
        limited,
    )
    await pg.execute(
        """delete from sessions where digest in
           (select digest from sessions where ends < $1 or seen + idle < $1 limit 1000 for update skip locked)""",
        now,
    )
    return token, session


async def find_session(pg: Any, token: str, now: Instant) -> Session | None:
    """The session of a token, unless it has ended, idled out, or its person was disabled or is locked.

    Locked: a glass he broke was not reviewed within 72 hours. That is computed here, at every look; nobody sets it.
    One that serves only to set up a second factor ends when there is one: whoever knows a password adds nothing to it.
    """
    return await _find(pg, digest_of(token), csrf_of(token), now)


async def find_by_digest(pg: Any, digest: bytes, now: Instant) -> Session | None:
    """The session that is known by this digest, without its tokens: for what was begun in it and comes back later."""
    return await _find(pg, digest, "", now)


async def _find(pg: Any, digest: bytes, csrf: str, now: Instant) -> Session | None:
    row = await pg.fetchrow(
        """select s.id as session, s.opened, s.ends, s.seen, s.methods, s.proved, s.limited, p.*
           from sessions s join people p on p.id = s.person
           where s.digest = $1 and $2 < s.ends and $2 < s.seen + s.idle and p.disabled is null
               and not account_locked(p.id, $2)
               and not (s.limited and (exists (select from passkeys where person = p.id)
                    or exists (select from code_makers where person = p.id and confirmed is not null)))""",
        digest,
        now,
    )
    if row is None:
        return None
    if now - row["seen"] > _SEEN_STEP:
        await pg.execute("update sessions set seen = greatest(seen, $2) where digest = $1", digest, now)
    return Session(
        row["session"], digest, person_of(row), csrf, Instant(row["opened"]), Instant(row["ends"]),
        tuple(row["methods"]), Instant(row["proved"]), row["limited"],
    )  # fmt: skip


async def renew_session(pg: Any, session: Session, methods: Sequence[str], now: Instant) -> tuple[str, Session]:
    """The same session under a fresh token, its person having proved himself again; the old token opens nothing more.

    Raises Refused(UNAUTHENTICATED) when the session has ended meanwhile.
    """
    token = secrets.token_urlsafe(32)
    limited = session.limited and not is_second(tuple(methods))
    kept = await pg.fetchval(
        """update sessions set digest = $2, methods = $3, proved = $4, seen = $4, limited = $5
           where digest = $1 returning id""",
        session.digest, digest_of(token), list(methods), now, limited,
    )  # fmt: skip
    if kept is None:
        raise Refused(Kind.UNAUTHENTICATED, "the session has ended", session="none")
    return token, msgspec.structs.replace(
        session, digest=digest_of(token), csrf=csrf_of(token), methods=tuple(methods), proved=now, limited=limited
    )


async def hold_keys(pg: Any, session: Session, now: Instant) -> None:
    """Before a key is added, in the caller's transaction: one change of a person at a time, by a session that holds.

    What was looked up before may be over: somebody else who only knew the password would plant a key beside the first.
    Other sessions that serve only to set one up end here. Raises Refused(UNAUTHENTICATED).
    """
    await pg.execute("select from people where id = $1 for update", session.person.id)
    if await find_by_digest(pg, session.digest, now) is None:
        raise Refused(Kind.UNAUTHENTICATED, "log in with the second factor that was set up", session="none")
    await pg.execute(
        "delete from sessions where person = $1 and limited and digest <> $2", session.person.id, session.digest
    )


async def end_session(pg: Any, session: Session) -> None:
    """Log out: the session is gone, in every process."""
    await pg.execute("delete from sessions where digest = $1", session.digest)


async def end_one(pg: Any, person: str, id: str) -> list[bytes]:  # noqa: A002 - the name of the field
    """End one of a person's sessions by its id; the digests that are gone. Raises Refused(NOT_FOUND)."""
    rows = await pg.fetch("delete from sessions where id = $1 and person = $2 returning digest", id, person)
    if not rows:
        raise Refused(Kind.NOT_FOUND, "there is no such session of yours", session="unknown")
    return [bytes(row["digest"]) for row in rows]


async def end_others(pg: Any, person: str, kept: bytes | None = None) -> list[bytes]:
    """End every session of a person but one; the digests that are gone."""
    rows = await pg.fetch(
        "delete from sessions where person = $1 and digest is distinct from $2 returning digest", person, kept
    )
    return [bytes(row["digest"]) for row in rows]


async def end_of_crew(pg: Any, unit: str, officer: str) -> list[bytes]:
    """End every session of a unit's patrols and of this officer; the digests that are gone."""
    rows = await pg.fetch(
        "delete from sessions where person = $2 or person in (select id from people where unit = $1) returning digest",
        unit,
        officer,
    )
    return [bytes(row["digest"]) for row in rows]


async def read_sessions(pg: Any, session: Session, now: Instant) -> list[SessionLine]:
    """The sessions of whoever asks that still hold, the newest first."""
    rows = await pg.fetch(
        """select id, digest, opened, seen, ends, host(address) as address, methods from sessions
           where person = $1 and $2 < ends and $2 < seen + idle order by opened desc, id limit 100""",
        session.person.id,
        now,
    )
    return [
        SessionLine(
            row["id"], Instant(row["opened"]), Instant(row["seen"]), Instant(row["ends"]), row["address"],
            tuple(row["methods"]), bytes(row["digest"]) == session.digest,
        )
        for row in rows
    ]  # fmt: skip


async def live_sessions(pg: Any, digests: Collection[bytes], now: Instant) -> set[bytes]:
    """Which of these sessions still hold. An open stream keeps a session from idling out."""
    wanted = list(digests)
    await pg.execute(
        "update sessions set seen = greatest(seen, $2) where digest = any($1) and seen < $3",
        wanted,
        now,
        now - _SEEN_STEP,
    )
    rows = await pg.fetch(
        """select s.digest from sessions s join people p on p.id = s.person
           where s.digest = any($1) and $2 < s.ends and p.disabled is null and not account_locked(p.id, $2)""",
        wanted,
        now,
    )
    return {bytes(row["digest"]) for row in rows}
