"""A tape: whatever source, disk and people do, each instant is a picture or a gap, and the chain goes on."""

import resource
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saqtau.engine.recording_tape import CLOSED_AFTER, SILENT, Tape
from saqtau.kernel.clock import Instant
from saqtau.kernel.register import PlaceKind, VideoCamera
from saqtau.simulate.clip import scene
from saqtau.video.access_unit import AccessUnit, Loss
from saqtau.video.chain import START, Broken, Row, follow
from saqtau.video.fragment import Fragment
from saqtau.video.gap import GapKind
from saqtau.video.segment import SegmentWriter, scan
from saqtau.video.shelf import files_from

NOW = 1_790_000_000_000
CLIP = scene("yard")
CAMERA = VideoCamera(
    id="cam", site="s1", name="Cam", region=3, lat=51, lon=71, place=PlaceKind.SCHOOL, address="rtsp://h/a",
    keep_days=30,
)  # fmt: skip
STEP = round(1000 / CLIP.fps)


class Scene:
    """A camera, a disk, a clock: what happens to a tape, and what it told."""

    def __init__(self, folder, *, seq=0, chain=START, ended=None):
        self.now, self.folder_, self.room, self.picture = NOW, Path(folder), True, 0
        self.told, self.pending, self.failures, self.files = [], [], [], []
        writer = SegmentWriter(self.folder_, "cam", "school", seq=seq, chain=chain)
        self.tape = Tape(CAMERA, writer, self, lambda: Instant(self.now), ended)

    def began(self, _camera, _parameters, path, seq):
        self.files.append((path, seq))

    def wrote(self, _camera, link, _written):
        self.told.append(link)

    def closed(self, _camera, segment):
        assert segment.closed

    def waits(self, _camera, name, gap):
        self.pending.append((name, gap))

    def folder(self, _camera):
        return self.folder_ if self.room else None

    def failed(self, _folder, error):
        self.failures.append(error)

    def play(self, pictures):
        """So many pictures, one after another."""
        units = [CLIP.parameters]
        for _ in range(pictures):
            index = self.picture % len(CLIP.pictures)
            unit = AccessUnit(self.picture * STEP * 90, CLIP.keys[index], CLIP.pictures[index], Instant(self.now))
            self.tape.take([*units, unit])
            units = []
            self.picture += 1
            self.now += STEP

    def wait(self, millis):
        """Time passes without a picture."""
        for _ in range(max(1, millis // 500)):
            self.now += 500
            self.picture += 500 // STEP
            self.tape.tick()

    def links(self):
        """All links on disk; fails unless they are one chain."""
        found, head, expected = [], START, 0
        for path in files_from(self.folder_, "cam", 0):
            one = scan(path)
            head = follow("cam", head, expected, [Row(each.seq, each.at, each.kind, each.digest) for each in one.links])
            assert not isinstance(head, Broken)
            found += one.links
            expected = one.segment.last + 1
        return found

    def unaccounted(self):
        spans = sorted((one.at if one.gap is None else one.gap.began, one.ended) for one in self.links())
        missing, covered = 0, spans[0][0]
        for began, ended in spans:
            missing += max(0, began - covered)
            covered = max(covered, ended)
        return missing


@pytest.fixture
def show(tmp_path):
    made = Scene(tmp_path)
    made.tape.begin()
    yield made
    made.tape.writer.abandon()


def kinds(show):
    return [link.gap.kind for link in show.told if not isinstance(link, Fragment)]


def test_until_the_first_picture_there_is_a_gap(show):
    show.wait(2000)
    show.play(30)
    show.tape.stop()
    gaps = [one.gap for one in show.links() if one.gap is not None]
    assert [(gap.kind, gap.began) for gap in gaps] == [(GapKind.RECONNECT, NOW)] * 2
    assert gaps[0].ended is None
    assert gaps[1].ended == next(one.at for one in show.links() if one.gap is None)
    assert show.unaccounted() == 0


def test_the_time_since_the_last_recorder_is_told_first(tmp_path):
    show = Scene(tmp_path, ended=Instant(NOW - 5000))
    show.tape.begin()
    show.play(30)
    show.tape.stop()
    first, second = [one.gap for one in show.links()][:2]
    assert (first.kind, first.began, first.ended) == (GapKind.DOWN, NOW - 5000, None)
    assert (second.kind, second.ended) == (GapKind.DOWN, NOW)
    assert show.unaccounted() == 0


def test_silence_begins_where_the_last_picture_ended(show):
    show.play(30)
    show.wait(SILENT + 1000)
    gap = show.told[-1].gap
    assert (gap.kind, gap.ended) == (GapKind.SILENT, None)
    last = [link for link in show.told if isinstance(link, Fragment)][-1]
    assert gap.began == last.ended
    assert show.tape.dark == gap.began
    show.play(60)
    assert show.tape.dark is None
    show.tape.stop()
    assert show.unaccounted() == 0


def test_a_recorder_that_was_held_up_does_not_call_it_the_camera_s_silence(show):
    show.wait(500)
    show.play(30)
    show.now += 2 * SILENT  # a write that hung: what the camera sent lies in the socket
    show.tape.tick()
    assert GapKind.SILENT not in kinds(show)
    show.wait(SILENT + 1000)
    assert kinds(show)[-1] is GapKind.SILENT


def test_many_tries_to_connect_are_one_gap(show):
    show.play(30)
    for why in ("lost", "unreachable", "unreachable", "denied"):
        show.tape.interrupt(GapKind.RECONNECT, why=why)
        show.wait(1000)
    lasting = [link.gap for link in show.told if not isinstance(link, Fragment)][2:]
    assert [(gap.kind, gap.why) for gap in lasting] == [(GapKind.RECONNECT, "lost")]


def test_who_switched_it_off_ends_the_silence_before(show):
    show.play(30)
    show.wait(SILENT + 1000)
    show.tape.interrupt(GapKind.DISABLED, by="anna", why="the wall is painted")
    silence, disabled = [link.gap for link in show.told if not isinstance(link, Fragment)][-2:]
    assert (silence.kind, silence.ended) == (GapKind.SILENT, show.now)
    assert (disabled.kind, disabled.began, disabled.by) == (GapKind.DISABLED, show.now, "anna")


def test_a_file_of_a_dark_camera_is_ended_and_the_next_picture_begins_another(show):
    show.play(30)
    show.wait(SILENT + CLOSED_AFTER + 2000)
    assert show.tape.writer.segment() is None
    show.play(60)
    show.tape.stop()
    assert len(files_from(show.folder_, "cam", 0)) >= 3
    assert show.unaccounted() == 0


def test_no_room_is_told_at_once_and_written_when_there_is_room(show):
    show.play(30)
    show.room = False
    show.wait(500)
    ((name, gap),) = show.pending
    assert (gap.kind, gap.ended, gap.why) == (GapKind.DISK_FULL, None, "no room")
    show.play(30)  # lost
    show.room = True
    show.wait(500)
    show.play(60)
    show.tape.stop()
    links = show.links()
    assert f"cam/{next(one.seq for one in links if one.gap is not None and one.gap.kind == 'disk_full')}" == name
    assert show.unaccounted() == 0


def test_a_write_that_the_disk_refuses_loses_what_follows_and_nothing_before(show):
    show.play(30)
    kept, size = len(show.told), show.files[-1][0].stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))  # no file may grow: the kernel's own refusal
    try:
        show.play(30)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert len(show.told) == kept
    assert show.failures
    assert show.pending[0][1].kind is GapKind.DISK_FULL
    show.wait(500)
    show.play(60)
    show.tape.stop()
    assert show.unaccounted() == 0


def test_lost_packets_are_a_gap_with_their_number(show):
    show.play(30)
    show.tape.take([Loss(7, Instant(show.now))])
    show.play(60)
    show.tape.stop()
    (gap,) = [one.gap for one in show.links() if one.gap is not None and one.gap.kind is GapKind.LOSS]
    assert gap.packets == 7
    assert show.unaccounted() == 0


ACTS = st.lists(
    st.one_of(
        st.tuples(st.just("play"), st.integers(1, 40)),
        st.tuples(st.just("wait"), st.integers(500, 70_000)),
        st.tuples(st.just("out"), st.sampled_from([GapKind.RECONNECT, GapKind.SILENT, GapKind.DISABLED])),
        st.tuples(st.just("lose"), st.integers(1, 9)),
        st.tuples(st.just("room"), st.booleans()),
    ),
    max_size=12,
)


@settings(max_examples=25)
@given(ACTS)
def test_whatever_happens_every_instant_is_accounted_for(tmp_path_factory, acts):
    show = Scene(tmp_path_factory.mktemp("tape"))
    show.tape.begin()
    for act, what in acts:
        match act:
            case "play":
                show.play(what)
            case "wait":
                show.wait(what)
            case "out":
                show.tape.interrupt(what, by="anna" if what is GapKind.DISABLED else None)
            case "lose":
                show.tape.take([Loss(what, Instant(show.now))])
            case "room":
                show.room = what
                show.tape.tick()
    show.room = True
    show.wait(500)
    show.play(40)
    show.tape.stop()
    assert show.unaccounted() == 0
    assert show.tape.writer.segment() is None
