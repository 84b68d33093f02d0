"""How long a camera that is away is waited for."""

from random import Random

from saqtau.devices.source import LONGEST_PAUSE, MANY, USUAL_PAUSE, pause


def test_a_camera_that_comes_back_within_minutes_waits_five_seconds_at_most():
    random = Random(1)
    waits = [pause(tries, random) for tries in range(MANY + 1)]
    assert max(waits) <= USUAL_PAUSE == 5.0
    assert sum(waits) > 120  # seconds
    assert min(waits) > 0.2


def test_one_that_has_been_away_for_long_is_asked_seldom():
    waits = [pause(tries, Random(tries)) for tries in (MANY + 3, 1_000, 10**9)]
    assert all(LONGEST_PAUSE / 2 <= wait <= LONGEST_PAUSE == 30.0 for wait in waits)


def test_three_hundred_cameras_behind_one_switch_do_not_come_all_at_once():
    random = Random(1)
    back = sorted(sum(pause(tries, random) for tries in range(5)) for _ in range(300))
    assert back[-1] - back[0] > 2.0
    seconds = [sum(1 for one in back if begun <= one < begun + 0.5) for begun in (n / 2 for n in range(40))]
    assert max(seconds) < 150
