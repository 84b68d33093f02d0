"""From units to links: what is in a fragment, when it ends, and what is told of the time between."""

from itertools import pairwise

import msgspec
import pytest
from tests.coded import AAC, G711, T0, pictures, sound, stream, units_of

from saqtau.kernel.clock import HOUR, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import AudioFrame, Codec, Loss, Parameters
from saqtau.video.boxes import children, init_segment, moof_of, nals_of, parse_fragment
from saqtau.video.fragment import Fragment, Fragmenter, GapLink, SourceClock, gap_link, gap_of
from saqtau.video.gap import Gap, GapKind

PARAMETERS, CODED = stream()


def taken(fragmenter, units):
    return [link for unit in units for link in fragmenter.take(unit)]


def running(count=25, **more):
    fragmenter = Fragmenter("cam-1")
    return fragmenter, taken(fragmenter, [PARAMETERS, *pictures(CODED, count, **more)])


def gaps(links):
    return [link.gap for link in links if isinstance(link, GapLink)]


def fragments(links):
    return [link for link in links if isinstance(link, Fragment)]


def test_five_pictures_of_25_a_second_are_a_fragment_and_a_key_begins_one():
    fragmenter, links = running(31)
    assert isinstance(links[0], Parameters)
    assert [link.frames for link in links[1:]] == [5] * 6
    assert [link.key for link in links[1:]] == [True, False] * 3
    assert [link.seq for link in links[1:]] == list(range(6))
    assert [link.at - T0 for link in links[1:]] == [0, 200, 400, 600, 800, 1000]
    assert fragmenter.seq == 6


def test_the_bytes_of_the_pictures_are_those_that_came():
    _, links = running(21)
    written = [nal for link in fragments(links) for nal in units_of(link.data)]
    assert written == [nal for nals, _, _ in (CODED * 2)[:20] for nal in nals]


def test_a_fragment_says_of_itself_what_it_is():
    _, links = running(11)
    for link in fragments(links):
        head = parse_fragment(link.data)
        assert (head.seq, head.utc, head.ts, head.key, head.frames) == (
            link.seq,
            link.at,
            link.ts,
            link.key,
            link.frames,
        )
        assert head.duration == 18_000
        assert link.ts // 90 == link.at


def test_the_clock_of_the_source_stands_beside_ours():
    _, links = running(6)
    assert links[1].source == SourceClock(T0, 5_000)


def test_pictures_before_the_first_key_are_left_out():
    fragmenter = Fragmenter("cam-1")
    links = taken(fragmenter, [PARAMETERS, *pictures(CODED, 20, first=3)])
    assert links[1].key
    assert links[1].at == T0 + 10 * 40
    assert gaps(links) == []


def test_lost_packets_are_a_gap_between_the_pictures_around_them():
    fragmenter, links = running(8)
    links += taken(fragmenter, [Loss(3, Instant(T0 + 330)), Loss(1, Instant(T0 + 340)), *pictures(CODED, 8, first=9)])
    assert gaps(links) == [Gap("cam-1", Instant(T0 + 320), Instant(T0 + 360), GapKind.LOSS, 4)]
    order = [type(link).__name__ for link in links[1:]]
    assert order[:4] == ["Fragment", "Fragment", "GapLink", "Fragment"]
    assert [link.seq for link in links[1:]] == list(range(len(links) - 1))


def test_a_loss_that_nobody_can_count_is_a_gap_without_a_number():
    fragmenter, _ = running(8)
    links = taken(fragmenter, [Loss(2, Instant(T0 + 330)), Loss(None, Instant(T0 + 340)), *pictures(CODED, 1, first=9)])
    assert gaps(links)[0].packets is None


def test_losses_before_the_first_picture_belong_to_the_gap_before_it():
    fragmenter = Fragmenter("cam-1")
    assert gaps(taken(fragmenter, [PARAMETERS, Loss(3, T0), *pictures(CODED, 8)])) == []


def test_a_source_that_ends_is_an_open_gap_that_the_next_picture_closes():
    fragmenter, links = running(8)
    links += fragmenter.interrupt(GapKind.RECONNECT, Instant(T0 + 2_000))
    assert gaps(links) == [Gap("cam-1", Instant(T0 + 320), None, GapKind.RECONNECT)]
    assert fragments(links)[-1].ended == T0 + 320
    links += taken(fragmenter, pictures(CODED, 8, first=1, began=T0 + 5_000, origin=77))  # not from a key on
    assert len(gaps(links)) == 1
    links += taken(fragmenter, pictures(CODED, 8, first=8, began=T0 + 5_000, origin=77))
    assert gaps(links)[1:] == [Gap("cam-1", Instant(T0 + 320), Instant(T0 + 5_400), GapKind.RECONNECT)]
    assert links[-1].at == T0 + 5_400


def test_the_same_reason_again_enters_nothing_and_another_closes_the_first():
    fragmenter, _ = running(8)
    fragmenter.interrupt(GapKind.SILENT, Instant(T0 + 2_000))
    assert fragmenter.interrupt(GapKind.SILENT, Instant(T0 + 3_000)) == []
    links = fragmenter.interrupt(GapKind.DISABLED, Instant(T0 + 4_000), by="officer-7", why="lens is cleaned")
    assert gaps(links) == [
        Gap("cam-1", Instant(T0 + 320), Instant(T0 + 4_000), GapKind.SILENT),
        Gap("cam-1", Instant(T0 + 4_000), None, GapKind.DISABLED, None, "officer-7", "lens is cleaned"),
    ]


def test_a_loss_before_the_source_ends_is_entered_too():
    fragmenter, _ = running(8)
    fragmenter.take(Loss(5, Instant(T0 + 330)))
    links = fragmenter.interrupt(GapKind.RECONNECT, Instant(T0 + 900))
    assert [(gap.kind, gap.packets, gap.ended) for gap in gaps(links)] == [
        (GapKind.LOSS, 5, T0 + 900),
        (GapKind.RECONNECT, None, None),
    ]


def test_a_camera_never_seen_is_dark_since_it_is_asked_for():
    fragmenter = Fragmenter("cam-1", 7)
    links = fragmenter.interrupt(GapKind.DOWN, T0, began=Instant(T0 - 60_000))
    assert links == [gap_link(7, T0, Gap("cam-1", Instant(T0 - 60_000), None, GapKind.DOWN))]


def test_silence_between_two_pictures_is_a_gap_and_no_long_picture():
    fragmenter, _ = running(8)
    links = taken(fragmenter, pictures(CODED, 8, first=8 + 25 * 4))
    assert gaps(links) == [Gap("cam-1", Instant(T0 + 320), Instant(T0 + 4_320), GapKind.SILENT)]


def test_a_slow_camera_is_not_silent():
    _, links = running(10, fps=1)
    assert gaps(links) == []
    assert {link.duration_ms for link in fragments(links)} == {1_000}


def test_a_slow_camera_may_be_a_little_slower_for_once():
    fragmenter, _ = running(20, fps=1)
    links = taken(fragmenter, pictures(CODED, 5, fps=1, first=22))
    assert gaps(links) == []
    assert max(link.duration_ms for link in fragments(links)) == 3_000


def test_new_parameters_end_the_fragment_and_the_next_begins_with_a_key():
    fragmenter, links = running(8)
    other = msgspec.structs.replace(PARAMETERS, width=640)
    links = taken(fragmenter, [other, *pictures(CODED, 18, first=8)])
    assert [type(link) for link in links[:3]] == [Fragment, Parameters, GapLink]
    assert links[1] == other
    assert links[2].gap == Gap("cam-1", Instant(T0 + 320), Instant(T0 + 400), GapKind.BAD)
    assert links[3].key


def test_the_same_parameters_again_change_nothing():
    fragmenter, _ = running(8)
    assert fragmenter.take(PARAMETERS) == []
    assert taken(fragmenter, pictures(CODED, 3, first=8))[0].frames == 5


def test_a_source_that_never_sends_a_key_is_undecodable_and_says_so_once():
    fragmenter = Fragmenter("cam-1")
    fragmenter.interrupt(GapKind.RECONNECT, T0)
    found = [(nals, False, shown) for nals, _, shown in CODED]
    links = taken(fragmenter, [PARAMETERS, *pictures(found, 1_500)])
    assert [(gap.kind, gap.ended is None) for gap in gaps(links)] == [(GapKind.RECONNECT, False), (GapKind.BAD, True)]
    assert gaps(links)[1].why == "no key picture in 500"
    links = taken(fragmenter, pictures(CODED, 6, first=1_500))
    assert gaps(links)[0].ended == T0 + 60_000


def test_time_follows_the_stamps_although_receipts_tremble():
    fragmenter = Fragmenter("cam-1")
    units = [
        msgspec.structs.replace(unit, received=Instant(unit.received + (number * 37) % 90))
        for number, unit in enumerate(pictures(CODED, 500))
    ]
    links = fragments(taken(fragmenter, [PARAMETERS, *units]))
    steps = [after.ts - before.ts for before, after in pairwise(links)]
    assert max(steps) <= 18_000 * 1.0006
    assert min(steps) >= 18_000 * 0.9994
    assert abs(links[-1].at - (T0 + links[-1].seq * 200)) < 20


def test_a_source_whose_clock_runs_fast_stays_with_ours():
    fragmenter = Fragmenter("cam-1")
    units = [
        msgspec.structs.replace(unit, received=Instant(T0 + round((unit.received - T0) * (1 - 1e-4))))
        for unit in pictures(CODED, 25 * 60 * 10)
    ]
    links = fragments(taken(fragmenter, [PARAMETERS, *units]))
    true = T0 + round((len(links) - 1) * 200 * (1 - 1e-4))
    assert abs(links[-1].at - true) < 20
    assert all(before.ended == after.at for before, after in pairwise(links))


def test_a_burst_after_a_held_up_network_keeps_its_times():
    fragmenter = Fragmenter("cam-1")
    units = [
        msgspec.structs.replace(unit, received=max(unit.received, Instant(T0 + 9_000)))
        if unit.received - T0 > 5_000
        else unit
        for unit in pictures(CODED, 500)
    ]
    links = taken(fragmenter, [PARAMETERS, *units])
    assert gaps(links) == []
    assert abs(links[-1].at - (T0 + links[-1].seq * 200)) < 20


def test_a_clock_of_ours_that_was_set_back_is_told_and_followed():
    fragmenter, _ = running(30)
    links = taken(fragmenter, pictures(CODED, 30, first=30, late=-HOUR))
    (gap,) = gaps(links)
    assert gap.kind is GapKind.BAD
    assert gap.why.startswith("clock set back by 36000")
    assert abs(links[-1].at - (T0 - HOUR + 30 * 40)) < 1_200


def test_a_clock_of_the_source_that_begins_anew_changes_no_time_of_ours():
    fragmenter, _ = running(30)
    links = taken(fragmenter, pictures(CODED, 31, first=30, origin=-900_000_000))
    assert gaps(links) == []
    assert links[-1].at == T0 + 55 * 40 + 0


def test_reordered_pictures_keep_their_order_and_their_time():
    _, coded = stream(reordered=True)
    fragmenter = Fragmenter("cam-1")
    parameters, _ = stream(reordered=True)
    units = [
        msgspec.structs.replace(unit, ts=5_000 + coded[number][2] * 3600)
        for number, unit in enumerate(pictures(coded, len(coded)))
    ]
    links = taken(fragmenter, [parameters, *units]) + fragmenter.flush(Instant(T0 + 9_000))
    assert gaps(links) == []
    written = [nal for link in fragments(links) for nal in units_of(link.data)]
    assert written == [nal for nals, _, _ in coded for nal in nals]
    assert all(parse_fragment(link.data).frames == link.frames for link in fragments(links))


@pytest.mark.parametrize("audio", [G711, AAC])
def test_sound_stands_before_the_pictures_and_can_be_left_out(audio):
    parameters = msgspec.structs.replace(PARAMETERS, audio=audio)
    fragmenter, silent = Fragmenter("cam-1"), Fragmenter("cam-1")
    units = sorted([*pictures(CODED, 25), *frames(audio)], key=lambda unit: unit.received)
    heard = fragments(taken(fragmenter, [parameters, *units]))
    unheard = fragments(taken(silent, [PARAMETERS, *pictures(CODED, 25)]))
    assert [without_sound(link.data) for link in heard] == [link.data for link in unheard]
    assert [list(nals_of(link.data)) for link in heard] == [units_of(link.data) for link in unheard]
    assert all(
        parse_fragment(link.data) == parse_fragment(other.data) for link, other in zip(heard, unheard, strict=True)
    )
    assert all(len(link.data) > len(other.data) for link, other in zip(heard, unheard, strict=True))
    assert len(init_segment(parameters)) > len(init_segment(PARAMETERS))


def without_sound(data):
    """What is left when the first `moof` and `mdat` are left out."""
    clock, _, _, *pictures = [box for _, box in children(data, 0)]
    return clock + b"".join(pictures)


def frames(audio):
    if audio is G711:
        return sound(audio, 1)
    return [AudioFrame(number * 1024, b"\x01\x18\x20\x07", Instant(T0 + number * 64)) for number in range(16)]


def test_sound_has_no_holes_although_receipts_tremble():
    fragmenter = Fragmenter("cam-1")
    heard = [
        msgspec.structs.replace(frame, received=Instant(frame.received + number * 7 % 13))
        for number, frame in enumerate(sound(G711, 4))
    ]
    units = sorted([*pictures(CODED, 100), *heard], key=lambda unit: unit.received)
    links = fragments(taken(fragmenter, [msgspec.structs.replace(PARAMETERS, audio=G711), *units]))
    moofs = [moof_of(children(link.data, 0)[1][1]) for link in links]
    assert all(before.base + before.duration == after.base for before, after in pairwise(moofs))
    assert abs(moofs[0].base - T0 * 8) < 20 * 8


def test_sound_without_pictures_does_not_grow_for_ever():
    fragmenter, _ = running(8)
    fragmenter.take(msgspec.structs.replace(PARAMETERS, audio=G711))
    taken(fragmenter, sound(G711, 30))
    assert len(fragmenter._sound._waiting) <= 10 * 50 + 1


def test_the_end_of_a_source_gives_what_waits():
    fragmenter, links = running(8)
    links += fragmenter.flush(Instant(T0 + 310))
    assert sum(link.frames for link in fragments(links)) == 8
    assert links[-1].ended == T0 + 310
    assert fragmenter.flush(Instant(T0 + 400)) == []


def test_a_gap_is_read_as_it_was_entered_and_in_no_other_spelling():
    link = gap_link(9, T0, Gap("cam-1", T0, None, GapKind.DISABLED, None, "officer-7", "жөндеу"))
    assert gap_of("cam-1", link.data) == link
    spaced = link.data[:24] + link.data[24:].replace(b":9,", b": 9,")
    for other in (spaced, link.data[:-1], link.data + b" ", link.data[:24], b""):
        with pytest.raises(Refused) as refused:
            gap_of("cam-1", other)
        assert refused.value.kind is Kind.INVALID


@pytest.mark.parametrize("codec", list(Codec))
def test_both_codecs_have_an_init_segment(codec):
    parameters, _ = stream(codec)
    init = init_segment(parameters)
    assert init[4:8] == b"ftyp"
    assert (b"avcC" if codec is Codec.H264 else b"hvcC") in init
    assert all(nal in init for nal in parameters.sets)
