"""The drive through the public inputs: the devices' own server takes what cameras and tablets send."""

import asyncio
import contextlib
import socket
import time
from hashlib import sha256

import pytest
import uvicorn
from prometheus_client import CollectorRegistry

from saqtau.devices.hikvision.server import pushes
from saqtau.devices.http import serve
from saqtau.devices.tablet.compose import new_key
from saqtau.devices.tablet.server import Enrolled, positions
from saqtau.devices.taking import Taking
from saqtau.kernel.clock import Instant
from saqtau.simulate.drive import Tablet, drive
from saqtau.simulate.stage import Stage

pytestmark = pytest.mark.anyio


def clock():
    return Instant(time.time_ns() // 1_000_000)


class Intake:
    """The devices' ASGI app on a real socket, keeping what it acknowledged."""

    def __init__(self, registers):
        self.reads, self.positions, self.devices = [], [], {}
        self.by_digest = {sha256(registers.tokens[camera.id].encode()).digest(): camera for camera in registers.cameras}
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    async def take_read(self, read):
        self.reads.append(read)

    async def take_positions(self, found):
        self.positions += found

    async def quarantine(self, camera, reason, raw):
        raise AssertionError((camera, reason, raw))

    @contextlib.asynccontextmanager
    async def up(self):
        registry = CollectorRegistry()
        app = serve(
            {
                "/hikvision/": pushes(
                    cameras=self.by_digest.get,
                    taking=Taking(self.take_read, self.quarantine, clock, registry),
                ),
                "/tablet/positions": positions(
                    devices=self.devices.get, take_positions=self.take_positions, clock=clock, registry=registry
                ),
            }
        )  # fmt: skip
        server = uvicorn.Server(
            uvicorn.Config(app, port=self.port, log_level="error", ws="none", timeout_graceful_shutdown=1)
        )
        server.capture_signals = contextlib.nullcontext
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        yield
        server.should_exit = True
        await serving


async def until(what, patience=20.0):
    for _ in range(int(patience / 0.05)):
        if what():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not happen")


async def test_what_cameras_and_tablets_send_is_taken_and_goes_on_after_an_outage(graph, registers):
    intake = Intake(registers)
    key, public = new_key()
    intake.devices["tablet-1"] = Enrolled("P-01", public, Instant(2**53))
    stage = Stage(graph, registers, 7, clock())
    stop = asyncio.Event()
    said = []
    address = f"http://127.0.0.1:{intake.port}"
    driving = asyncio.create_task(
        drive(
            stage, [Tablet("P-01", "tablet-1", key)], {}, intake=address, web=address, clock=clock, stop=stop,
            say=said.append,
        )
    )  # fmt: skip
    async with intake.up():
        await until(lambda: len(intake.reads) >= 5 and len(intake.positions) >= 2)
    reads, fixes = len(intake.reads), len(intake.positions)
    async with intake.up():
        await until(lambda: len(intake.reads) >= reads + 5 and len(intake.positions) >= fixes + 2)
        stop.set()
        tally = await driving
    assert said == []
    assert set(tally.pushes) <= {200, 0}
    assert tally.pushes[200] == len({read.id for read in intake.reads})
    cameras = {camera.id for camera in registers.cameras}
    for read in intake.reads:
        assert read.camera in cameras
        assert read.speed > 0
        assert [picture.name for picture in read.pictures] == ["crop", "scene"]
    assert [position.seq for position in intake.positions] == sorted({p.seq for p in intake.positions})
    assert {position.unit for position in intake.positions} == {"P-01"}


async def test_a_tablet_that_is_not_known_any_more_falls_silent_and_says_so(graph, registers):
    intake = Intake(registers)
    stage, stop, said = Stage(graph, registers, 7, clock()), asyncio.Event(), []
    address = f"http://127.0.0.1:{intake.port}"
    async with intake.up():
        driving = asyncio.create_task(
            drive(
                stage, [Tablet("P-02", "stranger", new_key()[0])], {}, intake=address, web=address, clock=clock,
                stop=stop, say=said.append,
            )
        )  # fmt: skip
        await until(lambda: said)
        stop.set()
        tally = await driving
    assert said == ["tablet of P-02: its device is not known any more, its positions end"]
    assert tally.batches.total() == 1
