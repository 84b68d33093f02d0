"""The clock of this machine."""

import time

from saqtau.kernel.clock import Instant


def now() -> Instant:
    """The clock of this machine, in Unix milliseconds."""
    return Instant(time.time_ns() // 1_000_000)
