"""The cameras that watch the police account for themselves before the prosecutor."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.desks.house import DESKS, DUTY, INSPECTOR, OPERATOR, PROSECUTOR, SUPERVISOR, T0, House

from saqtau.desks.custody import rules
from saqtau.kernel.clock import DAY, HOUR, MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Actor, Item
from saqtau.kernel.sensitive import Sensitive, sensitive
from saqtau.kernel.signal import CameraCondition, CameraState, FootageHeld, FootageWanted

COLONY = {"site": "colony1", "place": "penal_colony", "region": 2, "lat": 43.2, "lon": 76.9, "camera": None, "name": ""}
WHY = {"reason": "power", "note": "the breaker fell at 03:12"}
FOUND = {"finding": "the log of the substation says so"}


def state(camera: str = "c1", condition: CameraCondition = CameraCondition.DARK, **more: Any) -> CameraState:
    told = {"site": "colony1", "region": 2, "place": "penal_colony", "since": T0, "kind": "source_silent"} | more
    return CameraState(camera=camera, state=condition, name=f"Camera {camera}", lat=43.2, lon=76.9, **told)


class Watched(House):
    """A house whose camera states are told with the open items of the place, as the engine tells them."""

    def see(self, signal: CameraState) -> None:
        family = tuple(one for one in self.items.values() if one.ended is None and one.data.get("site") == signal.site)
        for desk in self.desks.current.values():
            if react := desk.reacts.get(CameraState):
                for action in react(signal, family):
                    self._do(action, 0)

    def outages(self) -> list[Item]:
        return [one for one in self.items.values() if one.desk == "custody"]


def test_a_dark_camera_of_a_colony_is_the_prosecutors_item_at_once():
    house = Watched()
    house.see(state())
    (item,) = house.outages()
    assert (item.state, item.owner, item.region) == ("unexplained", "prosecutor", 2)
    assert item.data["cameras"][0]["camera"] == "c1"
    assert sensitive(item) == {Sensitive.CUSTODY}


def test_a_street_camera_is_not_the_prosecutors():
    house = Watched()
    house.see(state(place="street"))
    assert house.outages() == []


def test_a_camera_that_stays_dark_does_not_open_a_second_item():
    house = Watched()
    for _ in range(3):
        house.see(state())
    assert len(house.outages()) == 1


def test_whoever_pulls_the_switch_of_a_whole_colony_makes_one_item_with_all_cameras():
    house = Watched()
    for number in range(300):
        house.see(state(f"c{number}", since=Instant(T0 + number)))
    (item,) = house.outages()
    assert len(item.data["cameras"]) == 300


def test_what_goes_dark_an_hour_later_is_another_outage():
    house = Watched()
    house.see(state())
    house.see(state("c2", since=Instant(T0 + HOUR)))
    assert len(house.outages()) == 2


def test_a_hand_over_the_lens_is_no_part_of_a_power_cut():
    house = Watched()
    house.see(state())
    house.see(state("c2", CameraCondition.TAMPERED, kind="covered"))
    assert sorted(one.data["kind"] for one in house.outages()) == ["covered", "source_silent"]


def test_a_picture_that_comes_back_does_not_end_the_question():
    house = Watched()
    house.see(state())
    house.see(state(condition=CameraCondition.WELL, until=Instant(T0 + 90_000)))
    (item,) = house.outages()
    assert (item.state, item.data["dark_until"]) == ("unexplained", T0 + 90_000)
    house.see(state(condition=CameraCondition.WELL, until=Instant(T0 + 99_000)))
    assert house.outages()[0].data["dark_until"] == T0 + 90_000


def test_a_camera_that_goes_dark_again_is_told_in_the_same_item():
    house = Watched()
    house.see(state())
    house.see(state(condition=CameraCondition.WELL, until=Instant(T0 + 9_000)))
    house.see(state(since=Instant(T0 + 20_000)))
    (item,) = house.outages()
    assert [one["until"] for one in item.data["cameras"]] == [T0 + 9_000, None]
    assert item.data["dark_until"] is None


def test_a_word_of_the_institution_waits_for_the_prosecutors_judgement():
    house = Watched()
    house.see(state())
    item = house.outages()[0].id
    house.see(state(condition=CameraCondition.WELL, until=Instant(T0 + 90_000)))
    house.fire(item, "explain", SUPERVISOR, WHY)
    assert (house.items[item].state, house.items[item].owner) == ("explained", "prosecutor")
    with pytest.raises(Refused):
        house.fire(item, "accept", SUPERVISOR, FOUND)
    house.fire(item, "accept", PROSECUTOR, FOUND)
    assert house.items[item].state == "accepted"


def test_nobody_judges_his_own_word():
    house = Watched()
    house.see(state())
    item = house.outages()[0].id
    both = Actor("prosecutor1", "custody_supervisor", regions=frozenset({2}))
    house.fire(item, "explain", both, WHY)
    with pytest.raises(Refused) as refused:
        house.fire(item, "accept", PROSECUTOR, FOUND)
    assert refused.value.fields == {"actor": "own_word"}


def test_a_word_without_a_note_is_refused_by_its_field():
    house = Watched()
    house.see(state())
    with pytest.raises(Refused) as refused:
        house.fire(house.outages()[0].id, "explain", SUPERVISOR, {"reason": "power", "note": ""})
    assert (refused.value.kind, list(refused.value.fields)) == (Kind.INVALID, ["note"])


def test_an_accepted_word_sends_a_camera_that_is_still_dark_to_repair_and_late_repair_back_to_the_prosecutor():
    house = Watched()
    house.see(state())
    item = house.outages()[0].id
    house.fire(item, "explain", SUPERVISOR, WHY)
    house.fire(item, "accept", PROSECUTOR, FOUND)
    assert (house.items[item].state, house.items[item].owner) == ("in_repair", "custody_supervisor")
    house.wait(DAY / 1000)
    assert (house.items[item].state, house.items[item].owner) == ("not_explained", "prosecutor")


def test_repair_is_over_with_the_last_picture():
    house = Watched()
    house.see(state())
    house.see(state("c2"))
    item = house.outages()[0].id
    house.fire(item, "explain", SUPERVISOR, WHY)
    house.fire(item, "accept", PROSECUTOR, FOUND)
    house.see(state("c1", CameraCondition.WELL, until=Instant(T0 + 5)))
    assert house.items[item].state == "in_repair"
    house.see(state("c2", CameraCondition.WELL, until=Instant(T0 + 6)))
    assert house.items[item].state == "accepted"


def test_what_was_found_not_justified_has_to_be_restored_all_the_same():
    house = Watched()
    house.see(state())
    item = house.outages()[0].id
    house.fire(item, "find", PROSECUTOR, FOUND)
    assert (house.items[item].state, house.items[item].owner) == ("found_dark", "custody_supervisor")
    house.see(state())
    assert len(house.outages()) == 1, "the same darkness is not asked about twice"
    house.see(state("c1", CameraCondition.WELL, until=Instant(T0 + 5)))
    assert house.items[item].state == "found"


def test_a_camera_that_a_person_switched_off_stands_there_with_his_reason():
    house = Watched()
    house.see(state(condition=CameraCondition.DISABLED, by="supervisor1", why="the cell is painted"))
    (item,) = house.outages()
    assert (item.state, item.owner) == ("explained", "prosecutor")
    assert item.data["explained"][0]["by"] == "supervisor1"


def test_silence_of_the_prosecutor_never_closes_an_outage():
    house = Watched()
    house.see(state())
    house.wait(60 * DAY / 1000)
    (item,) = house.outages()
    assert (item.state, item.ended) == ("not_explained", None)


def preserve(house, actor=DUTY, **more):
    form = {"site": "colony1", "began": T0 - HOUR, "ended": T0, "asker": "lawyer", "why": "my client was beaten"}
    return house.open("custody", "ask_to_keep", actor, COLONY, form | more)


def test_footage_that_somebody_asks_for_is_wanted_from_the_recorder_at_once():
    house = House()
    item = preserve(house)
    (wanted,) = [one for one in house.told if isinstance(one, FootageWanted)]
    assert (wanted.item, wanted.site, wanted.camera) == (item.id, "colony1", None)
    assert (wanted.began, wanted.ended) == (T0 - HOUR, T0)
    assert item.state == "asked"


def test_the_recorders_word_makes_it_held_and_the_prosecutor_decides():
    house = House()
    item = preserve(house).id
    house.deliver(FootageHeld(item, 4, HOUR, 0))
    assert (house.items[item].state, house.items[item].data["kept"]["recorded"]) == ("held", HOUR)
    house.fire(item, "hand_out", PROSECUTOR, {"recipient": "letter 12", "note": "a redacted copy"})
    assert house.items[item].state == "given"


def test_a_refusal_names_its_ground_and_a_court_can_undo_it():
    house = House()
    item = preserve(house).id
    house.deliver(FootageHeld(item, 4, HOUR, 0))
    house.fire(item, "refuse", PROSECUTOR, {"ground": "other_person", "basis": "article 15, part 2"})
    house.fire(item, "hand_out", PROSECUTOR, {"recipient": "court", "note": "ruling 77 of the court"})
    assert house.items[item].state == "given"


def test_a_recorder_that_says_nothing_in_an_hour_is_the_prosecutors_matter():
    house = House()
    item = preserve(house).id
    house.wait(3600)
    assert (house.items[item].state, house.items[item].owner) == ("unheld", "prosecutor")
    house.deliver(FootageHeld(item, 4, HOUR, 0))
    assert house.items[item].state == "held"


def test_footage_that_is_not_there_is_said_to_be_not_there():
    house = House()
    item = preserve(house).id
    house.deliver(FootageHeld(item, 4, 0, HOUR))
    assert house.items[item].state == "unheld"


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"ended": T0 - HOUR}, "ended"),
        ({"ended": T0 + DAY}, "ended"),
        ({"began": T0 - 8 * DAY}, "ended"),
        ({"why": "short"}, "why"),
        ({"asker": "me"}, "asker"),
        ({"name": "Ivanov"}, "data"),
    ],
)
def test_a_wish_that_does_not_hold_is_refused_by_its_field(more, field):
    with pytest.raises(Refused) as refused:
        preserve(House(), **more)
    assert (refused.value.kind, list(refused.value.fields)) == (Kind.INVALID, [field])


@pytest.mark.parametrize("actor", [OPERATOR, Actor("s", "school_officer", regions=frozenset({2}))])
def test_who_has_no_business_with_custody_opens_nothing_there(actor):
    with pytest.raises(Refused) as refused:
        preserve(House(), actor)
    assert refused.value.kind is Kind.DENIED


def test_nobody_opens_an_item_of_another_region():
    with pytest.raises(Refused) as refused:
        preserve(House(), Actor("supervisor9", "custody_supervisor", regions=frozenset({7})))
    assert refused.value.fields == {"region": "not_yours"}


def incident(house, **more):
    form = {"site": "colony1", "happened": "force", "began": T0 - MINUTE, "ended": T0, "note": "a door was forced open"}
    return house.open("custody", "report_incident", SUPERVISOR, COLONY, form | more)


def test_an_incident_keeps_what_every_camera_of_the_place_recorded_around_it_though_one_is_named():
    house = House()
    incident(house, camera="c1")
    (wanted,) = [one for one in house.told if isinstance(one, FootageWanted)]
    assert (wanted.camera, wanted.began, wanted.ended) == (None, T0 - 11 * MINUTE, T0 + 10 * MINUTE)


def test_an_incident_is_tied_to_footage_or_the_prosecutor_has_it():
    house = House()
    tied, silent, none = (incident(house).id for _ in range(3))
    house.fire(tied, "tie", SUPERVISOR, {"camera": "c1", "began": T0 - MINUTE, "ended": T0})
    house.fire(none, "no_footage", SUPERVISOR, {"none_because": "blind_spot", "note": "on the stairs"})
    house.wait(DAY / 1000)
    assert [house.items[one].state for one in (tied, silent, none)] == ["to_review", "untied", "to_review"]
    assert house.items[tied].data["footage"][0]["camera"] == "c1"
    assert house.items[none].data["none_because"] == "blind_spot"


def test_a_complaint_ends_with_what_the_pictures_said():
    house = House()
    form = {
        "site": "colony1", "about": "force", "channel": "terminal", "began": T0 - HOUR, "ended": T0,
        "note": "beaten on the stairs", "reference": "ticket 7",
    }  # fmt: skip
    item = house.open("custody", "file_complaint", INSPECTOR, COLONY, form).id
    house.fire(item, "look_into", PROSECUTOR, {"note": "heard on Friday"})
    house.fire(item, "founded", PROSECUTOR, {"footage": "shows_it", "finding": "the corridor camera shows it"})
    assert house.items[item].data["answer"]["footage"] == "shows_it"


def test_a_drawn_stretch_that_nobody_views_is_counted_as_skipped():
    house = House()
    camera = {"id": "c1", "name": "Corridor", "place": "penal_colony"}
    house.act(rules.drawn("colony1", 2, camera, Instant(T0 - HOUR), T0, "seed"))
    item = house.only("custody")
    assert item.owner == "prosecutor"
    house.wait(7 * DAY / 1000)
    assert house.items[item.id].state == "skipped"


def test_a_blind_spot_is_declared_anew_after_half_a_year():
    house = House()
    form = {"site": "colony1", "what": "stairs", "reason": "building", "note": "walls on both sides"}
    item = house.open("custody", "declare_blind_spot", SUPERVISOR, COLONY, form).id
    house.fire(item, "tolerate", PROSECUTOR, {"finding": "rounds each hour stand in"})
    house.wait(180 * DAY / 1000)
    assert (house.items[item].state, house.items[item].owner) == ("blind_spot", "prosecutor")


def test_custody_opens_nothing_about_a_street():
    street = COLONY | {"place": "street"}
    form = {"site": "square", "what": "corner", "reason": "building", "note": "walls on both sides"}
    with pytest.raises(Refused) as refused:
        House().open("custody", "declare_blind_spot", SUPERVISOR, street, form)
    assert refused.value.fields == {"site": "not_custody"}


def test_the_line_of_an_outage_names_the_camera_that_is_dark_now_and_counts_them():
    house = Watched()
    for camera in ("c1", "c2", "c3"):
        house.see(state(camera))
    (item,) = house.outages()
    line = DESKS.current["custody"].line
    assert (line(item.data)["camera"], line(item.data)["away"]) == ("c1", 3)
    house.see(state("c1", CameraCondition.WELL, until=Instant(T0 + 9_000)))
    (item,) = house.outages()
    assert (line(item.data)["camera"], line(item.data)["away"]) == ("c2", 2)


def test_a_line_of_the_queue_tells_nobodys_words():
    house = House()
    item = preserve(house, reference="pseudonym 7")
    told = str(DESKS.current["custody"].line(item.data))
    assert "beaten" not in told
    assert "pseudonym" not in told


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["c1", "c2", "c3"]),
            st.sampled_from(list(CameraCondition)),
            st.integers(min_value=0, max_value=3 * HOUR),
        ),
        max_size=30,
    )
)
def test_whatever_cameras_do_no_darkness_is_lost_and_none_is_open_twice(told):
    house = Watched()
    dark: set[str] = set()
    for camera, condition, wait in told:
        house.now = Instant(house.now + wait)
        until = house.now if condition is CameraCondition.WELL else None
        house.see(state(camera, condition, since=house.now, until=until))
        dark = dark - {camera} if condition is CameraCondition.WELL else dark | {camera}
        open_ = [
            one["camera"]
            for item in house.outages()
            if item.ended is None
            for one in item.data["cameras"]
            if one["until"] is None
        ]
        assert sorted(open_) == sorted(dark)
