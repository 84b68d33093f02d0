"""What opens an account besides its password, as an administrator handles it: freeing, linking, taking away."""

from typing import Any

import asyncpg

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.sessions import end_others
from saqtau.web.throttle import free


async def unblock(pg: Any, account: str | None, address: str | None) -> int:
    """Forget wrong passwords and codes; how many counts went."""
    gone = await free(pg, account, address)
    if account is not None:
        freed = await pg.fetchval(
            "update code_makers set failures = 0 where person = $1 and failures > 0 returning true", account
        )
        gone += bool(freed)
    return gone


async def link(pg: Any, account: str, issuer: str, subject: str, now: Instant) -> None:
    """Let an identity open an account. Raises Refused: INVALID, NOT_FOUND, CONFLICT (it opens another one)."""
    if not 1 <= len(subject) <= 255 or "\0" in subject:
        raise Refused(Kind.INVALID, "a subject has 1 to 255 characters", subject="length")
    await _must_exist(pg, account)
    try:
        await pg.execute(
            "insert into identities (issuer, subject, person, made) values ($1, $2, $3, $4)",
            issuer, subject, account, now,
        )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise Refused(Kind.CONFLICT, "this identity is linked already", subject="taken") from None


async def unlink(pg: Any, account: str) -> int:
    """No identity opens the account any more, and its sessions end; how many did. Raises Refused(NOT_FOUND)."""
    await _must_exist(pg, account)
    async with pg.transaction():
        gone = await pg.fetch("delete from identities where person = $1 returning issuer", account)
        await end_others(pg, account)
    return len(gone)


async def take_all(pg: Any, account: str) -> None:
    """Passkeys, codes and codes of paper open nothing more, and the sessions end. Raises Refused(NOT_FOUND)."""
    await _must_exist(pg, account)
    async with pg.transaction():
        for table in ("passkeys", "code_makers", "recovery_codes"):
            await pg.execute(f"delete from {table} where person = $1", account)  # noqa: S608 - names of ours
        await end_others(pg, account)


async def _must_exist(pg: Any, account: str) -> None:
    if not await pg.fetchval("select true from people where id = $1", account):
        raise Refused(Kind.NOT_FOUND, f"there is no account {account}", id="unknown")
