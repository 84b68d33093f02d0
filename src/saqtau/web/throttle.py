"""Failed log-ins are counted in the database, so that neither a restart nor a second process forgets them."""

import hashlib
from typing import Any, Final

import msgspec

from saqtau.kernel.clock import MINUTE, SECOND, Instant
from saqtau.web.errors import busy

WINDOW: Final = 15 * MINUTE


class Bound(msgspec.Struct, frozen=True):
    """How many failures one key may have in a window. account, address: whom it blocks, as hashes, to free them by."""

    key: bytes
    most: int
    account: bytes | None = None
    address: bytes | None = None


def bounds(account: str, address: str, use: str = "") -> tuple[Bound, ...]:
    """What one attempt counts against: the account from this address, the account from anywhere, the address.

    The account's own bound is the widest a guesser gets; it is not the lowest, or a stranger could lock a person out.
    use: another thing than a password that is guessed, counted by itself; only the address is counted together.
    """
    who = f"{use} {account}" if use else account
    whose, where = _key("of", account), _key("from", address)
    return (
        Bound(_key("pair", who, address), 5, whose, where),
        Bound(_key("account", who), 20, whose),
        Bound(_key("address", address), 120, None, where),
    )


def bound_of_address(address: str, use: str) -> tuple[Bound, ...]:
    """What an attempt counts against where it names no account: the address, for this use alone."""
    return (Bound(_key("address", use, address), 120, None, _key("from", address)),)


def _key(*parts: str) -> bytes:
    return hashlib.sha256("\0".join(parts).encode()).digest()


async def count_attempt(pool: Any, limits: tuple[Bound, ...], now: Instant) -> None:
    """Count an attempt as a failure before it is tried, so that many at once are not tried for free.

    Raises Refused(TOO_MANY) with the seconds until the window ends; a refused attempt is not counted again.
    """
    async with pool.acquire() as pg, pg.transaction():
        await pg.execute(
            """delete from login_throttle where key in
               (select key from login_throttle where since < $1 limit 1000 for update skip locked)""",
            now - WINDOW,
        )
        for limit in sorted(limits, key=lambda limit: limit.key):
            row = await pg.fetchrow(
                """insert into login_throttle as t (key, since, failures, account, address) values ($1, $2, 1, $4, $5)
                   on conflict (key) do update set
                     failures = case when t.since < $3 then 1 else t.failures + 1 end,
                     since = case when t.since < $3 then $2 else t.since end
                   returning since, failures""",
                limit.key,
                now,
                now - WINDOW,
                limit.account,
                limit.address,
            )
            if row["failures"] > limit.most:
                left = row["since"] + WINDOW - now
                raise busy("too many failed log-ins", left / SECOND, name="too_many_attempts")


async def forget_attempts(pool: Any, limits: tuple[Bound, ...]) -> None:
    """The attempt succeeded: take it back; a pair of account and address starts anew."""
    pair = next((limit.key for limit in limits if limit.account is not None and limit.address is not None), None)
    async with pool.acquire() as pg, pg.transaction():
        for limit in sorted(limits, key=lambda limit: limit.key):  # as they are counted, or two of them lock crosswise
            await pg.execute(
                """with gone as (delete from login_throttle where key = $1 and $2)
                   update login_throttle set failures = greatest(failures - 1, 0) where key = $1 and not $2""",
                limit.key,
                limit.key == pair,
            )


async def free(pg: Any, account: str | None, address: str | None) -> int:
    """Forget what was counted against an account, from wherever, or an address; how many counts went."""
    rows = await pg.fetch(
        "delete from login_throttle where account = $1 or address = $2 returning key",
        None if account is None else _key("of", account),
        None if address is None else _key("from", address),
    )
    return len(rows)
