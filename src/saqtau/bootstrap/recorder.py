"""The recorder: cameras into files, live picture, index, minutes into the log. `[video] processes` of them share."""

import asyncio
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom

import structlog
from prometheus_client import REGISTRY, write_to_textfile

from saqtau.bootstrap.cards import fetching_of
from saqtau.bootstrap.ground import Ground, ids, now
from saqtau.config import parse_bytes
from saqtau.devices import source
from saqtau.engine import broker, postgres
from saqtau.engine.live_video import Sender
from saqtau.engine.place import read_secret
from saqtau.engine.postgres import WORKER
from saqtau.engine.recording import Recorder
from saqtau.engine.recording_leases import Leases
from saqtau.engine.recording_volumes import Volumes
from saqtau.engine.worker import every
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import VideoCamera
from saqtau.video.access_unit import Unit
from saqtau.video.volume import Volume

log = structlog.get_logger("saqtau.recorder")


def volumes_of(ground: Ground) -> Volumes:
    """The volumes of the configuration."""
    settings = ground.config.video
    budget = parse_bytes(settings.budget) if settings.budget is not None else None
    folders = settings.folders or (ground.place.folder / "video",)
    return Volumes([Volume(folder.absolute(), budget) for folder in folders], now)


def credentials_of(ground: Ground, camera: VideoCamera) -> str | None:
    """What a camera is asked with, "user:password". Raises Refused(UNAVAILABLE, `stream`): no such file."""
    return secret_of(ground, camera.id, camera.credentials)


def secret_of(ground: Ground, camera: str, credentials: str | None) -> str | None:
    """As `credentials_of`, for who knows only these two of the camera."""
    if credentials is None:
        return None
    path = ground.place.secrets / "cameras" / credentials
    try:
        return read_secret(path)
    except Refused as refused:
        told = f"camera {camera}: {refused.message}"
        raise Refused(Kind.UNAVAILABLE, told, stream="credentials") from refused


def trust_of(ground: Ground) -> ssl.SSLContext | None:
    """Whom cameras that speak TLS are believed by: `secrets/cameras.pem` where it is there, else the system's."""
    path = ground.place.secrets / "cameras.pem"
    return ssl.create_default_context(cafile=str(path)) if path.is_file() else None


async def record(ground: Ground, shard: int, stop: asyncio.Event) -> None:
    """Record until told to stop. shard: which of the recorder processes this is."""
    settings = ground.config.video
    pool = await postgres.pool(ground.server(WORKER), WORKER, 6)
    pictures = await broker.connect(ground.pictures(), f"saqtau-recorder-{shard}")
    ledger_pool = await postgres.pool(ground.server(WORKER), WORKER, 2)
    ledger = ground.open_ledger(ledger_pool)
    trust = trust_of(ground)

    async def play(camera: VideoCamera, on_units: Callable[[list[Unit]], None]) -> None:
        secret = credentials_of(ground, camera)  # read at each try: a new password needs no restart
        await source.play(
            camera.address, credentials=secret, audio=camera.audio, clock=now, on_units=on_units, trust=trust
        )

    live = Sender(pictures, now)
    await live.start()
    leases = Leases(ground.place.run / "recording", shard, settings.processes)
    random = SystemRandom()
    volumes = volumes_of(ground)
    fetching = fetching_of(pool, ledger, volumes, lambda camera: credentials_of(ground, camera), trust)
    recorder = Recorder(
        pool, ledger, leases, volumes, play, source.pause, now, ids, random, live=live, fetching=fetching
    )

    async def tell() -> None:
        name = f"metrics-{os.getpid()}.prom"
        await asyncio.to_thread(write_to_textfile, str(ground.place.run / name), REGISTRY)

    log.info("recorder begins", shard=shard, volumes=[str(Path(one)) for one in volumes.all])
    await asyncio.gather(recorder.run(stop), every(10.0, "metrics", tell, stop))
    await live.stop()
    await ledger.close()
    await pictures.close()
    await ledger_pool.close()
    pool.terminate()
