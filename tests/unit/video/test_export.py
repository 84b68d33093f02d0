"""What is cut between two instants: whole links, from a key picture on, the same bytes, and the chain on both sides."""

import io

import msgspec
import pytest
from tests.coded import T0, pictures, stream

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import Loss
from saqtau.video.boxes import children
from saqtau.video.chain import START, digest, follow
from saqtau.video.export import cut, read, runs, stream_mp4, tail, write_mp4
from saqtau.video.fragment import Fragmenter, gap_of
from saqtau.video.gap import GapKind
from saqtau.video.segment import SegmentWriter, repair, scan

PARAMETERS, CODED = stream()


def at(ms):
    return Instant(T0 + ms)


def recorded(folder, sources):
    """Segments of a camera that a list of (units or (kind, instant)) makes."""
    fragmenter, writer, found = Fragmenter("cam-1"), SegmentWriter(folder, "cam-1", "street"), []
    for source in sources:
        items = fragmenter.interrupt(*source) if isinstance(source, tuple) else fragmenter.take(source)
        found += [closed for item in items if (closed := writer.append(item).closed)]
    for item in fragmenter.flush(at(10**9)):
        writer.append(item)
    return [*found, writer.close()]


@pytest.fixture
def two_files(tmp_path):
    """20 s of pictures, a key in ten (400 ms), in two files that meet at 10 s."""
    first = recorded(tmp_path, [PARAMETERS, *pictures(CODED, 250)])
    fragmenter = Fragmenter("cam-1", first[0].last + 1)
    writer = SegmentWriter(tmp_path, "cam-1", "street", seq=first[0].last + 1, chain=first[0].chain)
    units = [PARAMETERS, *pictures(CODED, 250, first=250)]
    for item in [item for unit in units for item in fragmenter.take(unit)] + fragmenter.flush(at(10**9)):
        writer.append(item)
    return [*first, writer.close()]


def test_a_cut_begins_at_the_key_before_and_ends_with_the_fragment_that_holds_the_end(two_files):
    found = cut(two_files, at(5_300), at(7_100))
    (part,) = found.parts
    assert (part.began, part.ended) == (at(5_200), at(7_200))
    assert part.shown == part.began
    assert part.frames == 50
    assert part.recorded_ms == 2_000


def test_a_cut_goes_back_to_the_key_that_its_first_picture_needs(two_files):
    (part,) = cut(two_files, at(5_700), at(5_900)).parts
    assert [one.key for one in scan(part.path).links if part.first <= one.seq <= part.last] == [True, False]
    assert (part.began, part.ended) == (at(5_600), at(6_000))
    (part,) = cut(two_files, at(5_850), at(5_900)).parts
    assert (part.began, part.ended) == (at(5_600), at(6_000))


def test_the_chain_leads_into_the_cut_through_it_and_out_to_the_head_that_is_known(two_files):
    found = cut(two_files, at(5_300), at(12_000))
    first, second = found.parts
    assert first.chain == two_files[0].chain.hex() == second.previous
    before = tail(two_files[0], -1, first.first - 1)
    assert follow("cam-1", START, 0, before).hex() == first.previous
    rows = tail(two_files[0], first.first - 1, first.last)
    assert follow("cam-1", bytes.fromhex(first.previous), first.first, rows).hex() == first.chain
    after = tail(two_files[1], second.last, two_files[1].last)
    assert follow("cam-1", bytes.fromhex(second.chain), second.last + 1, after) == two_files[1].chain


def test_the_bytes_of_a_cut_are_those_on_disk(two_files):
    found = cut(two_files, at(5_300), at(12_000))
    for part, segment in zip(found.parts, two_files, strict=True):
        data = segment.path.read_bytes()
        assert b"".join(read(part)) == data[part.start : part.end]
        assert data.startswith(part.head)
        assert part.head.startswith(part.init)
        hashes = [one.digest for one in scan(segment.path).links if part.first <= one.seq <= part.last]
        assert [row.digest for row in tail(segment, part.first - 1, part.last)] == hashes
    assert found.size == sum(part.end - part.start for part in found.parts)


def test_a_film_holds_the_links_verbatim_behind_its_index(two_files):
    found = cut(two_files, at(5_300), at(12_000))
    out = io.BytesIO()
    assert write_mp4(found, out) == len(out.getvalue())
    data = out.getvalue()
    boxes = children(data, 0)
    assert [kind for kind, _ in boxes] == [b"ftyp", b"moov"]
    mdat = data[sum(len(box) for _, box in boxes) :]
    assert mdat[:8] == b"\0\0\0\1mdat"
    assert int.from_bytes(mdat[8:16], "big") == len(mdat)
    assert mdat[16:] == b"".join(piece for part in found.parts for piece in read(part))


def test_a_cut_of_everything_is_everything(two_files):
    found = cut(reversed(two_files), at(-60_000), at(60_000))
    assert [(part.first, part.last) for part in found.parts] == [(one.first, one.last) for one in two_files]
    assert [(part.previous, part.chain) for part in found.parts] == [
        (one.previous.hex(), one.chain.hex()) for one in two_files
    ]


def test_a_cut_of_nothing_has_no_parts(two_files):
    assert cut(two_files, at(50_000), at(60_000)).parts == ()
    assert cut([], at(0), at(1)).parts == ()
    with pytest.raises(Refused) as refused:
        next(stream_mp4(cut(two_files, at(50_000), at(60_000))))
    assert refused.value.kind is Kind.NOT_FOUND


def test_an_end_before_its_begin_is_refused(two_files):
    with pytest.raises(Refused) as refused:
        cut(two_files, at(5), at(5))
    assert refused.value.fields == {"ended": "video.ended"}


def test_gaps_are_in_the_cut_as_links_and_as_a_list(tmp_path):
    sources = [
        PARAMETERS, *pictures(CODED, 30), Loss(3, at(1_200)), *pictures(CODED, 20, first=31),
        (GapKind.RECONNECT, at(5_000)), *pictures(CODED, 100, first=250),
    ]  # fmt: skip
    (segment,) = recorded(tmp_path, sources)
    found = cut([segment], at(1_000), at(12_000))
    assert [(gap.kind, gap.began - T0, gap.ended - T0, gap.packets) for gap in found.gaps] == [
        (GapKind.LOSS, 1_200, 1_240, 3),
        (GapKind.RECONNECT, 2_040, 10_000, None),
    ]
    (part,) = found.parts
    data = b"".join(read(part))
    entered = [gap_of("cam-1", box) for kind, box in children(data, 0) if kind == b"uuid"]
    assert [link.gap.ended for link in entered] == [at(1_240), None, at(10_000)]


def test_a_cut_within_darkness_holds_the_gap_and_no_picture(tmp_path):
    (segment,) = recorded(tmp_path, [PARAMETERS, *pictures(CODED, 30), (GapKind.SILENT, at(3_000))])
    found = cut([segment], at(50_000), at(60_000))
    assert [gap.kind for gap in found.gaps] == [GapKind.SILENT]
    assert [(part.frames, part.recorded_ms) for part in found.parts] == [(0, 0)]
    with pytest.raises(Refused) as refused:
        next(stream_mp4(found))
    assert refused.value.kind is Kind.NOT_FOUND


def test_a_gap_over_two_files_is_told_once(tmp_path):
    first = recorded(tmp_path, [PARAMETERS, *pictures(CODED, 30), (GapKind.SILENT, at(3_000))])
    fragmenter = Fragmenter("cam-1", first[0].last + 1)
    writer = SegmentWriter(tmp_path, "cam-1", "street", seq=first[0].last + 1, chain=first[0].chain)
    items = fragmenter.interrupt(GapKind.SILENT, at(4_000), began=at(1_200))
    items += [item for unit in [PARAMETERS, *pictures(CODED, 30, first=250)] for item in fragmenter.take(unit)]
    closed = [one for item in items if (one := writer.append(item).closed)]
    found = cut([*first, *closed, writer.close()], at(0), at(20_000))
    assert [(gap.kind, gap.began - T0, gap.ended - T0) for gap in found.gaps] == [(GapKind.SILENT, 1_200, 10_000)]


def test_parameters_that_change_divide_the_films(tmp_path):
    other, coded = stream(width=160, height=128)
    segments = recorded(tmp_path, [PARAMETERS, *pictures(CODED, 30), other, *pictures(coded, 30, first=30)])
    found = cut(segments, at(0), at(10_000))
    with pytest.raises(Refused) as refused:
        next(stream_mp4(found))
    assert refused.value.kind is Kind.CONFLICT
    assert [len(one.parts) for one in runs(found)] == [1, 1]
    assert all(write_mp4(one, io.BytesIO()) > one.size for one in runs(found))


def test_a_file_that_is_still_written_can_be_cut(tmp_path):
    writer = SegmentWriter(tmp_path, "cam-1", "street")
    fragmenter = Fragmenter("cam-1")
    for item in [item for unit in [PARAMETERS, *pictures(CODED, 100)] for item in fragmenter.take(unit)]:
        writer.append(item)
    open_file = writer.segment()
    (part,) = cut([open_file], at(1_000), at(60_000)).parts
    assert part.chain == open_file.chain.hex()
    writer.abandon()
    mended = repair(open_file.path, at(60_000))
    assert cut([mended], at(1_000), at(60_000)).parts[0].chain == mended.chain.hex()


def test_a_file_that_has_become_shorter_is_told_and_not_padded(two_files):
    (part,) = cut(two_files, at(1_000), at(7_000)).parts
    with part.path.open("r+b") as file:
        file.truncate(part.end - 1)
    with pytest.raises(OSError, match="ends at"):
        list(read(part))


def test_every_byte_of_a_cut_is_under_its_chain(two_files):
    (part,) = cut(two_files, at(5_000), at(5_500)).parts
    data = b"".join(read(part))
    rows = tail(two_files[0], part.first - 1, part.last)
    sizes = [one.size for one in scan(part.path).links if part.first <= one.seq <= part.last]
    start = 0
    for row, size in zip(rows, sizes, strict=True):
        assert digest(data[start : start + size]) == row.digest
        start += size
    assert start == len(data)


def test_a_camera_that_signs_its_stream_is_named_and_one_that_does_not_is_not(tmp_path):
    message = b"\x06\x05\x19" + bytes.fromhex("5369676e656420566964656f2e2e2e30") + b"signature\x80"
    units = [
        msgspec.structs.replace(unit, nals=(message, *unit.nals)) if unit.key else unit for unit in pictures(CODED, 60)
    ]
    signed = recorded(tmp_path / "signed", [PARAMETERS, *units])
    assert [part.signers for part in cut(signed, at(500), at(2_000)).parts] == [("axis",)]
    plain = recorded(tmp_path / "plain", [PARAMETERS, *pictures(CODED, 60)])
    assert [part.signers for part in cut(plain, at(500), at(2_000)).parts] == [()]
