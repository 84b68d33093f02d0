"""Who is offered the work next, and what dispatch answers to the desk that asked.

The candidates come in the order of the recommendation. At most three are asked; then a person has it.
An item's data: `wanted_by`, `title`, `recommendation` (as it came), `candidates`, `tried` (unit, answer, at, reason),
`holder` (who has the offer or the work), `freed` (units this step let go), `offers`, `override`, `overrides`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.desk import Data
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Action, Call, Fire, Item, Open
from saqtau.kernel.signal import (
    Answer,
    OfferAnswered,
    OfferUpdated,
    OfferWanted,
    OfferWithdrawn,
    Recommendation,
    Signal,
    Status,
    UnitHeld,
    UnitStatus,
)

OFFERS = 3
"""So many units are asked before a person decides."""

HELD = "held"
"""Answer of a unit that other work holds."""

WAITING = frozenset({"with_operator", "with_duty_officer"})
"""States in which a person looks for a unit."""

_STATUS = {
    "offered": Status.RESERVED,
    "accepted": Status.EN_ROUTE,
    "en_route": Status.EN_ROUTE,
    "at_scene": Status.AT_SCENE,
}


def _untried(data: Data) -> list[dict[str, Any]]:
    gone = {tried["unit"] for tried in data["tried"]} | {data["holder"]}
    return [candidate for candidate in data["candidates"] if candidate["unit"] not in gone]


def has_next(data: Data) -> bool:
    """Whether another unit is asked when the present one steps down. A person's own choice is not corrected."""
    return not data["override"] and data["offers"] < OFFERS and bool(_untried(data))


def may_try_next(data: Data) -> bool:
    """Whether the next is taken when other work holds the present one. A person looks when that goes on."""
    held = sum(tried["answer"] == HELD for tried in data["tried"])
    return not data["override"] and held < OFFERS and bool(_untried(data))


def _best(candidates: Sequence[dict[str, Any]], data: Data, now: Instant) -> str | None:
    """The best whom the vehicle has not passed yet; when it has passed all, still the best, for help fails open."""
    start = data["recommendation"]["at"]
    ahead = [candidate for candidate in candidates if start + candidate["seconds"] * SECOND > now]
    unit: str | None = next((candidate["unit"] for candidate in (*ahead, *candidates)), None)
    return unit


def _stepped_down(data: Data, now: Instant, answer: str, reason: str = "") -> list[dict[str, Any]]:
    if data["holder"] is None:
        return list(data["tried"])
    return [*data["tried"], {"unit": data["holder"], "answer": answer, "at": now, "reason": reason}]


def _held_by(data: Data, unit: str | None) -> Data:
    """The facts of a change of hands."""
    freed = [data["holder"]] if data["holder"] not in {None, unit} else []
    return {"holder": unit, "unit": unit, "freed": freed}


def _next(data: Data, now: Instant, answer: str, reason: str = "") -> Data:
    following = _best(_untried(data), data, now) if has_next(data) else None
    return {
        "tried": _stepped_down(data, now, answer, reason),
        "offers": data["offers"] + (following is not None),
        "override": False,
        **_held_by(data, following),
    }


def refused(data: Data, form: Data, call: Call) -> Data:
    """The crew said no: the next, or nobody."""
    return _next(data, call.now, "refused", form.get("reason", ""))


def not_answered(data: Data, _form: Data, call: Call) -> Data:
    """Fifteen seconds passed."""
    return _next(data, call.now, "not_answered")


def released(data: Data, form: Data, call: Call) -> Data:
    """Accepted work comes back."""
    return _next(data, call.now, "released", form.get("reason", ""))


def held(data: Data, form: Data, call: Call) -> Data:
    """Another item holds the unit, or a person took it for one: no refusal, costs no offer and frees nobody."""
    following = _best(_untried(data), data, call.now) if may_try_next(data) else None
    tried = _stepped_down(data, call.now, HELD, form["by"])
    return {"tried": tried, "override": False, "holder": following, "unit": following, "freed": []}


def _news(form: Data) -> dict[str, Any]:
    return {name: form[name] for name in ("recommendation", "candidates", "title", "lat", "lon") if name in form}


def updated(_data: Data, form: Data, _call: Call) -> Data:
    """The vehicle was seen again; who has the work keeps it."""
    return {**_news(form), "freed": []}


def retargeted(data: Data, form: Data, call: Call) -> Data:
    """The vehicle was seen again and another unit lies ahead now."""
    fresh = {**data, **_news(form)}
    return {
        **_news(form),
        "tried": _stepped_down(data, call.now, "passed_by"),
        "offers": 1,
        "override": False,
        **_held_by(data, _best(_untried(fresh), fresh, call.now)),
    }


def ran_out(data: Data, form: Data, call: Call) -> Data:
    """The vehicle was seen again and nobody who has not been asked lies ahead."""
    return {**_news(form), "tried": _stepped_down(data, call.now, "passed_by"), **_held_by(data, None)}


def ordered(data: Data, form: Data, call: Call) -> Data:
    """A person names the unit. The machine's recommendation stays beside it. Raises Refused(INVALID) without a unit.

    An order to nobody helps nobody, so this is the one thing that even a desk that fails open must ask for.
    """
    unit = form.get("unit")
    if unit is None:
        raise Refused(Kind.INVALID, "an order names its unit", unit="missing")
    made = {"unit": unit, "reason": form.get("reason", ""), "by": form.get("by", call.actor.id), "at": call.now}
    changed = data["holder"] not in {None, unit}
    return {
        **_news(form),
        "tried": _stepped_down(data, call.now, "reassigned") if changed else list(data["tried"]),
        "offers": data["offers"] + 1,
        "override": True,
        "overrides": [*data["overrides"], made],
        **_held_by(data, unit),
    }


def keeps_hold(_data: Data, _form: Data, _call: Call) -> Data:
    """The unit goes on."""
    return {"freed": []}


def lets_go(data: Data, _form: Data, _call: Call) -> Data:
    """It is over for whoever had it; `had` keeps who that was."""
    return {"had": data["holder"], **_held_by(data, None)}


def tells(item: Item, edge: str | None, _form: Data) -> tuple[Signal, ...]:
    """Units change hands, and the desk that asked learns how its offer fares."""
    return (*_hands(item, edge), *_answers(item, edge))


def _hands(item: Item, edge: str | None) -> Iterator[Signal]:
    for unit in item.data["freed"]:
        yield UnitStatus(unit, Status.AVAILABLE)
    status = _STATUS.get(item.state)
    if item.unit is not None and status is not None and edge != "update":
        named = bool(item.data["override"]) and edge in {None, "assign", "reassign", "order", "reorder"}
        yield UnitStatus(item.unit, status, item.id, override=named)


def _answers(item: Item, edge: str | None) -> Iterator[Signal]:
    if item.parent is None:
        return
    match edge:
        case "accept":
            yield OfferAnswered(item.parent, Answer.ACCEPTED, item.unit)
        case "unit_held":
            yield OfferAnswered(item.parent, Answer.RELEASED, item.data["tried"][-1]["unit"])
        case "release" | "reassign" | "reorder":
            yield OfferAnswered(item.parent, Answer.RELEASED, next(iter(item.data["freed"]), item.unit))
        case "cancel" | "lapse" | "close_unclear":
            yield OfferAnswered(item.parent, Answer.WITHDRAWN, item.data["had"])
        case _:
            pass
    if item.state == "with_operator":
        yield OfferAnswered(item.parent, Answer.EXHAUSTED)


def _child(item: str, family: Sequence[Item]) -> Item | None:
    """The open dispatch of an item that asked for help."""
    return next((one for one in family if one.desk == "dispatch" and one.parent == item and one.ended is None), None)


def _facts(signal: OfferWanted | OfferUpdated) -> dict[str, Any]:
    recommendation: dict[str, Any] = msgspec.to_builtins(signal.recommendation)
    return {
        "title": dict(signal.title),
        "recommendation": recommendation,
        "candidates": recommendation["candidates"],
    }


def on_wanted(signal: OfferWanted, family: Sequence[Item]) -> tuple[Action, ...]:
    """Help is wanted: one dispatch an item, at the best candidate, or with the operator when there is none."""
    child = _child(signal.item, family)
    first = next((candidate.unit for candidate in signal.recommendation.candidates), None)
    facts = _facts(signal)
    by_person = {"unit": first, "reason": signal.override, "by": signal.item}
    if child is not None and signal.override:
        edge = "order" if child.state in {"offered", *WAITING} else "reorder"
        return (Fire(item=child.id, edge=edge, data={**by_person, "title": facts["title"]}, by="offer_wanted"),)
    if child is not None:
        return (_moved(child, signal.recommendation, {**facts, "lat": signal.lat, "lon": signal.lon}),)
    data = {
        **facts,
        "wanted_by": signal.item,
        "tried": [],
        "holder": first,
        "freed": [],
        "offers": int(first is not None),
        "override": bool(signal.override),
        "overrides": [{**by_person, "at": signal.recommendation.at}] if signal.override else [],
    }
    return (
        Open(
            desk="dispatch",
            data=data,
            region=signal.region,
            priority=signal.priority,
            state="offered" if first else "with_operator",
            unit=first,
            parent=signal.item,
            lat=signal.lat,
            lon=signal.lon,
            by="offer_wanted",
        ),
    )


def on_updated(signal: OfferUpdated, family: Sequence[Item]) -> tuple[Action, ...]:
    """The vehicle was seen again."""
    child = _child(signal.item, family)
    if child is None:
        return ()
    return (_moved(child, signal.recommendation, {**_facts(signal), "lat": signal.lat, "lon": signal.lon}),)


def _moved(child: Item, recommendation: Recommendation, facts: dict[str, Any]) -> Fire:
    """An offer follows the vehicle until somebody accepted; a person's own choice is left alone."""
    ahead = {candidate.unit for candidate in recommendation.candidates}
    untried = _untried({**child.data, **facts})
    if child.state == "offered" and not child.data["override"] and child.unit not in ahead:
        edge = "retarget" if untried else "ran_out"
    elif child.state in WAITING and untried:
        edge = "retarget"
    else:
        edge = "update"
    return Fire(item=child.id, edge=edge, data=facts, by="vehicle_seen_again")


def on_withdrawn(signal: OfferWithdrawn, family: Sequence[Item]) -> tuple[Action, ...]:
    """The desk that asked needs nobody any more."""
    child = _child(signal.item, family)
    return () if child is None else (Fire(item=child.id, edge="withdraw", data={"reason": signal.reason}),)


def on_held(signal: UnitHeld, family: Sequence[Item]) -> tuple[Action, ...]:
    """Other work holds the unit that was chosen, or that worked here: the next, in the same breath."""
    for item in family:
        if item.id == signal.item and item.desk == "dispatch" and item.unit == signal.unit:
            return (Fire(item=item.id, edge="unit_held", data={"by": signal.by}, by="unit_held"),)
    return ()


def line(data: Data) -> Data:
    """One line of the queue: what the asking desk says about itself, without the plate."""
    return {name: value for name, value in data["title"].items() if name != "plate"} | {"offers": data["offers"]}
