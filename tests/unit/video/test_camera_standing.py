"""What is believed of a camera, look after look."""

import numpy as np
from tests.unit.video.scenes import scene, shot

from saqtau.kernel.clock import DAY, HOUR, MINUTE
from saqtau.video.health import Judged, Verdict, judge, look
from saqtau.video.standing import LEARNED_FROM, first, repeats, short_of, step, undecodable

T = 1_790_000_000_000
MEASURE = undecodable().measure
SCENE = scene(3)


def seen(number):
    return look(shot(SCENE, 1, 1, number))


def told(*verdicts, standing=None, known=True):
    """The verdicts told, with the minute they are told since, when looks say this one after the other."""
    standing, out = standing or first(T), []
    for minute, verdict in enumerate(verdicts, 1):
        judged = Judged(verdict, MEASURE)
        done = step(standing, judged, seen(minute), T + minute * MINUTE, known=known)
        standing = done.standing
        out.append((done.standing.verdict, (done.standing.since - T) // MINUTE) if done.told else None)
    return out


OK, COVERED, MOVED, DARK = Verdict.OK, Verdict.COVERED, Verdict.MOVED, Verdict.DARK


def test_a_lorry_of_a_minute_is_no_verdict():
    assert told(OK, COVERED, OK, COVERED, OK) == [None] * 5


def test_two_looks_in_a_row_are_and_the_time_is_that_of_the_first():
    assert told(OK, COVERED, COVERED, COVERED) == [None, None, (COVERED, 2), None]
    assert told(COVERED, MOVED) == [None, (MOVED, 1)]


def test_it_takes_two_looks_to_be_well_again():
    assert told(COVERED, COVERED, OK, OK) == [None, (COVERED, 1), None, (OK, 3)]


def test_what_was_covered_does_not_become_night_by_itself():
    assert told(COVERED, DARK, DARK, DARK) == [None, (COVERED, 1), None, None]
    assert told(DARK, DARK, OK, OK) == [None, (DARK, 1), None, (OK, 3)]
    assert told(COVERED, COVERED, DARK, OK, OK) == [None, (COVERED, 1), None, None, (OK, 4)]


def test_a_reference_is_learned_from_some_well_looks_in_a_row():
    standing, learned = first(T), []
    for minute in range(2 * LEARNED_FROM):
        verdict = COVERED if minute == 2 else OK
        done = step(standing, Judged(verdict, MEASURE), seen(minute), T + minute * MINUTE, known=False)
        standing = done.standing
        if done.learned is not None:
            learned.append((minute, done.learned))
    assert [minute for minute, _ in learned] == [2 + LEARNED_FROM]
    assert judge([learned[0][1]], None, seen(99)).verdict is OK


def test_nothing_is_learned_where_the_camera_is_known():
    standing = first(T)
    for minute in range(LEARNED_FROM + 1):
        done = step(standing, Judged(OK, MEASURE), seen(minute), T + minute * MINUTE, known=True)
        standing = done.standing
        assert done.learned is None


def test_the_look_before_is_handed_on_only_while_the_camera_is_well():
    well = step(first(T), Judged(OK, MEASURE), seen(1), T, known=True).standing
    assert well.well is not None
    assert step(well, Judged(COVERED, MEASURE), seen(2), T, known=True).standing.well is None
    assert step(well, undecodable(), None, T, known=True).standing.well is None


def test_a_frozen_camera_repeats_and_a_still_scene_does_not():
    frozen = still = first(T)
    for minute in range(3):
        assert not repeats(frozen, seen(1)) or minute == 2
        frozen = step(frozen, Judged(OK, MEASURE), seen(1), T, known=True).standing
        still = step(still, Judged(OK, MEASURE), look(shot(SCENE, 1, 0, minute)), T, known=True).standing
    assert repeats(frozen, seen(1))
    assert not repeats(still, look(shot(SCENE, 1, 0, 7)))
    assert not repeats(frozen, look(np.full((90, 160), 9, np.uint8)))


def test_an_archive_is_short_by_whole_days_and_only_of_what_the_camera_could_have():
    now = T
    assert short_of(now, now - 100 * DAY, now - 30 * DAY, 30) == 0
    assert short_of(now, now - 100 * DAY, now - 25 * DAY, 30) == 4, "five days but for the hour at the edge"
    assert short_of(now, now - 100 * DAY, now - 25 * DAY + 2 * HOUR, 30) == 5
    assert short_of(now, now - 2 * DAY, now - 2 * DAY, 30) == 0
    assert short_of(now, now - 100 * DAY, None, 30) == 29
    assert short_of(now, now, None, 30) == 0
