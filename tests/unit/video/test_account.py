"""What becomes of a minute: what is missing decides, and only a person's act explains it."""

import pytest

from saqtau.kernel.clock import HOUR, MINUTE, SECOND, Instant
from saqtau.kernel.errors import Refused
from saqtau.video.account import BEARABLE, TRIFLE, MinuteState, Span, hours, minutes, recorded, runs
from saqtau.video.gap import Gap, GapKind

T = Instant(1_790_000_040_000 // MINUTE * MINUTE)
U, R, P, K, M, X, E, D, F = (
    MinuteState.UNKNOWN, MinuteState.RECORDED, MinuteState.PARTLY, MinuteState.MASKED,
    MinuteState.MAINTENANCE, MinuteState.UNEXPLAINED, MinuteState.EXPLAINED, MinuteState.EXPIRED,
    MinuteState.FETCHED,
)  # fmt: skip


def at(seconds):
    return Instant(T + round(seconds * SECOND))


def span(began, ended):
    return Span(at(began), None if ended is None else at(ended))


def gap(began, ended, kind=GapKind.SILENT):
    return Gap("c", at(began), None if ended is None else at(ended), kind)


def told(count, segments=(), gaps=(), maintenance=(), **more):
    return list(minutes(T, Instant(T + count * MINUTE), segments, gaps, maintenance, **more))


def test_what_was_recorded_without_a_hole_is_recorded():
    assert told(3, [span(-10, 70), span(70, 200)]) == [R, R, R]


def test_where_two_files_meet_a_trifle_is_borne():
    assert told(2, [span(0, 30), span(30.3, 120)]) == [R, R]


def test_nothing_at_all_is_unexplained():
    assert told(2) == [X, X]


def test_a_pulled_plug_is_unexplained_whatever_the_recorder_calls_it():
    for kind in set(GapKind) - {GapKind.DISABLED, GapKind.EXPIRED}:
        assert told(3, [span(0, 180)], [gap(60, 120, kind)]) == [R, X, R], kind


def test_what_the_cameras_own_memory_held_is_a_state_of_its_own_and_never_recorded():
    dark = ([span(0, 180)], [gap(60, 120)])
    assert told(3, *dark, fetched=[span(60, 120)]) == [R, F, R]
    assert told(3, *dark, fetched=[span(60, 118)]) == [R, F, R], "two seconds are borne"
    assert told(3, *dark, fetched=[span(60, 100)]) == [R, X, R], "the card had not all of it"
    assert told(3, *dark, fetched=[span(0, 180)], explained=[span(60, 120)]) == [R, F, R]
    assert told(3, [span(0, 180)], [], fetched=[span(60, 120)]) == [R, R, R], "what was recorded stays recorded"
    assert told(3, *dark, [span(60, 120)], fetched=[span(60, 120)]) == [R, M, R]


def test_a_gap_that_lasts_reaches_to_the_end():
    assert told(3, [span(0, None)], [gap(60, None)]) == [R, X, X]


def test_a_few_lost_packets_are_partly():
    assert told(1, [span(0, 60)], [gap(1, 2, GapKind.LOSS), gap(30, 33.9, GapKind.LOSS)]) == [P]


def test_many_short_gaps_of_one_minute_are_not_borne():
    assert told(1, [span(0, 60)], [gap(n * 10, n * 10 + 1.1) for n in range(5)]) == [X]


def test_a_gap_over_a_minutes_end_is_not_borne_as_two_short_ones():
    assert told(2, [span(0, 120)], [gap(56, 64)]) == [X, P]
    assert told(2, [span(0, 120)], [gap(57, 65)]) == [P, X]


def test_a_minute_that_was_switched_off_with_a_reason_is_maintenance():
    assert told(3, [span(0, 60), span(120, 180)], [gap(60, 120, GapKind.DISABLED)]) == [R, M, R]
    assert told(3, [span(0, 60), span(120, 180)], [gap(60, 120)], [span(60, 120)]) == [R, M, R]


def test_maintenance_excuses_no_second_beyond_its_own():
    assert told(3, [span(0, 60)], [gap(60, 180)], [span(60, 120)]) == [R, M, X]
    assert told(1, [], [], [span(0, 54)]) == [X]


def test_an_explanation_afterwards_is_told_apart_from_maintenance():
    assert told(2, [], [gap(0, 120)], [span(0, 60)], explained=[span(60, 120)]) == [M, E]


def test_what_retention_took_is_expired():
    assert told(2, [span(60, 120)], [gap(0, 60, GapKind.EXPIRED)]) == [D, R]


def test_a_recorded_minute_under_a_mask_is_masked():
    assert told(2, [span(0, 120)], masked=[span(0, 60)]) == [K, R]


def test_a_mask_over_part_of_a_minute_hides_no_minute():
    assert told(1, [span(0, 60)], masked=[span(0, 50)]) == [R]


def test_minutes_before_the_camera_was_known_and_after_the_recorders_last_word_are_unknown():
    assert told(4, [span(0, 180)], known=at(60), told=at(180)) == [U, R, R, U]


def test_a_camera_answers_from_the_second_in_which_it_was_entered():
    assert told(2, [], known=at(90)) == [U, X]
    assert told(2, [span(91, 120)], known=at(90)) == [U, P]
    assert told(2, [span(90.2, 120)], known=at(90)) == [U, R]
    assert told(2, [span(98, 120)], known=at(90)) == [U, X]


def test_minutes_begin_at_minutes_and_end_within_reason():
    with pytest.raises(Refused):
        minutes(Instant(T + 1), Instant(T + MINUTE), (), ())
    with pytest.raises(Refused):
        minutes(T, Instant(T + 500 * 24 * HOUR), (), ())
    with pytest.raises(Refused):
        minutes(T, Instant(T - MINUTE), (), ())


def test_hours_hold_sixty_minutes_each():
    hour = Instant(T - T % HOUR)
    began = Instant(hour + 58 * MINUTE)
    found = hours(began, bytes([R, X, P]))
    assert found == {
        hour: bytes(58) + bytes([R, X]),
        Instant(hour + HOUR): bytes([P]) + bytes(59),
    }


def test_runs_are_the_minutes_that_follow_each_other():
    assert runs(T, bytes([X, X, R, X]), X) == [span(0, 120), span(180, 240)]
    assert runs(T, b"", X) == []


def test_what_is_recorded_counts_once_and_not_where_a_gap_is():
    segments = [span(-5, 10), span(5, 20), span(50, None)]
    assert recorded(at(0), at(60), segments, []) == 30 * SECOND
    assert recorded(at(0), at(60), segments, [gap(5, 15), gap(18, 55)]) == 13 * SECOND
    assert recorded(at(0), at(60), segments, [gap(5, None)]) == 5 * SECOND
    assert TRIFLE < BEARABLE
