"""Two small desks for the tests of the record: one that wants help, one that finds it."""

from typing import Annotated

import msgspec

from saqtau.kernel.desk import CLOCK, END, RULE, Desk, Edge, Mode, State, gather
from saqtau.kernel.item import Fire, Open
from saqtau.kernel.signal import (
    Answer,
    OfferAnswered,
    OfferWanted,
    OfferWithdrawn,
    Recommendation,
    Status,
    UnitHeld,
    UnitStatus,
)


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: Annotated[str, msgspec.Meta(max_length=200)]


def _chase_tells(item, edge, _):
    if edge is None and item.data.get("help"):
        recommendation = Recommendation(at=item.opened, camera="c1", candidates=())
        return (OfferWanted(item.id, item.region, recommendation, {"plate": "A"}, 43.2, 76.9, 2),)
    if edge == "drop":
        return (OfferWithdrawn(item.id, "dropped"),)
    return ()


def _chase_reacts(signal, family):
    edge = "helped" if signal.answer is Answer.ACCEPTED else "alone"
    return (Fire(item=family[0].id, edge=edge),)


CHASE = Desk(
    name="chase",
    article=1,
    version=1,
    mode=Mode.POWER,
    starts=("seen",),
    states={
        "seen": State("operator", "PT60S", "forget"),
        "helped": State("operator", "PT600S", "forget"),
        "closed": END,
    },
    edges=(
        Edge("note", "seen", "seen", "operator", Note, sets=lambda _, form, __: {"text": form["text"]}),
        Edge("tick", "seen", "seen", RULE),
        Edge("helped", "seen", "helped", RULE),
        Edge("alone", "seen", "seen", RULE, sets=lambda *_: {"alone": True}),
        Edge("drop", "seen", "closed", "operator"),
        Edge("drop", "helped", "closed", "operator"),
        Edge("forget", "seen", "closed", CLOCK),
        Edge("forget", "helped", "closed", CLOCK),
    ),
    retention="short",
    purposes=("incident",),
    opened_by=("operator",),
    tells=_chase_tells,
    reacts={OfferAnswered: _chase_reacts},
    line=lambda data: {"plate": data.get("plate", "")},
)


def _help_tells(item, edge, _):
    unit, parent = item.unit, item.parent
    match edge:
        case None | "next":
            return (UnitStatus(unit, Status.RESERVED, item.id),)
        case "accept":
            return (UnitStatus(unit, Status.EN_ROUTE, item.id), OfferAnswered(parent, Answer.ACCEPTED, unit))
        case "expire":
            return (UnitStatus(unit, Status.AVAILABLE), OfferAnswered(parent, Answer.EXHAUSTED))
        case "withdraw":
            return (UnitStatus(unit, Status.AVAILABLE),)
    return ()


def _wanted(signal, _):
    return (Open(desk="help", data={"units": ["u1", "u2"]}, region=signal.region, unit="u1", parent=signal.item),)


def _withdrawn(signal, family):
    return tuple(Fire(item=one.id, edge="withdraw") for one in family[1:])


HELP = Desk(
    name="help",
    article=2,
    version=1,
    mode=Mode.HELP,
    starts=("offered",),
    states={
        "offered": State("patrol", "PT15S", "expire"),
        "accepted": State("patrol", "PT600S", "expire"),
        "over": END,
    },
    edges=(
        Edge("accept", "offered", "accepted", "patrol"),
        Edge(
            "next",
            "offered",
            "offered",
            RULE,
            None,
            lambda data: "tried" not in data,
            lambda data, *_: {"unit": data["units"][1], "tried": 1},
        ),
        Edge("expire", "offered", "over", CLOCK),
        Edge("expire", "accepted", "over", CLOCK),
        Edge("withdraw", "offered", "over", RULE),
        Edge("withdraw", "accepted", "over", RULE),
    ),
    retention="short",
    purposes=("incident",),
    tells=_help_tells,
    reacts={
        OfferWanted: _wanted,
        OfferWithdrawn: _withdrawn,
        UnitHeld: lambda signal, _: (Fire(item=signal.item, edge="next"),),
    },
)


def _echo_tells(item, edge, _):
    return (OfferAnswered(item.id, Answer.WITHDRAWN),) if edge in {None, "again"} else ()


ECHO = Desk(
    name="echo",
    article=3,
    version=1,
    mode=Mode.HELP,
    starts=("on",),
    states={"on": State("operator", "PT9S", "off"), "off": END},
    edges=(Edge("again", "on", "on", RULE), Edge("off", "on", "off", CLOCK)),
    retention="short",
    purposes=("incident",),
    tells=_echo_tells,
    reacts={OfferAnswered: lambda signal, _: (Fire(item=signal.item, edge="again"),)},
)
"""Answers itself for ever."""

DESKS = gather(CHASE, HELP)
CIRCLE = gather(ECHO)
