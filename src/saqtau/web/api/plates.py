"""Where a plate was read: for a purpose and a case, each question an entry."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import PathParameter, QueryParameter

from saqtau.devices.plate import LONGEST, spell
from saqtau.engine.history import Passage
from saqtau.engine.reading import read_item
from saqtau.kernel.access import AccessRequest, Action, CaseNumber, Purpose
from saqtau.kernel.clock import DAY, MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.sensitive import Sensitive
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.items import wish_for
from saqtau.web.looking import asking, looking
from saqtau.web.parts import Parts, parts_of
from saqtau.web.sessions import Session

LONGEST_TIME = 400 * DAY


class Passages(msgspec.Struct, frozen=True):
    """Reads of a plate, oldest first, at most 5,000. Only reads that hit something were ever kept."""

    plate: str
    reads: list[Passage]


def normal_plate(text: str) -> str:
    """The plate as it is stored. Raises Refused(INVALID)."""
    found = spell(text)
    if found is None or found.doubts or not found.plate or len(found.plate) > LONGEST:
        raise Refused(Kind.INVALID, "not a plate", plate="not_a_plate")
    return found.plate


def days_back(since: int, now: Instant) -> int:
    """How old the oldest read asked for is, in days that have begun; a minute is the asker's: his question travels."""
    return max(0, -((since - now + MINUTE) // DAY))


def case_number(text: str | None) -> str | None:
    """A case number. Raises Refused(INVALID)."""
    if text is None:
        return None
    try:
        return msgspec.convert(text, CaseNumber)
    except msgspec.ValidationError:
        raise Refused(Kind.INVALID, "not the number of a case", case="not_a_case_number") from None


async def is_about(parts: Parts, session: Session, item_id: str, plate: str) -> frozenset[Sensitive] | None:
    """Whom an item concerns; None: there is none, or this person may not read it, or it is not about this plate.

    The item is read under a grant, so the question leaves an entry of its own. Raises Refused(UNAVAILABLE).
    """
    try:
        viewer, wish = await wish_for(parts, session, Action.READ_ITEM, item_id, Purpose.INCIDENT)
        if not await parts.access.allows(viewer, wish):
            return None
        async with looking(parts, viewer, wish) as (grant, _), parts.pg.acquire() as pg:
            view = await read_item(grant, pg, item_id, parts.clock())
    except Refused as refused:
        if refused.kind is Kind.NOT_FOUND:
            return None
        raise
    return wish.sensitive if view.item.data.get("plate") == plate else None


@get(
    "/api/plates/{plate:str}/reads",
    operation_id="readPlate",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 429, 503),
)
async def plate_reads(
    request: Request[Any, Any, Any],
    plate: Annotated[str, PathParameter(min_length=1, max_length=24)],
    since: Annotated[int, QueryParameter(name="from", ge=0, le=10**14)],
    until: Annotated[int, QueryParameter(name="to", ge=0, le=10**14)],
    purpose: Annotated[Purpose, QueryParameter()],
    case: Annotated[str | None, QueryParameter(max_length=40)] = None,
) -> Passages:
    """Reads from `from` until before `to` (Unix ms) in the caller's regions. The entry holds a keyed hash, no plate.

    For the purpose `incident` the case is the id of an item about this plate; another one counts as none named.
    """
    parts, session = parts_of(request), session_of(request)
    spelled = normal_plate(plate)
    if not since < until <= since + LONGEST_TIME:
        raise Refused(Kind.INVALID, "`to` lies after `from`, at most 400 days", to="out_of_range")
    if parts.history is None:
        raise Refused(Kind.UNAVAILABLE, "this process has no history", history="missing")
    wish = AccessRequest(
        action=Action.READ_HISTORY,
        purpose=purpose,
        object=parts.history.object_of(spelled),
        case=case_number(case),
        age_days=days_back(since, parts.clock()),
    )
    viewer, wish = await asking(parts, session, [wish])
    if purpose is Purpose.INCIDENT and await parts.access.allows(viewer, wish):
        concerns = None if wish.case is None else await is_about(parts, session, wish.case, spelled)
        named = wish.case if concerns is not None else None
        wish = msgspec.structs.replace(wish, case=named, sensitive=concerns or frozenset())
    async with looking(parts, viewer, wish) as (grant, delivered), parts.pg.acquire() as pg:
        found = await parts.history.read(grant, pg, spelled, Instant(since), Instant(until), parts.clock())
        delivered.count = len(found)
    return Passages(spelled, found)
