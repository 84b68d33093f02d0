"""How often a device may speak, and what it already said. Bounded memory; time is handed in."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused


class Rate(msgspec.Struct, frozen=True):
    """A token bucket: `burst` at once, refilled at `per_second`."""

    per_second: float
    burst: float


class Buckets:
    """Token buckets by key. At most `most` keys; the one not used for longest falls off (and is full again)."""

    def __init__(self, rate: Rate, most: int = 50_000) -> None:
        self._rate = rate
        self._most = most
        self._levels: OrderedDict[str, tuple[float, Instant]] = OrderedDict()

    def spend(self, key: str, now: Instant, cost: float = 1.0) -> bool:
        """Whether `key` may speak now; if so, it is charged. A clock that steps back refills nothing."""
        level, since = self._levels.get(key, (self._rate.burst, now))
        level = min(self._rate.burst, level + max(0, now - since) / SECOND * self._rate.per_second)
        may = level >= cost
        self._levels[key] = (level - cost if may else level, now)
        self._levels.move_to_end(key)
        if len(self._levels) > self._most:
            self._levels.popitem(last=False)
        return may


class Once:
    """Work done once a key. A repeat during the work waits for its result; a later one, in the window, is free."""

    def __init__(self, window: int, most: int = 200_000) -> None:
        self._window = window  # ms
        self._most = most
        self._done: OrderedDict[str, Instant] = OrderedDict()
        self._under_way: dict[str, asyncio.Future[None]] = {}

    async def do(self, key: str, now: Instant, work: Callable[[], Awaitable[None]]) -> bool:
        """True when this call did the work, False when it was a repeat. Raises what the work raised, to every waiter.

        Failed work is forgotten, so that the device's next try is a first one.
        """
        self._forget(now)
        if key in self._done:
            return False
        if waiting := self._under_way.get(key):
            await asyncio.shield(waiting)
            return False
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way[key] = future
        try:
            await work()
        except asyncio.CancelledError:
            self._fail(future, Refused(Kind.UNAVAILABLE, "the first of two equal events was given up"))
            raise
        except Exception as error:
            self._fail(future, error)
            raise
        else:
            self._done[key] = now
            future.set_result(None)
        finally:
            del self._under_way[key]
        return True

    def _forget(self, now: Instant) -> None:
        while self._done:
            key, since = next(iter(self._done.items()))
            if len(self._done) < self._most and now - since <= self._window:
                return
            del self._done[key]

    @staticmethod
    def _fail(future: asyncio.Future[None], error: Exception) -> None:
        future.set_exception(error)
        future.exception()  # seen: without a second waiter nobody else would look at it
