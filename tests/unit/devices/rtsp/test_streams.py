"""Streams through OpenCV's FFmpeg: files, RTMP, and what is refused."""

import asyncio
import os
import shutil
from fractions import Fraction
from importlib import resources
from itertools import pairwise

import pytest
from tests.unit.devices.rtsp.playing import played, refused, until

from saqtau.simulate.clip import SCENES, scene
from saqtau.video.access_unit import Codec
from saqtau.video.nal import nal_type

pytestmark = pytest.mark.anyio


def film(name, to, *, first=0, **options):
    """The clip as a file of the kind that the name says."""
    av = pytest.importorskip("av")
    file = resources.files("saqtau.simulate") / "clips" / SCENES[name][0]
    with av.open(str(file)) as read, av.open(str(to), "w", options=options) as out:
        stream = out.add_stream_from_template(read.streams.video[0])
        for number, packet in enumerate(read.demux(read.streams.video[0])):
            if packet.size:
                packet.stream, packet.time_base = stream, Fraction(1, 90_000)
                packet.pts = packet.dts = first + round(number * 90_000 / scene(name).fps)
                out.mux(packet)


def slices(codec, nals):
    return [
        nal for nal in nals if (1 <= nal_type(codec, nal) <= 5 if codec is Codec.H264 else nal_type(codec, nal) < 32)
    ]


@pytest.mark.parametrize(("name", "kind"), [("street", "mp4"), ("street265", "mp4"), ("cell", "ts"), ("yard", "mkv")])
async def test_a_file_is_played_at_its_own_pace_with_the_pictures_as_they_are(tmp_path, name, kind):
    film(name, tmp_path / f"film.{kind}")
    async with played(f"file://{tmp_path}/film.{kind}") as one:
        await one.more(12)
        async with asyncio.timeout(60):
            while len(one.pictures) < 14:
                await asyncio.sleep(0.01)
    clip = scene(name)
    codec = clip.parameters.codec
    assert one.units[0] == clip.parameters
    wanted = [slices(codec, picture) for picture in clip.pictures]
    assert [slices(codec, unit.nals) for unit in one.pictures] == wanted[: len(one.pictures)]
    step = round(90_000 / clip.fps)
    assert {b.ts - a.ts for a, b in pairwise(one.pictures)} <= set(range(step - 90, step + 91))
    # paced: the tenth picture did not come before its time
    tenth = one.pictures[10]
    assert tenth.received - one.pictures[0].received >= 10 * 1000 / float(clip.fps) - 60


async def test_a_file_that_ended_is_a_stream_that_broke(tmp_path):
    film("street", tmp_path / "film.mp4")
    whole = (tmp_path / "film.mp4").read_bytes()
    film("street", tmp_path / "cut.ts")
    (tmp_path / "cut.ts").write_bytes((tmp_path / "cut.ts").read_bytes()[:40_000])
    async with played(f"file://{tmp_path}/cut.ts") as one:
        assert (await one.ending()).fields["stream"] == "lost"
        assert one.pictures
    (tmp_path / "half.mp4").write_bytes(whole[: len(whole) // 2])  # its index is lost with its end
    assert (await refused(f"file://{tmp_path}/half.mp4"))[0] == "unreachable"


async def test_what_is_no_video_of_ours_is_refused(tmp_path):
    av = pytest.importorskip("av")
    with av.open(str(tmp_path / "m.avi"), "w") as out:
        stream = out.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuvj420p"
        for packet in [*stream.encode(av.VideoFrame(64, 64, "yuvj420p")), *stream.encode(None)]:
            out.mux(packet)
    assert (await refused(f"file://{tmp_path}/m.avi"))[0] == "no_video"
    (tmp_path / "rubbish.mp4").write_bytes(os.urandom(5_000))
    assert (await refused(f"file://{tmp_path}/rubbish.mp4"))[0] == "unreachable"
    assert (await refused(f"file://{tmp_path}/none.mp4"))[0] == "not_found"
    assert (await refused("file://elsewhere/x.mp4"))[0] == "address"
    assert (await refused("rtmp://user:word@127.0.0.1/x"))[0] == "address"


async def test_a_list_from_outside_leads_to_no_file_of_ours(tmp_path):
    film("street", tmp_path / "film.ts")
    listed = f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{tmp_path}/film.ts\n#EXT-X-ENDLIST\n".encode()

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.apple.mpegurl\r\nContent-Length: {len(listed)}\r\n\r\n"
        )
        writer.write(head.encode() + listed)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with played(f"http://127.0.0.1:{port}/list.m3u8") as one:
            await one.ending()
            assert not one.pictures


async def test_pictures_come_over_rtmp(tmp_path):
    if shutil.which("ffmpeg") is None:
        told = "ffmpeg (Debian: ffmpeg) sends RTMP in this test"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(told)
    film("street", tmp_path / "film.flv")
    listening = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    listening.close()
    await listening.wait_closed()
    address = f"rtmp://127.0.0.1:{port}/live/x"
    sender = await asyncio.create_subprocess_exec(
        "ffmpeg", "-v", "error", "-re", "-i", str(tmp_path / "film.flv"), "-c", "copy", "-f", "flv", "-listen", "1",
        address, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        tries = 0
        while True:  # ffmpeg may not listen yet
            async with played(address) as one:
                await until(lambda one=one: len(one.pictures) >= 10 or one.task.done())
                if len(one.pictures) >= 10:
                    break
                tries += 1
                assert tries < 100
                await asyncio.sleep(0.2)
    finally:
        if sender.returncode is None:
            sender.kill()
        await sender.wait()
    clip = scene("street")
    assert one.parameters[0] == clip.parameters
    shown = [slices(Codec.H264, unit.nals) for unit in one.pictures]
    assert shown == [slices(Codec.H264, picture) for picture in clip.pictures[: len(shown)]]
