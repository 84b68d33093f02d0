"""Dangerous drivers as data. No state takes anything from a person: no penalty can come from this desk."""

from saqtau.desks.dangerous_drivers import steps
from saqtau.desks.dangerous_drivers.forms import Assign, Cancel, Reject, Stopped, WrongVehicle
from saqtau.kernel.desk import CLOCK, END, RULE, Desk, Edge, Mode, State
from saqtau.kernel.signal import OfferAnswered

_SEARCH = ("seeking", "no_unit_ahead", "nobody_accepted")

DESK = Desk(
    name="dangerous_drivers",
    article=6,
    version=1,
    mode=Mode.POWER,
    starts=("seeking", "no_unit_ahead", "to_confirm"),
    states={
        "to_confirm": State(owner="operator", within="PT2M", otherwise="unconfirmed", retention="unconfirmed_1d"),
        "seeking": State(owner="operator", within="PT5M", otherwise="lapse"),
        "no_unit_ahead": State(owner="operator", within="PT5M", otherwise="lapse"),
        "nobody_accepted": State(owner="operator", within="PT5M", otherwise="lapse"),
        "accepted": State(owner="patrol", within="PT15M", otherwise="not_met"),
        "stopped": END,
        "not_seen": END,
        "wrong_vehicle": State(end=True, retention="misread_30d"),
        "rejected": State(end=True, retention="misread_30d"),
        "cancelled": END,
        "lapsed": END,
        "erased": State(end=True, retention="erase_now"),
    },
    edges=(
        Edge("confirm", "to_confirm", "seeking", "operator", when=steps.somebody_ahead, sets=steps.confirmed),
        Edge("confirm", "to_confirm", "no_unit_ahead", "operator", sets=steps.confirmed),
        Edge("reject", "to_confirm", "rejected", "operator", Reject),
        Edge("unconfirmed", "to_confirm", "erased", CLOCK),
        Edge("made_sure", "to_confirm", "seeking", RULE, sets=steps.made_sure),
        Edge("made_sure_none_ahead", "to_confirm", "no_unit_ahead", RULE, sets=steps.made_sure),
        Edge("reread", "to_confirm", "to_confirm", RULE, sets=steps.seen_again, keeps=True),
        *(Edge("reread", start, start, RULE, sets=steps.seen_again) for start in _SEARCH),
        Edge("reread", "accepted", "accepted", RULE, sets=steps.seen_again, keeps=True),
        Edge("none_ahead", "seeking", "no_unit_ahead", RULE, sets=steps.seen_again),
        *(Edge("found_ahead", start, "seeking", RULE, sets=steps.seen_again) for start in _SEARCH[1:]),
        *(
            Edge("unit_accepted", start, "accepted", RULE, sets=steps.accepted)
            for start in ("seeking", "nobody_accepted")
        ),
        Edge("nobody_accepted", "seeking", "nobody_accepted", RULE),
        Edge("released", "accepted", "seeking", RULE, sets=steps.given_back),
        Edge("offer_cancelled", "seeking", "nobody_accepted", RULE),
        Edge("offer_cancelled", "accepted", "nobody_accepted", RULE, sets=steps.given_back),
        *(
            Edge("assign", start, "seeking", "operator", Assign, sets=steps.assigned)
            for start in (*_SEARCH, "accepted")
        ),
        *(Edge("cancel", start, "cancelled", "operator", Cancel) for start in (*_SEARCH, "accepted")),
        *(Edge("lapse", start, "lapsed", CLOCK) for start in _SEARCH),
        Edge("stopped", "accepted", "stopped", "patrol", Stopped),
        Edge("not_seen", "accepted", "not_seen", "patrol"),
        Edge("wrong_vehicle", "accepted", "wrong_vehicle", "patrol", WrongVehicle),
        Edge("not_met", "accepted", "lapsed", CLOCK),
    ),
    retention="hit_30d",
    purposes=("duty", "incident", "case", "oversight"),
    tells=steps.tells,
    reacts={OfferAnswered: steps.on_answer},
    line=steps.line,
    doc="A read of a vehicle on the list or dangerously fast is offered to the unit in its way; a person stops it.",
)
