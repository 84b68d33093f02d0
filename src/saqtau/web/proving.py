"""How a person who is known by name proves himself with what he knows or has: password, code, code of paper.

Guesses are counted before they are tried, each kind by itself.
"""

import re
from typing import Final

from saqtau.kernel.errors import Kind, Refused
from saqtau.web import totp
from saqtau.web.auth import Doorkeeper
from saqtau.web.parts import Parts
from saqtau.web.people import LONGEST, Person
from saqtau.web.throttle import bounds, count_attempt, forget_attempts

_SIX: Final = re.compile(r"\d{6}", re.ASCII)


async def by_password(parts: Parts, keeper: Doorkeeper, person: Person, word: str, address: str) -> None:
    """Raise Refused (UNAUTHENTICATED, TOO_MANY) unless it is the person's password."""
    limits = bounds(person.id, address)
    await count_attempt(parts.pg, limits, parts.clock())
    kept = await parts.pg.fetchval("select password from people where id = $1 and disabled is null", person.id)
    if not await keeper.password_holds(kept, word[: LONGEST + 1]):
        raise Refused(Kind.UNAUTHENTICATED, "the password is wrong", password="wrong")  # noqa: S106 - a field's name
    await forget_attempts(parts.pg, limits)


async def by_code(parts: Parts, keeper: Doorkeeper, person: Person, code: str, address: str) -> str:
    """Which kind of code it was: "code" or "recovery". Raises Refused: UNAUTHENTICATED, TOO_MANY, DENIED (blocked)."""
    limits = bounds(person.id, address, "code")
    await count_attempt(parts.pg, limits, parts.clock())
    typed = code.replace(" ", "")
    if _SIX.fullmatch(typed):
        async with parts.pg.acquire() as pg:
            await totp.check(pg, parts.accounts.key, person.id, typed, parts.clock())
        method = "code"
    else:
        async with keeper.hashing():
            await totp.spend_recovery(parts.pg, person.id, typed)
        method = "recovery"
    await forget_attempts(parts.pg, limits)
    return method
