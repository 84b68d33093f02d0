"""Load as cameras make it: many kept connections, real pushes, a fixed rate.

The rate does not wait for answers: a push has its time in the schedule, and its latency counts from then, so a
server that falls behind cannot make itself look fast (no coordinated omission).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count

import msgspec

from saqtau.simulate.wire import BROKEN, Line

CONNECTIONS = 64
Timer = Callable[[], float]
"""Seconds of a steady clock."""


class Push(msgspec.Struct, frozen=True):
    """A ready request. `key`: what the one who made it knows it by, "" when it does not matter."""

    path: str
    headers: dict[str, str]
    body: bytes
    key: str = ""


class Figures(msgspec.Struct, frozen=True):
    """What came of it. Latencies in ms, ascending, of pushes that were taken, from their time in the schedule."""

    rate: float
    seconds: float
    statuses: dict[int, int]  # 0: no answer
    latencies: tuple[float, ...]
    sent_at: dict[str, float]  # key -> steady clock when it was due

    @property
    def taken(self) -> int:
        """Pushes answered 200."""
        return self.statuses.get(200, 0)

    def at(self, share: float) -> float:
        """The latency that `share` (0..1) of the taken pushes stay under; not a number when none was taken."""
        return percentile(self.latencies, share)


def percentile(ascending: Sequence[float], share: float) -> float:
    """Nearest-rank percentile of ascending values."""
    if not ascending:
        return float("nan")
    return ascending[min(int(share * len(ascending)), len(ascending) - 1)]


async def load(
    intake: str,
    make: Callable[[int], Push],
    *,
    rate: float,
    seconds: float,
    timer: Timer,
    connections: int = CONNECTIONS,
) -> Figures:
    """Send `rate` pushes a second for so long over so many connections.

    intake: `http://host:port`. make: the push of a running number, called shortly before it is sent.
    """
    total = round(rate * seconds)
    numbers = count()
    statuses: Counter[int] = Counter()
    latencies: list[float] = []
    sent_at: dict[str, float] = {}
    begin = timer()

    async def camera() -> None:
        line = Line(intake)
        while (number := next(numbers)) < total:
            due = begin + number / rate
            if (early := due - timer()) > 0:
                await asyncio.sleep(early)
            push = make(number)
            if push.key:
                sent_at[push.key] = due
            try:
                status = (await line.ask("POST", push.path, push.body, push.headers)).status
            except BROKEN:
                status = 0
            statuses[status] += 1
            if status == 200:
                latencies.append((timer() - due) * 1000)
        line.close()

    await asyncio.gather(*(camera() for _ in range(connections)))
    spent = timer() - begin
    return Figures(len(latencies) / spent, spent, dict(statuses), tuple(sorted(latencies)), sent_at)
