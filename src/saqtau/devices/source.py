"""A camera's stream by its address: who plays it, and how long to wait before the next try."""

import ssl
from collections.abc import Callable
from random import Random
from typing import Never
from urllib.parse import urlsplit

from saqtau.devices.rtsp import client as rtsp
from saqtau.devices.streams import client as streams
from saqtau.devices.streams import srt
from saqtau.kernel.clock import Clock
from saqtau.video.access_unit import Unit

FIRST_PAUSE, USUAL_PAUSE, LONGEST_PAUSE = 0.5, 5.0, 30.0  # s
MANY = 40
"""Failures in a row, some three minutes of them, after which a camera is asked more and more seldom."""
SILENCE = 10.0  # s


def pause(tries: int, random: Random) -> float:
    """Seconds before the next try after `tries` failures in a row: doubling, and never all cameras at once.

    A camera that comes back is found within USUAL_PAUSE: the pause is picture that is missing. One that has been away
    for minutes may wait longer: each try of a dead one costs a connection.
    """
    usual = min(USUAL_PAUSE, FIRST_PAUSE * 2.0 ** min(tries, 8))
    seldom = min(LONGEST_PAUSE, usual * 2.0 ** max(0, min(tries, MANY + 8) - MANY))
    return seldom * random.uniform(0.5, 1.0)


async def play(
    address: str, *, credentials: str | None, audio: bool, clock: Clock, on_units: Callable[[list[Unit]], None],
    trust: ssl.SSLContext | None = None, silence: float = SILENCE,
) -> Never:  # fmt: skip
    """Play a stream until cancelled.

    credentials: "user:password". on_units is called on the event loop with what one read completed, and must not
    block. silence: seconds without picture after which the stream is given up. trust: whom to believe over TLS.
    Raises `Refused` with stream="address|unreachable|denied|not_found|no_video|silent|lost|broken".
    """
    match urlsplit(address).scheme.lower():
        case "rtsp" | "rtsps":
            await rtsp.play(
                address, credentials=credentials, audio=audio, clock=clock, on_units=on_units, trust=trust,
                silence=silence,
            )  # fmt: skip
        case "srt":
            await srt.play(
                address, credentials=credentials, audio=audio, clock=clock, on_units=on_units, silence=silence
            )  # fmt: skip
        case _:
            await streams.play(
                address, credentials=credentials, audio=audio, clock=clock, on_units=on_units, trust=trust,
                silence=silence,
            )  # fmt: skip
