"""Our ONVIF client at ipycam, a camera that nobody here wrote; and at devices that lie."""

import asyncio
import subprocess
import time
from contextlib import asynccontextmanager

import pytest
from tests.foreign.conftest import FOREIGN, ROOT, absent

from saqtau.devices.onvif.client import clock_drift, describe, snapshot
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused

pytestmark = pytest.mark.anyio
PYTHON = FOREIGN / "ipycam" / "bin" / "python"


def now():
    return Instant(time.time_ns() // 1_000_000)


@asynccontextmanager
async def camera(*login):
    if not PYTHON.is_file():
        absent("ipycam, an ONVIF camera")
    program = ROOT / "tests" / "foreign" / "onvif_camera.py"
    process = await asyncio.create_subprocess_exec(
        str(PYTHON), str(program), *login,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        port = int(await process.stdout.readline())
        yield f"http://127.0.0.1:{port}/onvif/device_service"
    finally:
        process.stdin.close()
        await process.wait()


async def word(asked):
    with pytest.raises(Refused) as refused:
        await asked
    return refused.value.fields["device"]


async def test_a_device_says_what_it_is_and_where_its_streams_are():
    async with camera("admin", "word") as service:
        told = await describe(service, "admin:word", now)
        assert (told.maker, told.model) == ("PythonCam", "VirtualCam-1")
        assert [(one.codec, one.width, one.height) for one in told.profiles] == [("H264", 320, 180), ("H264", 160, 90)]
        assert all(one.address.startswith("rtsp://127.0.0.1:") for one in told.profiles)
        assert not told.stores
        assert abs(told.drift) <= 60_000  # of this machine's own clock; a slow answer is in it
        ahead = await clock_drift(service, "admin:word", lambda: Instant(now() - 3_600_000))
        assert 3_540_000 < ahead < 3_660_000
        assert await word(describe(service, "admin:wrong", now)) == "denied"
        assert await word(describe(service, None, now)) == "denied"
        # it has no picture yet, and says so with an error of its own
        assert await word(snapshot(service, "admin:word", told.profiles[0].token)) in {"broken", "denied"}


async def answering(respond):
    """A device of our own making: `respond` gives the reply to each request."""

    async def serve(reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                size = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                body = await reader.readexactly(size)
                told = respond(head, body)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told) + told)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(serve, "127.0.0.1", 0)


@pytest.mark.parametrize(
    "rubbish", [b"", b"<html>no</html>", b"\0\xff" * 50, b"<a>" * 2_000, b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"]
)
async def test_what_is_no_onvif_is_refused(rubbish):
    server = await answering(lambda *_: rubbish)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert await word(describe(f"http://127.0.0.1:{port}/", "a:b", now)) in {"unreachable", "broken", "denied"}


async def test_an_address_that_is_none_is_refused_before_anything_is_asked():
    for address in ("rtsp://127.0.0.1/", "http://", "http://user:word@127.0.0.1/"):
        assert await word(describe(address, None, now)) == "address"
