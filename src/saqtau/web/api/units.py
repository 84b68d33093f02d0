"""Where help is nearest, by drive time."""

import asyncio
from typing import Annotated, Any

import msgspec
import numpy as np
from litestar import Request, get
from litestar.params import QueryParameter

from saqtau.engine.access import must_hold
from saqtau.engine.atlas import Atlas, Units, need
from saqtau.engine.reading import regions_of
from saqtau.kernel.access import AccessRequest, Action, Grant, Purpose
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.roads.graph import Place
from saqtau.roads.nearest import nearest
from saqtau.roads.snap import snap
from saqtau.web.answers import answers
from saqtau.web.auth import counted, session_of, signed_in
from saqtau.web.looking import asking, looking, standing
from saqtau.web.parts import parts_of

FREE = "A"
"""Letter of a unit that is on duty and free."""


class NearUnit(msgspec.Struct, frozen=True):
    """A unit and its way to the place."""

    unit: str
    seconds: float
    metres: float


def find_near(
    grant: Grant, atlas: Atlas, units: Units, lat: float, lon: float, k: int, now: Instant, *, free: bool
) -> list[NearUnit]:
    """At most k units of the viewer's regions, soonest first; empty when nobody can come.

    Raises Refused: DENIED, INVALID when the place lies on no street.
    """
    must_hold(grant, now, Action.WATCH_UNITS)
    place = snap(atlas.roads, np.array([lat]), np.array([lon]))
    if place.edge[0] < 0:
        raise Refused(Kind.INVALID, "no street lies within 60 m of the place", lat="off_road", lon="off_road")
    if not units.fixes:
        return []
    regions = regions_of(grant.viewer)
    eligible = np.array([fix.region in regions and (not free or fix.status == FREE) for fix in units.fixes], np.bool_)
    goal = Place(int(place.edge[0]), float(place.fraction[0]))
    found = nearest(atlas.graph, units.field, goal, k, eligible=eligible)
    return [NearUnit(units.ids[one.unit], round(one.seconds, 1), round(one.metres, 1)) for one in found]


@get(
    "/api/units/nearest",
    operation_id="findNearestUnits",
    guards=[counted, signed_in],
    responses=answers(400, 401, 403, 429, 503),
)
async def near(
    request: Request[Any, Any, Any],
    lat: Annotated[float, QueryParameter(ge=-90, le=90)],
    lon: Annotated[float, QueryParameter(ge=-180, le=180)],
    k: Annotated[int, QueryParameter(ge=1, le=50)] = 5,
    purpose: Annotated[Purpose | None, QueryParameter()] = None,
    free: Annotated[bool, QueryParameter()] = True,
) -> list[NearUnit]:
    """The k nearest units by drive time; with `free=false` also those that have work."""
    parts, session, hub = parts_of(request), session_of(request), request.app.state.hub
    viewer, wish = standing(parts, session, Action.WATCH_UNITS)
    if purpose is not None:
        viewer, wish = await asking(parts, session, [AccessRequest(action=Action.WATCH_UNITS, purpose=purpose)])
    async with looking(parts, viewer, wish) as (grant, delivered):
        atlas, units = need(parts.atlas), hub.whereabouts.now()
        found = await asyncio.to_thread(find_near, grant, atlas, units, lat, lon, k, parts.clock(), free=free)
        delivered.count = len(found)
    return found
