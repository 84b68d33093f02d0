"""The newest key picture of a file that grows."""

import pytest

from saqtau.kernel.errors import Kind, Refused
from saqtau.simulate.clip import scene, sound
from saqtau.video.access_unit import AccessUnit, AudioCodec, AudioFrame, Loss
from saqtau.video.fragment import Fragment, Fragmenter
from saqtau.video.keyframe import decode
from saqtau.video.latest import look_through, read_key
from saqtau.video.segment import SegmentWriter, scan

NOW = 1_790_000_000_000


def recorded(folder, count, *, heard=None, skew=0, start=NOW, loss=()):
    """Pictures of the yard into a file: the writer, and the fragments in it."""
    clip = scene("yard")
    parameters = clip.parameters
    if heard is not None:
        import msgspec

        parameters = msgspec.structs.replace(parameters, audio=heard.audio)
    writer, fragmenter = SegmentWriter(folder, "c", "street"), Fragmenter("c")
    written = []

    def take(unit):
        for link in fragmenter.take(unit):
            writer.append(link)
            if isinstance(link, Fragment):
                written.append(link)

    take(parameters)
    for number in range(count):
        at = start + number * 80
        where = number % len(clip.pictures)
        if number in loss:
            take(Loss(3, at))
        if heard is not None:
            take(AudioFrame(number * heard.samples, heard.payloads[number % len(heard.payloads)], at))
        take(AccessUnit(number * 7200, clip.keys[where], clip.pictures[where], at, at + skew))
    return writer, written


def keys(fragments):
    return [(one.at, one.data) for one in fragments if one.key]


@pytest.mark.parametrize("heard", [None, AudioCodec.PCMA])
def test_the_newest_two_are_those_a_scan_finds(tmp_path, heard):
    writer, fragments = recorded(tmp_path, 120, heard=heard and sound(heard))
    path = writer.segment().path
    place = look_through(path)
    assert place.end == scan(path, followed=False).end
    assert [read_key(place, n) for n in (0, 1)] == keys(fragments)[:-3:-1]
    with pytest.raises(Refused) as refused:
        read_key(place, 2)
    assert refused.value.kind is Kind.NOT_FOUND


def test_a_second_look_reads_on_and_finds_what_came(tmp_path):
    writer, fragments = recorded(tmp_path, 40)
    path = writer.segment().path
    early = look_through(path)
    later = path.read_bytes()
    assert look_through(path, early) == early
    with path.open("ab") as file:
        file.write(b"".join(one.data for one in fragments))
    place = look_through(path, early)
    assert place.end == len(later) + sum(len(one.data) for one in fragments)
    assert read_key(place)[1] == keys(fragments)[-1][1]
    assert place == look_through(path)


def test_a_torn_end_is_left_for_the_next_look(tmp_path):
    writer, fragments = recorded(tmp_path, 60)
    path = writer.segment().path
    whole = path.read_bytes()
    for less in range(1, len(fragments[-1].data) + 1, 997):
        path.write_bytes(whole[:-less])
        assert look_through(path).end == len(whole) - len(fragments[-1].data)


def test_gaps_between_are_stepped_over(tmp_path):
    writer, fragments = recorded(tmp_path, 90, loss=(20, 50))
    place = look_through(writer.segment().path)
    assert read_key(place)[1] == keys(fragments)[-1][1]


def test_the_picture_is_decoded_with_the_files_own_head(tmp_path):
    writer, _ = recorded(tmp_path, 40)
    place = look_through(writer.segment().path)
    assert decode(place.head, read_key(place)[1]).shape[2] == 3


@pytest.mark.parametrize("skew", [0, 7_000, -86_400_000])
def test_the_drift_of_the_sources_clock_is_told(tmp_path, skew):
    writer, _ = recorded(tmp_path, 30, skew=skew)
    assert look_through(writer.segment().path).drift_ms == pytest.approx(skew, abs=50)


def test_another_file_is_begun_anew_and_what_is_none_is_refused(tmp_path):
    writer, _ = recorded(tmp_path / "one", 30)
    other, _ = recorded(tmp_path / "two", 30, start=NOW + 90_000)
    place = look_through(writer.segment().path)
    assert look_through(other.segment().path, place) == look_through(other.segment().path)
    for data in (b"", b"\0" * 500, (tmp_path / "x").name.encode()):
        (tmp_path / "x").write_bytes(data)
        with pytest.raises(Refused):
            look_through(tmp_path / "x")
