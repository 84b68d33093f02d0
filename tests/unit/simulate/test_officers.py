"""A simulated crew tells truly how its case ended."""

from random import Random

import pytest
from tests.unit.simulate.conftest import NOW

from saqtau.kernel.clock import SECOND, Instant
from saqtau.simulate.officers import GIVES_UP, MEETS, STOP_TAKES, Case, Crew, plate_of
from saqtau.simulate.register import Account
from saqtau.simulate.stage import Stage


@pytest.fixture
def stage(graph, registers):
    return Stage(graph, registers, 7, NOW)


def crew(case):
    made = Crew(Account("patrol-02", "patrol", 10, "P-02"), "secret", Random(1))
    made.case = case
    return made


def test_a_vehicle_that_never_comes_was_not_seen(stage):
    waiting = crew(Case("item", "999XXX10", NOW))
    assert waiting.outcome(stage, Instant(NOW + int(GIVES_UP * SECOND) - 1)) is None
    assert waiting.outcome(stage, Instant(NOW + int(GIVES_UP * SECOND))) == "not_seen"


def test_a_vehicle_beside_the_crew_is_stopped_and_stands(stage):
    plate = stage.traffic.plates[stage.traffic.patrols[1]]  # its own car, which is certainly near
    assert stage.metres_to("P-02", plate) <= MEETS
    waiting = crew(Case("item", plate, NOW))
    assert waiting.outcome(stage, NOW) is None
    assert waiting.case.met == NOW
    assert waiting.outcome(stage, Instant(NOW + int(STOP_TAKES * SECOND))) == "stopped"
    who = stage.traffic.plates.index(plate)
    assert stage.traffic.until[who] > NOW


def test_without_a_case_there_is_no_outcome(stage):
    assert crew(None).outcome(stage, NOW) is None


@pytest.mark.parametrize(
    ("data", "plate"),
    [({"plate": "1A"}, "1A"), ({"title": {"plate": "2B"}}, "2B"), ({"title": {}}, ""), ({}, "")],
)
def test_the_plate_of_an_alert_is_found_where_the_desk_keeps_it(data, plate):
    assert plate_of({"data": data}) == plate
