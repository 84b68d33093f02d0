"""How many wishes wait for one person's yes: a figure, nothing of what is asked, by whom or about what."""

from collections.abc import Collection
from typing import Any, Final

from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.failures import refusals
from saqtau.engine.store import see
from saqtau.kernel.clock import Instant
from saqtau.kernel.two_people import LAPSES, PROSECUTOR

_WAITING: Final = """
    select
        (select count(*) from export_wish w where w.asked_at > $4 and w.asked_by <> $1
            and not exists (select from signature s where s.kind = 'export' and s.wish = w.id and s.signer = $1)
            and ((w.standing = 'requested' and $2 and w.region = any ($5))
                or (w.standing = 'awaits_prosecutor' and $3)))
        + (select count(*) from recording_wish w where w.asked_at > $4 and w.asked_by <> $1
            and not exists (select from signature s where s.kind = 'recording' and s.wish = w.id and s.signer = $1)
            and ((w.standing = 'requested' and $2 and w.region = any ($5))
                or (w.standing = 'awaits_prosecutor' and $3)))
        + (select count(*) from policy_set p where p.standing = 'requested' and p.asked_at > $4 and p.asked_by <> $1
            and $3)
"""


async def count_waiting(pool: Any, person: str, roles: Collection[str], regions: Collection[int], now: Instant) -> int:
    """Exports, also of recordings, and policies that this person is asked about now. Raises Refused(UNAVAILABLE)."""
    asked = ("duty_officer" in roles, PROSECUTOR in roles)
    if not any(asked):
        return 0
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            found: int = await pg.fetchval(_WAITING, person, *asked, now - LAPSES, sorted(regions))
    return found
