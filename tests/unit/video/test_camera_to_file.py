"""From a camera's socket to the file, and out of it by FFmpeg's libraries: not a byte of a picture is another."""

from itertools import pairwise

import av
import pytest
from tests.unit.devices.rtsp.playing import now, played, until

from saqtau.kernel.clock import Instant
from saqtau.simulate.clip import scene
from saqtau.simulate.loop import serving
from saqtau.video.export import cut, runs, write_mp4
from saqtau.video.fragment import Fragmenter
from saqtau.video.gap import GapKind
from saqtau.video.segment import SegmentWriter, scan

pytestmark = pytest.mark.anyio


class Recording:
    """What the units of a play become."""

    def __init__(self, folder):
        self.fragmenter, self.writer, self.closed = Fragmenter("cam-1"), SegmentWriter(folder, "cam-1", "street"), []

    def take(self, units):
        self._write([item for unit in units for item in self.fragmenter.take(unit)])

    def interrupt(self, kind):
        self._write(self.fragmenter.interrupt(kind, now()))

    def end(self):
        self._write(self.fragmenter.flush(now()))
        return [*self.closed, self.writer.close()]

    def _write(self, items):
        self.closed += [closed for item in items if (closed := self.writer.append(item).closed)]


def nals_in(packet):
    data, start, found = bytes(packet), 0, []
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        found.append(data[start + 4 : start + 4 + size])
        start += 4 + size
    return tuple(found)


def pictures_in(path):
    with av.open(str(path)) as container:
        return [nals_in(packet) for packet in container.demux(video=0) if packet.size]


@pytest.mark.parametrize("path", ["street/1", "street265/1", "yard/aac/1", "cell/pcma/1"])
async def test_what_the_camera_sent_is_in_the_file_bit_for_bit(tmp_path, path):
    recording = Recording(tmp_path)
    async with serving(clock=now) as server:
        clip = server.stream(path).clip
        async with played(server.address(path), audio=True) as one:
            await one.more(30)
        recording.take(one.units)
    (segment,) = recording.end()
    found = pictures_in(segment.path)
    assert found == [clip.pictures[number % len(clip.pictures)] for number in range(len(one.pictures))]
    assert segment.gaps == ()
    assert scan(segment.path).broken is None
    with av.open(str(segment.path)) as container:
        decoded = sum(1 for _ in container.decode(video=0))
    assert decoded == len(found)


async def test_lost_packets_are_gaps_in_the_file_and_the_rest_is_whole(tmp_path):
    recording = Recording(tmp_path)
    async with serving(clock=now) as server:
        stream = server.stream("street/1")
        async with played(server.address("street/1")) as one:
            await one.more(5)
            stream.lose_share(0.05)
            await until(lambda: stream.lost > 8)
            stream.lose_share(0)
            await one.more(10)
        recording.take(one.units)
    (segment,) = recording.end()
    assert sum(gap.packets for gap in segment.gaps) == stream.lost
    assert {gap.kind for gap in segment.gaps} == {GapKind.LOSS}
    assert all(nals in stream.clip.pictures for nals in pictures_in(segment.path))
    told = sum(gap.ended - gap.began for gap in segment.gaps)
    assert abs(segment.recorded_ms + told - (segment.ended - segment.began)) <= 2 * len(segment.gaps)


async def test_a_pulled_plug_and_other_parameters_divide_the_film_and_are_told(tmp_path):
    recording = Recording(tmp_path)
    async with serving(clock=now) as server:
        stream = server.stream("street/1")
        async with played(server.address("street/1")) as one:
            await one.more(12)
            stream.unplug()
            await one.ending()
        recording.take(one.units)
        pulled = now()
        recording.interrupt(GapKind.RECONNECT)
        stream.plug()
        stream.restart()
        stream.change(scene("cell"))  # somebody has exchanged the camera
        async with played(server.address("street/1")) as two:
            await two.more(12)
        recording.take(two.units)
    segments = recording.end()
    (opened,), (ended, *_) = segments[0].gaps, segments[1].gaps
    assert (opened.kind, opened.ended) == (GapKind.RECONNECT, None)
    assert (ended.kind, ended.began) == (GapKind.RECONNECT, opened.began)
    assert ended.began <= pulled <= ended.ended + 1_000
    found = cut(segments, Instant(0), Instant(1 << 50))
    assert found.gaps == (ended,)
    films = runs(found)
    assert len(films) == 2
    shown = []
    for number, film in enumerate(films):
        path = tmp_path / f"{number}.mp4"
        with path.open("wb") as out:
            write_mp4(film, out)
        shown.append(pictures_in(path))
    assert {nals in scene("street").pictures for nals in shown[0]} == {True}
    assert {nals in scene("cell").pictures for nals in shown[1]} == {True}
    assert len(shown[0]) + len(shown[1]) == len(one.pictures) + len(two.pictures)
    assert all(after.previous == before.chain for before, after in pairwise(segments))
