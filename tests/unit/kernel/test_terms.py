"""Deadlines by the clock and by working days."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from saqtau.kernel.clock import DAY, HOUR, MINUTE, SECOND, Instant, after, between
from saqtau.kernel.terms import Calendar, Term, due, parse_term

ALMATY = ZoneInfo("Asia/Almaty")


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("PT15S", Term(15 * SECOND)),
        ("PT2M", Term(2 * MINUTE)),
        ("P1DT2H", Term(DAY + 2 * HOUR)),
        ("P3WD", Term(working_days=3)),
    ],
)
def test_a_term_is_read(text, term):
    assert parse_term(text) == term


@pytest.mark.parametrize(
    "text",
    ["", "P", "PT", "PT0S", "P0WD", "15", "PT15", "P1W", "-PT15S", "PT1.5S", "PT15S ", "P٣WD", "P1DWD", "PT1S\n"],
)
def test_what_is_no_term_is_refused(text):
    with pytest.raises(ValueError, match="not a duration"):
        parse_term(text)


def at(*when):
    return Instant(round(datetime(*when, tzinfo=ALMATY).timestamp() * SECOND))


def test_three_working_days_over_nauryz():
    """Thursday 19 March 2026 and three working days: the 20th, 26th and 27th when the 23rd to 25th are free."""
    free = frozenset(date(2026, 3, day) for day in (23, 24, 25))
    assert due(Term(working_days=3), at(2026, 3, 19, 15), Calendar(ALMATY, free)) == at(2026, 3, 28)


def test_a_weekend_day_worked_by_decree_counts():
    calendar = Calendar(ALMATY, worked=frozenset({date(2026, 1, 4)}))
    assert due(Term(working_days=1), at(2026, 1, 3, 9), calendar) == at(2026, 1, 5)


def test_seconds_between_instants():
    assert after(Instant(1000), 1.5) == 2500
    assert between(Instant(1000), Instant(2500)) == 1.5
    assert between(Instant(2500), Instant(1000)) == -1.5
