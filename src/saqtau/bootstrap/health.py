"""The part `health`: how the cameras of this machine's volumes are, and what became of each minute of all of them."""

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from random import SystemRandom
from typing import Final

import structlog
from prometheus_client import REGISTRY, Counter, Gauge, write_to_textfile

from saqtau.bootstrap.ground import Ground, ids, now
from saqtau.bootstrap.recorder import secret_of, trust_of
from saqtau.devices.onvif.events import listen
from saqtau.engine import postgres
from saqtau.engine.postgres import WORKER
from saqtau.engine.video_account import Account
from saqtau.engine.video_decoding import Decoders
from saqtau.engine.video_health import HealthWatch
from saqtau.engine.video_told import Listening, Teller
from saqtau.engine.worker import every
from saqtau.kernel.clock import SECOND
from saqtau.video.told import Batch

log = structlog.get_logger("saqtau.health")

EVERY: Final = 60.0
"""Seconds from one look at all cameras to the next."""
TOLD_EVERY: Final = 10.0
"""Seconds between two rounds of the minute account: a minute is told at most so long after it is over."""
LISTENED_EVERY: Final = 10.0
"""Seconds until a camera that was just entered is listened to."""

_expected = Counter("saqtau_video_expected_seconds", "Seconds that had to be recorded", ("region", "place"))
_recorded = Counter("saqtau_video_recorded_seconds", "Seconds of them that were recorded", ("region", "place"))
_unexplained = Counter("saqtau_video_unexplained_minutes", "Minutes that nobody has explained", ("region", "place"))
_looked = Gauge("saqtau_video_health_cameras", "Cameras of the last round, by what came of it", ("outcome",))
_hearing = Gauge("saqtau_video_listened_cameras", "Cameras that tell of themselves over ONVIF")
_took = Gauge("saqtau_video_health_seconds", "How long the last round took")


async def watch(ground: Ground, stop: asyncio.Event) -> None:
    """Work until told to stop."""
    os.nice(5)  # recording comes first
    pool = await postgres.pool(ground.server(WORKER), WORKER, 4)
    ledger_pool = await postgres.pool(ground.server(WORKER), WORKER, 2)
    ledger = ground.open_ledger(ledger_pool)
    decoders = Decoders(max(1, min(8, (os.cpu_count() or 1) // 2)))
    health, account = HealthWatch(pool, ledger, decoders, now), Account(pool)

    trust = trust_of(ground) or ssl.create_default_context()  # one for all: each of its own is half a megabyte

    async def hear(camera: Teller, on_batch: Callable[[Batch], Awaitable[None]]) -> None:
        secret = secret_of(ground, camera.id, camera.credentials)  # read at each try, as the recorder does
        await listen(camera.service, secret, now, on_batch, trust=trust)

    listening = Listening(pool, ledger, hear, now, ids, SystemRandom())

    async def attend() -> None:
        await listening.round()
        _hearing.set(len(listening.hearing))

    async def look() -> None:
        began = now()
        done = await health.round()
        for outcome in ("looked", "away", "undecodable"):
            _looked.labels(outcome).set(getattr(done, outcome))
        _took.set((now() - began) / SECOND)
        if done.told:
            log.info("cameras have changed", told=done.told, looked=done.looked, away=done.away)

    async def count() -> None:
        done = await account.round(now())
        for counter, sums, unit in (
            (_expected, done.expected, SECOND),
            (_recorded, done.recorded, SECOND),
            (_unexplained, done.unexplained, 1),
        ):
            for (region, place), much in sums.items():
                counter.labels(str(region), place).inc(much / unit)

    async def tell() -> None:
        name = f"metrics-{os.getpid()}.prom"
        await asyncio.to_thread(write_to_textfile, str(ground.place.run / name), REGISTRY)

    await asyncio.gather(
        every(EVERY, "camera health", look, stop),
        every(TOLD_EVERY, "minute account", count, stop),
        every(LISTENED_EVERY, "what cameras tell", attend, stop),
        every(10.0, "metrics", tell, stop),
    )
    await listening.stop()
    await decoders.close()
    await ledger.close()
    ledger_pool.terminate()
    pool.terminate()
