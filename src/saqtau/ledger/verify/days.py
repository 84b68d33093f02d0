"""The days that leaves bear: they go forward, and not beyond today. A clock that was turned back shows here."""

import datetime as dt
from typing import Final

from saqtau.kernel.clock import DAY, SECOND, Instant
from saqtau.ledger.verify.finding import Finding

MIDNIGHT: Final = 1_000
"""Entries after the first of a new day among which the day before may still occur: the clocks of processes differ."""


class Days:
    """Sees the day of each entry in order; `findings` tells where the first one goes wrong."""

    def __init__(self, now: Instant) -> None:
        self._tomorrow = _day(Instant(now + DAY))
        self._latest = ""
        self._before = ""  # the day before the latest one
        self._since = 0  # entry with which the latest day began
        self._found: dict[str, Finding] = {}

    def see(self, entry: int, day: str) -> None:
        """day: YYYY-MM-DD; such texts are in the order of the days."""
        if day == self._latest:
            return
        if day > self._tomorrow:
            self._tell("ahead", entry, f"bears the day {day}, which has not come yet: a clock ran ahead")
        elif day > self._latest:
            self._latest, self._before, self._since = day, _previous(day), entry
        elif day < self._before or entry - self._since > MIDNIGHT:
            told = f"bears the day {day}, after entry {self._since} of {self._latest}: a clock was turned back"
            self._tell("back", entry, told)

    def findings(self) -> list[Finding]:
        """The first entry that went back, and the first one ahead of its time."""
        return list(self._found.values())

    def _tell(self, kind: str, entry: int, what: str) -> None:
        self._found.setdefault(kind, Finding(f"entry {entry}", what))


def _day(at: Instant) -> str:
    return dt.datetime.fromtimestamp(at / SECOND, dt.UTC).date().isoformat()


def _previous(day: str) -> str:
    return (dt.date.fromisoformat(day) - dt.timedelta(days=1)).isoformat()
