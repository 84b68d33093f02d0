"""The overseer's page: how the logs stand, what is counted, who opened what, and one entry to be checked elsewhere.

What an overseer reads here is an entry too. The board is asked every few seconds and is one entry for fifteen minutes.
"""

from typing import Annotated, Any

import msgspec
from litestar import Request, Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from saqtau.engine.ledger_read import Proofs
from saqtau.engine.looked import AccessLine, Wanted, read_access
from saqtau.engine.oversight import (
    Gap,
    KindCount,
    LogState,
    read_counts,
    read_entry_file,
    read_gaps,
    read_logs,
    today,
)
from saqtau.kernel.access import Action, Purpose
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.looking import standing, watching
from saqtau.web.parts import parts_of

LONGEST = 400 * DAY
_TEXT = r"^[^\x00-\x1f]+$"
PAGE = 200
"""Lines of one answer."""


class Board(msgspec.Struct, frozen=True):
    """What stands at the top of the page. `today`: when the day of the counts began, which is UTC's."""

    now: Instant
    today: Instant
    logs: list[LogState]
    counts: list[KindCount]
    gaps: list[Gap]


class Look(msgspec.Struct, frozen=True):
    """An entry of the log. `entry` is its place, `origin#index`; `delivered` and `closed` come with its end.

    `told`: what else it says in a word, like `picture` or `account`.
    """

    entry: str
    klass: str
    at: Instant
    viewer: str
    role: str
    action: str
    purpose: str
    object: str
    case: str | None
    region: int | None
    decision: str
    policies: list[str]
    policy_set: str
    delivered: int | None
    closed: Instant | None
    late: bool
    told: dict[str, str]


class Looks(msgspec.Struct, frozen=True):
    """Entries of a time, newest first; `next`: ask for more with this as `to`, null when this is all.

    `unreadable`: entries passed on the way whose record is erased or has no key here.
    """

    entries: list[Look]
    unreadable: int
    next: Instant | None


@get("/api/oversight", operation_id="readOversight", guards=[counted, signed_in], responses=answers(401, 403, 429, 503))
async def board(request: Request[Any, Any, Any]) -> Board:
    """Logs and witnesses, counts of 30 days, gaps."""
    parts, session, keeper = parts_of(request), session_of(request), request.app.state.standing
    viewer, wish = standing(parts, session, Action.READ_ACCESS)
    async with keeper.using(session.digest, viewer, wish) as (grant, delivered):
        now = parts.clock()
        logs = await read_logs(grant, parts.pg, now)
        counts = await read_counts(grant, parts.pg, now)
        gaps = await read_gaps(grant, parts.pg, now)
        delivered.count = len(logs) + len(counts) + len(gaps)
    return Board(now, today(now), logs, counts, gaps)


@get(
    "/api/oversight/entries",
    operation_id="readEntries",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 429, 503),
)
async def entries(
    request: Request[Any, Any, Any],
    since: Annotated[int, QueryParameter(name="from", ge=0, le=10**14)],
    until: Annotated[int, QueryParameter(name="to", ge=0, le=10**14)],
    klass: Annotated[LeafClass | None, QueryParameter(name="class")] = None,
    viewer: Annotated[str | None, QueryParameter(pattern=_TEXT, max_length=64)] = None,
    without: Annotated[str | None, QueryParameter(pattern=_TEXT, max_length=64)] = None,
    about: Annotated[str | None, QueryParameter(name="object", pattern=_TEXT, max_length=128)] = None,
    purpose: Annotated[Purpose | None, QueryParameter()] = None,
) -> Looks:
    """What was entered from `from` until before `to` (Unix ms), newest first, at most 200 lines.

    `without` leaves out what one person did: an overseer's own reading would bury what he looks for.
    """
    if not since < until <= since + LONGEST:
        raise Refused(Kind.INVALID, "`to` lies after `from`, at most 400 days", to="out_of_range")
    parts, session = parts_of(request), session_of(request)
    wanted = Wanted(
        viewer=viewer,
        without=without,
        about=about,
        klass=None if klass is None else klass.value,
        purpose=None if purpose is None else purpose.value,
    )
    named = {"class": wanted.klass, "viewer": viewer, "without": without, "object": about}
    named["purpose"] = wanted.purpose
    asked = {"from": since, "to": until} | {name: value for name, value in named.items() if value is not None}
    # what was searched for is part of the entry about the search
    wish = standing(parts, session, Action.READ_ACCESS, about=about or viewer or "")
    async with parts.access.reading(*wish, {"asked": asked}) as (grant, delivered):
        found = await read_access(
            grant, parts.pg, parts.keys, Instant(since), Instant(until), parts.clock(), wanted, PAGE
        )
        delivered.count = len(found.lines)
    return Looks([_look(line) for line in found.lines], found.unreadable, found.reached)


def _look(line: AccessLine) -> Look:
    return Look(
        entry=line.entry,
        klass=line.klass,
        at=line.at,
        viewer=line.viewer,
        role=line.role,
        action=line.action,
        purpose=line.purpose,
        object=line.object,
        case=line.case,
        region=line.region,
        decision=line.decision,
        policies=[one for one in line.policy.split(",") if one],
        policy_set=line.policy_set,
        delivered=line.delivered,
        closed=line.closed,
        late=line.late,
        told=dict(line.told),
    )


@get(
    "/api/oversight/entry",
    operation_id="readEntry",
    guards=[counted, signed_in],
    media_type="application/json",
    responses=answers(400, 401, 403, 404, 429, 503)
    | {200: ResponseSpec(None, description="The entry's file, byte by byte.", media_type="application/json")},
)
async def entry(
    request: Request[Any, Any, Any],
    named: Annotated[str, QueryParameter(name="entry", pattern=r"^[^#\s]{1,200}#[0-9]{1,16}$", max_length=217)],
) -> Response[bytes]:
    """One entry with its record, key and proof, as `saqtau verify entry` and others check it."""
    parts, session = parts_of(request), session_of(request)
    async with watching(parts, session, Action.READ_ACCESS, about=named) as (grant, delivered):
        data = await read_entry_file(grant, parts.pg, parts.keys, Proofs(parts.pg), named, parts.clock())
        delivered.count = 1
    return Response(data, media_type="application/json", headers={"Cache-Control": "no-store"})
