"""Files of minutes: what was written is found again from the bytes alone; a crash takes no more than the torn end."""

import errno
import os
import signal
import subprocess
import sys
import textwrap

import msgspec
import pytest
from tests.coded import G711, T0, pictures, sound, stream

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video import segment_writer
from saqtau.video.access_unit import Parameters
from saqtau.video.chain import START, Broken, Fault, LinkKind, digest, follow, link
from saqtau.video.fragment import Fragmenter, gap_link
from saqtau.video.gap import Gap, GapKind
from saqtau.video.segment import SegmentWriter, chain_after, digests, repair, scan
from saqtau.video.segment_file import damaged, path_of, period

PARAMETERS, CODED = stream()
LATER = Instant(T0 + 3_600_000)


def links_of(count=250, camera="cam-1", parameters=PARAMETERS, extra=()):
    fragmenter = Fragmenter(camera)
    units = sorted([*pictures(CODED, count), *extra], key=lambda unit: unit.received)
    found = [item for unit in [parameters, *units] for item in fragmenter.take(unit)]
    return [*found, *fragmenter.flush(LATER)]


def written(folder, items, writer=None):
    writer = writer or SegmentWriter(folder, "cam-1", "street")
    closed = [segment for item in items if (segment := writer.append(item).closed)]
    return writer, closed


def whole(folder, count=250, **more):
    writer, closed = written(folder, links_of(count, **more))
    return [*closed, writer.close()][-1]


def test_a_file_is_found_again_as_it_was_written(tmp_path):
    segment = whole(tmp_path)
    found = scan(segment.path)
    assert found.segment == segment
    assert found.broken is None
    assert segment.path == tmp_path / "cam-1" / "2026" / "11" / "24" / "120000-0000000000.cmf"
    assert (segment.began, segment.ended, segment.recorded_ms) == (T0, T0 + 10_000, 10_000)
    assert (segment.frames, segment.links, segment.first, segment.last) == (250, 50, 0, 49)
    assert segment.size == segment.path.stat().st_size


def test_heads_alone_say_the_same(tmp_path):
    segment = whole(tmp_path, extra=[])
    found, heads = scan(segment.path), scan(segment.path, followed=False)
    assert heads.segment == segment
    assert [msgspec.structs.replace(one, digest=b"") for one in found.links] == list(heads.links)


def test_sound_in_a_file_is_found_again(tmp_path):
    parameters = msgspec.structs.replace(PARAMETERS, audio=G711)
    segment = whole(tmp_path, parameters=parameters, extra=sound(G711, 10))
    assert scan(segment.path).segment == segment


def test_the_chain_is_what_the_note_says(tmp_path):
    items = [item for item in links_of() if not isinstance(item, Parameters)]
    head = START
    for item in items:
        head = link(head, "cam-1", item.seq, item.at, item.kind, digest(item.data))
    segment = whole(tmp_path)
    assert segment.chain == head
    assert segment.previous == START
    found = scan(segment.path)
    assert follow("cam-1", START, 0, digests(segment.path, found.links)) == head
    assert chain_after(segment.path, found, 49) == head
    assert chain_after(segment.path, found, -1) == START


def test_a_file_ends_at_a_key_picture_after_its_time_and_the_chain_goes_on(tmp_path):
    count = (period("cam-1") // SECOND + 30) * 25
    writer, closed = written(tmp_path, links_of(count))
    (first,) = closed
    second = writer.close()
    assert first.ended - first.began >= period("cam-1")
    assert scan(second.path).links[0].key
    assert second.previous == first.chain
    assert second.first == first.last + 1
    assert second.began == first.ended
    assert first.frames + second.frames == count


def test_files_of_cameras_end_at_different_times():
    assert len({period(f"cam-{number}") for number in range(50)}) > 30
    assert all(60 * SECOND <= period(f"cam-{number}") <= 300 * SECOND for number in range(500))


def test_a_file_that_is_large_ends_at_a_key_picture(tmp_path, monkeypatch):
    monkeypatch.setattr(segment_writer, "LARGEST", 100_000)
    _, closed = written(tmp_path, links_of(500))
    assert closed
    assert all(100_000 <= segment.size < 100_000 + 60_000 for segment in closed)


def test_new_parameters_begin_a_file(tmp_path):
    other, coded = stream(width=160, height=128)
    fragmenter = Fragmenter("cam-1")
    units = [PARAMETERS, *pictures(CODED, 30), other, *pictures(coded, 30, first=30)]
    writer, (first,) = written(tmp_path, [item for unit in units for item in fragmenter.take(unit)])
    second = writer.close()
    assert second.previous == first.chain
    assert first.path.read_bytes()[: scan(first.path).init] != second.path.read_bytes()[: scan(second.path).init]


def test_a_camera_never_seen_has_a_file_of_gaps(tmp_path):
    writer = SegmentWriter(tmp_path, "cam-1", "street")
    gap = Gap("cam-1", T0, None, GapKind.RECONNECT)
    writer.append(gap_link(0, Instant(T0 + 500), gap))
    segment = writer.close()
    found = scan(segment.path)
    assert found.segment == segment
    assert found.init == 0
    assert segment.gaps == (gap,)
    assert segment.recorded_ms == 0


def test_an_open_gap_has_its_end_when_a_later_link_tells_it(tmp_path):
    fragmenter = Fragmenter("cam-1")
    items = [item for unit in [PARAMETERS, *pictures(CODED, 8)] for item in fragmenter.take(unit)]
    items += fragmenter.interrupt(GapKind.RECONNECT, Instant(T0 + 900))
    items += [item for unit in pictures(CODED, 30, first=50) for item in fragmenter.take(unit)]
    writer, _ = written(tmp_path, items)
    segment = writer.close()
    assert segment.gaps == (Gap("cam-1", Instant(T0 + 320), Instant(T0 + 2_000), GapKind.RECONNECT),)
    assert scan(segment.path).segment == segment


def test_a_link_that_is_not_the_next_is_refused(tmp_path):
    items = links_of(30)
    writer = SegmentWriter(tmp_path, "cam-1", "street")
    writer.append(items[0])
    with pytest.raises(Refused) as refused:
        writer.append(items[2])
    assert refused.value.kind is Kind.CONFLICT


def test_nobody_else_writes_or_mends_a_file_that_is_being_written(tmp_path):
    writer, _ = written(tmp_path, links_of(30))
    path = writer.segment().path
    with pytest.raises(Refused) as refused:
        repair(path, LATER)
    assert refused.value.kind is Kind.CONFLICT
    assert scan(path).segment == writer.segment()
    writer.close()


def test_what_is_open_can_be_read_while_it_grows(tmp_path):
    writer, _ = written(tmp_path, links_of(100)[:6])
    found = scan(writer.segment().path)
    assert not found.segment.closed
    assert found.segment == writer.segment()
    writer.abandon()


def cut_off(path, end):
    with path.open("r+b") as file:
        file.truncate(end)


def test_a_file_cut_anywhere_is_mended_to_its_last_whole_link(tmp_path):
    items = links_of(60)
    for number, share in enumerate(range(3, 100, 7)):
        folder = tmp_path / str(number)
        writer, _ = written(folder, items)
        path, size = writer.segment().path, writer.segment().size
        links = scan(path).links
        writer.abandon()
        end = size * share // 100
        cut_off(path, end)
        expected = [one for one in links if one.offset + one.size <= end]
        mended = repair(path, LATER)
        if not expected:
            assert mended is None
            assert not path.exists()
            continue
        found = scan(path)
        assert found.segment == mended
        assert found.broken is None
        assert found.links[:-1] == tuple(expected)
        assert mended.gaps[-1] == Gap("cam-1", expected[-1].ended, LATER, GapKind.DOWN)
        assert mended.closed
        assert repair(path, Instant(LATER + 1)) == mended


def test_zeros_behind_the_last_whole_link_are_cut_off(tmp_path):
    writer, _ = written(tmp_path, links_of(60))
    before = writer.segment()
    writer.abandon()
    with before.path.open("ab") as file:
        file.write(bytes(100_000))
    mended = repair(before.path, LATER)
    assert mended.links == before.links + 1
    assert scan(before.path).broken is None


def test_of_a_file_damaged_in_its_middle_nothing_is_thrown_away(tmp_path):
    writer, _ = written(tmp_path, links_of(60))
    path = writer.segment().path
    links = scan(path).links
    writer.abandon()
    data = bytearray(path.read_bytes())
    data[links[4].offset + 3] ^= 1  # the size of a box
    path.write_bytes(data)
    mended = repair(path, LATER)
    assert mended.last == 4
    assert mended.gaps == (Gap("cam-1", links[3].ended, LATER, GapKind.DOWN),)
    assert path.read_bytes().startswith(data[: links[4].offset])
    assert damaged(path).read_bytes() == data[links[4].offset :]
    assert scan(path).segment == mended


def test_pages_that_a_power_cut_left_empty_end_the_file_and_what_follows_is_kept(tmp_path):
    writer, _ = written(tmp_path, links_of(120))
    path = writer.segment().path
    links = scan(path).links
    writer.abandon()
    data = bytearray(path.read_bytes())
    hole = links[9].offset
    data[hole : hole + 4096] = bytes(4096)
    path.write_bytes(data)
    mended = repair(path, LATER)
    whole_links = [one for one in links if one.offset + one.size <= hole]
    found = scan(path)
    assert found.segment == mended
    assert [one.seq for one in found.links[:-1]] == [one.seq for one in whole_links]
    assert path.read_bytes()[: found.links[-1].offset] + damaged(path).read_bytes() == data


def test_a_file_whose_chain_goes_on_elsewhere_is_only_closed(tmp_path):
    writer, _ = written(tmp_path, links_of(60))
    before = writer.segment()
    writer.abandon()
    mended = repair(before.path, LATER, goes_on=True)
    assert (mended.last, mended.chain, mended.gaps) == (before.last, before.chain, ())
    assert scan(before.path).broken is None


@pytest.mark.parametrize("told", [0, 7, 11, 12, 40])
def test_a_chain_that_is_known_up_to_a_link_is_followed_from_there(tmp_path, told):
    writer, _ = written(tmp_path, links_of(60))
    before = writer.segment()
    writer.abandon()
    found = scan(before.path)
    known = chain_after(before.path, found, min(told, before.last))
    mended = repair(before.path, LATER, known=(told, known))
    assert (mended.last, scan(before.path).segment, scan(before.path).broken) == (before.last + 1, mended, None)


def test_a_known_chain_is_believed_and_not_computed_again(tmp_path):
    writer, _ = written(tmp_path, links_of(60))
    before = writer.segment()
    writer.abandon()
    repair(before.path, LATER, known=(before.last, bytes(32)))
    assert scan(before.path).broken == Broken(Fault.CHANGED, before.last + 1, before.last + 1)


def test_a_file_that_is_not_ours_is_left_alone(tmp_path):
    path = tmp_path / "film.cmf"
    path.write_bytes(b"\0\0\0\x10ftypisom\0\0\0\0" + bytes(100))
    with pytest.raises(Refused) as refused:
        scan(path)
    assert refused.value.kind is Kind.INVALID


@pytest.mark.parametrize("where", ["picture", "time", "gap", "close", "behind"])
def test_one_changed_byte_is_found(tmp_path, where):
    items = [item for item in links_of(30) if not isinstance(item, Parameters)]
    writer = SegmentWriter(tmp_path, "cam-1", "street")
    writer.append(PARAMETERS)
    writer.append(items[0])
    writer.append(gap_link(1, T0, Gap("cam-1", Instant(T0 + 200), Instant(T0 + 1_200), GapKind.LOSS, 3)))
    path = writer.close().path
    data, found = bytearray(path.read_bytes()), scan(path)
    fragment, gap = found.links
    place = {
        "picture": fragment.offset + fragment.size - 1,
        "time": fragment.offset + 23,
        "gap": gap.offset + 24 + data[gap.offset + 24 :].index(b"1795521600200") + 12,
        "close": len(data) - 3,
        "behind": len(data) - 1,
    }[where]
    data[place] ^= 1
    path.write_bytes(data if where != "behind" else bytes(data) + b"\0")
    changed = scan(path)
    assert changed.broken is not None or not changed.segment.closed
    if where in {"picture", "gap"}:
        assert changed.broken.fault is Fault.CHANGED


def test_a_removed_a_repeated_and_a_moved_link_are_named(tmp_path):
    segment = whole(tmp_path)
    rows = digests(segment.path, scan(segment.path).links)
    told = {segment.last: segment.chain}
    assert follow("cam-1", START, 0, rows, told) == segment.chain
    assert follow("cam-1", START, 0, rows[:7] + rows[8:], told) == Broken(Fault.MISSING, 7, 8)
    assert follow("cam-1", START, 0, [*rows[:7], rows[6], *rows[7:]], told) == Broken(Fault.ORDER, 7, 6)
    assert follow("cam-1", START, 0, [*rows[:7], rows[8], rows[7], *rows[9:]], told) == Broken(Fault.MISSING, 7, 8)
    other = msgspec.structs.replace(rows[7], digest=bytes(32))
    assert follow("cam-1", START, 0, [*rows[:7], other, *rows[8:]], told) == Broken(Fault.CHANGED, 49, 49)
    later = msgspec.structs.replace(rows[7], at=Instant(rows[7].at + 1))
    assert follow("cam-1", START, 0, [*rows[:7], later, *rows[8:]], told) == Broken(Fault.CHANGED, 49, 49)
    gap = msgspec.structs.replace(rows[7], kind=LinkKind.GAP)
    assert follow("cam-1", START, 0, [*rows[:7], gap, *rows[8:]], told) == Broken(Fault.CHANGED, 49, 49)
    assert follow("cam-2", START, 0, rows, told) == Broken(Fault.CHANGED, 49, 49)


def test_a_path_tells_camera_day_and_sequence(tmp_path):
    assert path_of(tmp_path, "a", 1 << 33, Instant(0)) == tmp_path / "a/1970/01/01/000000-8589934592.cmf"


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc"])
def test_a_camera_cannot_be_called_as_to_write_elsewhere(tmp_path, name):
    with pytest.raises(Refused) as refused:
        SegmentWriter(tmp_path / "volume", name, "street").append(gap_link(0, T0, Gap(name, T0, None, GapKind.DOWN)))
    assert refused.value.fields == {"camera": "video.camera"}
    assert list(tmp_path.iterdir()) == []


LIMITED = """
    import resource, signal, sys
    from pathlib import Path
    from tests.unit.video.test_segment import links_of
    from saqtau.video.segment import SegmentWriter, scan

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    items = links_of(60)
    writer = SegmentWriter(Path(sys.argv[1]), "cam-1", "street")
    for item in items[:4]:
        writer.append(item)
    before = writer.segment()
    resource.setrlimit(resource.RLIMIT_FSIZE, (before.size + int(sys.argv[2]), resource.RLIM_INFINITY))
    try:
        writer.append(items[4])
        print("written")
    except OSError as error:
        print(error.errno, writer.segment() == before, scan(before.path).segment == before)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    for item in items[4:]:
        writer.append(item)
    segment = writer.close()
    print(scan(segment.path).segment == segment, segment.frames)
"""


@pytest.mark.parametrize("room", [0, 100])
def test_a_disk_without_room_leaves_no_half_link(tmp_path, room):
    command = [sys.executable, "-c", textwrap.dedent(LIMITED), str(tmp_path), str(room)]
    out = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | {"PYTHONPATH": "src:."})
    refused = errno.ENOSPC if room else errno.EFBIG
    assert out.stdout.split("\n")[:2] == [f"{refused} True True", "True 60"]


KILLED = """
    import sys
    from pathlib import Path
    from tests.unit.video.test_segment import links_of
    from saqtau.video.segment import SegmentWriter

    writer = SegmentWriter(Path(sys.argv[1]), "cam-1", "street")
    for item in links_of(25 * 50):
        written = writer.append(item)
        print(written.seq, written.chain.hex(), flush=True)
    sys.stdin.read()
"""


def test_kill_9_takes_nothing_that_was_written(tmp_path):
    command = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path)]
    env = os.environ | {"PYTHONPATH": "src:."}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, env=env) as process:
        told = [process.stdout.readline() for _ in range(100)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    seq, chain = next(line.split() for line in reversed(told) if line.endswith("\n"))
    (path,) = tmp_path.rglob("*.cmf")
    mended = repair(path, LATER)
    found = scan(path)
    assert found.segment == mended
    assert found.broken is None
    assert mended.last - 1 >= int(seq)
    assert chain_after(path, found, int(seq)).hex() == chain


def test_cameras_of_one_process_write_side_by_side(tmp_path):
    writers = [SegmentWriter(tmp_path, f"cam-{number}", "street") for number in range(32)]
    for writer in writers:
        for item in links_of(10, camera=writer.camera):
            writer.append(item)
    assert {scan(writer.close().path).segment.frames for writer in writers} == {10}
