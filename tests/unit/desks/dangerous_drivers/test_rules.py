"""What founds an alert: the list in force, a certified speed, a certain average, and what a person looks at first."""

from datetime import UTC, datetime

import pytest

from saqtau.desks.dangerous_drivers.rules import (
    Doubt,
    Earlier,
    Limits,
    SectionSpeed,
    assess,
    certificate_gap,
    is_late,
)
from saqtau.kernel.clock import DAY, SECOND, Instant
from saqtau.kernel.register import Camera, Certificate, Ground, ListedVehicle
from saqtau.kernel.signal import PlateRead, Trust

NOW = Instant(1_764_000_000_000)
LIMITS = Limits(tolerance=10.0, dangerous=40.0)
VALID = Certificate("KZ-1", Instant(NOW - DAY), Instant(NOW + DAY))
EXPIRED = Certificate("KZ-0", Instant(NOW - 2 * DAY), Instant(NOW - DAY))
FUTURE = Certificate("KZ-2", Instant(NOW + 1), Instant(NOW + DAY))


def camera(code="0417", *, limit=60.0, certificate=VALID, region=2):
    return Camera(code, "s", code, region, 43.2, 76.9, 0.0, limit, certificate)


def read(*, speed=None, trust=Trust.SURE, at=NOW, received=NOW, plate="777AAA02"):
    return PlateRead("r1", "0417", at, received, plate, plate, trust, speed=speed)


def listed(ground=Ground.WANTED, *, region=None, expires=Instant(NOW + DAY), plate="777AAA02"):  # noqa: B008 - an int
    return ListedVehicle(plate, ground, "Police of Almaty", "case 12-34", expires, region)


def judge(one=None, *entries, place=None, earlier=None, section=None, **more):
    return assess(one or read(), place or camera(), entries, earlier, section, NOW, LIMITS, **more)


def grounds(finding):
    return [] if finding is None else [cause.ground for cause in finding.causes]


@pytest.mark.parametrize("ground", Ground)
def test_every_ground_of_the_list_founds_an_alert_with_its_authority_and_expiry(ground):
    cause = judge(None, listed(ground)).causes[0]
    assert (cause.ground, cause.authority, cause.basis) == (ground, "Police of Almaty", "case 12-34")
    assert cause.expires == NOW + DAY


def test_an_expired_entry_founds_nothing_whatever_the_cameras_clock_says():
    old = Instant(NOW - 100 * DAY)
    assert judge(read(at=old), listed(expires=NOW)) is None


@pytest.mark.parametrize(("region", "found"), [(None, True), (2, True), (3, False)])
def test_an_entry_holds_in_its_region(region, found):
    assert (judge(None, listed(region=region)) is not None) is found


@pytest.mark.parametrize(
    ("speed", "found"),
    [(None, False), (60.0, False), (70.0, False), (70.1, True), (float("inf"), False), (float("nan"), False)],
)
def test_a_speed_counts_above_limit_and_tolerance_only(speed, found):
    assert (judge(read(speed=speed)) is not None) is found


@pytest.mark.parametrize("certificate", [None, EXPIRED, FUTURE])
def test_a_camera_without_a_valid_certificate_founds_no_speed(certificate):
    assert judge(read(speed=160.0), place=camera(certificate=certificate)) is None


def test_the_list_needs_no_certificate():
    assert judge(read(speed=160.0), listed(), place=camera(certificate=EXPIRED)).causes[0].speed is None


def day(at):
    return datetime.fromtimestamp(at / SECOND, UTC).date().isoformat()


@pytest.mark.parametrize(
    ("certificate", "text"),
    [
        (VALID, None),
        (None, "camera 0417 has no calibration certificate; reads are stored but cannot open a traffic case"),
        (
            EXPIRED,
            "camera 0417: calibration certificate expired 2025-11-23; reads are stored but cannot open a traffic case",
        ),
        (
            FUTURE,
            (
                "camera 0417: calibration certificate holds only from 2025-11-24; "
                "reads are stored but cannot open a traffic case"
            ),
        ),
    ],
)
def test_why_a_camera_founds_nothing_is_said_in_a_sentence(certificate, text):
    assert certificate_gap(camera(certificate=certificate), NOW, day) == text


@pytest.mark.parametrize(("speed", "priority"), [(80.0, 4), (100.0, 4), (100.1, 2)])
def test_a_dangerous_speed_is_urgent(speed, priority):
    assert judge(read(speed=speed)).priority == priority


def test_the_weightiest_cause_comes_first():
    finding = judge(read(speed=80.0), listed(Ground.FORGED_PLATES), listed(Ground.STOLEN))
    assert grounds(finding) == ["stolen", "forged_plates", "speed"]
    assert finding.priority == 2


def before(seconds=60, *, trust=Trust.SURE, **place):
    return Earlier(camera("0300", **place), Instant(NOW - seconds * SECOND), trust)


SECTION = SectionSpeed(101.0, 1700.0, 60.0)


def test_an_average_is_measured_against_the_higher_limit():
    assert grounds(judge(earlier=before(), section=SECTION)) == ["section_speed"]
    assert judge(earlier=before(limit=100.0), section=SECTION) is None
    assert judge(earlier=before(), section=SECTION, place=camera(limit=100.0)) is None


@pytest.mark.parametrize("certificate", [None, EXPIRED, FUTURE])
def test_both_cameras_of_an_average_are_certified_at_their_read(certificate):
    assert judge(earlier=before(certificate=certificate), section=SECTION) is None
    assert judge(earlier=before(), section=SECTION, place=camera(certificate=certificate)) is None


def test_a_certificate_that_ended_between_the_reads_covers_the_first_one():
    ended = Certificate("KZ-9", Instant(NOW - DAY), Instant(NOW - 30 * SECOND))
    assert grounds(judge(earlier=before(60, certificate=ended), section=SECTION)) == ["section_speed"]
    assert judge(earlier=before(20, certificate=ended), section=SECTION) is None


def test_a_doubtful_first_read_makes_no_average():
    assert judge(earlier=before(trust=Trust.DOUBTFUL), section=SECTION) is None


def test_an_average_no_vehicle_reaches_is_not_taken_for_one():
    assert judge(earlier=before(), section=SectionSpeed(251.0, 4200.0, 60.0)) is None


def test_a_measurement_no_vehicle_reaches_is_looked_at_first():
    assert judge(read(speed=300.0)).doubts == (Doubt.ABSURD_SPEED,)


def test_a_doubtful_read_is_looked_at_first():
    assert judge(read(trust=Trust.DOUBTFUL), listed()).doubts == (Doubt.DOUBTFUL_READ,)
    assert judge(read(trust=Trust.DOUBTFUL, speed=120.0)).doubts == (Doubt.DOUBTFUL_READ,)


def test_a_plate_near_the_urgent_list_is_shown_under_the_listed_plate():
    finding = judge(read(plate="777AAAO2"), near=(listed(),))
    assert (finding.plate, finding.doubts) == ("777AAA02", (Doubt.NEAR_URGENT,))


def test_what_is_near_is_not_looked_at_when_the_plate_itself_founds_something():
    finding = judge(read(speed=120.0), near=(listed(plate="777AAAO2"),))
    assert (grounds(finding), finding.doubts) == (["speed"], ())


def test_a_near_entry_that_has_expired_is_nothing():
    assert judge(read(plate="777AAAO2"), near=(listed(expires=NOW),)) is None


def test_of_two_near_plates_the_causes_are_not_mixed():
    finding = judge(None, near=(listed(plate="777AAAO2"), listed(Ground.STOLEN, plate="777AAAD2")))
    assert (finding.plate, grounds(finding)) == ("777AAAO2", ["wanted"])


def test_at_an_impossible_pair_speed_is_nobodys_and_the_list_is_looked_at():
    assert judge(read(speed=150.0), earlier=before(), impossible=True) is None
    assert judge(None, listed(), earlier=before(), impossible=True).doubts == (Doubt.IMPOSSIBLE_PAIR,)


def test_a_late_read_tells_of_the_list_and_nothing_else():
    late = Instant(NOW - 181 * SECOND)
    assert judge(read(at=late, speed=150.0)) is None
    assert judge(read(at=late, received=late, trust=Trust.DOUBTFUL), listed()) is None
    assert judge(read(at=late), listed()).late


def test_a_camera_whose_clock_is_slow_still_shows_a_listed_vehicle_to_the_operator():
    finding = judge(read(at=Instant(NOW - 3600 * SECOND), received=NOW, trust=Trust.DOUBTFUL), listed())
    assert (finding.late, finding.doubts) == (False, (Doubt.DOUBTFUL_READ,))


def test_an_average_far_above_what_the_camera_measured_is_looked_at_first():
    fast = SectionSpeed(lower_kmh=210.0, metres=3000.0, seconds=51.0)
    assert judge(read(speed=56.0), earlier=before(), section=fast).doubts == (Doubt.ABSURD_SPEED,)
    assert judge(read(speed=190.0), earlier=before(), section=fast).doubts == ()


@pytest.mark.parametrize(
    ("at", "received", "late"),
    [
        (NOW, NOW, False),
        (NOW - 181_000, NOW, True),
        (NOW + 3_600_000, NOW, False),
        (NOW + 3_600_000, NOW - 181_000, True),
    ],
)
def test_a_clock_that_runs_ahead_makes_no_read_fresh(at, received, late):
    assert is_late(read(at=Instant(at), received=Instant(received)), NOW, LIMITS) is late
