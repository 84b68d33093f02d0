"""Time is handed in. `Instant` is Unix milliseconds UTC; a `Clock` is any function that returns one."""

from collections.abc import Callable
from typing import NewType

Instant = NewType("Instant", int)
Seconds = NewType("Seconds", float)

Clock = Callable[[], Instant]

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def after(start: Instant, seconds: float) -> Instant:
    """The instant `seconds` later than `start`, rounded to the millisecond."""
    return Instant(start + round(seconds * SECOND))


def between(earlier: Instant, later: Instant) -> Seconds:
    """Seconds from `earlier` to `later`; negative when they are in the other order."""
    return Seconds((later - earlier) / SECOND)
