"""What one camera may send: the disk, and the loop that records it, are those of all cameras.

Where a volume has no room, what is nearest to its term goes, of all cameras alike: a camera that sends without measure,
or a machine in its place, would drive out the others' recordings, and one that changes its parameters at each picture
would fill a volume with files of one picture.
"""

from collections.abc import Sequence
from typing import Final

from saqtau.kernel.clock import SECOND, Instant
from saqtau.video.access_unit import AccessUnit, AudioFrame, Parameters, Unit

RATE: Final = 8 << 20
"""Bytes a second in the long run: 64 Mbit, several times what a camera of 4K sends."""
AT_ONCE: Final = 128 << 20
"""Bytes beyond it: what a stalled line brings when it flows again."""
CHANGES_AT_ONCE: Final = 60
CHANGE_EVERY: Final = 2 * SECOND
"""Parameters may be others so often in the long run: each begins a file."""
EXCESS: Final = "too_much"
"""Why it is not recorded on, in the gap."""


class Bounds:
    """How much a camera has left of both. Time that goes back gives nothing."""

    __slots__ = ("_bytes", "_changes", "_seen")

    def __init__(self, now: Instant) -> None:
        self._bytes = float(AT_ONCE)
        self._changes = float(CHANGES_AT_ONCE)
        self._seen = now

    def exceeded(self, units: Sequence[Unit], now: Instant) -> bool:
        """Count what came; whether it is more than a camera may send."""
        since = max(0, now - self._seen)
        self._seen = now
        left = min(self._bytes + since * RATE / SECOND, AT_ONCE)
        changes = min(self._changes + since / CHANGE_EVERY, CHANGES_AT_ONCE)
        for unit in units:
            if isinstance(unit, AccessUnit):
                left -= sum(map(len, unit.nals))
            elif isinstance(unit, AudioFrame):
                left -= len(unit.data)
            elif isinstance(unit, Parameters):
                changes -= 1
        # never far below nought: a camera that keeps to it again is taken again
        self._bytes, self._changes = max(left, 0.0), max(changes, 0.0)
        return left < 0 or changes < 0
