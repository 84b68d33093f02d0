"""What each edge of dangerous drivers changes in the item's facts, and what the desk tells the others."""

from collections.abc import Sequence
from typing import Any

import msgspec

from saqtau.desks.dangerous_drivers.rules import READS_KEPT
from saqtau.kernel.clock import SECOND
from saqtau.kernel.desk import Data
from saqtau.kernel.item import Action, Call, Fire, Item
from saqtau.kernel.signal import (
    Answer,
    Candidate,
    OfferAnswered,
    OfferUpdated,
    OfferWanted,
    OfferWithdrawn,
    Recommendation,
    Signal,
)


def somebody_ahead(data: Data) -> bool:
    """Whether the recommendation names a unit."""
    recommendation = data["recommendation"]
    return recommendation is not None and bool(recommendation["candidates"])


def confirmed(_data: Data, _form: Data, call: Call) -> Data:
    """The operator saw the plate on the crop; the doubt stays on record beside his name."""
    return {"confirmed_by": call.actor.id, "confirmed_at": call.now}


def seen_again(data: Data, form: Data, _call: Call) -> Data:
    """The vehicle passed another camera."""
    facts = {name: value for name, value in form.items() if name != "read"}
    return {**facts, "reads": [*data["reads"], form["read"]][-READS_KEPT:]}


def made_sure(data: Data, form: Data, call: Call) -> Data:
    """A sure read of the listed plate itself answers the doubt."""
    return {**seen_again(data, form, call), "made_sure_at": call.now, "read_as": data["plate"]}


def assigned(data: Data, form: Data, call: Call) -> Data:
    """A person names the unit; the machine's recommendation stays beside it."""
    made = {"unit": form["unit"], "reason": form["reason"], "by": call.actor.id, "at": call.now}
    return {"overrides": [*data["overrides"], made], "unit": None}


def accepted(_data: Data, form: Data, call: Call) -> Data:
    """A unit took it: the item is its own from here."""
    return {"unit": form["unit"], "accepted_by": form["unit"], "accepted_at": call.now}


def given_back(data: Data, _form: Data, _call: Call) -> Data:
    """The unit gave it back."""
    return {"unit": None, "released_by": [*data.get("released_by", ()), data.get("accepted_by")]}


def line(data: Data) -> Data:
    """One line of the queue, without the plate."""
    names = ("ground", "camera", "camera_name", "at", "doubts")
    return {name: data[name] for name in names} | _speed(data)


def title(data: Data) -> dict[str, str | float | int | None]:
    """What the tablet shows at first sight."""
    names = ("plate", "ground", "camera", "camera_name", "at")
    return {name: data[name] for name in names} | _speed(data)


def _speed(data: Data) -> dict[str, Any]:
    """The speed that founds the alert, with its limit; where none does, the last one measured."""
    founding = next((cause for cause in data["causes"] if cause.get("speed") is not None), data)
    return {"speed": founding["speed"], "limit": founding["limit"]}


def _recommendation(item: Item) -> Recommendation:
    """The recommendation without those whom the vehicle has passed while a person looked."""
    recommendation = msgspec.convert(item.data["recommendation"], Recommendation)
    ahead = tuple(
        candidate
        for candidate in recommendation.candidates
        if recommendation.at + candidate.seconds * SECOND > item.changed
    )
    return msgspec.structs.replace(recommendation, candidates=ahead)


def _wanted(item: Item, recommendation: Recommendation, override: str = "") -> OfferWanted:
    return OfferWanted(
        item=item.id, region=item.region, recommendation=recommendation, title=title(item.data), lat=item.lat or 0.0,
        lon=item.lon or 0.0, priority=item.priority, override=override,
    )  # fmt: skip


def tells(item: Item, edge: str | None, form: Data) -> tuple[Signal, ...]:
    """Ask dispatch for a unit, keep its offer on the vehicle's way, and say when nobody is needed any more."""
    match edge:
        case None | "confirm" | "made_sure" | "found_ahead" if item.state == "seeking":
            return (_wanted(item, _recommendation(item)),)
        case "assign":
            chosen = Recommendation(
                at=item.changed,
                camera=item.data["camera"],
                candidates=(Candidate(form["unit"], probability=0.0, seconds=0.0),),
            )
            return (_wanted(item, chosen, override=form["reason"]),)
        case "reread" if item.state in {"seeking", "accepted"}:
            return (
                OfferUpdated(
                    item=item.id, recommendation=_recommendation(item), title=title(item.data), lat=item.lat or 0.0,
                    lon=item.lon or 0.0,
                ),
            )  # fmt: skip
        case "none_ahead" | "cancel" | "lapse" | "not_met" | "stopped" | "not_seen" | "wrong_vehicle":
            return (OfferWithdrawn(item.id, reason=edge),)
        case _:
            return ()


_EDGES = {
    Answer.ACCEPTED: "unit_accepted",
    Answer.EXHAUSTED: "nobody_accepted",
    Answer.RELEASED: "released",
    Answer.WITHDRAWN: "offer_cancelled",
}


def on_answer(signal: OfferAnswered, family: Sequence[Item]) -> tuple[Action, ...]:
    """Dispatch answers an item of this desk."""
    if not any(item.id == signal.item and item.desk == "dangerous_drivers" for item in family):
        return ()
    data: dict[str, Any] = {"unit": signal.unit} if signal.unit else {}
    return (Fire(item=signal.item, edge=_EDGES[signal.answer], data=data, by="dispatch"),)
