"""The video's parsers: name, function of bytes, the bytes to begin with. Refused(INVALID) is all they may raise."""

import tempfile
from pathlib import Path

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.simulate.clip import scene
from saqtau.video.access_unit import AccessUnit, Codec, Loss
from saqtau.video.boxes import children, init_segment, nals_of, parse_fragment, walk
from saqtau.video.fragment import Fragmenter, GapLink, gap_link, gap_of
from saqtau.video.gap import Gap, GapKind
from saqtau.video.nal import annexb_split, is_key, parameters_of, sei_signatures, sps_of, sps_shape
from saqtau.video.segment import SegmentWriter, repair, scan

T0 = Instant(1_795_521_600_000)
CLIPS = [scene("street"), scene("street265")]


def _links(clip):
    fragmenter = Fragmenter("cam-1")
    units = [
        AccessUnit(number * 3600, clip.keys[number], clip.pictures[number], Instant(T0 + number * 40))
        for number in range(12)
    ]
    units.insert(7, Loss(3, Instant(T0 + 280)))
    return [item for unit in [clip.parameters, *units] for item in fragmenter.take(unit)]


def _file():
    with tempfile.TemporaryDirectory() as folder:
        writer = SegmentWriter(Path(folder), "cam-1", "street")
        for item in _links(CLIPS[0])[:4]:
            writer.append(item)
        return writer.close().path.read_bytes()


GAP = gap_link(3, T0, Gap("cam-1", T0, None, GapKind.DISABLED, None, "officer-7", "lens"))
FRAGMENTS = [item.data for clip in CLIPS for item in _links(clip)[1:3] if not isinstance(item, GapLink)]
FILE = _file()


def read_fragment(data: bytes) -> None:
    head = parse_fragment(data)
    assert head.frames > 0
    assert 0 <= head.seq < 1 << 32
    assert all(len(nal) <= len(data) for nal in nals_of(data))


def read_gap(data: bytes) -> None:
    assert gap_of("cam-1", data).data == data


def read_boxes(data: bytes) -> None:
    end = 0
    for box in walk(lambda start, size: data[start : start + size], len(data)):
        assert box.start == end
        end += box.size
    assert end <= len(data)
    children(data, 0)


def read_set(codec):
    def target(data: bytes) -> None:
        shape = sps_shape(codec, data)
        assert shape.width > 0
        assert shape.height > 0

    return target


def read_stream(data: bytes) -> None:
    nals = annexb_split(data)
    for codec in Codec:
        is_key(codec, nals)
    for nal in nals:
        sei_signatures(nal)
    parameters = parameters_of(Codec.H264, nals)
    assert init_segment(parameters)


def read_file(data: bytes) -> None:
    """A file is scanned, mended, and after that says the same for ever."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "120000-0000000000.cmf"
        path.write_bytes(data)
        try:
            found = scan(path)
            mended = repair(path, Instant(T0 + 60_000))
        except Refused as refused:
            if refused.kind is Kind.NOT_FOUND:
                return
            raise
        assert mended is not None
        assert found.end <= len(data)
        again = scan(path)
        assert again.segment == mended or again.broken
        assert again.links[: len(found.links)] == found.links


VIDEO = {
    "video_fragment": (read_fragment, FRAGMENTS),
    "video_gap": (read_gap, [GAP.data]),
    "video_boxes": (read_boxes, [FILE, *FRAGMENTS]),
    **{
        f"video_{clip.parameters.codec}": (read_set(clip.parameters.codec), [sps_of(clip.parameters)]) for clip in CLIPS
    },
    "video_stream": (
        read_stream,
        [b"".join(b"\0\0\0\1" + nal for nal in [*clip.parameters.sets, *clip.pictures[0]])[:3000] for clip in CLIPS],
    ),
    "video_file": (read_file, [FILE]),
}
