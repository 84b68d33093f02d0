"""Identifiers sort by time and are those of RFC 9562."""

from uuid import UUID

from saqtau.kernel.clock import Instant
from saqtau.kernel.ids import uuid7, uuid7_source


def test_the_example_of_the_standard_comes_out():
    """RFC 9562, appendix A.6: 017F22E2-79B0-7CC3-98C4-DC0C0C07398F."""
    random = 0xCC3 << 64 | 0x18C4DC0C0C07398F
    assert uuid7(Instant(0x017F22E279B0), random.to_bytes(10, "big")) == "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"


def test_it_is_a_uuid_of_version_seven():
    made = UUID(uuid7(Instant(1_764_000_000_000), b"\xff" * 10))
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == 1_764_000_000_000


def test_a_later_one_sorts_later():
    times = iter(Instant(at) for at in (1, 2, 1 << 40))
    source = uuid7_source(lambda: next(times), lambda n: b"\xff" * n)
    made = [source() for _ in range(3)]
    assert made == sorted(made)
