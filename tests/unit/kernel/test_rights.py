"""One desk a rule, breaking exactly that rule."""

import pytest
from tests.unit.kernel.desks import HELP, PENALTY, Decision, changed, edge_as, state_as, with_edge, without_edge

from saqtau.kernel.desk import CLOCK, RULE, Edge, Opening, State
from saqtau.kernel.rights import RULES, breaches, must_be_lawful


def never(_data):
    return False


def facts(_place, _form, _call):
    return {}


def _penal_without_basis():
    return edge_as(PENALTY, "order", basis=False)


BREAKING = {
    "R0": {
        "a start that is no state": changed(PENALTY, starts=("nowhere",)),
        "an edge to nowhere": with_edge(PENALTY, Edge("go", "review", "nowhere", "inspector")),
        "an edge out of an end": with_edge(PENALTY, Edge("go", "paid", "review", "inspector")),
        "a penal state that is no state": changed(PENALTY, penal=frozenset({"jailed"})),
        "no purpose": changed(HELP, purposes=()),
        "a state nobody owns": state_as(PENALTY, "asked", owner=None),
        "an edge behind one of the same name": with_edge(PENALTY, Edge("ask", "review", "erased", "inspector")),
        "a step elsewhere that keeps the deadline": edge_as(PENALTY, "answered", keeps=True),
        "a way in to what is no start": changed(
            PENALTY, opened_by=("clerk",), openings=(Opening("file", "fined", ("clerk",), Decision, facts),)
        ),
        "a way in for who may not open": changed(
            HELP, openings=(Opening("file", HELP.starts[0], ("stranger",), Decision, facts),)
        ),
    },
    "R1": {
        "a rule fines": with_edge(PENALTY, Edge("at_once", "review", "fined", RULE, Decision, basis=True)),
        "the clock enforces": edge_as(
            state_as(PENALTY, "fined", otherwise="by_time"), "enforce",
            name="by_time", to="enforced", basis=True, requires=Decision,
        ),
    },
    "R2": {
        "no basis": _penal_without_basis(),
        "a basis without a form": edge_as(PENALTY, "order", requires=None),
    },
    "R3": {
        "a state without a way to an end": with_edge(
            state_as(PENALTY, "lost", owner="judge", within="P1D", otherwise="again"),
            Edge("again", "lost", "lost", CLOCK),
        ),
    },
    "R4": {
        "no deadline": state_as(HELP, "called", within=None),
        "a deadline nobody can read": state_as(HELP, "called", within="soon"),
    },
    "R5": {
        "a deadline without consequence": state_as(HELP, "called", otherwise=None),
        "a consequence that is no edge of the clock": state_as(HELP, "called", otherwise="go"),
        "a consequence that a fact can stop": edge_as(state_as(PENALTY, "asked"), "annul", when=never),
    },
    "R6": {"no way out of a penalty": edge_as(PENALTY, "annul", annuls=False)},
    "R7": {"who opens decides": changed(PENALTY, opened_by=("inspector", "judge"))},
    "R8": {
        "an overdue review goes on with the penalty's way": with_edge(
            state_as(without_edge(PENALTY, "erase", "asked"), "asked", otherwise="late"),
            Edge("late", "asked", "review", CLOCK),
        ),
        "an overdue review sleeps on": edge_as(
            state_as(PENALTY, "asked", otherwise="sleep"), "answered", name="sleep", by=CLOCK, to="asked"
        ),
    },
    "R9": {"no retention": changed(HELP, retention="")},
    "R10": {"a notice that names no appeal": edge_as(PENALTY, "fine", appeal=None)},
    "R11": {"a protected party nobody is told of": changed(HELP, protected=True)},
    "R12": {
        "a guard that leaves a person without a way": edge_as(HELP, "go", when=never),
        "guards that leave a gap between them": with_edge(
            edge_as(HELP, "go", when=never), Edge("go", "called", "over", "operator", when=never)
        ),
    },
}  # fmt: skip


@pytest.mark.parametrize(("rule", "how"), [(rule, how) for rule, desks in BREAKING.items() for how in desks])
def test_a_desk_that_breaks_a_rule_is_told_exactly_that_rule(rule, how):
    assert {breach.rule for breach in breaches(BREAKING[rule][how])} == {rule}


def test_every_rule_has_a_desk_that_breaks_it():
    assert set(BREAKING) == set(RULES)


@pytest.mark.parametrize("desk", [PENALTY, HELP], ids=lambda desk: desk.name)
def test_a_lawful_desk_breaks_none(desk):
    assert breaches(desk) == ()
    must_be_lawful(desk)


def test_a_help_desk_has_no_penal_state():
    desk = changed(HELP, penal=frozenset({"called"}))
    assert "R12" in {breach.rule for breach in breaches(desk)}


def test_an_unlawful_desk_does_not_load_and_is_told_where_and_why():
    with pytest.raises(ValueError, match=r"penalty: R10 at fine: every document that limits a right names"):
        must_be_lawful(HELP, BREAKING["R10"]["a notice that names no appeal"])


def test_every_rule_says_what_it_means():
    for rule, check in RULES.items():
        assert check.__doc__.startswith(f"{rule}: ")


def test_a_state_may_have_its_own_retention():
    desk = changed(
        HELP,
        retention="",
        states={n: State(s.owner, s.within, s.otherwise, "own", end=s.end) for n, s in HELP.states.items()},
    )
    assert breaches(desk) == ()
