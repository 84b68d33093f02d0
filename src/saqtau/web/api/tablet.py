"""The patrol's own view: its unit, its alert, its place; enrolling its tablet; coming on duty."""

import base64
import binascii
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import JSONBody

from saqtau.desks.dispatch.units import Holding, by_crew
from saqtau.devices.tablet.renewal import Renewal
from saqtau.engine import store
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.lines import ItemLine
from saqtau.engine.reading import UnitView, read_item, read_positions, read_queue
from saqtau.engine.units import read_units
from saqtau.kernel.access import AccessRequest, Action, Purpose
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Code
from saqtau.kernel.signal import Status
from saqtau.ledger.leaf import LeafClass
from saqtau.web.answers import answers
from saqtau.web.auth import address_of, counted, session_of, signed_in
from saqtau.web.device_certs import RENEW, Authority, pem_of
from saqtau.web.devices import EnrolmentCode, Issued, enrol, holder_of, make_code, renew, revoke_device
from saqtau.web.items import pictures_of, wish_for
from saqtau.web.looking import asking, standing
from saqtau.web.parts import Parts, parts_of
from saqtau.web.schema import BY_TOKEN, Strict
from saqtau.web.sessions import Session
from saqtau.web.throttle import bounds, count_attempt, forget_attempts
from saqtau.web.views import ItemSeen, item_seen


class Spot(msgspec.Struct, frozen=True):
    """Where the unit was heard last."""

    at: Instant
    lat: float
    lon: float


class TabletSeen(msgspec.Struct, frozen=True):
    """What the tablet shows. `alert`: the item that wants something of this crew, most urgent first."""

    unit: str
    status: str
    alert: ItemSeen | None
    position: Spot | None


class Enrol(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`code`: from the duty officer. `public_key`: SPKI (DER) in base64, P-256."""

    code: Annotated[str, msgspec.Meta(min_length=4, max_length=64)]
    public_key: Annotated[str, msgspec.Meta(min_length=40, max_length=800)]


class Device(msgspec.Struct, frozen=True):
    """The device."""

    device: str


class CertifiedDevice(msgspec.Struct, frozen=True):
    """The device, its certificate (PEM), when that ends and when to ask for the next one, and who gave it (PEM)."""

    device: str
    certificate: str
    ends: Instant
    renew: Instant
    authority: str


class Duty(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Coming on duty or leaving it."""

    on: bool


class DutySeen(msgspec.Struct, frozen=True):
    """The unit's state after it."""

    unit: str
    status: str


class WantCode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose tablet is to be enrolled."""

    unit: Code
    officer: Annotated[str, msgspec.Meta(pattern=r"\A[a-z0-9._-]{1,32}\Z", max_length=32)]


def chosen(lines: list[ItemLine], unit: str) -> ItemLine | None:
    """The line that wants this crew: of an offer and the item it is about, the offer (it names its parent)."""
    own = [line for line in lines if line.unit == unit and line.owner == "patrol"]
    parents = {line.parent for line in own}
    kept = [line for line in own if line.id not in parents]
    return min(kept, key=lambda line: (line.priority, -line.opened), default=None)


async def _own_unit(request: Request[Any, Any, Any], session: Session) -> tuple[UnitView, list[ItemLine]]:
    parts, keeper = parts_of(request), request.app.state.standing
    viewer, wish = standing(parts, session, Action.WATCH_OWN, session.person.unit)
    async with keeper.using(session.digest, viewer, wish) as (grant, delivered), parts.pg.acquire() as pg:
        units = await read_positions(grant, pg, parts.clock())
        lines = await read_queue(grant, pg, parts.desks, parts.clock())
        delivered.count = len(units) + len(lines)
    if not units:
        raise Refused(Kind.NOT_FOUND, f"unit {session.person.unit} is not in the register", unit="unknown")
    return units[0], lines


async def _alert(request: Request[Any, Any, Any], session: Session, line: ItemLine) -> ItemSeen:
    parts, keeper = parts_of(request), request.app.state.standing
    viewer, wish = await wish_for(parts, session, Action.READ_ITEM, line.id, None)
    async with keeper.using(session.digest, viewer, wish) as (grant, delivered), parts.pg.acquire() as pg:
        view = await read_item(grant, pg, line.id, parts.clock())
        delivered.count = 1 + len(view.entries) + len(view.children)
    return item_seen(parts.desks, view, session.person, await pictures_of(parts, view.item.parent))


@get("/api/tablet", operation_id="readTablet", guards=[counted, signed_in], responses=answers(401, 403, 404, 429, 503))
async def tablet(request: Request[Any, Any, Any]) -> TabletSeen:
    """The crew's own view. One entry serves it for a quarter of an hour."""
    session = session_of(request)
    unit, lines = await _own_unit(request, session)
    line = chosen(lines, unit.id)
    alert = await _alert(request, session, line) if line is not None else None
    place = Spot(unit.at, unit.lat, unit.lon) if unit.at and unit.lat is not None and unit.lon is not None else None
    return TabletSeen(unit.id, unit.status, alert, place)


@post(
    "/api/tablet/duty",
    operation_id="setDuty",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[Duty],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 409, 413, 429, 503),
)
async def duty(request: Request[Any, Any, Any], data: JSONBody[Duty]) -> DutySeen:
    """The crew comes on duty or leaves it. Refused (409) while an item holds the unit."""
    parts, session = parts_of(request), session_of(request)
    unit = _unit_of(session)
    viewer, wish = await asking(parts, session, [_own_act(Action.SET_DUTY, unit)])
    if not parts.access.decides(viewer, wish).allow:
        parts.access.note(viewer, wish)
        raise Refused(Kind.DENIED, "only a patrol has a unit", role="wrong_role")
    status = await _set_duty(request, parts, unit, on=data.on)
    parts.access.note(viewer, wish, {"on": data.on})
    return DutySeen(unit, status)


def _own_act(action: Action, unit: str) -> AccessRequest:
    return AccessRequest(action=action, purpose=Purpose.DUTY, object=unit, unit=unit)


async def _set_duty(request: Request[Any, Any, Any], parts: Parts, unit: str, *, on: bool) -> str:
    async with parts.pg.acquire() as pg:
        async with pg.transaction():
            await store.see(pg, EVERYWHERE)
            known = (await read_units(pg, [unit])).get(unit)
        if known is None:
            raise Refused(Kind.NOT_FOUND, f"unit {unit} is not in the register", unit="unknown")
        now = Holding(Status(known.status), known.item)
        if on and now.status is not Status.OFF_DUTY:
            return known.status  # on duty already, free or at work
        wished = by_crew(now, Status.AVAILABLE if on else Status.OFF_DUTY)
        outcome = await store.set_status(pg, unit, wished.status, parts.clock())
    request.app.state.publisher.put(outcome.outbox)
    return wished.status.value


def _unit_of(session: Session) -> str:
    if session.person.unit is None:
        raise Refused(Kind.DENIED, "only a patrol has a unit", role="wrong_role")
    return session.person.unit


@post(
    "/api/tablet/enrol",
    operation_id="enrolTablet",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[Enrol],
    return_dto=None,
    status_code=201,
    responses=answers(400, 401, 403, 409, 413, 429, 503),
)
async def enrol_tablet(request: Request[Any, Any, Any], data: JSONBody[Enrol]) -> CertifiedDevice:
    """Make this browser the unit's device: its positions count from now on, those of the officer's last one no more."""
    parts, session = parts_of(request), session_of(request)
    authority = _authority(parts)
    _unit_of(session)
    try:
        key = base64.b64decode(data.public_key, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(Kind.INVALID, "the key is not base64", public_key="not_base64") from None
    limits = bounds(session.person.id, address_of(request), "enrol")
    await count_attempt(parts.pg, limits, parts.clock())
    viewer, wish = await asking(parts, session, [_own_act(Action.ENROL_DEVICE, session.person.unit or "")])
    async with parts.access.reading(viewer, wish) as (_, done):
        async with parts.pg.acquire() as pg:
            issued, gone = await enrol(
                pg, authority, session.person, data.code, key, parts.clock(), parts.ids, session=session.digest
            )
        done.count = 1
        done.told = {"device": issued.device, "ends": issued.certified.ends, "sessions_ended": len(gone)}
    request.app.state.hub.end_sessions(gone)
    await forget_attempts(parts.pg, limits)
    return _certified(authority, issued)


def _authority(parts: Parts) -> Authority:
    if parts.authority is None:
        raise Refused(Kind.UNAVAILABLE, "there is no authority for tablets here")
    return parts.authority


def _certified(authority: Authority, issued: Issued) -> CertifiedDevice:
    given = issued.certified
    return CertifiedDevice(
        issued.device, pem_of(given.certificate), given.ends, Instant(given.ends - RENEW), authority.pem
    )  # fmt: skip


@post(
    "/api/tablet/certificate",
    operation_id="renewCertificate",
    security=[],
    guards=[counted],
    dto=Strict[Renewal],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 413, 429, 503),
)
async def renew_certificate(request: Request[Any, Any, Any], data: JSONBody[Renewal]) -> CertifiedDevice:
    """The next certificate, for a request that the device itself signed; nobody needs to be logged in."""
    parts = parts_of(request)
    authority = _authority(parts)
    async with parts.pg.acquire() as pg:
        issued, unit, is_fresh = await renew(pg, authority, data, parts.clock())
    if is_fresh:
        told = {"device": issued.device, "unit": unit, "ends": issued.certified.ends}
        await parts.access.tell(LeafClass.DEVICE, "device.renew", told, must=False)
    return _certified(authority, issued)


class Lost(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which device is lost."""

    device: Annotated[str, msgspec.Meta(pattern=r"\A[0-9a-f-]{36}\Z", min_length=36, max_length=36)]


@post(
    "/api/tablet/revoke",
    operation_id="revokeDevice",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[Lost],
    return_dto=None,
    status_code=200,
    responses=answers(400, 401, 403, 404, 413, 429, 503),
)
async def revoke(request: Request[Any, Any, Any], data: JSONBody[Lost]) -> Device:
    """A lost tablet: nothing it signs is taken any more, and what its crew had open ends, within a second."""
    parts, session = parts_of(request), session_of(request)
    async with parts.pg.acquire() as pg:
        unit, officer = await holder_of(pg, data.device)
    viewer, wish = await asking(parts, session, await _management(parts, unit, data.device, officer))
    async with parts.access.reading(viewer, wish, {"verb": "revoke"}) as (_, done):
        async with parts.pg.acquire() as pg:
            gone = await revoke_device(pg, data.device, parts.clock())
        done.count, done.told = 1, {"sessions_ended": len(gone)}
    request.app.state.hub.end_sessions(gone)
    return Device(data.device)


@post(
    "/api/tablet/codes",
    operation_id="makeEnrolmentCode",
    security=BY_TOKEN,
    guards=[counted, signed_in],
    dto=Strict[WantCode],
    return_dto=None,
    status_code=201,
    responses=answers(400, 401, 403, 404, 413, 429, 503),
)
async def code(request: Request[Any, Any, Any], data: JSONBody[WantCode]) -> EnrolmentCode:
    """A one-time code for ten minutes, told to the crew by the duty officer or the administrator."""
    parts, session = parts_of(request), session_of(request)
    viewer, wish = await asking(parts, session, await _management(parts, data.unit, data.unit, data.officer))
    async with parts.access.reading(viewer, wish, {"verb": "code", "officer": data.officer}) as (_, done):
        async with parts.pg.acquire() as pg:
            made = await make_code(pg, data.unit, data.officer, viewer.id, parts.clock())
        done.count = 1
    return made


async def _management(parts: Parts, unit: str, about: str, officer: str) -> list[AccessRequest]:
    """The wishes to manage the tablet of a unit's officer. Raises Refused(NOT_FOUND)."""
    async with parts.pg.acquire() as pg, pg.transaction():
        await store.see(pg, EVERYWHERE)
        known = (await read_units(pg, [unit])).get(unit)
    if known is None:
        raise Refused(Kind.NOT_FOUND, f"no unit {unit}", unit="unknown")
    return [
        AccessRequest(
            action=Action.MANAGE_DEVICE, purpose=purpose, object=about, region=known.region, unit=unit, concerns=officer
        )
        for purpose in (Purpose.DUTY, Purpose.MAINTENANCE)
    ]
