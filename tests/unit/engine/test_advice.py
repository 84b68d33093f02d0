"""Who is recommended for a read: who lies ahead and may be sent, in what order, and why the others not."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.roads.drawn import FREE, LAT, LON, degrees, draw

from saqtau.engine.advice import LATEST, OFFERED, STALE, advise
from saqtau.engine.atlas import Atlas, Fix, Whereabouts
from saqtau.kernel.clock import Instant
from saqtau.kernel.register import Camera
from saqtau.kernel.signal import PlateRead, Shortfall
from saqtau.roads.snap import snap, snapper
from saqtau.roads.tree import Trees

NOW = Instant(1_790_000_000_000)
LIMIT = 60.0
AVAILABLE = {f"u{n}": "available" for n in range(20)}


def made(drawing):
    return Atlas(drawing.graph, snapper(drawing.graph), Trees(drawing.graph))


@pytest.fixture(scope="module")
def street():
    """One street to the east, 4 km of 36 km/h, without a side street."""
    drawing = draw({0: (0.0, 0.0), 1: (4000.0, 0.0)}, (0, 1))
    return drawing, made(drawing)


def going_east(drawing, x):
    """A camera so many metres from the street's west end, of the lane to the east."""
    return drawing.on(0, 1, x / 4000)


@pytest.fixture(scope="module")
def fork():
    """From the west (1) to a crossing (0), on to the east (2) or the north (4); from the south (3) one comes too."""
    where = {0: (0.0, 0.0), 1: (-600.0, 0.0), 2: (1500.0, 0.0), 3: (0.0, -600.0), 4: (0.0, 1500.0)}
    drawing = draw(where, (1, 0), (0, 2), (3, 0), (0, 4), costs=FREE)
    return drawing, made(drawing)


def fix(atlas, unit, x, y=0.0, *, age=0.0, heading=None, speed=0.0, received=True):
    lat, lon = degrees(x, y)
    found = snap(atlas.roads, np.array([lat]), np.array([lon]), np.array([np.nan if heading is None else heading]))
    at = Instant(NOW - round(age * 1000))
    return Fix(
        unit, lon, lat, heading, "A", at, (), 2, int(found.edge[0]), float(found.fraction[0]), speed,
        at if received else Instant(0),
    )  # fmt: skip


def units(atlas, *fixes):
    seen = Whereabouts(atlas)
    seen.see(fixes)
    return seen.now()


def read(**more):
    given = {"at": NOW, "received": NOW, "speed": None, **more}
    return PlateRead("r", "c", plate="777AAA02", raw="777AAA02", **given)


CAMERA = Camera("c", "s", "C", 2, LAT, LON, 90.0, LIMIT)


def asked(atlas, place, field, *, statuses=AVAILABLE, earlier=None, now=NOW, **more):
    return advise(read(**more), CAMERA, place, earlier, atlas, field, statuses, now)


def names(advice):
    return [one.unit for one in advice.recommendation.candidates]


def test_the_unit_ahead_is_recommended_and_never_the_one_behind(street):
    drawing, atlas = street
    found = asked(atlas, going_east(drawing, 1000), units(atlas, fix(atlas, "u1", 2000), fix(atlas, "u2", 200)))
    assert names(found) == ["u1"]
    (one,) = found.recommendation.candidates
    assert 0.47 <= one.probability <= 1.0
    assert one.seconds == pytest.approx(100, abs=40)  # a kilometre at 36 km/h, within reach before
    assert found.recommendation.shortfalls == ()
    assert "u2" not in found.recommendation.passed_over


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 3900), st.booleans()), min_size=1, max_size=12))
def test_no_unit_that_the_vehicle_has_left_behind_is_ever_named(street, placed):
    drawing, atlas = street
    field = units(atlas, *(fix(atlas, f"u{n}", x) for n, (x, _) in enumerate(placed)))
    statuses = {f"u{n}": "available" if free else "busy" for n, (_, free) in enumerate(placed)}
    found = asked(atlas, going_east(drawing, 2000), field, statuses=statuses)
    for n, (x, free) in enumerate(placed):
        if x < 2000 - 310:
            assert f"u{n}" not in names(found)
            assert f"u{n}" not in found.recommendation.passed_over
        if not free:
            assert f"u{n}" not in names(found)
    chances = [one.probability for one in found.recommendation.candidates]
    assert chances == sorted(chances, reverse=True)
    assert len(chances) <= OFFERED


def test_with_nobody_ahead_it_says_so(street):
    drawing, atlas = street
    found = asked(atlas, going_east(drawing, 2200), units(atlas, fix(atlas, "u1", 200)))
    assert names(found) == []
    assert found.recommendation.shortfalls == (Shortfall.NO_UNIT_AHEAD,)
    assert found.band, "where the vehicle goes is told all the same"


def test_with_no_unit_at_all_it_says_so(street):
    drawing, atlas = street
    assert asked(atlas, going_east(drawing, 2200), units(atlas)).recommendation.shortfalls == (Shortfall.NO_UNIT_AHEAD,)


@pytest.mark.parametrize(
    ("status", "age", "why"),
    [
        ("off_duty", 0, Shortfall.OFF_DUTY),
        (None, 0, Shortfall.OFF_DUTY),
        ("busy", 0, Shortfall.BUSY),
        ("reserved", 0, Shortfall.BUSY),
        ("en_route", 0, Shortfall.BUSY),
        ("at_scene", 0, Shortfall.BUSY),
        ("available", STALE + 1, Shortfall.STALE_POSITION),
    ],
)
def test_who_cannot_be_sent_is_passed_over_with_the_reason(street, status, age, why):
    drawing, atlas = street
    field = units(atlas, fix(atlas, "u1", 2000, age=age), fix(atlas, "u2", 2300))
    found = asked(atlas, going_east(drawing, 1000), field, statuses={"u1": status, "u2": "available"} if status else
                  {"u2": "available"})  # fmt: skip
    assert names(found) == ["u2"]
    assert found.recommendation.passed_over == {"u1": why}


def test_a_position_just_young_enough_counts_and_its_age_is_told(street):
    drawing, atlas = street
    found = asked(atlas, going_east(drawing, 1000), units(atlas, fix(atlas, "u1", 2000, age=STALE)))
    assert [(one.unit, one.stale) for one in found.recommendation.candidates] == [("u1", STALE)]


def test_a_tablet_whose_clock_is_behind_is_not_stale_when_we_have_just_heard_it(street):
    drawing, atlas = street
    slow = msgspec.structs.replace(fix(atlas, "u1", 2000), at=Instant(NOW - 3_600_000))
    assert names(asked(atlas, going_east(drawing, 1000), units(atlas, slow))) == ["u1"]


def test_the_reasons_are_told_too_when_nobody_is_left(street):
    drawing, atlas = street
    found = asked(atlas, going_east(drawing, 1000), units(atlas, fix(atlas, "u1", 2000)), statuses={"u1": "busy"})
    assert found.recommendation.passed_over == {"u1": Shortfall.BUSY}
    assert found.recommendation.shortfalls == (Shortfall.NO_UNIT_AHEAD,)


def test_without_a_map_or_a_place_it_says_that_there_is_none(street):
    drawing, atlas = street
    field = units(atlas, fix(atlas, "u1", 2000))
    place = going_east(drawing, 1000)
    for where, ground, who in ((None, atlas, field), (place, None, field), (place, atlas, None)):
        found = advise(read(), CAMERA, where, None, ground, who, AVAILABLE, NOW)
        assert found.recommendation.shortfalls == (Shortfall.NO_MAP,)
        assert found.band == []


def test_the_more_probable_comes_first(fork):
    drawing, atlas = fork
    field = units(atlas, fix(atlas, "u1", 700), fix(atlas, "u2", -300))
    found = asked(atlas, drawing.on(1, 0, 0.1), field)
    assert names(found)[0] == "u2"  # on the only way; the other stands beyond the crossing


def test_an_earlier_read_changes_who_lies_ahead():
    """Two arms, as likely as each other; but who came from the west had a shorter way (0, 3) to the northern one."""
    where = {
        0: (-500.0, 0.0), 1: (0.0, 0.0), 2: (500.0, 0.0), 3: (500.0, 800.0), 4: (500.0, 1600.0), 5: (500.0, -800.0),
        6: (500.0, -1600.0), 7: (-900.0, 0.0), 8: (0.0, -100.0),
    }  # fmt: skip
    drawing = draw(where, (7, 0), (0, 1), (1, 2), (2, 3), (3, 4), (2, 5), (5, 6), (0, 3), (1, 8), costs=FREE)
    atlas = made(drawing)
    field = units(atlas, fix(atlas, "u1", 500, 1000), fix(atlas, "u2", 500, -1000))
    place = drawing.on(1, 2, 0.1)
    alone, known = asked(atlas, place, field), asked(atlas, place, field, earlier=drawing.on(7, 0, 0.1))
    before, after = ({one.unit: one.probability for one in found.recommendation.candidates} for found in (alone, known))
    assert after["u2"] > before.get("u2", 0.0) + 0.1
    assert after.get("u1", 0.0) < before["u1"] - 0.1
    assert names(known)[0] == "u2"


def test_a_read_that_took_long_to_come_looks_further_ahead(street):
    """The vehicle is gone from the first unit by now."""
    drawing, atlas = street
    field = units(atlas, *(fix(atlas, unit, x, age=-100.0) for unit, x in (("u1", 1300), ("u2", 2500))))
    fresh = asked(atlas, going_east(drawing, 800), field)
    late = asked(atlas, going_east(drawing, 800), field, now=Instant(NOW + 100_000))
    assert names(fresh)[0] == "u1"
    assert "u1" not in names(late)
    assert "u2" in names(late)


def test_a_camera_whose_clock_runs_ahead_does_not_break_it(street):
    drawing, atlas = street
    ahead = asked(atlas, going_east(drawing, 1000), units(atlas, fix(atlas, "u1", 2000)), at=Instant(NOW + 10**9))
    assert names(ahead) == ["u1"]


@pytest.mark.parametrize("at", [-(2**62), -1, 0, 2**62])
def test_whatever_a_cameras_clock_says_an_answer_comes(street, at):
    drawing, atlas = street
    found = asked(atlas, going_east(drawing, 1000), units(atlas, fix(atlas, "u1", 2000)), at=Instant(at))
    assert found.recommendation.candidates or found.recommendation.shortfalls


def test_who_drives_faster_is_expected_sooner(street):
    drawing, atlas = street
    field = units(atlas, fix(atlas, "u1", 2500))
    slow = asked(atlas, going_east(drawing, 800), field, speed=60.0).recommendation.candidates[0]
    fast = asked(atlas, going_east(drawing, 800), field, speed=90.0).recommendation.candidates[0]
    assert fast.seconds == pytest.approx(slow.seconds / 1.5, rel=0.15)


@pytest.mark.parametrize("speed", [0.0, 1e9, float("inf")])
def test_an_absurd_speed_is_taken_as_a_likely_one(street, speed):
    drawing, atlas = street
    found = asked(atlas, going_east(drawing, 1000), units(atlas, fix(atlas, "u1", 2000)), speed=speed)
    assert names(found) == ["u1"]
    assert all(np.isfinite(second) for _, second, _ in found.band)


def test_the_streets_of_the_band_lie_on_the_map_most_likely_first_and_within_the_window(street):
    drawing, atlas = street
    found = asked(atlas, going_east(drawing, 1000), units(atlas, fix(atlas, "u1", 2000)))
    south, west = degrees(0, -1)
    north, east = degrees(4000, 1)
    chances = [chance for chance, _, _ in found.band]
    assert chances == sorted(chances, reverse=True)
    for chance, seconds, line in found.band:
        assert 0 < chance <= 1
        assert 0 <= seconds <= LATEST
        assert len(line) >= 4
        assert len(line) % 2 == 0
        assert all(west - 1e-4 <= lon <= east + 1e-4 for lon in line[::2])
        assert all(south - 1e-4 <= lat <= north + 1e-4 for lat in line[1::2])
    assert msgspec.json.decode(msgspec.json.encode(found.band)) == found.band


def test_the_same_question_has_the_same_answer(street):
    drawing, atlas = street
    field = units(atlas, *(fix(atlas, f"u{n}", 2000 + n) for n in range(10)))
    answers = [asked(atlas, going_east(drawing, 1000), field) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(names(answers[0])) == OFFERED
