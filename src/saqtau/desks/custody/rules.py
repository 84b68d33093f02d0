"""What opens items of custody and what they keep. Pure.

Facts of an outage: `site`, `place`, `kind` (of the gap, or the verdict), `cameras` [{camera, name, room, since, until,
kind}], `more` (cameras beyond the list), `dark_since`, `dark_until` (None while some camera is dark), `explained`
[{by, at, reason, note}], `finding`. Facts of what people open: see `opened_by_hand`.
"""

from collections.abc import Sequence
from typing import Any, Final

from saqtau.kernel.clock import DAY, MINUTE, Instant
from saqtau.kernel.desk import Data
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Action, Call, Fire, Item, Open
from saqtau.kernel.signal import CameraCondition, CameraState, FootageHeld, FootageWanted, Signal

PLACES: Final = frozenset({"police_office", "penal_colony"})
LISTED: Final = 1_000
"""Cameras that one outage lists; more are counted."""
TOGETHER: Final = 10 * MINUTE
"""What goes dark at one place within this time is one outage: who pulls a switch does not bury its finder in items."""
OUTAGE: Final = frozenset({"unexplained", "not_explained", "explained", "in_repair", "found_dark"})
MARGIN: Final = 10 * MINUTE
"""Kept before and after what somebody reports: what led to it and what followed."""
LONGEST: Final = 7 * DAY
KEPT_WORDS: Final = 20


def on_state(signal: CameraState, family: Sequence[Item]) -> tuple[Action, ...]:
    """A camera of a place of custody changed. family: the open items about cameras of its place."""
    if signal.place not in PLACES:
        return ()
    about = [one for one in family if one.desk == "custody" and one.state in OUTAGE and _lists(one, signal.camera)]
    seen = _seen(signal)
    match signal.state:
        case CameraCondition.WELL:
            dark = [one for one in about if not _over(one, signal.camera)]
            return tuple(Fire(item=one.id, edge="back", data=seen, by="camera_back") for one in dark)
        case CameraCondition.DISABLED | CameraCondition.DARK | CameraCondition.TAMPERED if about:
            if not all(_over(one, signal.camera) for one in about):
                return ()
            return (Fire(item=about[0].id, edge="more", data=seen, by="camera_dark"),)
        case CameraCondition.DISABLED:
            return (_outage(signal, seen, "explained"),)
        case CameraCondition.DARK:
            for one in family:
                if one.desk == "custody" and one.state == "unexplained" and _joins(one, signal):
                    return (Fire(item=one.id, edge="more", data=seen, by="camera_dark"),)
            return (_outage(signal, seen, "unexplained"),)
        case CameraCondition.TAMPERED:
            return (_outage(signal, seen, "unexplained"),)


def _seen(signal: CameraState) -> dict[str, Any]:
    return {
        "camera": signal.camera,
        "name": signal.name,
        "room": signal.room,
        "since": signal.since,
        "until": signal.until,
        "kind": signal.kind,
    }


def _lists(item: Item, camera: str) -> bool:
    return any(one["camera"] == camera for one in item.data.get("cameras", ()))


def _over(item: Item, camera: str) -> bool:
    """Whether every darkness of this camera that the item lists is over."""
    return all(one["until"] is not None for one in item.data["cameras"] if one["camera"] == camera)


def _joins(item: Item, signal: CameraState) -> bool:
    dark = not item.data["tampered"] and item.data["site"] == signal.site
    return dark and signal.since - item.data["dark_since"] <= TOGETHER


def _outage(signal: CameraState, seen: dict[str, Any], state: str) -> Open:
    words = []
    if signal.state is CameraCondition.DISABLED:
        words = [{"by": signal.by, "at": signal.since, "reason": "switched_off", "note": signal.why}]
    return Open(
        desk="custody",
        data={
            "site": signal.site,
            "place": signal.place,
            "kind": signal.kind or signal.state.value,
            "tampered": signal.state is CameraCondition.TAMPERED,
            "camera": signal.camera,
            "camera_name": signal.name,
            "cameras": [seen],
            "more": 0,
            "dark_since": signal.since,
            "dark_until": signal.until,
            "explained": words,
            "finding": None,
        },
        region=signal.region,
        priority=2,
        state=state,
        lat=signal.lat,
        lon=signal.lon,
        by="camera_dark",
    )


def joined(data: Data, form: Data, _call: Call) -> Data:
    """Another camera of the place went dark, or the same one again."""
    if len(data["cameras"]) >= LISTED:
        return {"more": data["more"] + 1, "dark_until": None}
    return {"cameras": [*data["cameras"], dict(form)], "dark_until": form.get("until")}


def back(data: Data, form: Data, call: Call) -> Data:
    """A camera has its picture again. The outage stays to be answered for."""
    until = form.get("until") or call.now
    ended = [
        one | {"until": until} if one["camera"] == form["camera"] and one["until"] is None else one
        for one in data["cameras"]
    ]
    over = all(one["until"] is not None for one in ended) and not data["more"]
    return {"cameras": ended, "dark_until": max(one["until"] for one in ended) if over else None}


def explained(data: Data, form: Data, call: Call) -> Data:
    """What the institution says. It stays beside what was said before."""
    said = {"by": call.actor.id, "at": call.now, "reason": form["reason"], "note": form["note"]}
    return {"explained": [*data["explained"][-KEPT_WORDS + 1 :], said]}


def still_dark(data: Data) -> bool:
    """Whether a picture is still away."""
    return data.get("dark_until") is None


def last_dark(data: Data) -> bool:
    """Whether the picture that comes back is the last that was away."""
    return sum(one["until"] is None for one in data["cameras"]) == 1 and not data["more"]


def noted(data: Data, form: Data, call: Call) -> Data:
    """What the prosecutor asks or saw meanwhile."""
    said = {"by": call.actor.id, "at": call.now, "note": form["note"]}
    return {"notes": [*data.get("notes", [])[-KEPT_WORDS + 1 :], said]}


def found(data: Data, form: Data, call: Call) -> Data:
    """What was decided, and why. Nobody judges his own word, whatever his roles are."""
    if any(one["by"] == call.actor.id for one in data.get("explained", ())):
        raise Refused(Kind.DENIED, "nobody judges his own word", actor="own_word")
    return {"answer": dict(form), "answered_by": call.actor.id, "answered_at": call.now}


def opened_by_hand(place: Data, form: Data, call: Call) -> Data:
    """What a person reports or asks for. place: site, place, camera and its name, as the register has them.

    Facts: `site`, `place`, `camera`, `camera_name`, the form's own, `footage` (what was tied), `kept` (None until the
    recorder has acknowledged). Raises Refused(INVALID): `ended` before `began`, more than a week, in the future.
    """
    began, ended = form["began"], form["ended"]
    if not began < ended <= call.now + MINUTE:
        raise Refused(Kind.INVALID, "it begins before it ends, and both have been", ended="invalid")
    if ended - began > LONGEST:
        raise Refused(Kind.INVALID, "a week at most: the longest stretch one wish keeps", ended="too_long")
    return _placed(place) | dict(form) | {"asked_by": call.actor.id, "footage": [], "kept": None}


def declared(place: Data, form: Data, call: Call) -> Data:
    """A blind spot: where, why, and who said so."""
    return _placed(place) | dict(form) | {"declared_by": call.actor.id, "declared_at": call.now}


def _placed(place: Data) -> dict[str, Any]:
    kind = place.get("place")
    if kind not in PLACES:
        raise Refused(Kind.INVALID, "no place of custody", site="not_custody")
    return {"site": place["site"], "place": kind, "camera": place.get("camera"), "camera_name": place.get("name")}


def drawn(site: str, region: int, camera: Data, began: Instant, ended: Instant, seed: str) -> Open:
    """A stretch that chance chose for the prosecutor. seed: what the draw was made from, for whoever checks it."""
    return Open(
        desk="custody",
        data={
            "site": site,
            "place": camera["place"],
            "camera": camera["id"],
            "camera_name": camera["name"],
            "began": began,
            "ended": ended,
            "seed": seed,
            "kept": None,
        },
        region=region,
        priority=6,
        state="drawn",
        lat=camera.get("lat"),
        lon=camera.get("lon"),
        by="random_review",
    )


def tied(data: Data, form: Data, _call: Call) -> Data:
    """This camera shows it."""
    if len(data["footage"]) >= KEPT_WORDS:
        raise Refused(Kind.TOO_MANY, f"{KEPT_WORDS} pieces of footage at most", camera="too_many")
    if not 0 < form["ended"] - form["began"] <= LONGEST:
        raise Refused(Kind.INVALID, "it begins before it ends, a week at most", ended="invalid")
    return {"footage": [*data["footage"], dict(form)], "none_because": None}


def none_there(_data: Data, form: Data, call: Call) -> Data:
    """There is no footage, and why."""
    return {"none_because": form["none_because"], "none_note": form["note"], "none_by": call.actor.id}


def on_held(signal: FootageHeld, family: Sequence[Item]) -> tuple[Action, ...]:
    """The recorder has acknowledged every hold of an item."""
    seen = {
        "cameras": signal.cameras,
        "recorded": signal.recorded,
        "missing": signal.missing,
        "wanted": signal.wanted,
    }
    ours = [one for one in family if one.id == signal.item and one.desk == "custody"]
    edge = "acknowledged" if signal.recorded else "nothing_there"
    return tuple(Fire(item=one.id, edge=edge, data=seen, by="recorder") for one in ours)


def kept(_data: Data, form: Data, call: Call) -> Data:
    """What the recorder found and keeps."""
    return {"kept": dict(form) | {"at": call.now}}


def tells(item: Item, edge: str | None, form: Data) -> tuple[Signal, ...]:
    """What is to be kept: of what people report, at once; of what they tie to it, as soon as they do."""
    if edge is None and item.state in {"asked", "reported", "complained", "drawn"}:
        margin = 0 if item.state in {"asked", "drawn"} else MARGIN
        camera = item.data["camera"] if item.state in {"asked", "drawn"} else None
        return (_wanted(item, camera, item.data["began"] - margin, item.data["ended"] + margin, item.state),)
    if edge == "tie":
        return (_wanted(item, form["camera"], form["began"] - MARGIN, form["ended"] + MARGIN, "tied"),)
    return ()


def _wanted(item: Item, camera: str | None, began: int, ended: int, why: str) -> FootageWanted:
    return FootageWanted(
        item=item.id,
        site=item.data["site"],
        camera=camera,
        began=Instant(began),
        ended=Instant(ended),
        by=item.data.get("asked_by", item.opened_by),
        why=f"custody: {why}, item {item.id}",
    )


def line(data: Data) -> Data:
    """One line of the queue: where and what kind; nobody's words and nobody's reference.

    An outage is told by the camera that is dark now, the longest first, and `away`: how many are.
    """
    names = (
        "site", "place", "camera", "camera_name", "kind", "dark_since", "dark_until", "happened", "about", "asker",
        "what", "reason",
    )  # fmt: skip
    told = {name: data[name] for name in names if data.get(name) is not None}
    dark = sorted((one for one in data.get("cameras", ()) if one["until"] is None), key=lambda one: one["since"])
    if not dark:
        return told
    first = dark[0]
    return told | {
        "camera": first["camera"],
        "camera_name": first["name"],
        "kind": first["kind"],
        "dark_since": first["since"],
        "away": len(dark) + data["more"],
    }
