"""Stored pictures over RTSP: the header extension that says when each was taken, and the range that is asked for."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau.devices.rtsp.replay import clock_range, replay, told_by
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.simulate.card import Card, Stored, asked_range, packets_of
from saqtau.simulate.clip import scene
from saqtau.simulate.loop import serving
from saqtau.video.access_unit import AccessUnit


def now():
    return Instant(time.time_ns() // 1_000_000)


@given(st.integers(0, 4_000_000_000_000), st.booleans())
def test_the_time_of_a_stored_picture_is_read_as_it_was_written(at, last):
    wire = packets_of(Stored(Instant(at), scene("yard"), 0), 7, 1, Card(), last=last, channel=0)
    assert told_by(wire, 4, 4 + int.from_bytes(wire[2:4], "big")) == (at, last)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_time_or_none(data):
    told = told_by(data, 0, len(data))
    assert told is None or isinstance(told[0], int)


@given(st.integers(0, 4_000_000_000_000), st.integers(0, 10_000_000))
def test_a_range_is_read_as_it_was_asked(began, long):
    assert asked_range(clock_range(Instant(began), Instant(began + long))) == (began, began + long)


@pytest.mark.anyio
async def test_what_a_card_has_comes_with_its_own_times_and_another_time_is_nothing():
    async with serving(clock=now) as server:
        stream = server.stream("yard/1")
        card, clip = stream.store(), scene("yard")
        began = Instant(1_795_000_000_000)
        card.pictures.clear()
        for number in range(100):
            index = number % len(clip.pictures)
            card.pictures.appendleft(Stored(Instant(began - number * 80), clip, (-index) % len(clip.pictures)))
        units, address = [], server.address("replay/yard/1")

        async def ask(low, high):
            await replay(
                address, Instant(low), Instant(high), credentials=None, clock=now, on_units=units.extend, silence=2.0
            )

        await ask(began - 4_000, began - 1_000)
        times = [one.received for one in units if isinstance(one, AccessUnit)]
        assert times == sorted(times)
        assert times[0] <= began - 4_000 <= began - 1_100 <= times[-1] < began - 1_000
        with pytest.raises(Refused) as refused:
            await ask(began + 3_600_000, began + 3_601_000)
        assert refused.value.fields["stream"] == "nothing"
