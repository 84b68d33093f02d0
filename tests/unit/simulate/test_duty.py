"""The demonstration's cases and shifts are files that the registers take whole."""

import itertools

from saqtau.engine.register_files import read_rows
from saqtau.kernel.clock import DAY, Instant
from saqtau.simulate.duty import AHEAD, NUMBERS, write_cases, write_shifts

NOW = Instant(1_790_000_000_000)


def test_cases_are_taken_and_one_of_them_is_closed():
    rows, refused, _ = read_rows("cases", write_cases(3, NOW))
    assert refused == []
    cases = {row.record.number: row.record for row in rows}
    assert set(NUMBERS) < cases.keys()
    assert [one.number for one in cases.values() if one.closed is not None and one.closed < NOW] == ["УД-2025/9"]


def test_somebody_is_on_shift_at_every_moment_from_now_on():
    rows, refused, _ = read_rows("shifts", write_shifts(["operator", "duty"], NOW))
    assert refused == []
    shifts = sorted((row.record.since, row.record.until) for row in rows if row.record.person == "duty")
    assert shifts[0][0] <= NOW - DAY // 2
    assert shifts[-1][1] >= NOW + (AHEAD - 1) * DAY
    assert all(before[1] == after[0] for before, after in itertools.pairwise(shifts))
