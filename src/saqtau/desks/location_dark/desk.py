"""Location dark as data."""

from saqtau.desks.location_dark import rules
from saqtau.desks.location_dark.forms import Explain
from saqtau.kernel.desk import CLOCK, END, RULE, Desk, Edge, Mode, State
from saqtau.kernel.signal import UnitHeard, UnitSilent

_OPEN = ("silent", "escalated", "explained")

DESK = Desk(
    name="location_dark",
    article=1,
    version=1,
    mode=Mode.HELP,
    starts=("silent",),
    states={
        "silent": State(owner="duty_officer", within="PT5M", otherwise="escalate"),
        "escalated": State(owner="inspector", within="PT12H", otherwise="lapse"),
        "explained": State(owner="duty_officer", within="PT12H", otherwise="lapse"),
        "heard_again": END,
        "lapsed": END,
    },
    edges=(
        Edge("explain", "silent", "explained", "duty_officer", Explain, sets=rules.explained),
        Edge("explain", "escalated", "explained", "inspector", Explain, sets=rules.explained),
        Edge("explain", "explained", "explained", "duty_officer", Explain, sets=rules.explained, keeps=True),
        Edge("escalate", "silent", "escalated", CLOCK),
        *(Edge("heard", start, "heard_again", RULE, sets=rules.heard) for start in _OPEN),
        *(Edge("lapse", start, "lapsed", CLOCK, sets=rules.heard) for start in _OPEN[1:]),
    ),
    superiors=frozenset({"inspector"}),
    retention="location_gap_1y",
    purposes=("duty", "incident", "oversight"),
    reacts={UnitSilent: rules.on_silent, UnitHeard: rules.on_heard},
    line=rules.line,
    doc="A unit on duty is silent: somebody asks why, and the length of the gap is kept.",
)
