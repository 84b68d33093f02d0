"""Codes against RFC 6238's own figures, and what is never taken."""

import base64

import pyotp
from hypothesis import given
from hypothesis import strategies as some

from saqtau.kernel.clock import SECOND, Instant
from saqtau.web.totp import STEP, step_of

RFC = base64.b32encode(b"12345678901234567890").decode()
RFC_CODES = {59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037"}
MOMENTS = some.integers(min_value=0, max_value=4_000_000_000)


def test_the_codes_are_those_of_the_standard():
    for second, code in RFC_CODES.items():
        assert step_of(RFC, code, Instant(second * SECOND), -1) == second // STEP


@given(MOMENTS, some.integers(min_value=-5, max_value=5))
def test_one_step_on_either_side_is_taken_and_no_other(second, off):
    at = second // STEP
    code = pyotp.TOTP(RFC).generate_otp(max(0, at + off))
    found = step_of(RFC, code, Instant(second * SECOND), -1)
    near = [step for step in (at - 1, at, at + 1) if step >= 0 and pyotp.TOTP(RFC).generate_otp(step) == code]
    assert found == (near[-1] if near else None)
    if abs(off) <= 1 and at + off >= 0:
        assert found is not None


@given(MOMENTS, some.integers(min_value=0, max_value=3))
def test_no_step_is_taken_that_is_not_newer_than_the_last(second, ago):
    at = second // STEP
    last = max(0, at - 1 + ago)
    for step in (at - 1, at, at + 1):
        if step >= 0:
            found = step_of(RFC, pyotp.TOTP(RFC).generate_otp(step), Instant(second * SECOND), last)
            assert found is None or found > last


@given(some.text(max_size=12))
def test_what_is_no_code_is_refused_not_broken(text):
    step_of(RFC, text, Instant(59_000), -1)
