"""Silence opens an item, and its length is kept."""

from tests.desks.house import DUTY, INSPECTOR, T0, House

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.signal import UnitHeard, UnitSilent


def silent(house):
    house.deliver(UnitSilent("u1", 2, Instant(T0 - 90 * SECOND), 43.2, 76.9))
    return house.only("location_dark").id


def test_a_silent_unit_is_the_duty_officers_question():
    house = House()
    item = house.items[silent(house)]
    assert (item.state, item.owner, item.data["silent_unit"], item.lat) == ("silent", "duty_officer", "u1", 43.2)


def test_it_closes_by_itself_when_the_unit_is_heard_and_keeps_the_length_of_the_gap():
    house = House()
    item = silent(house)
    house.wait(30)
    house.deliver(UnitHeard("u1", item))
    assert house.items[item].state == "heard_again"
    assert house.items[item].data["gap"] == 120.0


def test_a_reason_does_not_end_the_silence():
    house = House()
    item = silent(house)
    house.fire(item, "explain", DUTY, {"reason": "no_coverage"})
    assert house.items[item].state == "explained"
    house.wait(60)
    house.deliver(UnitHeard("u1", item))
    assert house.items[item].data | {"gap": 150.0, "reason": "no_coverage"} == house.items[item].data


def test_without_a_word_for_five_minutes_it_goes_above():
    house = House()
    item = silent(house)
    house.wait(300)
    assert (house.items[item].state, house.items[item].owner) == ("escalated", "inspector")
    house.fire(item, "explain", INSPECTOR, {"reason": "unknown"})
    house.wait(12 * 3600)
    assert house.items[item].state == "lapsed"
    assert house.items[item].data["gap"] > 12 * 3600


def test_a_unit_never_heard_has_a_gap_of_unknown_length():
    house = House()
    house.deliver(UnitSilent("u9", 2, None))
    item = house.only("location_dark").id
    house.deliver(UnitHeard("u9", item))
    assert house.items[item].data["gap"] is None
