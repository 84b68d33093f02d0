"""From a plate read to the crew that stops the vehicle, over all desks."""

import pytest
from tests.desks.house import OPERATOR, T0, House, crew, recommendation

from saqtau.desks.dangerous_drivers.rules import Context, Earlier, Limits, SectionSpeed, actions_for
from saqtau.kernel.clock import DAY, SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera, Certificate, Ground, ListedVehicle
from saqtau.kernel.signal import PlateRead, Status, Trust

LIMITS = Limits(tolerance=10.0, dangerous=40.0)
CERTIFICATE = Certificate("KZ-1", Instant(T0 - 90 * DAY), Instant(T0 + 90 * DAY))


def camera(code="0417", *, limit=60.0, certificate=CERTIFICATE):
    return Camera(code, "site1", f"Camera {code}", 2, 43.2, 76.9, 90.0, limit, certificate)


def listed(plate="777AAA02", ground=Ground.WANTED, region=None, days=1):
    return ListedVehicle(plate, ground, "Police of Almaty", "case 12-34", Instant(T0 + days * DAY), region)


def read(plate="777AAA02", *, at=T0, trust=Trust.SURE, speed=50.0, camera="0417"):
    return PlateRead(f"{camera}-{at}", camera, at, at, plate, plate, trust, speed=speed)


def see(house, one=None, *units, place=None, **known):
    """A read reaches the desks, with these units ahead of it."""
    one = one or read(at=house.now)
    newest = [item for item in house.items.values() if item.desk == "dangerous_drivers"]
    context = Context(
        camera=place or camera(one.camera),
        now=house.now,
        limits=LIMITS,
        recommend=lambda: recommendation(*units, at=house.now),
        item=newest[-1] if newest else None,
        **known,
    )
    actions = actions_for(one, context)
    house.act(*actions)
    return actions


@pytest.fixture
def house():
    return House("u1", "u2", "u3", "u4")


def test_a_wanted_vehicle_is_offered_to_the_unit_ahead_and_stopped(house):
    see(house, None, "u1", "u2", listed=(listed(),))
    alert, offer = house.only("dangerous_drivers"), house.only("dispatch")
    assert (alert.state, offer.state, offer.unit, offer.parent) == ("seeking", "offered", "u1", alert.id)
    assert house.units["u1"] == (Status.RESERVED, offer.id)
    house.fire(offer.id, "accept", crew("u1"))
    assert house.only("dangerous_drivers").state == "accepted"
    assert house.only("dangerous_drivers").unit == "u1"
    house.fire(alert.id, "stopped", crew("u1"))
    assert house.only("dangerous_drivers").state == "stopped"
    assert house.only("dispatch").state == "done"
    assert house.units["u1"] == (Status.AVAILABLE, None)


def test_a_read_that_hits_nothing_opens_nothing(house):
    assert see(house, None, "u1") == ()


def test_the_recommendation_is_not_worked_out_for_a_read_that_hits_nothing():
    asked = []
    context = Context(camera=camera(), now=T0, limits=LIMITS, recommend=lambda: asked.append(1))
    assert actions_for(read(), context) == ()
    assert asked == []


def test_without_a_unit_ahead_the_operator_is_told_so(house):
    see(house, None, listed=(listed(),))
    assert house.only("dangerous_drivers").state == "no_unit_ahead"
    assert [one.desk for one in house.items.values()] == ["dangerous_drivers"]


def test_nobody_is_sent_on_a_doubtful_read_before_a_person_has_seen_the_crop(house):
    see(house, read(trust=Trust.DOUBTFUL), "u1", listed=(listed(),))
    alert = house.only("dangerous_drivers")
    assert (alert.state, alert.data["doubts"]) == ("to_confirm", ["doubtful_read"])
    assert house.units["u1"] == (Status.AVAILABLE, None)
    house.fire(alert.id, "confirm", OPERATOR)
    assert house.only("dispatch").unit == "u1"
    assert house.only("dangerous_drivers").data["confirmed_by"] == "operator1"


def test_an_unconfirmed_doubt_is_erased_by_itself(house):
    see(house, read(trust=Trust.DOUBTFUL), "u1", listed=(listed(),))
    house.wait(120)
    alert = house.only("dangerous_drivers")
    assert (alert.state, alert.retention) == ("erased", "erase_now")
    assert all(one.desk != "dispatch" for one in house.items.values())


def test_a_sure_read_of_the_listed_plate_answers_the_doubt(house):
    see(house, read("777AAAO2", trust=Trust.DOUBTFUL), "u1", near=(listed(),))
    assert house.only("dangerous_drivers").data["doubts"] == ["doubtful_read", "near_urgent"]
    house.wait(20)
    see(house, None, "u2", listed=(listed(),))
    assert house.only("dangerous_drivers").state == "seeking"
    assert house.only("dispatch").unit == "u2"


def test_a_speeding_vehicle_whose_plate_is_near_does_not_answer_the_doubt_about_another(house):
    see(house, read("777AAAO2", trust=Trust.DOUBTFUL), "u1", near=(listed(),))
    house.wait(20)
    see(house, read("777AAAO2", at=house.now, speed=150.0), "u2", near=(listed(),))
    assert house.only("dangerous_drivers").state == "to_confirm"


def test_a_plate_near_the_list_has_its_own_alert_for_its_own_speed(house):
    see(house, read("777AAAO2", trust=Trust.DOUBTFUL), "u1", near=(listed(),))
    doubtful = house.only("dangerous_drivers")
    actions = actions_for(
        read("777AAAO2", at=Instant(T0 + 1), speed=150.0),
        Context(
            camera=camera(),
            now=house.now,
            limits=LIMITS,
            recommend=lambda: recommendation("u2"),
            near=(listed(),),
            near_item=doubtful,
        ),
    )
    assert [(action.desk, action.state, action.data["plate"]) for action in actions] == [
        ("dangerous_drivers", "seeking", "777AAAO2")
    ]


def test_after_a_slow_confirmation_a_unit_that_was_passed_is_not_asked(house):
    see(house, read(trust=Trust.DOUBTFUL), "u1", listed=(listed(),))
    house.wait(101)  # the vehicle was due at u1 after 100 s
    house.fire(house.only("dangerous_drivers").id, "confirm", OPERATOR)
    assert house.only("dispatch").state == "with_operator"
    assert house.only("dangerous_drivers").state == "nobody_accepted"
    assert house.units["u1"] == (Status.AVAILABLE, None)


def test_a_further_read_moves_the_offer_to_the_unit_that_lies_ahead_now(house):
    see(house, None, "u1", listed=(listed(),))
    house.wait(5)
    see(house, read(at=house.now, camera="0500"), "u2", listed=(listed(),))
    offer = house.only("dispatch")
    assert (offer.state, offer.unit) == ("offered", "u2")
    assert house.units["u1"] == (Status.AVAILABLE, None)
    assert house.units["u2"] == (Status.RESERVED, offer.id)
    assert house.only("dangerous_drivers").data["camera"] == "0500"


def test_a_further_read_does_not_renew_the_fifteen_seconds(house):
    see(house, None, "u1", "u2", listed=(listed(),))
    due = house.only("dispatch").due
    house.wait(10)
    see(house, None, "u1", "u2", listed=(listed(),))
    assert house.only("dispatch").unit == "u1"
    assert house.only("dispatch").due == due
    assert house.only("dispatch").rev == 1


def test_the_offer_is_withdrawn_when_nobody_lies_ahead_any_more(house):
    see(house, None, "u1", listed=(listed(),))
    house.wait(5)
    see(house, None, listed=(listed(),))
    assert house.only("dangerous_drivers").state == "no_unit_ahead"
    assert house.only("dispatch").state == "withdrawn"
    assert house.units["u1"] == (Status.AVAILABLE, None)
    house.wait(5)
    see(house, None, "u3", listed=(listed(),))
    assert house.only("dangerous_drivers").state == "seeking"
    assert [one.unit for one in house.items.values() if one.state == "offered"] == ["u3"]


def test_a_crew_that_accepted_keeps_the_work_when_the_vehicle_turns(house):
    see(house, None, "u1", listed=(listed(),))
    house.fire(house.only("dispatch").id, "accept", crew("u1"))
    house.wait(5)
    see(house, None, "u2", listed=(listed(),))
    assert house.only("dangerous_drivers").state == "accepted"
    assert house.only("dispatch").unit == "u1"
    assert [one["unit"] for one in house.only("dispatch").data["candidates"]] == ["u2"]


def test_a_read_without_a_finding_still_moves_the_alert_it_belongs_to(house):
    see(house, read(speed=130.0), "u1")
    house.wait(5)
    see(house, read(at=house.now, speed=50.0), "u2")
    assert house.only("dispatch").unit == "u2"
    assert len(house.only("dangerous_drivers").data["reads"]) == 2


def test_a_doubtful_further_read_moves_nobody(house):
    see(house, None, "u1", listed=(listed(),))
    house.wait(5)
    assert see(house, read(at=house.now, trust=Trust.DOUBTFUL), "u2", listed=(listed(),)) == ()


def test_reads_that_come_in_the_wrong_order_move_nobody(house):
    house.wait(60)
    see(house, None, "u1", listed=(listed(),))
    assert see(house, read(at=Instant(house.now - 30 * SECOND)), "u2", listed=(listed(),)) == ()


def test_nobody_is_sent_after_a_read_that_came_late(house):
    late = read(at=Instant(T0 - 200 * SECOND))
    see(house, late, "u1", listed=(listed(),))
    alert = house.only("dangerous_drivers")
    assert (alert.state, alert.data["late"], alert.data["recommendation"]) == ("no_unit_ahead", True, None)
    assert see(House(), read(at=Instant(T0 - 200 * SECOND), speed=150.0), "u1") == ()


def test_three_crews_are_asked_and_then_the_operator(house):
    see(house, None, "u1", "u2", "u3", "u4", listed=(listed(),))
    asked = []
    for _ in range(3):
        asked.append(house.only("dispatch").unit)
        house.wait(15)
    assert asked == ["u1", "u2", "u3"]
    assert (house.only("dispatch").state, house.only("dispatch").unit) == ("with_operator", None)
    assert house.only("dangerous_drivers").state == "nobody_accepted"
    assert all(status == (Status.AVAILABLE, None) for status in house.units.values())


def test_a_person_names_another_unit_and_the_recommendation_stays_beside_it(house):
    see(house, None, "u1", "u2", listed=(listed(),))
    alert = house.only("dangerous_drivers").id
    house.fire(alert, "assign", OPERATOR, {"unit": "u4", "reason": "closer"})
    offer = house.only("dispatch")
    assert (offer.unit, offer.data["overrides"][0]["reason"]) == ("u4", "closer")
    data = house.only("dangerous_drivers").data
    assert [one["unit"] for one in data["recommendation"]["candidates"]] == ["u1", "u2"]
    assert data["overrides"] == [{"unit": "u4", "reason": "closer", "by": "operator1", "at": T0}]
    house.wait(15)
    assert house.only("dispatch").state == "with_operator", "the machine does not correct a person's choice"


def test_a_unit_assigned_where_nobody_lies_ahead_gets_the_offer(house):
    see(house, None, listed=(listed(),))
    house.fire(house.only("dangerous_drivers").id, "assign", OPERATOR, {"unit": "u3", "reason": "agreed_by_radio"})
    house.fire(house.only("dispatch").id, "accept", crew("u3"))
    assert house.only("dangerous_drivers").state == "accepted"


def test_another_crew_is_named_after_one_accepted(house):
    see(house, None, "u1", listed=(listed(),))
    house.fire(house.only("dispatch").id, "accept", crew("u1"))
    house.fire(house.only("dangerous_drivers").id, "assign", OPERATOR, {"unit": "u2", "reason": "better_placed"})
    offer = house.only("dispatch")
    assert (offer.state, offer.unit) == ("offered", "u2")
    assert house.only("dangerous_drivers").state == "seeking"
    assert house.units["u1"] == (Status.AVAILABLE, None)


def test_work_given_back_is_looked_for_again(house):
    see(house, None, "u1", "u2", listed=(listed(),))
    offer = house.only("dispatch").id
    house.fire(offer, "accept", crew("u1"))
    house.fire(offer, "release", crew("u1"), {"reason": "more_urgent"})
    assert house.only("dangerous_drivers").state == "seeking"
    assert house.only("dispatch").unit == "u2"
    house.fire(offer, "accept", crew("u2"))
    assert house.only("dangerous_drivers").unit == "u2"


def test_an_alert_nobody_answers_lapses_and_lets_every_unit_go(house):
    see(house, None, "u1", listed=(listed(),))
    house.wait(600)
    assert house.only("dangerous_drivers").state == "lapsed"
    assert house.only("dispatch").ended is not None
    assert house.units["u1"] == (Status.AVAILABLE, None)


def test_a_crew_without_an_outcome_is_let_go_after_its_time(house):
    see(house, None, "u1", listed=(listed(),))
    house.fire(house.only("dispatch").id, "accept", crew("u1"))
    house.wait(901)
    assert house.only("dangerous_drivers").state == "lapsed"
    assert house.units["u1"] == (Status.AVAILABLE, None)


def test_no_other_crew_moves_an_alert(house):
    see(house, None, "u1", listed=(listed(),))
    house.fire(house.only("dispatch").id, "accept", crew("u1"))
    for stranger in (crew("u2"), crew(None)):
        with pytest.raises(Refused) as refusal:
            house.fire(house.only("dangerous_drivers").id, "stopped", stranger)
        assert refusal.value.kind is Kind.DENIED


def test_a_stopped_vehicle_is_left_in_peace_for_a_while(house):
    see(house, None, "u1", listed=(listed(ground=Ground.PERSISTENT_VIOLATOR),))
    house.fire(house.only("dispatch").id, "accept", crew("u1"))
    house.fire(house.only("dangerous_drivers").id, "stopped", crew("u1"))
    house.wait(60)
    assert see(house, None, "u2", listed=(listed(ground=Ground.PERSISTENT_VIOLATOR),)) == ()
    assert see(house, read(at=house.now, speed=140.0), "u2") != (), "what is new is a new question"


def test_a_stopped_vehicle_is_asked_about_again_when_the_quiet_is_over(house):
    see(house, None, "u1", listed=(listed(),))
    house.fire(house.only("dangerous_drivers").id, "cancel", OPERATOR, {"reason": "already_stopped"})
    house.wait(LIMITS.quiet + 1)
    assert see(house, None, "u2", listed=(listed(),)) != ()


def earlier(seconds, trust=Trust.SURE):
    return Earlier(camera("0300"), Instant(T0 - seconds * SECOND), trust)


def test_an_impossible_pair_opens_the_question_of_a_misread_or_cloned_plate_instead(house):
    see(house, read(speed=150.0), "u1", earlier=earlier(60), impossible=True)
    item = house.only("cloned_plates")
    assert item.data["first"]["camera"] == "0300"
    assert [one.desk for one in house.items.values()] == ["cloned_plates"]


def test_a_doubtful_read_makes_no_impossible_pair(house):
    for one, before in ((read(trust=Trust.DOUBTFUL), earlier(60)), (read(), earlier(60, Trust.DOUBTFUL))):
        assert see(house, one, "u1", earlier=before, impossible=True) == ()


def test_a_listed_vehicle_at_two_places_is_looked_at_first(house):
    see(house, None, "u1", listed=(listed(),), earlier=earlier(60), impossible=True)
    assert house.only("dangerous_drivers").state == "to_confirm"
    assert house.only("dangerous_drivers").data["doubts"] == ["impossible_pair"]
    assert house.only("cloned_plates").state == "to_check"


def test_an_impossible_pair_found_again_is_the_same_question(house):
    see(house, None, earlier=earlier(60), impossible=True)
    known = house.only("cloned_plates")
    house.wait(10)
    see(house, None, earlier=earlier(60), impossible=True, cloned=known)
    assert len(house.only("cloned_plates").data["again"]) == 1
    assert house.only("cloned_plates").due == known.due


def test_an_average_above_both_limits_founds_an_alert(house):
    see(house, None, "u1", earlier=earlier(60), section=SectionSpeed(121.0, 2100.0, 60.0))
    cause = house.only("dangerous_drivers").data["causes"][0]
    assert (cause["ground"], cause["speed"], cause["since"]) == ("section_speed", 121.0, "0300")
    assert cause["certificates"] == ["KZ-1", "KZ-1"]


def test_the_tablet_is_told_plate_ground_and_camera(house):
    see(house, None, "u1", listed=(listed(),))
    title = house.only("dispatch").data["title"]
    assert (title["plate"], title["ground"], title["camera_name"]) == ("777AAA02", "wanted", "Camera 0417")


def test_no_line_of_any_queue_holds_the_plate(house):
    see(house, None, "u1", listed=(listed(),), earlier=earlier(60), impossible=False)
    see(house, read("111BBB02", at=Instant(T0 + 1)), earlier=earlier(60), impossible=True)
    for item in house.items.values():
        desk = house.desks.current[item.desk]
        assert desk.line is not None
        assert not {"777AAA02", "111BBB02"} & set(map(str, desk.line(item.data).values()))
