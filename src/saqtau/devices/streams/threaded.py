"""A stream that is read by blocking calls: a thread of its own, its units on the event loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Final, Never

from saqtau.video.access_unit import Unit

Read = Callable[[threading.Event, Callable[[list[Unit]], None]], None]
"""Reads until the event is set, and tells units; raises `Refused` when the stream ends."""

WAITING: Final = 64
"""Lots of units that wait for the event loop at most: then the stream is not read on, and its sender has to wait."""
TURN: Final = 0.2
"""Seconds after which who waits looks whether he should stop."""


async def in_thread(name: str, on_units: Callable[[list[Unit]], None], read: Read) -> Never:
    """Read until cancelled. Raises what `read` or `on_units` raised; on_units is called on the event loop."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Never] = loop.create_future()
    stop, room = threading.Event(), threading.Semaphore(WAITING)

    def end(error: Exception) -> None:
        if not ended.done():
            ended.set_exception(error)

    def take(units: list[Unit]) -> None:
        room.release()
        if not ended.done():
            try:
                on_units(units)
            except Exception as error:  # noqa: BLE001 - raised from here
                end(error)

    def call(what: Callable[..., None], told: Any) -> None:
        if not stop.is_set() and not loop.is_closed():
            loop.call_soon_threadsafe(what, told)

    def tell(units: list[Unit]) -> None:
        while not room.acquire(timeout=TURN):
            if stop.is_set():
                return
        call(take, units)

    def work() -> None:
        try:
            read(stop, tell)
        except Exception as error:  # noqa: BLE001 - raised from here
            call(end, error)

    threading.Thread(target=work, name=f"stream {name}", daemon=True).start()
    try:
        await ended
        raise AssertionError("a stream ended without a word")
    finally:
        stop.set()
