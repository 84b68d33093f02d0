"""What a camera's own memory held of a gap: a chain of its own, beside the camera's, by the times that it tells.

A picture of a card was not seen by us when it was taken. So it never stands in the camera's chain: the chain
`<camera>+card` has its own files, heads and leaves, entered when it was fetched and never before. Pure.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from saqtau.kernel.clock import MINUTE, SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import AccessUnit, Parameters, Unit
from saqtau.video.segment import LinkAt

SUFFIX: Final = "+card"
"""Behind a camera's code; no code holds a plus."""
LEAD: Final = MINUTE
"""How far before a gap a device may begin: at its key picture. That time stays what was recorded."""
BACK: Final = 2 * SECOND
"""How far a picture may be told to be before the one it follows."""
MOST_BITS: Final = 32_000_000
"""A second, of one recording: twice what a camera of 4K sends."""
LEAST: Final = 20 << 20
"""Bytes that may come of any time, however short: also a device whose times stand still comes to an end."""
MOST_CHANGES: Final = 60
"""Changes of parameters at once, and one more every two seconds, as of a living camera: each begins a file."""
CHANGE_EVERY: Final = 2 * SECOND
BRIDGED: Final = SECOND
LASTS: Final = 10 * SECOND
"""A living camera without a picture for so long is silent (`source_silent`): no picture of a card shows more either."""


def chain_of(camera: str) -> str:
    """The chain of what was fetched from a camera's card."""
    return camera + SUFFIX


def is_card(chain: str) -> bool:
    """Whether a chain is that of a card."""
    return chain.endswith(SUFFIX)


def camera_of(chain: str) -> str:
    """The camera of a chain."""
    return chain.removesuffix(SUFFIX)


class Sieve:
    """What a device sends of the time from `began` to `ended`, as it may be written. clock: its clock less ours, ms.

    pictures: that were let through. over: it has sent one behind the time.
    """

    def __init__(self, began: Instant, ended: Instant, clock: int) -> None:
        self.pictures = 0
        self.over = False
        self._began, self._ended, self._clock = began, ended, clock
        self._latest: Instant | None = None
        self._first: Instant | None = None
        self._size = self._changes = 0

    def take(self, unit: Unit) -> Unit | None:
        """The unit by our clock; None: it is not of this time, and that is no lie.

        Raises Refused, `card`: "times" (it was asked for another time, or its times go back), "too_much".
        """
        if isinstance(unit, Parameters):
            self._changes += 1
            shown = 0 if self._latest is None or self._first is None else self._latest - self._first
            if self._changes > MOST_CHANGES + shown // CHANGE_EVERY:
                raise Refused(Kind.TOO_LARGE, "pictures that need ever other parameters", card="too_much")
            return unit
        if not isinstance(unit, AccessUnit):
            return None  # what was lost shows as a hole in its times
        at = Instant(unit.received - self._clock)
        if at < self._began - LEAD or at > self._ended + LEAD:
            raise Refused(Kind.INVALID, "pictures of another time than was asked for", card="times")
        if self._latest is not None and at < self._latest - BACK:
            raise Refused(Kind.INVALID, "pictures whose times go back", card="times")
        self._latest = at if self._latest is None else max(at, self._latest)
        self._first = at if self._first is None else self._first
        self._size += sum(map(len, unit.nals))
        if self._size > LEAST + (self._latest - self._first) * MOST_BITS // (8 * SECOND):
            raise Refused(Kind.TOO_LARGE, "more pictures than their time can hold", card="too_much")
        if at >= self._ended:
            self.over = True
        if self.over:
            return None
        self.pictures += 1
        return msgspec.structs.replace(unit, received=at, ntp=unit.received)


def spans_of(links: Iterable[LinkAt], began: Instant, ended: Instant) -> list[tuple[Instant, Instant]]:
    """When these links show something, within a gap: what touches is one.

    How long a picture lasts is the device's word: pictures ever further apart would show days with twenty of them.
    """
    found: list[tuple[Instant, Instant]] = []
    for link in sorted((one for one in links if one.gap is None), key=lambda one: one.at):
        low, high = max(link.at, began), min(link.ended, Instant(link.at + LASTS), ended)
        if low >= high:
            continue
        if found and low - found[-1][1] <= BRIDGED:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def length(spans: Sequence[tuple[int, int]]) -> int:
    """Milliseconds of spans that are apart."""
    return sum(high - low for low, high in spans)
