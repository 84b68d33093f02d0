"""A queue shows a role what it has to act on, not the compartments of others; of one place only what is its own."""

import pytest

from saqtau.kernel.access import ROLES
from saqtau.kernel.compartment import hidden_from
from saqtau.kernel.desk import CLOCK, END, Desk, Edge, Mode, State


def desk(name, owner, compartment=None, opened_by=()):
    return Desk(
        name=name, article=1, version=1, mode=Mode.POWER, starts=("open",),
        states={"open": State(owner=owner, within="PT1H", otherwise="lapse"), "closed": END},
        edges=(Edge("close", "open", "closed", owner), Edge("lapse", "open", "closed", CLOCK)), retention="x",
        purposes=("duty",), compartment=compartment, opened_by=opened_by,
    )  # fmt: skip


DESKS = (desk("chase", "operator"), desk("cells", "prosecutor", "custody", ("custody_supervisor", "duty_officer")))


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        ("operator", {"cells"}),
        ("inspector", {"cells"}),
        ("duty_officer", set()),  # opens items there
        ("custody_supervisor", {"chase"}),
        ("school_officer", {"chase", "cells"}),
        ("prosecutor", set()),
        ("auditor", set()),
    ],
)
def test_each_role_is_shown_the_desks_it_has_business_with(role, hidden):
    assert hidden_from(DESKS, role) == hidden


def test_a_role_nobody_knows_is_shown_nothing():
    assert hidden_from(DESKS, "stranger") == {"chase", "cells"}


def test_every_desk_is_shown_to_somebody():
    assert set.intersection(*(set(hidden_from(DESKS, role)) for role in ROLES)) == set()


def test_the_clock_has_no_business_with_a_desk():
    assert DESKS[0].concerned == {"operator"}
