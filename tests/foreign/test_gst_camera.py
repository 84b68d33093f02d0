"""Our client at GStreamer's RTSP server: pictures bit for bit, sound, sender reports, both ways to prove a password."""

import asyncio
import subprocess
from contextlib import asynccontextmanager
from fractions import Fraction
from importlib import resources
from itertools import pairwise
from pathlib import Path

import pytest
from tests.foreign.conftest import absent
from tests.unit.devices.rtsp.playing import played, refused, until

from saqtau.simulate.clip import SCENES, scene, sound
from saqtau.video.access_unit import AudioCodec, Codec
from saqtau.video.nal import nal_type

pytestmark = pytest.mark.anyio
PYTHON = "/usr/bin/python3"
LOOPS = 2
CAMERA = Path(__file__).with_name("gst_camera.py")


def gstreamer():
    """Whether Debian's GStreamer with its RTSP server is here."""
    told = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer"
    told += "; Gst.init(None); assert all(map(Gst.ElementFactory.find, ['rtph264pay', 'h264parse', 'qtdemux']))"
    try:
        return subprocess.run([PYTHON, "-c", told], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture(scope="module", autouse=True)
def _there():
    if not gstreamer():
        absent("GStreamer (Debian: gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good and -bad, python3-gi)")


def film(name, to):
    """The clip twice over, with a sound, as an MP4 file that GStreamer can read."""
    av = pytest.importorskip("av")
    clip, file = scene(name), resources.files("saqtau.simulate") / "clips" / SCENES[name][0]
    heard = sound(AudioCodec.AAC)
    with av.open(str(file)) as read, av.open(str(to), "w") as out:
        stream = out.add_stream_from_template(read.streams.video[0])
        packets = [bytes(packet) for packet in read.demux(read.streams.video[0]) if packet.size]
        track = out.add_stream("aac", rate=heard.audio.rate, layout="mono")
        track.codec_context.extradata = heard.audio.config
        for number in range(LOOPS * len(packets)):
            packet = av.Packet(packets[number % len(packets)])
            packet.stream, packet.time_base = stream, Fraction(1, 90_000)
            packet.pts = packet.dts = round(number * 90_000 / clip.fps)
            packet.is_keyframe = clip.keys[number % len(packets)]
            out.mux(packet)
        seconds = float(LOOPS * len(packets) / clip.fps)
        for number in range(int(seconds * heard.audio.rate / heard.samples)):
            packet = av.Packet(heard.payloads[number % len(heard.payloads)][4:])
            packet.stream, packet.time_base = track, Fraction(1, heard.audio.rate)
            packet.pts = packet.dts = number * heard.samples
            out.mux(packet)


@asynccontextmanager
async def camera(file, payloader, *login):
    """GStreamer's server; its address."""
    process = await asyncio.create_subprocess_exec(
        PYTHON, str(CAMERA), str(file), payloader, *login, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        port = int(await process.stdout.readline())
        yield f"rtsp://127.0.0.1:{port}/cam"
    finally:
        process.stdin.close()
        await process.wait()


def slices(codec, nals):
    """The coded picture alone: a server may tell parameter sets again."""
    return [
        nal for nal in nals if (1 <= nal_type(codec, nal) <= 5 if codec is Codec.H264 else nal_type(codec, nal) < 32)
    ]


@pytest.mark.parametrize(("name", "payloader"), [("street", "rtph264pay"), ("street265", "rtph265pay")])
async def test_pictures_and_sound_of_another_server_come_bit_for_bit(tmp_path, name, payloader):
    film(name, tmp_path / "film.mp4")
    clip = scene(name)
    codec = clip.parameters.codec
    async with camera(tmp_path / "film.mp4", payloader) as address, played(address, audio=True) as one:
        await one.more(40)
        await until(lambda: len(one.sounds) > 5)
        # reports come every few seconds (RFC 3550 6.2)
        await until(lambda: one.pictures[-1].ntp is not None or one.task.done())
    assert one.parameters[0].sets == clip.parameters.sets
    assert one.parameters[0].audio.config.startswith(sound(AudioCodec.AAC).audio.config)
    wanted = [slices(codec, picture) for picture in clip.pictures]
    assert [slices(codec, unit.nals) for unit in one.pictures] == (wanted * LOOPS)[: len(one.pictures)]
    assert not one.losses
    # GStreamer rounds to the nanosecond and so may be one tick off
    step = round(90_000 / clip.fps)
    assert {b.ts - a.ts for a, b in pairwise(one.pictures)} <= {step - 1, step, step + 1}
    whole = [payload[4:] for payload in sound(AudioCodec.AAC).payloads]
    assert all(heard.data in whole for heard in one.sounds)
    assert one.pictures[-1].ntp is not None


@pytest.mark.parametrize("method", ["digest", "basic"])
async def test_another_server_believes_our_proof_of_the_password(tmp_path, method):
    film("street", tmp_path / "film.mp4")
    allowed = "\nbasic" if method == "basic" else ""
    async with camera(tmp_path / "film.mp4", "rtph264pay", "admin", "word", method) as address:
        async with played(address, credentials="admin:word" + allowed) as one:
            await one.more(3)
        assert (await refused(address, credentials="admin:wrong" + allowed))[0] == "denied"
        assert (await refused(address))[0] == "denied"
