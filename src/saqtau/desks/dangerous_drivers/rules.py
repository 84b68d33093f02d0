"""What founds an alert, and what follows from a read.

Grounds: the vehicle is on the list in force; a camera with a valid certificate measured it above limit and tolerance;
its average between two cameras with valid certificates was. A pair of reads that no single vehicle can have made
opens "misread or cloned plate" instead. What is doubtful is shown to the operator on the crop first.

The worker calls `actions_for(read, context)` once a read and acts on what comes back, in its own transaction.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.item import Action, Fire, Item, Open
from saqtau.kernel.register import Camera, Ground, ListedVehicle
from saqtau.kernel.signal import PlateRead, Recommendation, Trust

SPEED: Final = "speed"
SECTION_SPEED: Final = "section_speed"

READS_KEPT: Final = 20
"""An item keeps the last so many reads; each is in its log anyway."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of the authority, from the jurisdiction's tables."""

    tolerance: float  # km/h above the limit that found nothing
    dangerous: float  # km/h above the limit that make it urgent
    fastest: float = 250.0  # km/h; a camera that measures more measured something else
    fresh: float = 180.0  # s; an older read is stored, but no unit is sent after it
    quiet: float = 900.0  # s after an answered alert in which the same vehicle opens no second one
    ahead: float = 0.0  # s a camera's clock may be ahead of ours


class SectionSpeed(msgspec.Struct, frozen=True):
    """An average speed between two cameras. `lower_kmh`: what is certain with every error taken for the driver."""

    lower_kmh: float
    metres: float
    seconds: float


class Earlier(msgspec.Struct, frozen=True):
    """The read before this one: which camera, when, how sure."""

    camera: Camera
    at: Instant
    trust: Trust = Trust.SURE


class Doubt(StrEnum):
    """Why the operator looks at the crop first."""

    DOUBTFUL_READ = "doubtful_read"
    NEAR_URGENT = "near_urgent"
    IMPOSSIBLE_PAIR = "impossible_pair"
    ABSURD_SPEED = "absurd_speed"


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One ground with what it rests on."""

    ground: str  # a Ground, or SPEED, or SECTION_SPEED
    authority: str | None = None
    basis: str | None = None
    expires: Instant | None = None
    note: str | None = None
    speed: float | None = None  # km/h as measured, or the certain average
    limit: float | None = None
    tolerance: float | None = None
    certificates: tuple[str, ...] = ()
    metres: float | None = None
    seconds: float | None = None
    since: str | None = None  # camera of the earlier read


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a read founds: at least one cause, the weightiest first."""

    plate: str  # of the listed vehicle where the read was only near it
    causes: tuple[Cause, ...]
    doubts: tuple[Doubt, ...] = ()
    priority: int = 5
    late: bool = False  # the vehicle is long gone: nobody is sent


_PRIORITY = {Ground.WANTED: 2, Ground.STOLEN: 2, Ground.FORGED_PLATES: 3, Ground.PERSISTENT_VIOLATOR: 4}


def certificate_gap(camera: Camera, at: Instant, day: Callable[[Instant], str]) -> str | None:
    """Why this camera's speed founds nothing, as a sentence; None when it may. day: writes a date."""
    certificate = camera.certificate
    if certificate is None:
        what = "has no calibration certificate"
    elif at > certificate.valid_until:
        what = f"calibration certificate expired {day(certificate.valid_until)}"
    elif at < certificate.valid_from:
        what = f"calibration certificate holds only from {day(certificate.valid_from)}"
    else:
        return None
    colon = "" if certificate is None else ":"
    return f"camera {camera.id}{colon} {what}; reads are stored but cannot open a traffic case"


def _certified(camera: Camera, at: Instant) -> bool:
    return camera.certificate is not None and camera.certificate.covers(at)


def in_force(entry: ListedVehicle, camera: Camera, now: Instant) -> bool:
    """Whether the entry holds here and now. By our clock: a camera's wrong clock revives no expired entry."""
    return entry.in_force(now) and entry.region in {None, camera.region}


def _listed(entry: ListedVehicle) -> Cause:
    return Cause(
        ground=entry.ground, authority=entry.authority, basis=entry.basis, expires=entry.expires,
        note=entry.note or None,
    )  # fmt: skip


def _at_camera(read: PlateRead, camera: Camera, limits: Limits) -> Cause | None:
    """Speed at the camera, as its valid certificate allows."""
    if read.speed is None or camera.certificate is None or not _certified(camera, read.at):
        return None
    if not camera.limit + limits.tolerance < read.speed < float("inf"):
        return None
    return Cause(
        ground=SPEED, speed=read.speed, limit=camera.limit, tolerance=limits.tolerance,
        certificates=(camera.certificate.number,),
    )  # fmt: skip


def _on_section(
    read: PlateRead, camera: Camera, earlier: Earlier | None, section: SectionSpeed | None, limits: Limits
) -> Cause | None:
    """Average speed, when both cameras are certified; the higher of their limits holds, in favour of the driver."""
    if earlier is None or section is None or earlier.camera.certificate is None or camera.certificate is None:
        return None
    if not (_certified(earlier.camera, earlier.at) and _certified(camera, read.at)):
        return None
    if earlier.trust is not Trust.SURE or earlier.at >= read.at:
        return None
    limit = max(earlier.camera.limit, camera.limit)
    if not limit + limits.tolerance < section.lower_kmh <= limits.fastest:
        return None
    return Cause(
        ground=SECTION_SPEED, speed=section.lower_kmh, limit=limit, tolerance=limits.tolerance, metres=section.metres,
        seconds=section.seconds, since=earlier.camera.id,
        certificates=(earlier.camera.certificate.number, camera.certificate.number),
    )  # fmt: skip


def _absurd(cause: Cause, read: PlateRead, limits: Limits) -> bool:
    """A speed no vehicle drives, or an average twice what the camera measured: rather two vehicles."""
    if cause.speed is None:
        return False
    doubled = cause.ground == SECTION_SPEED and read.speed is not None and cause.speed > 2 * read.speed
    return cause.speed > limits.fastest or doubled


def _urgency(cause: Cause, limits: Limits) -> int:
    if cause.speed is None or cause.limit is None:
        return _PRIORITY[Ground(cause.ground)]
    return 2 if cause.speed > cause.limit + limits.dangerous else 4


def is_late(read: PlateRead, now: Instant, limits: Limits) -> bool:
    """Whether the vehicle is too long gone to send anybody; a camera clock that runs ahead makes no read fresh.

    A doubtful read counts from when it came: its doubt may be the clock itself, and a person looks at it first.
    """
    since = read.received if read.trust is not Trust.SURE else min(read.at, read.received)
    return now - since > limits.fresh * SECOND


def assess(
    read: PlateRead,
    camera: Camera,
    listed: tuple[ListedVehicle, ...],
    earlier: Earlier | None,
    section: SectionSpeed | None,
    now: Instant,
    limits: Limits,
    *,
    near: tuple[ListedVehicle, ...] = (),
    impossible: bool = False,
) -> Finding | None:
    """What this read founds, or None.

    listed: entries on exactly this plate. near: urgent entries one confusable character away (`confusable.near`).
    impossible: this read and the earlier one cannot be of one vehicle (both are sure). Speed founds nothing then: it is
    not known whose it was; an entry on the list stays, for the operator to look at.
    """
    causes = [_listed(entry) for entry in listed if in_force(entry, camera, now)]
    doubts = [Doubt.DOUBTFUL_READ] if read.trust is not Trust.SURE else []
    plate = read.plate
    late = is_late(read, now, limits)
    if not impossible and not late:
        measured = (_at_camera(read, camera, limits), _on_section(read, camera, earlier, section, limits))
        causes += [cause for cause in measured if cause is not None]
        if any(_absurd(cause, read, limits) for cause in causes):
            doubts.append(Doubt.ABSURD_SPEED)
    if not causes:
        guesses = [entry for entry in near if in_force(entry, camera, now)]
        if not guesses:
            return None
        plate = guesses[0].plate
        causes = [_listed(entry) for entry in guesses if entry.plate == plate]
        doubts.append(Doubt.NEAR_URGENT)
    elif impossible:
        doubts.append(Doubt.IMPOSSIBLE_PAIR)
    if late and doubts:
        return None
    causes.sort(key=lambda cause: _urgency(cause, limits))
    return Finding(
        plate=plate, causes=tuple(causes), doubts=tuple(doubts), priority=_urgency(causes[0], limits), late=late
    )


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What the worker knows around one read. `recommend` is called only when it is needed, at most once."""

    camera: Camera
    now: Instant
    limits: Limits
    recommend: Callable[[], Recommendation]
    listed: tuple[ListedVehicle, ...] = ()
    near: tuple[ListedVehicle, ...] = ()
    earlier: Earlier | None = None
    section: SectionSpeed | None = None
    impossible: bool = False  # roads.section.impossible over the two cameras' places and times
    item: Item | None = None  # newest dangerous_drivers item of the plate as it was read, open or ended
    near_item: Item | None = None  # the same for the plate of the first `near`
    cloned: Item | None = None  # open cloned_plates item of this plate


def actions_for(read: PlateRead, context: Context) -> tuple[Action, ...]:
    """What follows from one read; nothing at all for most of them."""
    earlier = context.earlier
    impossible = context.impossible and earlier is not None and earlier.trust is Trust.SURE and read.trust is Trust.SURE
    finding = assess(
        read,
        context.camera,
        context.listed,
        earlier,
        context.section,
        context.now,
        context.limits,
        near=context.near,
        impossible=impossible,
    )
    pair = (_impossible_pair(read, context.camera, earlier, context.cloned),) if impossible and earlier else ()
    item = context.item
    if finding is not None and finding.plate != read.plate and (item is None or item.ended is not None):
        item = context.near_item  # the read is shown under the listed plate that it is near
    if item is not None and item.ended is None:
        return (*pair, *(() if impossible else _follow(read, context, item, finding)))
    if finding is None or _quiet(item, finding, context):
        return pair
    return (*pair, _open(read, context, finding))


def _impossible_pair(read: PlateRead, camera: Camera, earlier: Earlier, known: Item | None) -> Action:
    """Two vehicles, or one misread: a person compares the crops. Found again, it is the same question."""
    data = {
        "plate": read.plate,
        "first": {"camera": earlier.camera.id, "camera_name": earlier.camera.name, "at": earlier.at},
        "second": {"camera": camera.id, "camera_name": camera.name, "at": read.at, "read": read.id},
    }
    if known is not None and known.ended is None:
        return Fire(item=known.id, edge="again", data=data, by="impossible_pair")
    return Open(
        desk="cloned_plates", data=data, region=camera.region, priority=6, lat=camera.lat, lon=camera.lon,
        by="impossible_pair",
    )  # fmt: skip


_ANSWERED = frozenset({"stopped", "wrong_vehicle", "rejected", "cancelled"})


def _quiet(item: Item | None, finding: Finding, context: Context) -> bool:
    """Whether a person has just answered the same question. A ground that is new asks it anew."""
    if item is None or item.ended is None or item.state not in _ANSWERED:
        return False
    asked = {cause["ground"] for cause in item.data["causes"]}
    same = {cause.ground for cause in finding.causes} <= asked
    return same and context.now - item.ended <= context.limits.quiet * SECOND


def _seen(read: PlateRead, camera: Camera) -> dict[str, Any]:
    return {
        "read": {"id": read.id, "camera": camera.id, "at": read.at, "speed": read.speed, "trust": read.trust.value},
        "camera": camera.id,
        "camera_name": camera.name,
        "at": read.at,
        "speed": read.speed,
        "limit": camera.limit,
        "lat": camera.lat,
        "lon": camera.lon,
    }


def _open(read: PlateRead, context: Context, finding: Finding) -> Open:
    recommendation = None if finding.late else context.recommend()
    if finding.doubts:
        state = "to_confirm"
    elif recommendation is not None and recommendation.candidates:
        state = "seeking"
    else:
        state = "no_unit_ahead"
    seen = _seen(read, context.camera)
    place = {name: seen.pop(name) for name in ("lat", "lon")}
    causes: list[dict[str, Any]] = msgspec.to_builtins(finding.causes)
    return Open(
        desk="dangerous_drivers",
        data={
            "plate": finding.plate,
            "read_as": read.plate,
            "ground": finding.causes[0].ground,
            "causes": causes,
            "doubts": [doubt.value for doubt in finding.doubts],
            **{name: value for name, value in seen.items() if name != "read"},
            "reads": [seen["read"]],
            "late": finding.late,
            "recommendation": msgspec.to_builtins(recommendation),
            "overrides": [],
        },
        region=context.camera.region,
        priority=finding.priority,
        state=state,
        by="plate_read",
        **place,
    )


def _follow(read: PlateRead, context: Context, item: Item, finding: Finding | None) -> tuple[Fire, ...]:
    """A further read of a vehicle that is looked for moves its offer. A doubtful or late read moves nobody."""
    if is_late(read, context.now, context.limits) or read.at <= item.data["at"]:
        return ()
    sure = read.trust is Trust.SURE and read.plate == item.data["plate"]
    if not sure and item.state != "to_confirm":
        return ()
    recommendation = context.recommend()
    ahead = bool(recommendation.candidates)
    match item.state:
        case "to_confirm" if sure and finding is not None and not finding.doubts:
            edge = "made_sure" if ahead else "made_sure_none_ahead"
        case "seeking" if not ahead:
            edge = "none_ahead"
        case "no_unit_ahead" | "nobody_accepted" if ahead:
            edge = "found_ahead"
        case _:
            edge = "reread"
    data = {**_seen(read, context.camera), "recommendation": msgspec.to_builtins(recommendation)}
    if finding is not None and sure:
        data["causes"] = _joined(item.data["causes"], msgspec.to_builtins(finding.causes))
        data["priority"] = min(item.priority, finding.priority)
    return (Fire(item=item.id, edge=edge, data=data, by="vehicle_seen_again"),)


def _joined(known: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each ground once; a measurement of a ground that is known replaces it when it is faster."""
    causes = {cause["ground"]: cause for cause in known}
    for cause in found:
        before = causes.get(cause["ground"])
        if before is None or cause.get("speed", 0) > before.get("speed", 0):
            causes[cause["ground"]] = cause
    return list(causes.values())
