"""Who looked at what: the overseer's page. Reading it is an entry too."""

from collections import Counter
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import QueryParameter

from saqtau.engine.looked import AccessCount, AccessLine, Wanted, read_access, read_access_counts
from saqtau.kernel.access import Action
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.looking import watching
from saqtau.web.parts import parts_of

LONGEST = 400 * DAY


class AccessSeen(msgspec.Struct, frozen=True):
    """Entries of a time, newest first, and the counts of the days (UTC) that it touches.

    `whole` is false when there are more entries than are listed.
    """

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
    parts, session = parts_of(request), session_of(request)
    span = Instant(since), Instant(until)
    async with watching(parts, session, Action.READ_ACCESS) as (grant, delivered):
        found = await read_access(grant, parts.pg, parts.keys, *span, parts.clock(), Wanted(viewer=viewer, about=about))
        counts = await read_access_counts(grant, parts.pg, *span, parts.clock())
        delivered.count = len(found.lines)
    purposes: Counter[str] = Counter()
    roles: Counter[str] = Counter()
    for one in counts:
        purposes[one.purpose] += one.entries
        roles[one.role] += one.entries
    return AccessSeen(found.lines, counts, dict(purposes), dict(roles), found.whole)
