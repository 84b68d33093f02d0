"""When a picture was: the source's time stamps laid on our clock, without the jumps of either.

Time stamps of a source are exact from picture to picture and drift over days; our clock at receipt is right over days
and trembles from picture to picture. So media time goes with the stamps, and is turned slowly towards the earliest
receipts (a packet can be late, never early). Source of the idea: Moonfire NVR, design/time.md.
"""

from typing import Final

from saqtau.kernel.clock import Instant

_WINDOW: Final = 64  # stamps between two corrections, at least,
_WINDOW_MS: Final = 2_000  # and time of ours: what a network held up comes all at once, and none of it in time
_FAR_MS: Final = 250  # beyond this the clocks disagree, it is no drift
_GENTLE, _FIRM = 0.0005, 0.05  # share of a duration that may be added or taken


class MediaClock:
    """Media time of one track, `rate` ticks a second since 1970."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._offset: float | None = None
        self._slew = 0.0
        self._low = 0.0
        self._count = 0
        self._began = 0
        self._since = Instant(0)

    def reset(self) -> None:
        """The next stamp has nothing to do with those before (another connection, another clock)."""
        self._offset = None

    def late(self, ts: int, received: Instant) -> float:
        """Seconds that this stamp comes later than it should; negative when it is early; 0.0 for the first."""
        if self._offset is None:
            return 0.0
        return (received * self._rate / 1000 - ts - self._offset) / self._rate

    def at(self, ts: int, received: Instant) -> int:
        """Media time of stamp `ts` (unwrapped, ticks), whose last byte came at `received`."""
        measured = received * self._rate / 1000 - ts
        if self._offset is None:
            self._offset, self._slew, self._count = measured, 0.0, 0
        if not self._count:
            self._low, self._began, self._since = measured - self._offset, ts, received
        self._low = min(self._low, measured - self._offset)
        self._count += 1
        self._offset += self._slew
        if self._count >= _WINDOW and received - self._since >= _WINDOW_MS:
            share = _FIRM if abs(self._low) * 1000 > _FAR_MS * self._rate else _GENTLE
            most = max(ts - self._began, 0) * share / self._count
            self._slew = min(max(self._low / self._count, -most), most)
            self._count = 0
        return ts + round(self._offset)
