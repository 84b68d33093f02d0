"""A small lawful desk with a penalty, and one that helps; each test of a rule breaks exactly one thing."""

import msgspec

from saqtau.kernel.desk import CLOCK, END, RULE, Desk, Edge, Mode, State


class Decision(msgspec.Struct, frozen=True):
    article: str
    note: str = ""


class Missing(msgspec.Struct, frozen=True):
    missing: str


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    age: int
    name: str = ""


PENALTY = Desk(
    name="penalty",
    article=1,
    version=1,
    mode=Mode.POWER,
    starts=("review",),
    states={
        "review": State("inspector", "P1D", "erase"),
        "asked": State("inspector", "P1D", "erase"),
        "fined": State("citizen", "P10WD", "enforce", official=False),
        "enforced": State("citizen", "P30D", "pay_over", official=False),
        "contested": State("judge", "P15D", "annul"),
        "paid": END,
        "erased": END,
    },
    edges=(
        Edge("fine", "review", "fined", "inspector", Decision, basis=True, document="notice", appeal="court, P30D"),
        Edge("ask", "review", "asked", "inspector", Missing, pauses=True),
        Edge("answered", "asked", "review", "inspector"),
        Edge("note", "review", "review", RULE, keeps=True),
        Edge("erase", "review", "erased", CLOCK),
        Edge("erase", "asked", "erased", CLOCK),
        Edge("pay", "fined", "paid", "citizen"),
        Edge("contest", "fined", "contested", "citizen"),
        Edge("enforce", "fined", "contested", CLOCK),
        Edge("order", "contested", "enforced", "judge", Decision, basis=True, document="order", appeal="court, P30D"),
        Edge("contest", "enforced", "contested", "citizen"),
        Edge("pay_over", "enforced", "paid", CLOCK),
        Edge("annul", "contested", "erased", CLOCK, annuls=True),
    ),
    penal=frozenset({"fined", "enforced"}),
    opened_by=("clerk",),
    superiors=frozenset({"judge"}),
    retention="penalty_5y",
    purposes=("case",),
)

HELP = Desk(
    name="help",
    article=2,
    version=1,
    mode=Mode.HELP,
    starts=("called",),
    states={"called": State("operator", "PT1M", "escalate"), "over": END},
    edges=(
        Edge("go", "called", "over", "operator", Given),
        Edge("plain", "called", "over", "operator"),
        Edge("escalate", "called", "called", CLOCK),
    ),
    retention="call_1y",
    purposes=("incident",),
)


def changed(desk, **fields):
    return msgspec.structs.replace(desk, **fields)


def with_edge(desk, edge):
    return changed(desk, edges=(*desk.edges, edge))


def without_edge(desk, name, start=None):
    return changed(desk, edges=tuple(one for one in desk.edges if one.name != name or start not in {None, one.start}))


def edge_as(desk, which, /, **fields):
    """The desk with every edge of that name changed."""
    edges = tuple(msgspec.structs.replace(one, **fields) if one.name == which else one for one in desk.edges)
    return changed(desk, edges=edges)


def state_as(desk, name, **fields):
    state = msgspec.structs.replace(desk.states[name], **fields) if name in desk.states else State(**fields)
    return changed(desk, states=desk.states | {name: state})
