"""One camera is played until it ends, and then again: what it yields goes onto its tape, why it ended into its gap."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final, Protocol

from saqtau.engine.recording_bounds import EXCESS, Bounds
from saqtau.engine.recording_tape import Tape
from saqtau.engine.video_camera import Off
from saqtau.kernel.clock import MINUTE, Clock, Instant
from saqtau.kernel.errors import Refused
from saqtau.kernel.register import VideoCamera
from saqtau.video.access_unit import Unit
from saqtau.video.gap import GapKind

STEADY: Final = MINUTE
"""A stream that has lasted so long is tried again at once when it ends."""
DENIED: Final = 8
"""A denial counts for so many failures: cameras lock out who comes again and again with a wrong password. So does too
much: the pause is what keeps a camera within its measure."""

Play = Callable[[VideoCamera, Callable[[list[Unit]], None]], Awaitable[None]]
"""Plays a camera until cancelled; raises Refused (`stream`) when it ends."""
Pause = Callable[[int, Random], float]
"""Seconds before the next try after so many in a row."""


class Live(Protocol):
    """Who shows the picture as it is written."""

    def begin(self, camera: str, codec: str, init: bytes, path: Path, seq: int) -> None:
        """A file was begun."""

    def written(self, camera: str, seq: int, at: Instant, key: bool, offset: int, data: bytes) -> None:
        """A fragment was written."""

    def dark(self, camera: str, kind: str, since: Instant) -> None:
        """A gap has begun."""

    def forget(self, camera: str) -> None:
        """The camera is another's."""


async def go_on(
    camera: VideoCamera,
    tape: Tape,
    changed: asyncio.Event,
    off_of: Callable[[str], Off | None],
    play: Play,
    pause: Pause,
    clock: Clock,
    random: Random,
) -> None:
    """Play a camera again and again, but not while it is switched off, until cancelled.

    changed: set when somebody has switched it off or on. Raises Refused that the tape raised: begin anew.
    """
    tries = 0
    bounds = Bounds(clock())
    while True:
        changed.clear()
        off = off_of(camera.id)
        if off is not None:
            tape.interrupt(GapKind.DISABLED, by=off.by, why=off.why)
            await changed.wait()
            tape.interrupt(GapKind.RECONNECT, why="switched_on")
            tries = 0
            continue
        began = clock()
        reason = await _play_once(camera, tape, changed, play, lambda units: bounds.exceeded(units, clock()))
        if reason is None:
            continue
        tape.interrupt(GapKind.SILENT if reason == "silent" else GapKind.RECONNECT, why=reason)
        tries = 0 if clock() - began > STEADY else tries + (DENIED if reason in {"denied", EXCESS} else 1)
        try:
            async with asyncio.timeout(pause(tries, random)):
                await changed.wait()
        except TimeoutError:
            continue


async def _play_once(
    camera: VideoCamera, tape: Tape, changed: asyncio.Event, play: Play, exceeded: Callable[[list[Unit]], bool]
) -> str | None:
    """Play until it ends; why it ended, None when it was switched off. Raises what the tape raised."""
    faults: list[Refused] = []
    excess = False

    def take(units: list[Unit]) -> None:
        nonlocal excess
        if excess or exceeded(units):
            excess = True
            playing.cancel()
            return
        try:
            tape.take(units)
        except Refused as refused:  # never into the client's own code: it would call the stream broken
            faults.append(refused)
            playing.cancel()

    playing = asyncio.ensure_future(play(camera, take))
    waiting = asyncio.ensure_future(changed.wait())
    try:
        await asyncio.wait({playing, waiting}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()
        playing.cancel()
        await asyncio.gather(playing, waiting, return_exceptions=True)
    if faults:
        raise faults[0]
    if excess:
        return EXCESS
    if playing.cancelled():
        return None
    error = playing.exception()
    if isinstance(error, Refused):
        return error.fields.get("stream", error.kind.value)
    if error is not None:
        raise error
    return "ended"
