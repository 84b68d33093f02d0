"""A stream that is read in a thread: its units come in order, and a sender that is faster than we are has to wait."""

import threading

import pytest

from saqtau.devices.streams.threaded import WAITING, in_thread
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import Loss

pytestmark = pytest.mark.anyio
MANY = 20 * WAITING


async def test_no_more_is_read_than_the_event_loop_takes_and_nothing_is_lost():
    all_told, heard, ahead = threading.Event(), [], []

    def read(stop, tell):
        for number in range(MANY):
            tell([Loss(number, Instant(0))])
        all_told.set()
        raise Refused(Kind.UNAVAILABLE, "the stream ended", stream="lost")

    def on_units(units):
        if not heard:  # the loop is held up: here, as by a slow disk
            ahead.append(all_told.wait(0.5))
        heard.extend(unit.packets for unit in units)

    with pytest.raises(Refused):
        await in_thread("camera", on_units, read)
    assert ahead == [False], "it was read to its end while nobody took anything"
    assert heard == list(range(MANY))
