"""A stream that is read by blocking calls: a thread of its own, its units on the event loop."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Never

from saqtau.video.access_unit import Unit

Read = Callable[[threading.Event, Callable[[list[Unit]], None]], None]
"""Reads until the event is set, and tells units; raises `Refused` when the stream ends."""


async def in_thread(name: str, on_units: Callable[[list[Unit]], None], read: Read) -> Never:
    """Read until cancelled. Raises what `read` or `on_units` raised; on_units is called on the event loop."""
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[Never] = loop.create_future()
    stop = threading.Event()

    def end(error: Exception) -> None:
        if not ended.done():
            ended.set_exception(error)

    def take(units: list[Unit]) -> None:
        if not ended.done():
            try:
                on_units(units)
            except Exception as error:  # noqa: BLE001 - raised from here
                end(error)

    def call(what: Callable[..., None], told: Any) -> None:
        if not stop.is_set() and not loop.is_closed():
            loop.call_soon_threadsafe(what, told)

    def work() -> None:
        try:
            read(stop, lambda units: call(take, units))
        except Exception as error:  # noqa: BLE001 - raised from here
            call(end, error)

    threading.Thread(target=work, name=f"stream {name}", daemon=True).start()
    try:
        await ended
        raise AssertionError("a stream ended without a word")
    finally:
        stop.set()
