"""Oversight as data."""

from saqtau.desks.oversight import rules
from saqtau.desks.oversight.forms import Comment, Justified, NotJustified
from saqtau.kernel.desk import CLOCK, END, Desk, Edge, Mode, State

_OPEN = ("broken", "overdue")

DESK = Desk(
    name="oversight",
    article=1,
    version=1,
    mode=Mode.POWER,
    starts=("broken",),
    states={
        "broken": State(owner="prosecutor", within="PT72H", otherwise="overdue"),
        "overdue": State(owner="prosecutor", within="PT24H", otherwise="remind"),
        "justified": END,
        "not_justified": END,
    },
    edges=(
        *(Edge("comment", start, start, "inspector", Comment, sets=rules.commented, keeps=True) for start in _OPEN),
        *(
            Edge("reviewed_justified", start, "justified", "prosecutor", Justified, sets=rules.reviewed)
            for start in _OPEN
        ),
        *(
            Edge("reviewed_not_justified", start, "not_justified", "prosecutor", NotJustified, sets=rules.reviewed)
            for start in _OPEN
        ),
        Edge("overdue", "broken", "overdue", CLOCK),
        Edge("remind", "overdue", "overdue", CLOCK),
    ),
    superiors=frozenset({"prosecutor"}),
    retention="oversight_10y",
    purposes=("oversight", "incident"),
    overseer_told=True,
    line=rules.line,
    doc="The glass was broken: one object was opened for 15 minutes, and the prosecutor reviews it within 72 hours.",
)
