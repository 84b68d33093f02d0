"""Positions that cannot be true are flagged, none is dropped."""

import pytest

from saqtau.devices.track import Track, Tracks, clock_is_off, flag, follow, metres_between
from saqtau.kernel.clock import Instant
from saqtau.kernel.signal import Flag, Position

NOW = Instant(1_795_165_387_000)


def at(seconds=0.0, *, seq=1, lat=43.25, lon=76.9, held=0.0, **more):
    moment = Instant(NOW + round(seconds * 1000))
    return Position("u", "d", seq, moment, Instant(moment + round(held * 1000)), lat, lon, **more)


def flags(position, last=None, *, off_road=None, since=None, numbered=True, clock_off=False):
    return flag(position, Track(last, since, numbered), off_road, clock_off=clock_off)


def test_a_first_plausible_position_has_no_flag():
    assert flags(at()) == ()


def test_a_position_the_device_calls_simulated_is_marked():
    assert flags(at(flags=(Flag.MOCK,))) == (Flag.MOCK,)


@pytest.mark.parametrize(("degrees", "expected"), [(0.0006, ()), (0.0007, (Flag.JUMP,))])
def test_faster_than_seventy_metres_a_second_is_a_jump(degrees, expected):
    assert flags(at(1, seq=2, lat=43.25 + degrees), at()) == expected


def test_two_fixes_within_a_second_are_judged_by_a_whole_second():
    assert flags(at(0.1, seq=2, lat=43.25 + 0.0005), at()) == ()


def test_a_clock_ahead_of_ours_is_wrong_at_once():
    assert not clock_is_off(Track(), Instant(NOW + 30_000), NOW)
    assert clock_is_off(Track(), Instant(NOW + 30_001), NOW)


def test_a_device_that_sends_what_it_stored_is_told_from_a_slow_clock_by_coming_nearer():
    behind = Instant(NOW - 600_000)
    assert not clock_is_off(Track(), behind, NOW)
    assert not clock_is_off(Track(lag=2_000), behind, NOW)
    assert not clock_is_off(Track(lag=650_000), behind, NOW)
    assert clock_is_off(Track(lag=600_500), behind, NOW)
    assert clock_is_off(Track(lag=599_000), behind, NOW)


def test_a_wrong_clock_is_marked_and_nothing_is_said_about_lateness():
    assert flags(at(held=90), clock_off=True) == (Flag.CLOCK,)


def test_a_position_held_back_for_more_than_thirty_seconds_was_sent_later():
    assert flags(at(held=30)) == ()
    assert flags(at(held=31)) == (Flag.REPLAYED,)
    track, _ = follow(Track(at()), at(5, seq=2, held=600), None)
    assert track.last.seq == 2


def test_accuracy_worse_than_a_hundred_metres_is_coarse():
    assert flags(at(accuracy=100.0)) == ()
    assert flags(at(accuracy=101.0)) == (Flag.COARSE,)


def test_a_position_older_than_the_last_is_replayed_and_not_judged_as_a_jump():
    assert flags(at(-5, seq=1, lat=50.0), at(seq=9)) == (Flag.REPLAYED,)


def test_a_hole_in_the_numbers_is_a_gap():
    assert flags(at(1, seq=2), at(seq=1)) == ()
    assert flags(at(1, seq=3), at(seq=1)) == (Flag.GAP,)
    assert flags(at(1, seq=1), at(seq=7)) == (Flag.GAP,)  # the device began to count anew
    assert flags(at(1, seq=3), at(seq=1), numbered=False) == ()


def test_driving_off_every_road_for_more_than_a_minute_is_marked():
    track, seen = Track(), []
    for second in range(0, 90, 10):
        position = at(second, seq=second // 10, speed=40.0)
        track, flagged = follow(track, position, 80.0)
        seen.append(flagged.flags)
    assert seen == [()] * 7 + [(Flag.OFF_ROAD,)] * 2


def test_standing_in_a_yard_or_touching_a_road_starts_the_minute_anew():
    for speed, metres in ((0.0, 80.0), (40.0, 10.0), (40.0, None)):
        track, _ = follow(Track(at(), Instant(NOW - 120_000)), at(1, seq=2, speed=speed), metres)
        assert track.off_road_since is None


def test_movement_is_told_from_two_fixes_when_the_device_gives_no_speed():
    moved, _ = follow(Track(at()), at(10, seq=2, lat=43.251), 80.0)
    stood, _ = follow(Track(at()), at(10, seq=2), 80.0)
    assert (moved.off_road_since, stood.off_road_since) == (NOW + 10_000, None)


def test_an_older_position_moves_no_track():
    track = Track(at(seq=9))
    after, flagged = follow(track, at(-5, seq=3), None)
    assert (after, flagged.flags) == (track, (Flag.REPLAYED,))


def test_a_degree_is_shorter_in_the_north_and_the_date_line_is_no_jump():
    assert metres_between(at(lat=0.0, lon=0.0), at(lat=0.0, lon=0.01)) == pytest.approx(1112, abs=1)
    assert metres_between(at(lat=60.0, lon=0.0), at(lat=60.0, lon=0.01)) == pytest.approx(556, abs=1)
    assert metres_between(at(lat=0.0, lon=179.995), at(lat=0.0, lon=-179.995)) == pytest.approx(1112, abs=1)


def test_only_so_many_tracks_are_remembered_and_a_later_one_stays():
    tracks = Tracks(most=2)
    for name in "abc":
        tracks.put(name, Track(at(5)))
    assert [tracks.of(name).last is None for name in "abc"] == [True, False, False]
    tracks.put("c", Track(at(1)))
    assert tracks.of("c").last.at == NOW + 5000
