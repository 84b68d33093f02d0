"""What we write, read by programs that nobody here wrote: ffprobe, and FFmpeg's own libraries through PyAV."""

import json
import os
import shutil
import subprocess
from itertools import pairwise

import av
import msgspec
import pytest
from tests.coded import AAC, G711, T0, coded, pictures, sound, stream

from saqtau.kernel.clock import Instant
from saqtau.video.access_unit import AudioFrame, Codec, Loss
from saqtau.video.export import cut, write_mp4
from saqtau.video.fragment import Fragmenter
from saqtau.video.gap import GapKind
from saqtau.video.segment import SegmentWriter

SECONDS = 4


def aac_frames(seconds):
    context = av.CodecContext.create("aac", "w")
    context.sample_rate, context.layout, context.format = AAC.rate, "mono", "fltp"
    packets = []
    for number in range(seconds * AAC.rate // 1024):
        frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
        frame.sample_rate, frame.pts = AAC.rate, number * 1024
        frame.planes[0].update(bytes(4096))
        packets += context.encode(frame)
    return [
        AudioFrame(number * 1024, bytes(packet), Instant(T0 + number * 64)) for number, packet in enumerate(packets)
    ]


SOUNDS = {None: list, "aac": lambda: aac_frames(SECONDS), "alaw": lambda: sound(G711, SECONDS)}
AUDIO = {None: None, "aac": AAC, "alaw": G711}


def recorded(folder, codec, heard=None, *, reordered=False, without=()):
    """One segment of four seconds, and what was put in: NAL units of each picture."""
    parameters, found = stream(codec, reordered=reordered)
    units = [unit for number, unit in enumerate(pictures(found, SECONDS * 25)) if number not in without]
    if reordered:  # the stream begins anew at every key picture
        units = [
            msgspec.structs.replace(unit, ts=(number // len(found) * len(found) + found[number % len(found)][2]) * 3600)
            for number, unit in enumerate(pictures(found, SECONDS * 25))
        ]
    put = [unit.nals for unit in units]
    units = sorted([*units, *SOUNDS[heard]()], key=lambda unit: unit.received)
    fragmenter, writer = Fragmenter("cam-1"), SegmentWriter(folder, "cam-1", "street")
    for unit in [msgspec.structs.replace(parameters, audio=AUDIO[heard]), *units]:
        if without and isinstance(unit, type(units[0])) and unit.received >= T0 + (max(without) + 1) * 40:
            for item in fragmenter.take(Loss(len(without), unit.received)):
                writer.append(item)
            without = ()
        for item in fragmenter.take(unit):
            writer.append(item)
    for item in fragmenter.flush(Instant(T0 + 10**6)):
        writer.append(item)
    return writer.close(), put


def film(segment, folder):
    path = folder / "film.mp4"
    with path.open("wb") as out:
        write_mp4(cut([segment], Instant(T0), Instant(T0 + 60_000)), out)
    return path


def nals_in(packet):
    data, start, found = bytes(packet), 0, []
    while start < len(data):
        size = int.from_bytes(data[start : start + 4], "big")
        found.append(data[start + 4 : start + 4 + size])
        start += 4 + size
    return tuple(found)


@pytest.mark.parametrize("kind", ["segment", "film"])
@pytest.mark.parametrize("heard", [None, "aac", "alaw"])
@pytest.mark.parametrize("codec", list(Codec))
def test_libav_reads_every_picture_bit_for_bit_at_its_time(tmp_path, codec, heard, kind):
    segment, put = recorded(tmp_path, codec, heard)
    path, zero = (segment.path, T0 / 1000) if kind == "segment" else (film(segment, tmp_path), 0)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [nals_in(packet) for packet in packets] == put
    times = [float(packet.pts * packet.time_base) - zero for packet in packets]
    assert times == pytest.approx([number / 25 for number in range(len(put))], abs=1e-3)
    assert [number for number, packet in enumerate(packets) if packet.is_keyframe] == list(range(0, SECONDS * 25, 10))


@pytest.mark.parametrize("kind", ["segment", "film"])
@pytest.mark.parametrize("heard", ["aac", "alaw"])
def test_libav_hears_the_sound_with_the_pictures(tmp_path, heard, kind):
    segment, _ = recorded(tmp_path, Codec.H264, heard)
    path, zero = (segment.path, T0 / 1000) if kind == "segment" else (film(segment, tmp_path), 0)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        stream_ = container.streams.audio[0]
        assert (stream_.codec_context.name, stream_.rate) == (
            "aac" if heard == "aac" else "pcm_alaw",
            AUDIO[heard].rate,
        )
    began = float(packets[0].pts * packets[0].time_base) - zero
    assert began == pytest.approx(0, abs=0.07)
    lasts = sum(float(packet.duration * packet.time_base) for packet in packets)
    assert lasts == pytest.approx(SECONDS, abs=0.3)


@pytest.mark.parametrize("codec", list(Codec))
def test_libav_decodes_a_film_of_reordered_pictures_in_the_order_they_are_shown(tmp_path, codec):
    segment, put = recorded(tmp_path, codec, reordered=True)
    with av.open(str(film(segment, tmp_path))) as container:
        times = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]
    assert len(times) == len(put)
    steps = [after - before for before, after in pairwise(times)]
    assert min(steps) > 0.03
    assert max(steps) < 0.05


def test_a_film_over_a_gap_keeps_wall_time(tmp_path):
    segment, put = recorded(tmp_path, Codec.H264, without=range(50, 75))
    assert [(gap.began - T0, gap.ended - T0) for gap in segment.gaps] == [(2_000, 3_000)]
    with av.open(str(film(segment, tmp_path))) as container:
        times = [float(packet.pts * packet.time_base) for packet in container.demux(video=0) if packet.size]
        assert float(container.duration / av.time_base) == pytest.approx(SECONDS, abs=0.02)
    assert len(times) == len(put) == 75
    assert times[49:51] == pytest.approx([1.96, 3.0], abs=1e-3)


@pytest.fixture(scope="module")
def ffprobe():
    path = shutil.which("ffprobe")
    if path is None:
        told = "FFPROBE SKIPPED: not on PATH; on Debian: apt-get install ffmpeg"
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)

    def probe(file):
        shown = "stream=codec_name,width,height,nb_read_frames,start_time,duration:format=duration"
        command = [path, "-v", "warning", "-count_frames", "-show_entries", shown, "-of", "json", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return json.loads(done.stdout), done.stderr

    return probe


@pytest.mark.parametrize("codec", list(Codec))
def test_ffprobe_reads_a_segment_and_a_film_without_a_warning(tmp_path, ffprobe, codec):
    segment, put = recorded(tmp_path, codec, "aac")
    for path in (segment.path, film(segment, tmp_path)):
        said, warned = ffprobe(path)
        assert warned == ""
        video = said["streams"][0]
        assert (video["width"], video["height"], int(video["nb_read_frames"])) == (128, 96, len(put))
    assert float(said["format"]["duration"]) == pytest.approx(SECONDS, abs=0.1)
    assert float(video["start_time"]) == 0


def test_ffprobe_reads_a_file_whose_writer_was_killed(tmp_path, ffprobe):
    parameters, found = stream()
    fragmenter, writer = Fragmenter("cam-1"), SegmentWriter(tmp_path, "cam-1", "street")
    for unit in [parameters, *pictures(found, 100)]:
        for item in fragmenter.take(unit):
            writer.append(item)
    path = writer.segment().path
    writer.abandon()
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 100)
    said, _ = ffprobe(path)
    assert int(said["streams"][0]["nb_read_frames"]) >= 90


def test_ffprobe_finds_no_fault_with_a_file_of_gaps(tmp_path, ffprobe):
    fragmenter, writer = Fragmenter("cam-1"), SegmentWriter(tmp_path, "cam-1", "street")
    for item in fragmenter.interrupt(GapKind.RECONNECT, T0):
        writer.append(item)
    said, warned = ffprobe(writer.close().path)
    assert (said["streams"], warned) == ([], "")


def test_the_pictures_of_the_tests_move():
    assert len({nals for nals, _ in coded()}) == 20
