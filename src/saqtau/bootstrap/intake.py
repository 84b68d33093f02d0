"""The intake: where devices push. Its answer "received" means on disk."""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, TypeVar

import uvicorn
from cryptography.x509 import Certificate
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest

from saqtau.bootstrap.accounts import device_authority
from saqtau.bootstrap.ground import Ground, ids, links, now
from saqtau.bootstrap.plate_events import take_events
from saqtau.devices.hikvision.server import pushes
from saqtau.devices.http import App, Handler, Receive, Scope, Send, serve
from saqtau.devices.off_road import off_road_of
from saqtau.devices.owntracks.server import Phone, locations
from saqtau.devices.tablet.server import Enrolled, positions
from saqtau.devices.taking import Taking
from saqtau.devices.track import OffRoad, no_map
from saqtau.engine.atlas import Atlas, open_atlas
from saqtau.engine.failures import refusals
from saqtau.engine.journal import POSITIONS, ensure_streams
from saqtau.engine.pack import Packer, read_packer
from saqtau.engine.postgres import WORKER
from saqtau.engine.registry import NOTHING, Registers, read_registers
from saqtau.engine.window import Window, ensure_window
from saqtau.engine.worker import every
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera
from saqtau.kernel.signal import PlateRead, Position
from saqtau.web.devices import Vouched, read_devices
from saqtau.web.protocol import BoundedProtocol

Found = TypeVar("Found")

_KEEP = "insert into quarantine (at, source, camera, reason, raw) values ($1, 'device', $2, $3, $4)"


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Not uvicorn's business: what was taken is written before the process ends."""
        yield


STALE = 5.0
"""Seconds after which what is in memory may lack somebody who was registered meanwhile."""


class Known:
    """Cameras, phones and tablets that may speak, in memory; read again every second.

    Who is not among them while the record has not been asked for long is told to come again (503): he may have been
    registered meanwhile, and a camera drops the event that is answered with 401.
    """

    def __init__(self, authority: Certificate, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._vouched = Vouched(authority)
        self._monotonic = monotonic
        self._read = -math.inf
        self.registers: Registers = NOTHING
        self.tablets: dict[str, Enrolled] = {}

    async def refresh(self, pool: Any) -> None:
        """As the record has them now."""
        async with pool.acquire() as pg:
            self.registers = await read_registers(pg, self.registers, now())
            await self.refresh_tablets(pg)

    async def refresh_tablets(self, pg: Any) -> None:
        """Enrolled tablets only."""
        self.tablets = await read_devices(pg, self._vouched, now())
        self._read = self._monotonic()

    def tablet(self, device: str) -> Enrolled | None:
        """An enrolled tablet. Raises Refused(UNAVAILABLE), as the others, when it may not be known yet."""
        return self._if_known(self.tablets.get(device))

    def camera(self, digest: bytes) -> Camera | None:
        """The camera a token was given to."""
        return self._if_known(self.registers.by_token.get(digest))

    def phone(self, digest: bytes) -> Phone | None:
        """The phone a token was given to."""
        unit = self._if_known(self.registers.units_by_token.get(digest))
        return None if unit is None else Phone(device=f"phone-{unit}", unit=unit)

    def _if_known(self, found: Found | None) -> Found | None:
        if found is None and self._monotonic() > self._read + STALE:
            raise Refused(Kind.UNAVAILABLE, "the registers have not been read for a while", registers="stale")
        return found


def position_packer(js: Any) -> Packer[Position]:
    """The packer of positions: by unit, not sealed; a track is kept as long as its law says."""
    # a position may wait longer than a read: at 20 ms the 64 partitions would carry three of them a message
    return Packer(js, now, ids, key=lambda position: position.unit, stream=POSITIONS, flush=0.1)


def tablet_input(known: Known, packer: Packer[Position], atlas: Atlas | None) -> Handler:
    """`POST /tablet/positions`."""
    return positions(
        devices=known.tablet,
        take_positions=_taking(packer),
        clock=now,
        registry=REGISTRY,
        off_road=_off_road(atlas),
    )


def _taking(packer: Packer[Position]) -> Any:
    async def take(found: Sequence[Position]) -> None:
        await packer.put_all(found)

    return take


def _off_road(atlas: Atlas | None) -> OffRoad:
    return no_map if atlas is None else off_road_of(atlas.roads)


def events_taking(pool: Any, reads: Packer[PlateRead], clock: Clock, registry: CollectorRegistry) -> Taking:
    """What is done with the events of plate cameras: reads into the journal, the rest into quarantine."""

    async def quarantine(camera: str, reason: str, raw: bytes) -> None:
        with refusals():
            await pool.execute(_KEEP, clock(), camera, reason, raw)

    return Taking(reads.put, quarantine, clock, registry)


def device_app(known: Known, taking: Taking, tracks: Packer[Position], atlas: Atlas | None) -> App:
    """Every family of devices that speaks HTTP, under its path."""
    families = serve(
        {
            "/hikvision/": pushes(cameras=known.camera, taking=taking),
            "/tablet/positions": tablet_input(known, tracks, atlas),
            "/owntracks/": locations(
                phones=known.phone,
                take_positions=_taking(tracks),
                clock=now,
                registry=REGISTRY,
                off_road=_off_road(atlas),
            ),
        }
    )

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/metrics" and scope["method"] == "GET":
            await _metrics(scope, send)
        else:
            await families(scope, receive, send)

    return app


async def _metrics(scope: Scope, send: Send) -> None:
    """Counters, for this machine only."""
    here = ip_address((scope.get("client") or ("0.0.0.0",))[0]).is_loopback  # noqa: S104 - an unknown peer is not us
    body = generate_latest(REGISTRY) if here else b""
    headers = [(b"content-type", b"text/plain; version=0.0.4"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200 if here else 404, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def take_in(ground: Ground, stop: asyncio.Event) -> None:
    """Answer devices until told to stop; what was taken is written before the process ends."""
    pool, nc, js = await links(ground, WORKER, "saqtau-intake", size=4)
    replicas = ground.broker().replicas
    await ensure_streams(js, replicas)
    await ensure_window(js, replicas)
    reads = read_packer(js, Window(js, ground.window_seconds), now, ids)
    tracks = position_packer(js)
    atlas = await asyncio.to_thread(open_atlas, ground.map)
    known = Known(device_authority(ground.place).certificate)
    await known.refresh(pool)
    taking = events_taking(pool, reads, now, REGISTRY)
    settings = ground.config.intake
    server = _Server(
        uvicorn.Config(
            device_app(known, taking, tracks, atlas),
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            http=BoundedProtocol,
            ws="none",
            lifespan="on",
            access_log=False,
            log_level="warning",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=75,
            limit_concurrency=16_000,
        )
    )
    refreshing = asyncio.create_task(every(1.0, "devices", lambda: known.refresh(pool), stop))
    serving = asyncio.create_task(server.serve())
    over = asyncio.Event()
    ends = {asyncio.create_task(stop.wait()), serving}
    if settings.mqtt_port is not None:
        ends.add(listening := asyncio.create_task(take_events(settings, known.camera, taking, over)))
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    over.set()
    server.should_exit = True
    await serving
    if settings.mqtt_port is not None:
        await listening  # raises what ended it: the supervisor starts the intake again
    await asyncio.gather(reads.close(), tracks.close())
    refreshing.cancel()
    await nc.close()
    pool.terminate()
