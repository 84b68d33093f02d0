"""What of the recordings goes, and what never does."""

from hypothesis import given
from hypothesis import strategies as st

from saqtau.kernel.clock import DAY, HOUR, Instant
from saqtau.video.retention import Held, Stored, Why, plan

NOW = Instant(1_790_000_000_000)


def stored(camera, age_days, number=1, size=100, length=HOUR):
    ended = Instant(NOW - round(age_days * DAY))
    return Stored(camera, number, number, Instant(ended - length), ended, size, bytes(32), f"{camera}/{number}")


def test_what_is_past_its_days_goes_and_what_is_not_stays():
    old, young = stored("a", 30.1, 1), stored("a", 29.9, 2)
    assert [(one.segment, one.why) for one in plan([young, old], NOW, {"a": 30}, [])] == [(old, Why.TERM)]


def test_a_hold_wins_over_term_and_room():
    old = stored("a", 90)
    hold = Held("a", Instant(old.ended - 1), Instant(old.ended + HOUR))
    assert plan([old], NOW, {"a": 30}, [hold], excess=10**9) == []


def test_a_hold_of_another_camera_or_another_hour_keeps_nothing():
    old = stored("a", 90)
    holds = [Held("b", old.began, old.ended), Held("a", Instant(old.ended + 1), Instant(old.ended + 2))]
    assert len(plan([old], NOW, {"a": 30}, holds)) == 1


def test_without_room_the_nearest_to_its_term_goes_first_not_the_oldest():
    colony, street = stored("colony", 60), stored("street", 29)
    gone = plan([colony, street], NOW, {"colony": 90, "street": 30}, [], excess=1)
    assert [(one.segment.camera, one.why) for one in gone] == [("street", Why.ROOM)]


def test_no_more_goes_than_there_must():
    segments = [stored("a", age, number, size=100) for number, age in enumerate((5, 4, 3, 2, 1))]
    assert [one.segment.first for one in plan(segments, NOW, {"a": 30}, [], excess=150)] == [0, 1]
    assert plan(segments, NOW, {"a": 30}, [], excess=0) == []


def test_a_camera_that_nobody_knows_is_kept():
    assert plan([stored("stranger", 9999)], NOW, {}, [], excess=10**9) == []


CAMERAS = st.sampled_from(["a", "b", "c"])
SEGMENTS = st.lists(
    st.builds(
        stored,
        CAMERAS,
        st.floats(0, 200),
        st.integers(1, 10**6),
        st.integers(1, 1000),
        st.integers(1, 10 * HOUR),
    ),
    max_size=40,
)
HOLDS = st.lists(
    st.tuples(CAMERAS, st.floats(0, 200), st.floats(0, 20)).map(
        lambda found: Held(
            found[0], Instant(NOW - round(found[1] * DAY)), Instant(NOW - round((found[1] - found[2]) * DAY))
        )
    ),
    max_size=6,
)


@given(SEGMENTS, HOLDS, st.integers(0, 50_000), st.dictionaries(CAMERAS, st.integers(1, 100)))
def test_no_hold_is_ever_broken_and_room_is_made_where_it_may_be(segments, holds, excess, keep):
    gone = plan(segments, NOW, keep, holds, excess)
    ids = [id(one.segment) for one in gone]
    assert len(ids) == len(set(ids))
    for one in gone:
        segment = one.segment
        for hold in holds:
            assert hold.camera != segment.camera or hold.ended < segment.began or segment.ended < hold.began
        if one.why is Why.TERM:
            assert segment.ended + keep[segment.camera] * DAY < NOW
    term = sum(one.segment.size for one in gone if one.why is Why.TERM)
    room = [one.segment.size for one in gone if one.why is Why.ROOM]
    if room:
        assert term + sum(room[:-1]) < excess  # the last one was needed
    left = [one for one in segments if id(one) not in ids]
    deletable = [one for one in left if one.camera in keep and plan([one], NOW, {one.camera: 1}, holds, 1) != []]
    assert term + sum(room) >= excess or deletable == []
    for one in left:
        if one in deletable:
            assert one.ended + keep[one.camera] * DAY >= NOW  # whatever is past its days and free has gone
