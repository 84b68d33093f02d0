"""What opens items of street and school cameras and what they keep. Pure.

Facts of a dark camera: `camera`, `camera_name`, `site`, `site_kind` (a school's is about minors), `kind`, `dark_since`,
`dark_until`, `trouble`. Of a mark: `camera`, `began`, `ended`, `offence`, `marked_by`, `kept`.
"""

from collections.abc import Sequence
from typing import Final

from saqtau.kernel.clock import HOUR, MINUTE, Instant
from saqtau.kernel.desk import Data
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Action, Call, Fire, Item, Open
from saqtau.kernel.signal import CameraCondition, CameraState, FootageHeld, FootageWanted, OffenceMarked, Signal

PLACES: Final = frozenset({"street", "school"})
DARK: Final = frozenset({"dark", "unanswered", "in_repair", "meant", "late"})
LONGEST: Final = 2 * HOUR
"""A mark is about one act."""
MARGIN: Final = MINUTE


def on_state(signal: CameraState, family: Sequence[Item]) -> tuple[Action, ...]:
    """A street or school camera changed. family: the open items about cameras of its place."""
    if signal.place not in PLACES:
        return ()
    about = [
        one
        for one in family
        if one.desk == "street_cameras" and one.state in DARK and one.data["camera"] == signal.camera
    ]
    match signal.state:
        case CameraCondition.WELL:
            return tuple(
                Fire(item=one.id, edge="back", data={"until": signal.until}, by="camera_back") for one in about
            )
        case CameraCondition.DISABLED:
            return ()  # a person has said why, and it stands in the account of minutes
        case _ if about:
            return ()
        case _:
            return (
                Open(
                    desk="street_cameras",
                    data={
                        "camera": signal.camera,
                        "camera_name": signal.name,
                        "site": signal.site,
                        "site_kind": signal.place,
                        "kind": signal.kind or signal.state.value,
                        "dark_since": signal.since,
                        "dark_until": None,
                        "trouble": None,
                    },
                    region=signal.region,
                    priority=5,
                    lat=signal.lat,
                    lon=signal.lon,
                    by="camera_dark",
                ),
            )


def back(_data: Data, form: Data, call: Call) -> Data:
    """The picture is there again."""
    return {"dark_until": form.get("until") or call.now}


def told(_data: Data, form: Data, call: Call) -> Data:
    """Who was told to repair it."""
    return {"trouble": form["trouble"], "note": form["note"], "told_by": call.actor.id, "told_at": call.now}


def meant(_data: Data, form: Data, call: Call) -> Data:
    """The camera looks that way on purpose: it stays told until somebody has it learned anew, by name."""
    return {"note": form["note"], "answered_by": call.actor.id}


def marked(place: Data, form: Data, call: Call) -> Data:
    """An offence on a picture. Raises Refused(INVALID): the range, or a camera that is neither street nor school."""
    if place["place"] not in PLACES:
        raise Refused(Kind.INVALID, "custody has a desk of its own", camera="custody")
    if not form["began"] < form["ended"] <= call.now + MINUTE:
        raise Refused(Kind.INVALID, "it begins before it ends, and both have been", ended="invalid")
    if form["ended"] - form["began"] > LONGEST:
        raise Refused(Kind.INVALID, "two hours at most", ended="too_long")
    return {
        **form,
        "camera_name": place["name"],
        "site": place["site"],
        "site_kind": place["place"],
        "marked_by": call.actor.id,
        "kept": None,
    }


def decided(data: Data, form: Data, call: Call) -> Data:
    """What the inspector saw on it. Nobody confirms what he marked himself."""
    if call.actor.id == data["marked_by"]:
        raise Refused(Kind.DENIED, "nobody confirms what he marked himself", actor="four_eyes")
    return {"answer": dict(form), "answered_by": call.actor.id, "answered_at": call.now}


def answered(_data: Data, form: Data, call: Call) -> Data:
    """What became of it."""
    return {"answer": dict(form), "answered_by": call.actor.id, "answered_at": call.now}


def declared(place: Data, form: Data, call: Call) -> Data:
    """A blind spot: where, why, and who said so."""
    if place["place"] not in PLACES:
        raise Refused(Kind.INVALID, "custody has a desk of its own", site="custody")
    return {**form, "site_kind": place["place"], "declared_by": call.actor.id, "declared_at": call.now}


def tells(item: Item, edge: str | None, _form: Data) -> tuple[Signal, ...]:
    """A mark is told; what it shows is kept as soon as it is made, for it may be hours from being overwritten."""
    if edge is not None or item.state != "marked":
        return ()
    data = item.data
    began, ended = Instant(data["began"]), Instant(data["ended"])
    return (
        OffenceMarked(camera=data["camera"], began=began, ended=ended, by=data["marked_by"], item=item.id),
        FootageWanted(
            item=item.id,
            site=data["site"],
            camera=data["camera"],
            began=Instant(began - MARGIN),
            ended=Instant(ended + MARGIN),
            by=data["marked_by"],
            why=f"street_cameras: an offence was marked, item {item.id}",
        ),
    )


def on_held(signal: FootageHeld, family: Sequence[Item]) -> tuple[Action, ...]:
    """The recorder keeps it."""
    seen = {
        "cameras": signal.cameras,
        "recorded": signal.recorded,
        "missing": signal.missing,
        "wanted": signal.wanted,
    }
    ours = [one for one in family if one.id == signal.item and one.desk == "street_cameras"]
    return tuple(Fire(item=one.id, edge="acknowledged", data=seen, by="recorder") for one in ours)


def kept(_data: Data, form: Data, call: Call) -> Data:
    """What the recorder found and keeps."""
    return {"kept": dict(form) | {"at": call.now}}


def line(data: Data) -> Data:
    """One line of the queue."""
    names = ("camera", "camera_name", "site", "kind", "dark_since", "offence", "trouble", "what", "reason")
    return {name: data[name] for name in names if data.get(name) is not None}
