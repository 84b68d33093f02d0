"""Questions put to a browser: random, kept as a hash, answered once and within minutes."""

import hashlib
import secrets
from typing import Any, Final

import msgspec

from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused

LIFE: Final = 5 * MINUTE


class Challenge(msgspec.Struct, frozen=True):
    """What the question was put for. session: the digest of the session in which it was put."""

    person: str | None
    session: bytes | None
    told: bytes


async def put(
    pg: Any, kind: str, now: Instant, *, person: str | None = None, session: bytes | None = None, told: bytes = b""
) -> bytes:
    """A fresh question: 32 random bytes. told: what must be known when the answer comes, at most 1000 bytes."""
    question = secrets.token_bytes(32)
    await keep(pg, kind, question, now, person=person, session=session, told=told)
    return question


async def keep(
    pg: Any,
    kind: str,
    question: bytes,
    now: Instant,
    *,
    person: str | None = None,
    session: bytes | None = None,
    told: bytes = b"",
) -> None:
    """Keep the hash of a question that was made elsewhere, from at least 32 random bytes."""
    await pg.execute(
        """insert into challenges (digest, kind, person, session, told, ends) values ($1, $2, $3, $4, $5, $6)""",
        hashlib.sha256(question).digest(), kind, person, session, told, now + LIFE,
    )  # fmt: skip
    await pg.execute(
        """delete from challenges where digest in
           (select digest from challenges where ends < $1 limit 1000 for update skip locked)""",
        now,
    )


async def spend(pg: Any, kind: str, question: bytes, now: Instant) -> Challenge:
    """The question that is answered; nobody answers it again. Raises Refused(UNAUTHENTICATED, `challenge`)."""
    row = await pg.fetchrow(
        "delete from challenges where digest = $1 and kind = $2 and ends > $3 returning person, session, told",
        hashlib.sha256(question).digest(), kind, now,
    )  # fmt: skip
    return _found(row)


async def look(pg: Any, kind: str, question: bytes, now: Instant) -> Challenge:
    """The question, still open: for an answer that may be tried again. Raises Refused(UNAUTHENTICATED, `challenge`)."""
    row = await pg.fetchrow(
        "select person, session, told from challenges where digest = $1 and kind = $2 and ends > $3",
        hashlib.sha256(question).digest(), kind, now,
    )  # fmt: skip
    return _found(row)


def _found(row: Any) -> Challenge:
    if row is None:
        raise Refused(Kind.UNAUTHENTICATED, "the question is too old or was answered already", challenge="begin_again")
    return Challenge(row["person"], None if row["session"] is None else bytes(row["session"]), bytes(row["told"]))
