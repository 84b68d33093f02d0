"""Who looked at what: the overseer's page. Reading it is an entry too."""

from collections import Counter
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import QueryParameter

from saqtau.engine.reading import AccessLine, read_access
from saqtau.kernel.access import Action
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.looking import watching
from saqtau.web.parts import parts_of

LONGEST = 400 * DAY
_COUNTS = """
    select action, purpose, role, decision, count(*) as entries, coalesce(sum(delivered), 0)::int8 as delivered
    from access_entry where at >= $1 and at < $2
    group by action, purpose, role, decision order by entries desc, action, purpose, role, decision limit 1000
"""


class AccessCount(msgspec.Struct, frozen=True):
    """How often a role looked for a purpose. `delivered`: rows, or bytes of pictures."""

    action: str
    purpose: str
    role: str
    decision: str
    entries: int
    delivered: int


class AccessSeen(msgspec.Struct, frozen=True):
    """Entries of a time, newest first, and their counts. `whole` is false when there are more than are listed."""

    entries: list[AccessLine]
    counts: list[AccessCount]
    by_purpose: dict[str, int]
    by_role: dict[str, int]
    whole: bool


@get("/api/access", operation_id="readAccess", guards=[counted, signed_in], responses=answers(400, 401, 403, 429, 503))
async def access(
    request: Request[Any, Any, Any],
    since: Annotated[int, QueryParameter(name="from", ge=0, le=10**14)],
    until: Annotated[int, QueryParameter(name="to", ge=0, le=10**14)],
    viewer: Annotated[str | None, QueryParameter(pattern=r"^[a-z0-9._-]{1,32}$", max_length=32)] = None,
    about: Annotated[
        str | None, QueryParameter(name="object", pattern=r"^[A-Za-z0-9._-]{1,64}$", max_length=64)
    ] = None,
) -> AccessSeen:
    """Every wish to look, allowed or denied, from `from` until before `to` (Unix ms), at most 1,000 lines."""
    if not since < until <= since + LONGEST:
        raise Refused(Kind.INVALID, "`to` lies after `from`, at most 400 days", to="out_of_range")
    parts, person = parts_of(request), session_of(request).person
    async with watching(parts, person, Action.READ_ACCESS) as (grant, delivered), parts.pg.acquire() as pg:
        lines = await read_access(
            grant, pg, Instant(since), Instant(until), parts.clock(), viewer=viewer, about=about
        )  # fmt: skip
        rows = await pg.fetch(_COUNTS, since, until)
        delivered.count = len(lines)
    counts = [AccessCount(*row) for row in rows]
    purposes: Counter[str] = Counter()
    roles: Counter[str] = Counter()
    for one in counts:
        purposes[one.purpose] += one.entries
        roles[one.role] += one.entries
    total = sum(one.entries for one in counts)
    whole = viewer is None and about is None and len(lines) == total
    return AccessSeen(lines, counts, dict(purposes), dict(roles), whole or len(lines) < 1000)
