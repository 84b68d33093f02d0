"""What a device tells of its recordings: read where it can be, left out where not, and the best of them chosen."""

from hypothesis import given
from hypothesis import strategies as st

from saqtau.devices.onvif.card import Stored, choose, stored_of

TOLD = {
    "RecordingToken": "R1", "Source": {"SourceId": "video_1"}, "RecordingStatus": "Stopped",
    "Track": {"TrackType": "Video", "DataFrom": "2026-11-24T10:00:00Z", "DataTo": "2026-11-24T11:00:00.5Z"},
}  # fmt: skip
_json = st.recursive(
    st.none() | st.text(max_size=8) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*TOLD, "TrackType", "x"]), inner),
    max_leaves=8,
)


def test_a_recording_is_read_with_its_source_and_time():
    assert list(stored_of(TOLD)) == [Stored("R1", "video_1", 1_795_514_400_000, 1_795_518_000_500)]
    (going,) = stored_of(TOLD | {"RecordingStatus": "Recording"})
    assert going.ended is None
    assert list(stored_of(TOLD | {"Track": {"TrackType": "Audio"}})) == []


@given(_json)
def test_whatever_a_device_tells_is_a_recording_or_nothing(told):
    for one in stored_of(told):
        assert 0 < len(one.token) <= 64


def test_the_one_that_holds_most_of_the_time_is_chosen():
    early, late = Stored("a", "v", 0, 100), Stored("b", "v", 90, None)
    assert choose([early, late], 80, 200) is late
    assert choose([early, late], 10, 95) is early
    assert choose([early], 100, 200) is None
