"""Sessions: opaque, on the server, ended at once by deleting them. Only hashes of their tokens are stored."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Collection
from typing import Any, Final

import msgspec

from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Instant
from saqtau.kernel.ids import Ids
from saqtau.web.people import Person, person_of

COOKIE: Final = "saqtau_session"
LIFE: Final = 12 * HOUR
IDLE_CONSOLE: Final = 30 * MINUTE
IDLE_TABLET: Final = 12 * HOUR
"""A tablet in a vehicle stays signed in for the shift."""
_SEEN_STEP: Final = 30 * SECOND
"""`seen` is written at most this often, so that reading costs no write."""


class Session(msgspec.Struct, frozen=True):
    """Who is asking. `csrf` must come back in a header with everything that changes something."""

    id: str
    digest: bytes
    person: Person
    csrf: str
    opened: Instant
    ends: Instant


def digest_of(token: str) -> bytes:
    """What the database knows a token by."""
    return hashlib.sha256(token.encode()).digest()


def csrf_of(token: str) -> str:
    """The header token bound to a session token; nothing of the one can be computed from the other's hash."""
    mac = hmac.digest(token.encode(), b"saqtau csrf v1", "sha256")
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


async def open_session(pg: Any, person: Person, address: str | None, now: Instant, ids: Ids) -> tuple[str, Session]:
    """A fresh session and the token for its cookie."""
    token = secrets.token_urlsafe(32)
    idle = IDLE_TABLET if "patrol" in person.roles else IDLE_CONSOLE
    session = Session(ids(), digest_of(token), person, csrf_of(token), now, Instant(now + LIFE))
    await pg.execute(
        """insert into sessions (digest, id, person, opened, seen, ends, idle, address)
           values ($1, $2, $3, $4, $4, $5, $6, $7::text::inet)""",
        session.digest,
        session.id,
        person.id,
        now,
        session.ends,
        idle,
        address,
    )
    await pg.execute(
        """delete from sessions where digest in
           (select digest from sessions where ends < $1 or seen + idle < $1 limit 1000 for update skip locked)""",
        now,
    )
    return token, session


async def find_session(pg: Any, token: str, now: Instant) -> Session | None:
    """The session of a token, unless it has ended, idled out, or its person was disabled."""
    digest = digest_of(token)
    row = await pg.fetchrow(
        """select s.id as session, s.opened, s.ends, s.seen, p.*
           from sessions s join people p on p.id = s.person
           where s.digest = $1 and $2 < s.ends and $2 < s.seen + s.idle and p.disabled is null""",
        digest,
        now,
    )
    if row is None:
        return None
    if now - row["seen"] > _SEEN_STEP:
        await pg.execute("update sessions set seen = greatest(seen, $2) where digest = $1", digest, now)
    return Session(
        row["session"], digest, person_of(row), csrf_of(token), Instant(row["opened"]), Instant(row["ends"])
    )  # fmt: skip


async def end_session(pg: Any, session: Session) -> None:
    """Log out: the session is gone, in every process."""
    await pg.execute("delete from sessions where digest = $1", session.digest)


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
           where s.digest = any($1) and $2 < s.ends and p.disabled is null""",
        wanted,
        now,
    )
    return {bytes(row["digest"]) for row in rows}
