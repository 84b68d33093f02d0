"""SRT, with FFmpeg as the camera: nobody here wrote the other end."""

import asyncio
import os
import shutil
import socket
from contextlib import asynccontextmanager

import pytest
from tests.unit.devices.rtsp.playing import played, refused, until
from tests.unit.devices.test_mpegts import muxed

from saqtau.devices.streams.srt import available, parse_address
from saqtau.kernel.errors import Refused
from saqtau.simulate.clip import scene

FFMPEG = shutil.which("ffmpeg")
pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(
        not os.environ.get("CI") and not (FFMPEG and available()),
        reason="no SRT: apt install ffmpeg (with it comes libsrt)",
    ),
]
SECRET = "operator:correct horse battery"


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@asynccontextmanager
async def camera(tmp_path, options=""):
    """FFmpeg as a camera that is called; its port."""
    muxed(tmp_path / "a.ts", turns=4)
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        FFMPEG, "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(tmp_path / "a.ts"), "-c", "copy", "-f",
        "mpegts", f"srt://127.0.0.1:{port}?mode=listener{options}", stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield port
    finally:
        process.kill()
        await process.wait()


class Lossy(asyncio.DatagramProtocol):
    """Between caller and camera; what the camera sends while `deaf` does not come through."""

    def __init__(self, port):
        self.port, self.deaf, self.dropped, self.caller, self.lines = port, False, 0, None, {}

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        if address[1] == self.port:
            if self.deaf:
                self.dropped += 1
            else:
                self.transport.sendto(data, self.caller)
        else:
            self.caller = address
            self.transport.sendto(data, ("127.0.0.1", self.port))


async def begun(address, **how):
    """Played as soon as FFmpeg listens."""
    async with asyncio.timeout(60):
        while True:
            async with played(address, **how) as one:
                await until(lambda: one.pictures or one.task.done())
                if one.pictures:
                    return


async def test_what_the_camera_sent_comes_bit_for_bit(tmp_path):
    clip = scene("street")
    async with camera(tmp_path) as port:
        async with asyncio.timeout(60):
            while True:
                async with played(f"srt://127.0.0.1:{port}?latency=60") as one:
                    await until(lambda one=one: len(one.pictures) >= 20 or one.task.done())
                    if one.pictures:
                        break
    assert one.units[0] == clip.parameters
    assert not one.losses
    sent = {tuple(nals) for nals in clip.pictures}
    for unit in one.pictures:
        assert any(set(nals) <= set(unit.nals) for nals in sent)


async def test_what_was_lost_on_the_way_is_counted(tmp_path):
    async with camera(tmp_path) as port:
        loop = asyncio.get_running_loop()
        transport, lossy = await loop.create_datagram_endpoint(lambda: Lossy(port), local_addr=("127.0.0.1", 0))
        address = f"srt://127.0.0.1:{transport.get_extra_info('sockname')[1]}?latency=60"
        try:
            async with asyncio.timeout(60):
                while True:
                    async with played(address) as one:
                        await until(lambda one=one: one.pictures or one.task.done())
                        if one.task.done():
                            continue
                        lossy.deaf = True
                        await until(lambda: lossy.dropped >= 40)
                        lossy.deaf = False
                        await until(lambda one=one: one.losses or one.task.done())
                        assert not one.task.done(), one.task.exception()
                        before = len(one.pictures)
                        await until(lambda one=one, before=before: len(one.pictures) > before + 5)
                        break
        finally:
            transport.close()
    assert all(loss.packets is None or loss.packets > 0 for loss in one.losses)
    assert any(loss.packets for loss in one.losses)


async def test_a_passphrase_opens_what_another_does_not(tmp_path):
    async with camera(tmp_path, "&passphrase=correct horse battery") as port:
        await begun(f"srt://127.0.0.1:{port}", credentials=SECRET)
    async with camera(tmp_path, "&passphrase=correct horse battery") as port:
        async with asyncio.timeout(60):
            while (
                word := (await refused(f"srt://127.0.0.1:{port}", credentials="a:wrong horse battery"))[0]
            ) != "denied":
                assert word == "unreachable"


async def test_nobody_there_is_unreachable():
    word, text = await refused(f"srt://127.0.0.1:{free_port()}")
    assert word == "unreachable"
    assert "127.0.0.1" in text


@pytest.mark.parametrize(
    "address",
    ["srt://camera", "srt://:9000", "srt://user@camera:9000", "srt://camera:9000?mode=listener",
     "srt://camera:9000?latency=9", "srt://camera:9000?latency=x", "srt://camera:99999", "srt://camera:9000?&"],
)  # fmt: skip
def test_an_address_that_is_none_of_srt_is_refused(address):
    with pytest.raises(Refused) as refused_:
        parse_address(address, None)
    assert refused_.value.fields["stream"] == "address"


def test_a_passphrase_has_ten_bytes_at_least():
    with pytest.raises(Refused) as refused_:
        parse_address("srt://camera:9000", "user:short")
    assert refused_.value.fields["stream"] == "denied"
