"""Dispatch as data."""

from saqtau.desks.dispatch import rules
from saqtau.desks.dispatch.forms import Assign, Cancel, Refuse, Release
from saqtau.kernel.desk import CLOCK, END, RULE, Desk, Edge, Mode, State
from saqtau.kernel.signal import OfferUpdated, OfferWanted, OfferWithdrawn, UnitHeld

_OPEN = ("offered", "with_operator", "with_duty_officer", "accepted", "en_route", "at_scene", "unclear")
_WORKING = ("accepted", "en_route", "at_scene", "unclear")

DESK = Desk(
    name="dispatch",
    article=1,
    version=1,
    mode=Mode.HELP,
    starts=("offered", "with_operator"),
    states={
        "offered": State(owner="patrol", within="PT15S", otherwise="not_answered"),
        "with_operator": State(owner="operator", within="PT2M", otherwise="escalate"),
        "with_duty_officer": State(owner="duty_officer", within="PT10M", otherwise="lapse"),
        "accepted": State(owner="patrol", within="PT10M", otherwise="no_report"),
        "en_route": State(owner="patrol", within="PT20M", otherwise="no_report"),
        "at_scene": State(owner="patrol", within="PT20M", otherwise="no_report"),
        "unclear": State(owner="operator", within="PT30M", otherwise="close_unclear"),
        "done": END,
        "withdrawn": END,
        "lapsed": END,
    },
    edges=(
        Edge("accept", "offered", "accepted", by="patrol", sets=rules.keeps_hold),
        Edge("refuse", "offered", "offered", "patrol", Refuse, when=rules.has_next, sets=rules.refused),
        Edge("refuse", "offered", "with_operator", "patrol", Refuse, sets=rules.refused),
        Edge("not_answered", "offered", "offered", CLOCK, when=rules.has_next, sets=rules.not_answered),
        Edge("not_answered", "offered", "with_operator", CLOCK, sets=rules.not_answered),
        *(
            Edge("unit_held", start, "offered", RULE, when=rules.may_try_next, sets=rules.held)
            for start in ("offered", *_WORKING)
        ),
        *(Edge("unit_held", start, "with_operator", RULE, sets=rules.held) for start in ("offered", *_WORKING)),
        *(Edge("retarget", start, "offered", RULE, sets=rules.retargeted) for start in _OPEN[:3]),
        Edge("ran_out", "offered", "with_operator", RULE, sets=rules.ran_out),
        *(Edge("update", start, start, RULE, sets=rules.updated, keeps=True) for start in _OPEN),
        *(Edge("order", start, "offered", RULE, sets=rules.ordered) for start in _OPEN[:3]),
        *(Edge("assign", start, "offered", "operator", Assign, sets=rules.ordered) for start in _OPEN[:2]),
        Edge("assign", "with_duty_officer", "offered", "duty_officer", Assign, sets=rules.ordered),
        *(Edge("reorder", start, "offered", RULE, sets=rules.ordered) for start in _WORKING),
        *(Edge("reassign", start, "offered", "operator", Assign, sets=rules.ordered) for start in _WORKING),
        Edge("depart", "accepted", "en_route", by="patrol", sets=rules.keeps_hold),
        *(
            Edge("arrive", start, "at_scene", "patrol", sets=rules.keeps_hold)
            for start in ("accepted", "en_route", "unclear")
        ),
        *(Edge("finish", start, "done", by="patrol", sets=rules.lets_go) for start in _WORKING[:3]),
        Edge("finish", "unclear", "done", by="operator", sets=rules.lets_go),
        *(
            Edge("release", start, "offered", "patrol", Release, when=rules.has_next, sets=rules.released)
            for start in _WORKING[:3]
        ),
        *(Edge("release", start, "with_operator", "patrol", Release, sets=rules.released) for start in _WORKING[:3]),
        *(Edge("no_report", start, "unclear", CLOCK, sets=rules.keeps_hold) for start in _WORKING[:3]),
        Edge("still_there", "unclear", "at_scene", by="operator", sets=rules.keeps_hold),
        Edge("close_unclear", "unclear", "lapsed", CLOCK, sets=rules.lets_go),
        Edge("escalate", "with_operator", "with_duty_officer", CLOCK, sets=rules.keeps_hold),
        Edge("lapse", "with_duty_officer", "lapsed", CLOCK, sets=rules.lets_go),
        *(Edge("withdraw", start, "withdrawn", RULE, sets=rules.lets_go) for start in _OPEN[:3]),
        *(Edge("withdraw", start, "done", RULE, sets=rules.lets_go) for start in _WORKING),
        *(
            Edge("cancel", start, "withdrawn", "operator", Cancel, sets=rules.lets_go)
            for start in _OPEN
            if start != "with_duty_officer"
        ),
        Edge("cancel", "with_duty_officer", "withdrawn", "duty_officer", Cancel, sets=rules.lets_go),
    ),
    superiors=frozenset({"duty_officer"}),
    retention="dispatch_1y",
    purposes=("duty", "incident", "oversight"),
    tells=rules.tells,
    reacts={
        OfferWanted: rules.on_wanted,
        OfferUpdated: rules.on_updated,
        OfferWithdrawn: rules.on_withdrawn,
        UnitHeld: rules.on_held,
    },
    line=rules.line,
    doc="Offers work to the unit that lies best, then to the next, then to a person; a person may name any unit.",
)
