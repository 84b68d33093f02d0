"""How much one caller may ask. Token buckets in memory: they protect this process, so they need not survive it."""

from collections import OrderedDict

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.web.errors import busy


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Every bound of the web in one place. Rates are requests a second, with a burst."""

    session_rate: float = 30.0
    session_burst: int = 120
    address_rate: float = 200.0  # a room full of consoles sits behind one address
    address_burst: int = 2_000
    streams: int = 2_000  # open live streams of the process
    streams_per_session: int = 8
    views: int = 1_000  # live pictures of cameras of the process
    views_per_session: int = 48  # three walls of sixteen
    playbacks_per_session: int = 8  # recordings that are sent at once
    frames_behind: int = 64  # frames a slow client may be behind before it must reload
    hashing: int = 2  # passwords checked at the same time
    hashing_queue: int = 64  # and waiting for it: a shift that logs in at once


class Buckets:
    """A bucket a key, the oldest forgotten when there are too many."""

    def __init__(self, rate: float, burst: int, most: int = 50_000) -> None:
        self._rate, self._burst, self._most = rate / SECOND, float(burst), most
        self._left: OrderedDict[object, tuple[float, Instant]] = OrderedDict()

    def take(self, key: object, now: Instant) -> None:
        """Count one request. Raises Refused(TOO_MANY) when the bucket is empty."""
        left, since = self._left.pop(key, (self._burst, now))
        left = min(self._burst, left + max(0, now - since) * self._rate)
        self._left[key] = (max(0.0, left - 1), now)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        if left < 1:
            raise busy("too many requests", (1 - left) / self._rate / SECOND, rate="too_many")
