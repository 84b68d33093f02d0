"""What a camera tells of itself: what of it is new, what is over, and what is nothing."""

from hypothesis import given
from hypothesis import strategies as st

from saqtau.devices.onvif.events import read
from saqtau.video.told import SOURCES, Change, Heard, Word, changes, clock_set, silent

_words = st.sampled_from([Word.TAMPER, Word.SIGNAL, Word.INPUT])
_heard = st.builds(Heard, _words, st.booleans(), st.sampled_from(["", "a", "b"]))


def message(topic, operation="Changed", source=None, **data):
    return {"topic": topic, "property_operation": operation, "source": source or {}, "data": data}


def test_a_camera_that_says_it_is_covered_is_heard_whatever_its_maker_calls_the_name_space():
    for topic in ("tns1:VideoSource/GlobalSceneChange/ImagingService", "x:VideoSource/x:GlobalSceneChange/y:Analytics"):
        told = read(message(topic, source={"Source": "video 1"}, State="true"))
        assert told == Heard(Word.TAMPER, on=True, source="GlobalSceneChange.video-1")
    assert read(message("tns1:RuleEngine/TamperDetector/Tamper", IsTamper="1")).word is Word.TAMPER
    assert read(message("tns1:VideoSource/SignalLoss", source={"S": "in3"}, State="false")) == Heard(
        Word.SIGNAL, on=False, source="in3"
    )
    assert read(message("tns1:Device/Trigger/DigitalInput", source={"T": "2"}, LogicalState="true")) == Heard(
        Word.INPUT, on=True, source="2"
    )


def test_a_state_that_the_device_takes_away_is_over():
    assert read(message("tns1:VideoSource/SignalLoss", "Deleted", State="true")) == Heard(Word.SIGNAL, on=False)


def test_motion_and_what_is_no_state_are_nothing():
    assert read(message("tns1:VideoSource/MotionAlarm", State="true")) is None
    assert read(message("tns1:VideoSource/SignalLoss", State="perhaps")) is None
    assert read(message("tns1:VideoSource/SignalLoss", Other="true")) is None
    assert read({}) is None


@given(
    st.dictionaries(
        st.sampled_from(["topic", "data", "source", "property_operation"]),
        st.text() | st.none() | st.dictionaries(st.text(), st.text(), max_size=3),
    )
)
def test_whatever_a_device_says_is_read_or_left_out(told):
    found = read({"topic": "tns1:VideoSource/SignalLoss", **told})
    assert found is None or len(found.source) <= 60


@given(st.lists(_heard, max_size=30), st.sets(st.tuples(_words, st.sampled_from(["", "a", "b"]))))
def test_after_all_changes_the_states_are_what_was_said_last(heard, open_):
    now = set(open_)
    for one in changes(open_, heard):
        key = (one.word, one.source)
        assert (key in now) != one.on, "a change changes something"
        now = now | {key} if one.on else now - {key}
    last = {(one.word, one.source): one.on for one in heard}
    assert {key for key, on in last.items() if on} <= now
    assert not {key for key, on in last.items() if not on} & now
    assert {key for key in open_ if key not in last} <= now


def test_a_device_cannot_have_more_sources_than_anybody_reads():
    heard = [Heard(Word.INPUT, on=True, source=str(number)) for number in range(100)]
    assert len(changes(set(), heard)) == SOURCES


def test_a_state_of_which_a_camera_that_was_asked_says_nothing_is_over_and_nobody_said_so():
    open_ = {(Word.TAMPER, "a"): 5, (Word.SIGNAL, ""): 6}
    assert silent(open_, {(Word.SIGNAL, "")}) == [Change(Word.TAMPER, on=False, source="a", confirmed=False)]


def test_a_clock_that_was_set_is_told_from_one_that_tells_whole_seconds():
    assert clock_set(None, 90_000) is None
    assert clock_set(-400, 900) is None
    assert clock_set(900, None) is None
    assert clock_set(-400, 3_600_000) == Change(Word.CLOCK, on=True, moved=3_600_400)
