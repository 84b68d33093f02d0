"""A camera that is played in a test: what it gave so far, and waiting for more of it."""

import asyncio
import time
from contextlib import asynccontextmanager

from saqtau.devices.source import play
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.video.access_unit import AccessUnit, AudioFrame, Loss, Parameters

PATIENCE = 60.0  # s: a machine may be slow, what is waited for comes or the test fails


def now():
    return Instant(time.time_ns() // 1_000_000)


async def until(true):
    """Wait for a condition."""
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.01)


class Played:
    """What came, in order."""

    def __init__(self):
        self.units = []
        self.task = None

    def of(self, kind):
        return [unit for unit in self.units if isinstance(unit, kind)]

    @property
    def pictures(self):
        return self.of(AccessUnit)

    @property
    def parameters(self):
        return self.of(Parameters)

    @property
    def losses(self):
        return self.of(Loss)

    @property
    def sounds(self):
        return self.of(AudioFrame)

    async def more(self, count):
        """Wait for that many further pictures."""
        wanted = len(self.pictures) + count
        await until(lambda: len(self.pictures) >= wanted or self.task.done())
        if self.task.done():
            await self.task

    async def ending(self):
        """The refusal that ends the play."""
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait({self.task})
        error = self.task.exception()
        assert isinstance(error, Refused), error
        return error


@asynccontextmanager
async def played(address, *, credentials=None, audio=False, **how):
    """A play of `address`, stopped at the end."""
    one = Played()
    one.task = asyncio.create_task(
        play(address, credentials=credentials, audio=audio, clock=now, on_units=one.units.extend, **how)
    )
    try:
        yield one
    finally:
        one.task.cancel()
        await asyncio.wait({one.task})


async def refused(address, **how):
    """The word of the refusal that a play of `address` ends with, and its text."""
    async with played(address, **how) as one:
        error = await one.ending()
    return error.fields["stream"], error.message
