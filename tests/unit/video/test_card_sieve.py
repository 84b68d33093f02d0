"""What a device sends of a gap, as it may be written: of the time that was asked for, by our clock, with an end."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau.kernel.clock import MINUTE, SECOND, Instant
from saqtau.kernel.errors import Refused
from saqtau.simulate.clip import scene
from saqtau.video.access_unit import AccessUnit, Loss
from saqtau.video.card import (
    BACK,
    LASTS,
    LEAD,
    LEAST,
    MOST_BITS,
    MOST_CHANGES,
    Sieve,
    camera_of,
    chain_of,
    is_card,
    length,
    spans_of,
)
from saqtau.video.chain import LinkKind
from saqtau.video.fragment import Fragmenter
from saqtau.video.segment import LinkAt, SegmentWriter, scan

BEGAN = Instant(1_795_000_000_000)
ENDED = Instant(BEGAN + 10 * SECOND)


def picture(at, size=1_000):
    return AccessUnit(0, True, (bytes(size),), Instant(at))


def link(at, duration):
    return LinkAt(0, Instant(at), 0, 0, LinkKind.FRAGMENT, True, duration, 1, None, b"")


def test_a_chain_of_a_card_has_a_name_that_no_camera_can_have():
    assert (chain_of("c-1"), camera_of("c-1+card")) == ("c-1+card", "c-1")
    assert is_card("c-1+card")
    assert not is_card("c-1")


def test_a_picture_stands_where_it_was_by_our_clock_and_keeps_what_the_device_said():
    kept = Sieve(BEGAN, ENDED, 4_000).take(picture(BEGAN + 5_000))
    assert (kept.received, kept.ntp) == (BEGAN + 1_000, BEGAN + 5_000)


def test_what_comes_behind_the_gap_is_not_kept_and_is_no_lie():
    sieve = Sieve(BEGAN, ENDED, 0)
    assert sieve.take(picture(ENDED - 40)) is not None
    assert sieve.take(picture(ENDED)) is None
    assert sieve.over
    assert sieve.take(Loss(3, BEGAN)) is None


@pytest.mark.parametrize("at", [BEGAN - LEAD - 1, ENDED + LEAD + 1, BEGAN + 3_600_000])
def test_pictures_of_another_time_are_refused(at):
    with pytest.raises(Refused) as refused:
        Sieve(BEGAN, ENDED, 0).take(picture(at))
    assert refused.value.fields == {"card": "times"}


def test_times_that_go_back_are_refused():
    sieve = Sieve(BEGAN, ENDED, 0)
    sieve.take(picture(BEGAN + 5_000))
    assert sieve.take(picture(BEGAN + 5_000 - BACK)) is not None
    with pytest.raises(Refused) as refused:
        sieve.take(picture(BEGAN + 5_000 - BACK - 1))
    assert refused.value.fields == {"card": "times"}


@given(st.lists(st.tuples(st.integers(-2 * LEAD, 3 * LEAD), st.integers(1, 4 << 20)), max_size=60))
def test_whatever_comes_only_so_many_bytes_of_the_asked_time_are_kept(sent):
    sieve, kept, times = Sieve(BEGAN, ENDED, 0), 0, []
    with suppress(Refused):
        for offset, size in sent:
            found = sieve.take(picture(BEGAN + offset, size))
            if found is not None:
                kept += size
                times.append(found.received)
    assert kept <= LEAST + (10 * SECOND + 2 * LEAD) * MOST_BITS // (8 * SECOND)
    assert all(BEGAN - LEAD <= at < ENDED for at in times)


def test_a_device_whose_time_stands_still_comes_to_an_end():
    sieve = Sieve(BEGAN, ENDED, 0)
    for _ in range(LEAST // 1_000):
        sieve.take(picture(BEGAN))
    with pytest.raises(Refused) as refused:
        sieve.take(picture(BEGAN))
    assert refused.value.fields == {"card": "too_much"}


def test_a_device_that_changes_its_parameters_at_every_picture_fills_no_disk_with_files():
    sieve, parameters = Sieve(BEGAN, ENDED, 0), scene("street").parameters
    for number in range(MOST_CHANGES):
        assert sieve.take(parameters) is parameters
        assert sieve.take(picture(BEGAN + number)) is not None
    with pytest.raises(Refused) as refused:
        sieve.take(parameters)
    assert refused.value.fields == {"card": "too_much"}


def test_only_what_lies_within_the_gap_counts_as_shown():
    links = [link(BEGAN - 3_000, 2_000), link(BEGAN - 500, 1_000), link(BEGAN + 500, 500), link(BEGAN + 8_000, MINUTE)]
    found = spans_of(links, BEGAN, ENDED)
    assert found == [(BEGAN, BEGAN + 1_000), (BEGAN + 8_000, ENDED)]
    assert length(found) == 3_000


def test_few_pictures_ever_further_apart_do_not_show_an_hour(tmp_path):
    chain, ended, clip = chain_of("c-1"), Instant(BEGAN + 60 * MINUTE), scene("street")
    writer, fragmenter, sieve = SegmentWriter(tmp_path, chain, "street"), Fragmenter(chain), Sieve(BEGAN, ended, 0)
    at, apart, sent = BEGAN, 400, 0
    written = fragmenter.take(clip.parameters)
    while at < ended:
        kept = sieve.take(AccessUnit((at - BEGAN) * 90, True, clip.pictures[0], at))
        written += [] if kept is None else fragmenter.take(kept)
        at, apart, sent = Instant(at + apart), apart * 13 // 10, sent + 1
    files = [writer.append(one).closed for one in [*written, *fragmenter.flush(ended)]]
    files = [one for one in (*files, writer.close()) if one is not None]
    assert sent < 40
    assert length(spans_of((link for file in files for link in scan(file.path).links), BEGAN, ended)) <= sent * LASTS
