"""A broken glass is reviewed by the prosecutor, by nobody else, and never forgotten."""

import pytest
from tests.desks.house import DESKS, DUTY, INSPECTOR, T0, House

from saqtau.desks.oversight.rules import KEPT_COMMENTS, broken
from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Actor
from saqtau.kernel.two_people import REVIEW_WITHIN

PROSECUTOR = Actor("prosecutor1", "prosecutor", regions=frozenset(range(1, 100)))
JUSTIFIED = {"finding": "Two lives in danger, no time to ask"}
WRONG = {"wrong": "no_danger", "finding": "Nobody was in danger there"}


def house_with_a_broken_glass():
    house = House()
    house.act(broken("duty1", 2, "item", "item-7", "child seen on the ice", T0, Instant(T0 + 15 * MINUTE), "a#1"))
    return house, house.only("oversight").id


def test_a_broken_glass_is_the_prosecutors_question_for_seventy_two_hours():
    house, item = house_with_a_broken_glass()
    found = house.items[item]
    assert (found.state, found.owner, found.due) == ("broken", "prosecutor", T0 + 72 * HOUR)
    assert found.due - T0 == REVIEW_WITHIN


def test_the_queue_says_who_and_until_when_but_neither_object_nor_reason():
    house, item = house_with_a_broken_glass()
    shown = DESKS.current["oversight"].line(house.items[item].data)
    assert shown == {
        "officer": "duty1", "object_kind": "item", "broken": T0, "until": T0 + 15 * MINUTE, "wrong": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("edge", "form", "state"),
    [("reviewed_justified", JUSTIFIED, "justified"), ("reviewed_not_justified", WRONG, "not_justified")],
)
@pytest.mark.parametrize("late", [0, 73 * HOUR, 500 * HOUR])
def test_the_prosecutor_ends_it_however_late(edge, form, state, late):
    house, item = house_with_a_broken_glass()
    house.wait(late / SECOND)
    house.fire(item, edge, PROSECUTOR, form)
    found = house.items[item]
    assert (found.state, found.ended, found.data["reviewed_by"]) == (state, house.now, "prosecutor1")
    assert found.data["finding"] == form["finding"]
    assert found.data["wrong"] == form.get("wrong")


@pytest.mark.parametrize("actor", [DUTY, INSPECTOR])
def test_no_police_officer_reviews_a_broken_glass(actor):
    house, item = house_with_a_broken_glass()
    with pytest.raises(Refused) as refused:
        house.fire(item, "reviewed_justified", actor, JUSTIFIED)
    assert refused.value.kind is Kind.DENIED


def test_nobody_reviews_his_own_glass_in_whatever_role():
    house, item = house_with_a_broken_glass()
    with pytest.raises(Refused) as refused:
        house.fire(item, "reviewed_justified", Actor("duty1", "prosecutor", regions=frozenset({2})), JUSTIFIED)
    assert dict(refused.value.fields) == {"actor": "own_glass"}


@pytest.mark.parametrize("form", [{}, {"finding": ""}, {"finding": "ok"}, {"finding": "x" * 201}])
def test_a_review_without_a_finding_is_refused(form):
    house, item = house_with_a_broken_glass()
    with pytest.raises(Refused) as refused:
        house.fire(item, "reviewed_justified", PROSECUTOR, form)
    assert refused.value.kind is Kind.INVALID
    assert house.items[item].state == "broken"


def test_nobody_acting_leads_to_overdue_and_stays_there_until_somebody_does():
    house, item = house_with_a_broken_glass()
    house.wait(72 * 3600)
    assert house.items[item].state == "overdue"
    house.wait(30 * 24 * 3600)
    found = house.items[item]
    assert (found.state, found.ended) == ("overdue", None)
    assert found.due > house.now


def test_the_supervisor_may_say_what_he_knows_and_the_deadline_runs_on():
    house, item = house_with_a_broken_glass()
    before = house.items[item].due
    for n in range(KEPT_COMMENTS + 5):
        house.fire(item, "comment", INSPECTOR, {"note": f"note {n}"})
    found = house.items[item]
    assert (found.due, found.state) == (before, "broken")
    assert [one["note"] for one in found.data["comments"]][-1] == f"note {KEPT_COMMENTS + 4}"
    assert len(found.data["comments"]) == KEPT_COMMENTS
