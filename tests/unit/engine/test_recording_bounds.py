"""One camera's measure: none drives out the others' recordings, and whatever a real one does fits into it."""

import asyncio
from random import Random

import pytest

from saqtau.engine.recording_bounds import AT_ONCE, CHANGES_AT_ONCE, EXCESS, RATE, Bounds
from saqtau.engine.recording_play import go_on
from saqtau.kernel.clock import HOUR, SECOND, Instant
from saqtau.simulate.clip import scene
from saqtau.video.access_unit import AccessUnit, AudioFrame
from saqtau.video.gap import GapKind

pytestmark = pytest.mark.anyio
NOW = Instant(1_790_000_000_000)
MANY = 1 << 20
PICTURE = AccessUnit(0, True, (bytes(MANY // 2), bytes(MANY // 2)), NOW)
PARAMETERS = scene("yard").parameters


def sent(bounds, units, *, every, count):
    """How many of `count` equal messages, one each `every` ms, a camera may send before it is too much."""
    for number in range(count):
        if bounds.exceeded(units, Instant(NOW + number * every)):
            return number
    return count


def test_a_camera_of_4k_may_send_for_hours():
    assert sent(Bounds(NOW), [PICTURE], every=250, count=4 * HOUR // SECOND) == 4 * HOUR // SECOND  # 32 Mbit/s


@pytest.mark.parametrize("unit", [PICTURE, AudioFrame(0, bytes(MANY), NOW)])
def test_one_that_sends_twice_its_measure_is_stopped_after_what_a_stalled_line_may_bring(unit):
    assert sent(Bounds(NOW), [unit], every=MANY * SECOND // RATE // 2, count=10_000) == pytest.approx(
        2 * AT_ONCE / MANY, rel=0.05
    )


def test_one_that_changes_its_parameters_at_each_picture_is_stopped_and_one_that_reconnects_is_not():
    assert sent(Bounds(NOW), [PARAMETERS], every=40, count=10_000) < CHANGES_AT_ONCE + 5
    assert sent(Bounds(NOW), [PARAMETERS], every=2_500, count=10_000) == 10_000


def test_a_clock_that_is_set_back_gives_nothing():
    bounds = Bounds(NOW)
    assert not bounds.exceeded([PICTURE] * (AT_ONCE // MANY), NOW)
    assert bounds.exceeded([PICTURE], Instant(NOW - HOUR))


class Told:
    """A tape that only remembers."""

    def __init__(self):
        self.taken, self.why = 0, []

    def take(self, units):
        self.taken += len(units)

    def interrupt(self, kind, *, why=None):
        self.why.append((kind, why))


async def test_a_camera_that_floods_is_cut_off_with_the_reason_in_its_gap_and_asked_seldom():
    tape, pauses, changed = Told(), [], asyncio.Event()

    async def play(_camera, on_units):
        while True:
            on_units([PICTURE] * 8)
            await asyncio.sleep(0)

    def pause(tries, _random):
        pauses.append(tries)
        if len(pauses) == 2:
            raise asyncio.CancelledError
        return 0.0

    with pytest.raises(asyncio.CancelledError):
        await go_on(
            type("Camera", (), {"id": "cam"}), tape, changed, lambda _: None, play, pause, lambda: NOW, Random(1)
        )
    assert tape.why == [(GapKind.RECONNECT, EXCESS)] * 2
    assert tape.taken * MANY == AT_ONCE
    assert pauses == [8, 16]
