"""Cameras of streets and schools: repaired when dark, marked when they show something, honest about blind spots."""

from typing import Any

import pytest
from tests.desks.house import DUTY, INSPECTOR, OPERATOR, T0, House
from tests.desks.test_custody import Watched

from saqtau.kernel.clock import DAY, HOUR, MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Actor
from saqtau.kernel.sensitive import Sensitive, sensitive
from saqtau.kernel.signal import CameraCondition, CameraState, FootageHeld, FootageWanted, OffenceMarked

SQUARE = {"site": "square", "place": "street", "region": 2, "lat": 43.2, "lon": 76.9, "camera": "s1", "name": "Square"}
MARK = {"camera": "s1", "began": T0 - MINUTE, "ended": T0, "offence": "fight", "note": "two men at the fountain"}


def state(condition: CameraCondition = CameraCondition.DARK, **more: Any) -> CameraState:
    told = {"site": "square", "region": 2, "place": "street", "since": T0, "kind": "source_silent"} | more
    return CameraState(camera="s1", state=condition, name="Square", **told)


def test_a_dark_street_camera_is_the_operators_for_a_quarter_of_an_hour():
    house = Watched()
    house.see(state())
    house.see(state())
    item = house.only("street_cameras").id
    assert (house.items[item].state, house.items[item].owner) == ("dark", "operator")
    house.wait(15 * 60)
    assert house.items[item].owner == "duty_officer"
    house.wait(12 * 3600)
    assert house.items[item].owner == "inspector"


def test_it_ends_by_itself_when_the_picture_is_back():
    house = Watched()
    house.see(state())
    item = house.only("street_cameras").id
    house.fire(item, "repair", OPERATOR, {"trouble": "power", "note": "told the grid"})
    house.see(state(CameraCondition.WELL, until=Instant(T0 + HOUR)))
    assert (house.items[item].state, house.items[item].data["dark_until"]) == ("well", T0 + HOUR)


def test_a_camera_that_was_turned_on_purpose_is_told_once_until_it_is_learned_anew():
    house = Watched()
    house.see(state(CameraCondition.TAMPERED, kind="moved"))
    item = house.only("street_cameras").id
    house.fire(item, "meant", OPERATOR, {"note": "turned to the new gate"})
    house.see(state(CameraCondition.TAMPERED, kind="moved"))
    assert (len(house.items), house.items[item].owner) == (1, "duty_officer")
    house.see(state(CameraCondition.WELL))
    assert house.items[item].state == "well"


def test_a_camera_that_was_switched_off_with_a_reason_is_nobodys_work():
    house = Watched()
    house.see(state(CameraCondition.DISABLED, by="admin1", why="the pole is painted"))
    assert house.items == {}


def test_an_item_about_a_schools_camera_is_about_minors():
    house = Watched()
    house.see(state(place="school"))
    assert sensitive(house.only("street_cameras")) == {Sensitive.MINORS}


def marked(house: House, actor: Actor = OPERATOR, **more: Any) -> str:
    return house.open("street_cameras", "mark_offence", actor, SQUARE, MARK | more).id


def test_a_mark_is_told_with_its_range_and_the_range_is_kept_at_once():
    house = House()
    item = marked(house)
    told = {type(one): one for one in house.told}
    assert told[OffenceMarked] == OffenceMarked("s1", Instant(T0 - MINUTE), T0, "operator1", item)
    wanted = told[FootageWanted]
    assert (wanted.camera, wanted.began, wanted.ended) == ("s1", T0 - 2 * MINUTE, T0 + MINUTE)
    house.deliver(FootageHeld(item, 1, 3 * MINUTE, 0))
    assert house.items[item].data["kept"]["recorded"] == 3 * MINUTE
    assert house.items[item].owner == "inspector"


def test_another_person_confirms_it():
    house = House()
    both = Actor("operator1", "inspector", regions=frozenset({2}))
    item = marked(house)
    form = {"article": "434", "note": "as marked"}
    with pytest.raises(Refused) as refused:
        house.fire(item, "confirm", both, form)
    assert refused.value.fields == {"actor": "four_eyes"}
    assert house.fire(item, "confirm", INSPECTOR, form).retention == "street_offence_1y"


def test_a_mark_nobody_looks_at_ends_without_a_consequence():
    house = House()
    item = marked(house)
    house.wait(10 * DAY / 1000)
    assert (house.items[item].state, house.items[item].retention) == ("not_reviewed", "street_offence_30d")


@pytest.mark.parametrize("more", [{"ended": T0 - MINUTE}, {"ended": T0 + DAY}, {"began": T0 - 3 * HOUR}])
def test_a_mark_is_about_one_act_that_has_been(more):
    with pytest.raises(Refused) as refused:
        marked(House(), **more)
    assert (refused.value.kind, list(refused.value.fields)) == (Kind.INVALID, ["ended"])


def test_a_mark_on_a_colonys_camera_belongs_to_another_desk():
    with pytest.raises(Refused) as refused:
        House().open("street_cameras", "mark_offence", OPERATOR, SQUARE | {"place": "penal_colony"}, MARK)
    assert refused.value.fields == {"camera": "custody"}


def test_a_blind_spot_stands_on_the_map_with_its_reason():
    house = House()
    form = {"site": "square", "what": "under the trees", "reason": "trees", "lat": 43.21, "lon": 76.91}
    item = house.open("street_cameras", "declare_blind_spot", DUTY, SQUARE, form)
    assert (item.lat, item.lon, item.owner) == (43.21, 76.91, "inspector")
    house.fire(item.id, "now_seen", INSPECTOR, {"camera": "s9"})
    assert house.items[item.id].state == "covered"
