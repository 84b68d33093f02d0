import pytest
from tests.unit.roads.drawn import crossing, degrees, draw, one_way

from saqtau.kernel.errors import Kind, Refused
from saqtau.roads.build import Restriction
from saqtau.roads.graph import Place
from saqtau.roads.section import average_speed, impossible, least_metres, section


def test_a_section_is_as_long_as_the_shortest_legal_way():
    drawn = crossing()
    found = section(drawn.graph, drawn.on(1, 0, 0.2), drawn.on(0, 2, 0.6))
    assert found.metres == pytest.approx(400 + 300, abs=0.1)
    assert found.least == pytest.approx(70, abs=0.05)


def test_a_section_within_one_edge_is_the_piece_between():
    drawn = crossing()
    assert section(drawn.graph, drawn.on(1, 0, 0.2), drawn.on(1, 0, 0.7)).metres == pytest.approx(250, abs=0.1)


def test_a_camera_behind_on_the_same_edge_is_reached_by_a_way_round():
    drawn = crossing()
    found = section(drawn.graph, drawn.on(1, 0, 0.7), drawn.on(1, 0, 0.2))
    assert found.metres == pytest.approx(150 + 1000 + 500 + 100, abs=0.5)


def test_a_forbidden_turn_makes_the_section_longer():
    drawn = crossing(Restriction(1, 0, 4))
    assert section(drawn.graph, drawn.on(1, 0, 0.5), drawn.on(0, 4, 0.5)).metres == pytest.approx(1500, abs=0.5)


def test_the_shortest_way_and_the_quickest_way_may_differ():
    where = {1: (-100, 0), 2: (0, 0), 3: (500, 0), 4: (600, 0), 5: (250, 250)}
    slow, quick = one_way(2, 2, 3, kmh=10.0), one_way(3, 2, 5, 3, kmh=100.0)
    drawn = draw(where, (1, 2), slow, quick, (3, 4), one_way(5, 3, 2, kmh=36.0))
    found = section(drawn.graph, drawn.on(1, 2, 1.0), drawn.on(3, 4, 0.0))
    assert found.metres == pytest.approx(500, abs=0.5)
    assert found.least == pytest.approx(2 * 250 * 2**0.5 / (100 / 3.6), abs=0.1)


def test_no_way_short_enough_is_not_found():
    drawn = crossing()
    with pytest.raises(Refused) as refused:
        section(drawn.graph, Place(drawn.edge(1, 0), 0.0), Place(drawn.edge(0, 2), 1.0), longest=300)
    assert refused.value.kind is Kind.NOT_FOUND


def test_every_error_is_taken_for_the_driver():
    speed = average_speed(1000, 36, clock_error=0.5, distance_error=0.01)
    assert speed.measured == pytest.approx(100)
    assert speed.certain == pytest.approx(990 / 37 * 3.6)


@pytest.mark.parametrize("seconds", [1.0, 0.0, -5.0])
def test_reads_closer_than_the_clocks_can_tell_have_no_speed(seconds):
    assert average_speed(1000, seconds, clock_error=0.5) is None


def test_two_ends_of_the_city_in_a_minute_are_not_one_vehicle():
    assert impossible(degrees(0, 0), degrees(10_000, 0), 60)
    assert impossible(degrees(0, 0), degrees(10_000, 0), -60)


def test_what_a_fast_car_can_do_is_possible():
    assert not impossible(degrees(0, 0), degrees(10_000, 0), 145)
    assert not impossible(degrees(0, 0), degrees(90, 0), 0)
    assert not impossible(degrees(0, 0), degrees(270, 0), 0)
    assert impossible(degrees(0, 0), degrees(300, 0), 0)


def test_what_an_average_rests_on_takes_forbidden_turns_and_wrong_ways():
    drawn = crossing(Restriction(1, 0, 4))
    places = drawn.on(1, 0, 0.5), drawn.on(0, 4, 0.5)
    assert least_metres(drawn.graph, *places) == pytest.approx(500, abs=0.5)
    behind = drawn.on(1, 0, 0.7), drawn.on(1, 0, 0.2)
    assert least_metres(drawn.graph, *behind) == pytest.approx(250, abs=0.1)
    assert least_metres(drawn.graph, drawn.on(1, 0, 0.7), drawn.on(0, 1, 0.5)) == pytest.approx(100, abs=0.1)
