"""Places of custody for who answers for them and for the overseer: each minute of each camera, and what was asked."""

from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import QueryParameter

from saqtau.engine.custody_reading import (
    DayOfSite,
    Figures,
    SiteOfCustody,
    read_figures,
    read_minutes,
    read_sites,
    site_of,
)
from saqtau.jurisdiction import Named
from saqtau.kernel.access import AccessRequest, Action, Viewer
from saqtau.kernel.clock import Instant
from saqtau.kernel.sensitive import Sensitive
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.looking import STANDING, asking
from saqtau.web.parts import Parts, parts_of
from saqtau.web.sessions import Session

Site = Annotated[str, QueryParameter(name="site", pattern=r"^[A-Za-z0-9._-]{1,32}$", max_length=32)]
SiteAsked = Annotated[str | None, QueryParameter(name="site", pattern=r"^[A-Za-z0-9._-]{1,32}$", max_length=32)]
From = Annotated[int, QueryParameter(name="from", ge=0, le=2**48)]


class Custody(msgspec.Struct, frozen=True):
    """Places of custody, and the rooms in which the law lets no camera be, each with its reason."""

    now: Instant
    sites: list[SiteOfCustody]
    not_recorded: dict[str, Named]


async def _wish(parts: Parts, session: Session, about: str, region: int | None = None) -> tuple[Viewer, AccessRequest]:
    wishes = [
        AccessRequest(
            action=Action.READ_CAMERA, purpose=purpose, object=about, region=region,
            sensitive=frozenset({Sensitive.CUSTODY}),
        )
        for purpose in STANDING
    ]  # fmt: skip
    return await asking(parts, session, wishes)


@get("/api/custody", operation_id="readCustody", guards=[counted, signed_in], responses=answers(401, 403, 429, 503))
async def custody(request: Request[Any, Any, Any]) -> Custody:
    """Places of custody of the caller's regions. Entered once in 15 minutes."""
    parts, session = parts_of(request), session_of(request)
    viewer, wish = await _wish(parts, session, "custody")
    async with request.app.state.standing.using(session.digest, viewer, wish) as (grant, delivered):
        async with parts.pg.acquire() as pg:
            found = await read_sites(grant, pg, parts.clock())
        delivered.count = len(found)
    rooms = {} if parts.law is None else parts.law.custody.not_recorded
    return Custody(parts.clock(), found, dict(rooms))


@get(
    "/api/custody/minutes",
    operation_id="readMinutes",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 404, 429, 503),
)
async def minutes(request: Request[Any, Any, Any], site: Site, began: From) -> DayOfSite:
    """The dark-minutes ledger: 24 hours of every camera of a place, a digit a minute."""
    parts, session = parts_of(request), session_of(request)
    async with parts.pg.acquire() as pg:
        region = await site_of(pg, site)
    viewer, wish = await _wish(parts, session, site, region)
    async with request.app.state.standing.using(session.digest, viewer, wish) as (grant, delivered):
        async with parts.pg.acquire() as pg:
            found = await read_minutes(grant, pg, site, Instant(began), parts.clock())
        delivered.count = len(found.cameras)
    return found


@get(
    "/api/custody/figures",
    operation_id="readCustodyFigures",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 404, 429, 503),
)
async def figures(request: Request[Any, Any, Any], site: SiteAsked = None) -> Figures:
    """What became of outages, wishes, incidents, complaints and drawn stretches in the last year."""
    parts, session = parts_of(request), session_of(request)
    region = None
    if site is not None:
        async with parts.pg.acquire() as pg:
            region = await site_of(pg, site)
    viewer, wish = await _wish(parts, session, site or "custody", region)
    async with request.app.state.standing.using(session.digest, viewer, wish) as (grant, delivered):
        async with parts.pg.acquire() as pg:
            found = await read_figures(grant, pg, site, parts.clock())
        delivered.count = sum(found.states.values())
    return found
