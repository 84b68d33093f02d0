"""Cases and shifts of the demonstration, as the files that `register import` takes."""

from collections.abc import Iterable
from datetime import UTC, datetime

from saqtau.kernel.clock import DAY, SECOND, Instant

CASES = "cases.csv"
SHIFTS = "shifts.csv"
NUMBERS = ("УД-2026/101", "УД-2026/102", "УД-2026/103", "УД-2026/104")
SITES = {NUMBERS[0]: "V-SCHOOL;V-OFFICE;V-COLONY", NUMBERS[1]: "V-SCHOOL"}
"""Places that a case is led about: the others open no camera of a school or of custody."""
AHEAD = 31
"""Days for which shifts are written; each start of the demonstration writes them anew."""


def write_cases(region: int, now: Instant) -> bytes:
    """Open cases of a region, one of the whole republic, and one that is closed already."""
    begun = _iso(Instant(now - 20 * DAY))
    rows = [f"{number},{region},{begun},,Тергеу басқармасы,{SITES.get(number, '')}" for number in NUMBERS]
    rows += [f"РК-2026/7,,{begun},,Тергеу департаменті,", f"УД-2025/9,{region},{begun},{_iso(Instant(now - DAY))},,"]
    return _file("number,region,opened,closed,authority,sites", rows)


def write_shifts(people: Iterable[str], now: Instant) -> bytes:
    """Everybody is on shift day and night, from yesterday on: a newcomer tries the demonstration when he has time."""
    today = now // DAY * DAY
    days = [Instant(today + day * DAY) for day in range(-1, AHEAD)]
    return _file(
        "person,from,until", [f"{name},{_iso(day)},{_iso(Instant(day + DAY))}" for name in people for day in days]
    )


def _file(header: str, rows: list[str]) -> bytes:
    return "\n".join((header, *rows, "")).encode()


def _iso(at: Instant) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).isoformat()
