"""Whatever a source yields: pictures are written once and in order, every instant is accounted for, no loss is lost."""

import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.simulate.clip import scene
from saqtau.video.access_unit import AccessUnit, Audio, AudioCodec, AudioFrame, Loss, Parameters
from saqtau.video.boxes import Sample, Sound, children, fragment_bytes, moof_of, parse_fragment
from saqtau.video.chain import START, Broken, LinkKind, Row, follow
from saqtau.video.export import cut, read
from saqtau.video.fragment import Fragment, Fragmenter, GapLink, gap_link, gap_of
from saqtau.video.gap import Gap, GapKind
from saqtau.video.nal import annexb_split
from saqtau.video.segment import SegmentWriter, chain_after, repair, scan

T0 = 1_795_521_600_000
PLAIN = scene("street").parameters
HEARD = msgspec.structs.replace(PLAIN, audio=Audio(AudioCodec.PCMA, 8000, 1))

steps = st.sampled_from([3600, 3600, 3600, 3601, 3000, 7200, 90_000, 400_000])
events = st.lists(
    st.one_of(
        st.tuples(st.just("picture"), steps, st.integers(0, 60)),
        st.tuples(st.just("picture"), steps, st.integers(0, 60)),
        st.tuples(st.just("picture"), steps, st.integers(0, 60)),
        st.tuples(st.just("key"), steps, st.integers(0, 60)),
        st.tuples(st.just("loss"), st.integers(1, 9), st.just(0)),
        st.tuples(st.just("sound"), st.integers(1, 400), st.just(0)),
        st.tuples(st.just("interrupt"), st.sampled_from([GapKind.SILENT, GapKind.RECONNECT]), st.integers(0, 9_000)),
        st.tuples(st.just("parameters"), st.booleans(), st.just(0)),
    ),
    min_size=1,
    max_size=60,
)


def played(story):
    """The links of a story, and what an onlooker expects: NAL units by picture, lost packets."""
    fragmenter, links = Fragmenter("cam-1"), []
    ticks, now, number, spoken, current = 77, T0, 0, 0, PLAIN
    waits, gap_lasts, pictures, lost = True, False, [], 0
    links += fragmenter.take(PLAIN)
    for kind, value, late in story:
        match kind:
            case "picture" | "key":
                ticks, now, number = ticks + value, now + value // 90, number + 1
                nals = ((b"\x65" if kind == "key" else b"\x41") + number.to_bytes(4, "big"),)
                links += fragmenter.take(AccessUnit(ticks, kind == "key", nals, Instant(now + late)))
                if kind == "key" or not waits:
                    waits, gap_lasts = False, False
                    pictures.append(nals)
            case "loss":
                links += fragmenter.take(Loss(value, Instant(now)))
                if pictures and not gap_lasts:
                    lost += value
            case "sound":
                links += fragmenter.take(AudioFrame(spoken, b"\xd5" * value, Instant(now)))
                spoken += value
            case "interrupt":
                links += fragmenter.interrupt(value, Instant(now + late))
                now, waits, gap_lasts = now + late, True, True
            case "parameters":
                wanted = HEARD if value else PLAIN
                links += fragmenter.take(wanted)
                waits, current = waits or wanted != current, wanted
    links += fragmenter.interrupt(GapKind.DOWN, Instant(now + 10_000))
    return links, pictures, lost


def nals_of(fragment):
    """The NAL units of a fragment's pictures, by picture, read from its rows."""
    boxes = children(fragment.data, 0)
    rows, data, found, place = moof_of(boxes[-2][1]).rows, boxes[-1][1][8:], [], 0
    for row in rows:
        picture, end = [], place + row[1]
        while place < end:
            size = int.from_bytes(data[place : place + 4], "big")
            picture.append(data[place + 4 : place + 4 + size])
            place += 4 + size
        found.append(tuple(picture))
    return found


@given(events)
def test_every_picture_from_the_first_key_on_is_written_once_and_in_order(story):
    links, pictures, _ = played(story)
    assert [nals for link in links if isinstance(link, Fragment) for nals in nals_of(link)] == pictures


@given(events)
def test_every_lost_packet_is_in_a_gap_and_none_is_invented(story):
    links, _, lost = played(story)
    assert sum(link.gap.packets or 0 for link in links if isinstance(link, GapLink)) == lost


@given(events)
def test_every_instant_from_the_first_picture_on_is_in_a_fragment_or_a_gap(story):
    links, _, _ = played(story)
    at, open_gap = None, None
    for link in links:
        if isinstance(link, Fragment):
            assert open_gap is None, "a picture came and the gap before it goes on"
            if at is not None:
                assert link.at >= at - 1
                assert link.at - at <= 510, "time between two fragments that nobody accounts for"
            at = link.ended
        elif isinstance(link, GapLink):
            gap = link.gap
            if at is not None and (open_gap is None or gap.ended is None):
                assert gap.began <= at + 510
            if open_gap is not None and gap.ended is not None:
                assert (gap.began, gap.kind) == (open_gap.began, open_gap.kind)
            open_gap = gap if gap.ended is None else None
            if gap.ended is not None:
                at = max(at or 0, gap.ended)
    assert open_gap is not None


@given(events)
def test_sequences_have_no_hole_and_fragments_say_what_they_are(story):
    links = [link for link in played(story)[0] if not isinstance(link, Parameters)]
    assert [link.seq for link in links] == list(range(len(links)))
    for link in links:
        if isinstance(link, GapLink):
            assert gap_of("cam-1", link.data) == link
            continue
        head = parse_fragment(link.data)
        assert (head.seq, head.utc, head.ts, head.key, head.frames) == (
            link.seq,
            link.at,
            link.ts,
            link.key,
            link.frames,
        )
        assert (head.ts + head.duration) // 90 == link.ended
        assert link.frames == 1 or link.duration_ms <= 206


@settings(max_examples=60)
@given(events, st.floats(0, 1), st.integers(-2_000, 40_000), st.integers(1, 40_000))
def test_a_file_cut_anywhere_loses_its_torn_end_only_and_can_be_cut_anywhere(story, share, began, lasts):
    links, _, _ = played(story)
    with tempfile.TemporaryDirectory() as folder:
        writer = SegmentWriter(Path(folder), "cam-1", "street")
        closed = [segment for link in links if (segment := writer.append(link).closed)]
        last, chain = writer.segment(), writer.chain
        writer.abandon()
        for segment in closed:
            found = scan(segment.path)
            assert (found.segment, found.broken) == (segment, None)
        before = scan(last.path)
        assert (before.segment, before.segment.chain) == (last, chain)
        end = before.head + round((last.size - before.head) * share)
        with last.path.open("r+b") as file:
            file.truncate(end)
        mended = repair(last.path, Instant(T0 + 10**7))
        kept = [one for one in before.links if one.offset + one.size <= end]
        if mended is None:
            assert not kept
            return
        after = scan(last.path)
        assert (after.segment, after.broken, after.links[:-1]) == (mended, None, tuple(kept))
        found = cut([*closed, mended], Instant(T0 + began), Instant(T0 + began + lasts))
        for part in found.parts:
            file = scan(part.path)
            chosen = [one for one in file.links if part.first <= one.seq <= part.last]
            data = part.path.read_bytes()
            assert b"".join(read(part)) == b"".join(data[one.offset : one.offset + one.size] for one in chosen)
            rows = [Row(one.seq, one.at, one.kind, one.digest) for one in chosen]
            assert follow("cam-1", bytes.fromhex(part.previous), part.first, rows).hex() == part.chain
            assert chain_after(part.path, file, part.last).hex() == part.chain
        wanted = {
            one.seq
            for segment in [*closed, mended]
            for one in scan(segment.path, followed=False).links
            if one.kind is LinkKind.FRAGMENT and one.at < T0 + began + lasts and one.ended > T0 + began
        }
        taken = {seq for part in found.parts for seq in range(part.first, part.last + 1)}
        assert wanted <= taken


@given(
    st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=8),
    st.integers(0, 1 << 40),
    st.integers(0, 385 * 10**12),
)
def test_a_fragment_is_read_as_it_was_written(nals, seq, base):
    samples = [Sample(3600 + number, number % 2 == 0, [nal], number % 3) for number, nal in enumerate(nals)]
    sound = Sound(AudioCodec.PCMA, base, [(3, b"abc")])
    data = fragment_bytes(seq, Instant(base // 90), base, samples, sound)
    head = parse_fragment(data)
    assert (head.seq, head.utc, head.ts) == (seq % 2**32, base // 90, base)
    assert head.duration == sum(sample.duration for sample in samples)
    assert children(data, 0)[0][0] == b"prft"


@given(st.lists(st.binary(min_size=2, max_size=30)), st.booleans())
def test_nal_units_come_out_of_a_byte_stream_as_they_went_in(units, long):
    nals = [bytes((0x41,)) + unit.replace(b"\0", b"\x01") for unit in units]
    start = b"\0\0\0\1" if long else b"\0\0\1"
    assert annexb_split(b"".join(start + nal for nal in nals)) == nals


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=2, max_size=12, unique=True), st.data())
def test_no_chain_is_like_another(digests, data):
    rows = [Row(number, Instant(T0 + number), LinkKind.FRAGMENT, one) for number, one in enumerate(digests)]
    head = follow("cam-1", START, 0, rows)
    told = {len(rows) - 1: head}
    first = data.draw(st.integers(0, len(rows) - 1))
    other = rows.copy()
    match data.draw(st.sampled_from(["removed", "doubled", "changed", "cut"])):
        case "removed":
            del other[first]
        case "doubled":
            other.insert(first, other[first])
        case "changed":
            other[first] = Row(first, other[first].at, LinkKind.GAP, other[first].digest)
        case _:
            other = other[:first]
    found = follow("cam-1", START, 0, other, told)
    assert isinstance(found, Broken) or found != head


@given(st.integers(-5, 5), st.text(max_size=600))
def test_a_gap_is_refused_or_comes_back_as_it_was(lasts, why):
    gap = Gap("cam-1", Instant(T0), Instant(T0 + lasts), GapKind.DISABLED, None, "officer-7", why)
    if lasts < 0 or len(why) > 500 or not why.isprintable():
        with pytest.raises(Refused):
            gap_link(4, Instant(T0), gap)
    else:
        assert gap_of("cam-1", gap_link(4, Instant(T0), gap).data).gap == gap
