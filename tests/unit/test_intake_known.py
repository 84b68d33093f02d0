"""Whom the intake does not know is refused only while it can know better."""

import msgspec
import pytest

from saqtau.bootstrap.intake import STALE, Known
from saqtau.engine.registry import NOTHING
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera

CAMERA = Camera("c1", "s1", "Abay", 2, 43.0, 77.0, 0.0, 60.0)


class Pool:
    """The record as far as tablets are asked for: there are none."""

    async def fetch(self, *_):
        return []


@pytest.fixture
def known():
    clock = [100.0]
    made = Known(None, lambda: clock[0])
    made.clock = clock
    return made


def refused(known):
    for ask in (lambda: known.camera(b"x"), lambda: known.phone(b"x"), lambda: known.tablet("x")):
        with pytest.raises(Refused) as found:
            ask()
        assert (found.value.kind, found.value.fields) == (Kind.UNAVAILABLE, {"registers": "stale"})


def test_before_the_registers_are_read_nobody_is_a_stranger(known):
    refused(known)


@pytest.mark.anyio
async def test_a_stranger_is_one_while_the_registers_are_fresh_and_may_be_known_when_they_are_not(known):
    await known.refresh_tablets(Pool())
    assert (known.camera(b"x"), known.phone(b"x"), known.tablet("x")) == (None, None, None)
    known.clock[0] += STALE + 1
    refused(known)
    known.registers = msgspec.structs.replace(NOTHING, by_token={b"k": CAMERA})
    assert known.camera(b"k") == CAMERA  # who is known stays known while the record is away
