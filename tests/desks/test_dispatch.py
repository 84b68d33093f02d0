"""Who is asked, and who holds a unit."""

import pytest
from tests.desks.house import DUTY, OPERATOR, T0, House, crew, recommendation

from saqtau.desks.dispatch.units import Holding, by_crew
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Answer, OfferAnswered, OfferUpdated, OfferWanted, OfferWithdrawn, Status, UnitStatus

TITLE = {"plate": "777AAA02", "ground": "wanted"}


def wanted(*units, item="alert", override="", seconds=100.0):
    return OfferWanted(item, 2, recommendation(*units, seconds=seconds), TITLE, 43.2, 76.9, 3, override)


def updated(house, *units, item="alert"):
    return OfferUpdated(item, recommendation(*units, at=house.now), TITLE, 43.3, 76.8)


@pytest.fixture
def house():
    return House("u1", "u2", "u3", "u4", "u5", "u6")


def answers(house):
    return [(signal.answer, signal.unit) for signal in house.told if isinstance(signal, OfferAnswered)]


def test_a_refusal_goes_to_the_next_and_keeps_its_reason(house):
    house.deliver(wanted("u1", "u2"))
    offer = house.fire(house.only("dispatch").id, "refuse", crew("u1"), {"reason": "too_far"})
    assert (offer.state, offer.unit) == ("offered", "u2")
    assert offer.data["tried"] == [{"unit": "u1", "answer": "refused", "at": T0, "reason": "too_far"}]
    assert house.units["u1"] == (Status.AVAILABLE, None)


def test_a_refusal_without_a_reason_is_taken_with_a_warning(house):
    house.deliver(wanted("u1", "u2"))
    house.fire(house.only("dispatch").id, "refuse", crew("u1"), {"reason": "tired", "note": "x" * 300, "more": 1})
    entry = house.log[-1]
    assert entry.to == "offered"
    assert entry.data == {}
    assert [warning.split(":")[0] for warning in entry.warnings] == ["more", "reason", "note"]


def test_each_crew_gets_the_whole_fifteen_seconds(house):
    house.deliver(wanted("u1", "u2"))
    house.wait(14.9)
    assert house.only("dispatch").unit == "u1"
    house.wait(0.1)
    assert house.only("dispatch").unit == "u2"
    assert house.only("dispatch").due == house.now + 15_000


def test_without_candidates_the_operator_has_it_at_once(house):
    house.deliver(wanted())
    assert house.only("dispatch").state == "with_operator"
    assert answers(house) == [(Answer.EXHAUSTED, None)]


def test_what_the_operator_leaves_goes_to_the_duty_officer(house):
    house.deliver(wanted())
    house.wait(120)
    assert (house.only("dispatch").state, house.only("dispatch").owner) == ("with_duty_officer", "duty_officer")
    offer = house.fire(house.only("dispatch").id, "assign", DUTY, {"unit": "u5", "reason": "skill"})
    assert offer.unit == "u5"


def test_a_unit_that_other_work_holds_is_passed_over(house):
    house.deliver(wanted("u1", item="first"))
    house.deliver(wanted("u1", "u2", item="second"))
    second = next(one for one in house.items.values() if one.parent == "second")
    assert (second.state, second.unit, second.data["tried"][0]["answer"]) == ("offered", "u2", "held")
    assert second.data["offers"] == 1, "who was never asked has not refused"
    assert house.units["u1"][1] != second.id
    assert UnitStatus("u1", Status.AVAILABLE) not in house.told, "it is not this item's to free"


def test_a_crews_refusal_takes_no_unit_from_other_work(house):
    house.deliver(wanted("u2", item="first"))
    house.deliver(wanted("u1", "u2", "u3", item="second"))
    second = next(one.id for one in house.items.values() if one.parent == "second")
    house.fire(second, "refuse", crew("u1"), {"reason": "too_far"})
    assert house.items[second].unit == "u3"
    assert next(one for one in house.items.values() if one.parent == "first").unit == "u2"


def test_a_unit_that_went_off_duty_since_it_was_recommended_is_passed_over(house):
    house.units["u2"] = (Status.OFF_DUTY, None)
    house.deliver(wanted("u1", "u2", "u3"))
    offer = house.fire(house.only("dispatch").id, "refuse", crew("u1"), {"reason": "too_far"})
    assert (offer.data["tried"][-1]["unit"], offer.data["tried"][-1]["reason"]) == ("u2", "off_duty")
    assert house.only("dispatch").unit == "u3"
    assert house.units["u2"] == (Status.OFF_DUTY, None)


def test_when_every_unit_is_held_a_person_looks_and_no_unit_is_freed_by_it(house):
    for unit in ("u1", "u2", "u3", "u4", "u5"):
        house.deliver(wanted(unit, item=f"for-{unit}"))
    holding = dict(house.units)
    house.deliver(wanted("u1", "u2", "u3", "u4", "u5", item="late"))
    late = next(one for one in house.items.values() if one.parent == "late")
    assert late.state == "with_operator"
    assert house.units == holding


def test_a_unit_that_a_person_takes_from_other_work_is_replaced_there(house):
    house.deliver(wanted("u1", "u2", item="first"))
    first = house.only("dispatch").id
    house.fire(first, "accept", crew("u1"))
    house.deliver(wanted(item="second"))
    second = next(one.id for one in house.items.values() if one.parent == "second")
    house.fire(second, "assign", OPERATOR, {"unit": "u1", "reason": "closer"})
    assert house.units["u1"] == (Status.RESERVED, second)
    assert (house.items[first].state, house.items[first].unit) == ("offered", "u2")
    assert (Answer.RELEASED, "u1") in answers(house)
    house.deliver(OfferWithdrawn("first", "cancel"))
    assert house.units["u1"] == (Status.RESERVED, second), "what is over frees only its own unit"


def test_an_order_to_nobody_is_refused(house):
    house.deliver(wanted())
    with pytest.raises(Refused) as refusal:
        house.fire(house.only("dispatch").id, "assign", OPERATOR, {"reason": "closer"})
    assert (refusal.value.kind, dict(refusal.value.fields)) == (Kind.INVALID, {"unit": "missing"})


def test_an_order_without_a_reason_goes_out_with_a_warning(house):
    house.deliver(wanted())
    offer = house.fire(house.only("dispatch").id, "assign", OPERATOR, {"unit": "u3"})
    assert (offer.unit, offer.data["overrides"][0]["by"]) == ("u3", "operator1")
    assert house.log[-1].warnings == ("reason: missing",)


def test_the_way_of_a_crew_is_shown_on_its_unit(house):
    house.deliver(wanted("u1"))
    offer = house.only("dispatch").id
    seen = []
    for edge in ("accept", "depart", "arrive", "finish"):
        house.fire(offer, edge, crew("u1"))
        seen.append(house.units["u1"])
    assert seen == [
        (Status.EN_ROUTE, offer),
        (Status.EN_ROUTE, offer),
        (Status.AT_SCENE, offer),
        (Status.AVAILABLE, None),
    ]


def test_a_crew_that_does_not_report_is_looked_after_and_keeps_its_work(house):
    house.deliver(wanted("u1"))
    offer = house.only("dispatch").id
    house.fire(offer, "accept", crew("u1"))
    house.wait(600)
    assert (house.items[offer].state, house.items[offer].owner) == ("unclear", "operator")
    house.fire(offer, "still_there", OPERATOR)
    assert house.units["u1"] == (Status.AT_SCENE, offer)
    house.wait(20 * 60)
    house.fire(offer, "arrive", crew("u1"))
    house.fire(offer, "finish", crew("u1"))
    assert house.units["u1"] == (Status.AVAILABLE, None)


def test_when_all_whom_the_vehicle_has_passed_are_left_help_still_asks_one(house):
    house.deliver(wanted("u1", "u2", seconds=10))
    house.wait(15)
    assert house.only("dispatch").unit == "u2"


def test_a_crew_refusing_after_a_further_read_passes_on_to_the_new_candidates(house):
    house.deliver(wanted("u1", "u2"))
    house.deliver(updated(house, "u1", "u4"))
    offer = house.fire(house.only("dispatch").id, "refuse", crew("u1"), {"reason": "not_safe"})
    assert offer.unit == "u4"
    assert (offer.lat, offer.lon) == (43.3, 76.8)


def test_a_further_read_brings_work_back_from_the_operator_when_somebody_new_lies_ahead(house):
    house.deliver(wanted("u1"))
    house.wait(15)
    assert house.only("dispatch").state == "with_operator"
    house.deliver(updated(house, "u1"))
    assert house.only("dispatch").state == "with_operator", "who did not answer is not asked again"
    house.deliver(updated(house, "u1", "u2"))
    assert (house.only("dispatch").state, house.only("dispatch").unit) == ("offered", "u2")


def test_a_further_read_does_not_undo_a_persons_choice(house):
    house.deliver(wanted("u1"))
    house.fire(house.only("dispatch").id, "assign", OPERATOR, {"unit": "u5", "reason": "skill"})
    house.deliver(updated(house, "u2"))
    assert house.only("dispatch").unit == "u5"


def test_an_offer_is_taken_back_when_only_units_that_were_asked_lie_ahead(house):
    house.deliver(wanted("u1", "u2"))
    house.wait(15)
    house.deliver(updated(house, "u1"))
    assert (house.only("dispatch").state, house.only("dispatch").unit) == ("with_operator", None)
    assert house.units["u2"] == (Status.AVAILABLE, None)


def test_a_second_wish_for_the_same_item_opens_no_second_offer(house):
    house.deliver(wanted("u1"))
    house.deliver(wanted("u1"))
    assert house.only("dispatch").unit == "u1"


def test_a_cancelled_offer_is_told_to_the_desk_that_asked(house):
    house.deliver(wanted("u1"))
    house.fire(house.only("dispatch").id, "accept", crew("u1"))
    house.fire(house.only("dispatch").id, "cancel", OPERATOR, {"reason": "false_alarm"})
    assert answers(house) == [(Answer.ACCEPTED, "u1"), (Answer.WITHDRAWN, "u1")]
    assert house.units["u1"] == (Status.AVAILABLE, None)


@pytest.mark.parametrize(
    ("now", "wish"),
    [
        (Status.RESERVED, Status.OFF_DUTY),
        (Status.EN_ROUTE, Status.AVAILABLE),
        (Status.AT_SCENE, Status.BUSY),
        (Status.OFF_DUTY, Status.BUSY),
        (Status.AVAILABLE, Status.EN_ROUTE),
    ],
)
def test_a_crew_does_not_leave_its_work_by_a_switch(now, wish):
    with pytest.raises(Refused) as refusal:
        by_crew(Holding(now, "item"), wish)
    assert refusal.value.kind is Kind.CONFLICT


@pytest.mark.parametrize("wish", [Status.AVAILABLE, Status.BUSY, Status.OFF_DUTY])
def test_a_crew_on_duty_without_work_says_itself_what_it_does(wish):
    assert by_crew(Holding(Status.AVAILABLE), wish).status is wish


def test_the_same_switch_twice_is_no_change():
    held = Holding(Status.EN_ROUTE, "item")
    assert by_crew(held, Status.EN_ROUTE) is held
