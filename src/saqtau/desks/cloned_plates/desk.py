"""Cloned plates as data."""

from saqtau.desks.cloned_plates import rules
from saqtau.desks.cloned_plates.forms import ClockError, Cloned, Misread
from saqtau.kernel.desk import CLOCK, END, RULE, Desk, Edge, Mode, State

DESK = Desk(
    name="cloned_plates",
    article=6,
    version=1,
    mode=Mode.POWER,
    starts=("to_check",),
    states={
        "to_check": State(owner="operator", within="PT4H", otherwise="lapse"),
        "misread": State(end=True, retention="misread_30d"),
        "cloned": END,
        "clock_error": State(end=True, retention="misread_30d"),
        "lapsed": State(end=True, retention="erase_now"),
    },
    edges=(
        Edge("again", "to_check", "to_check", RULE, sets=rules.again, keeps=True),
        Edge("misread", "to_check", "misread", "operator", Misread, sets=rules.answered),
        Edge("cloned", "to_check", "cloned", "operator", Cloned, sets=rules.answered),
        Edge("clock_error", "to_check", "clock_error", "operator", ClockError, sets=rules.answered),
        Edge("lapse", "to_check", "lapsed", CLOCK),
    ),
    retention="cloned_30d",
    purposes=("duty", "incident", "case", "oversight"),
    line=rules.line,
    doc="One plate at two places in too short a time: a person compares the crops. Unchecked, it is erased.",
)
