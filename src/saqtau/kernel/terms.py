"""Deadlines: durations by the clock (`PT15S`, `P1DT2H`) or by working days of a jurisdiction (`P3WD`)."""

import re
from collections.abc import Container
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

import msgspec

from saqtau.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant

_CLOCK = re.compile(r"P(?:(\d{1,5})D)?(?:T(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?", re.ASCII)
_WORKING = re.compile(r"P(\d{1,4})WD", re.ASCII)


class Term(msgspec.Struct, frozen=True):
    """How long something may take: milliseconds by the clock, or a number of working days."""

    millis: int = 0
    working_days: int = 0


class Calendar(msgspec.Struct, frozen=True):
    """Working days of a jurisdiction. `holidays`: free days; `worked`: weekend days worked by decree."""

    zone: tzinfo = UTC
    holidays: Container[date] = frozenset()
    worked: Container[date] = frozenset()

    def works(self, day: date) -> bool:
        """Whether this is a working day."""
        return day in self.worked or (day.weekday() < 5 and day not in self.holidays)


@lru_cache(maxsize=1024)
def parse_term(text: str) -> Term:
    """Read an ISO 8601 duration (days and smaller) or `PnWD`. Raises ValueError on anything else, and on zero."""
    if working := _WORKING.fullmatch(text):
        term = Term(working_days=int(working[1]))
    elif clock := _CLOCK.fullmatch(text):
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        term = Term(millis=days * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND)
    else:
        term = Term()
    if term == Term():
        raise ValueError(f"not a duration: {text!r}")
    return term


def due(term: Term, start: Instant, calendar: Calendar) -> Instant:
    """When a term that starts now ends. A working-day term ends at the end of its last working day."""
    if not term.working_days:
        return Instant(start + term.millis)
    day = datetime.fromtimestamp(start / SECOND, calendar.zone).date()
    left = term.working_days
    while left:
        day += timedelta(days=1)
        left -= calendar.works(day)
    end = datetime.combine(day + timedelta(days=1), datetime.min.time(), calendar.zone)
    return Instant(round(end.timestamp() * SECOND))
