"""What a camera sends, for the fuzzer: messages, descriptions, challenges, reports, packets."""

import asyncio
from random import Random

from saqtau.devices.rtsp.assemble import VideoTrack
from saqtau.devices.rtsp.assemble_sound import SoundTrack
from saqtau.devices.rtsp.auth import Login, answer, choose, parse_login
from saqtau.devices.rtsp.connection import Connection
from saqtau.devices.rtsp.messages import parse_head, reply
from saqtau.devices.rtsp.rtcp import parse_reports
from saqtau.devices.rtsp.sdp import Heard, control_address, parse_description
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.simulate.clip import payloads_of, scene, sender_report, sound
from saqtau.simulate.loop import Stream
from saqtau.simulate.loop_session import describe
from saqtau.video.access_unit import AudioCodec, Codec

NOW = Instant(1_795_165_387_000)
CLIPS = {Codec.H264: scene("cell"), Codec.H265: scene("street265")}
HEARD = Heard(sound(AudioCodec.AAC).audio, 97, "track=1")


def described(codec):
    """What our own server would say of a clip."""
    return describe(Stream(CLIPS[codec], sound(AudioCodec.AAC), lambda: NOW, Random(1))).encode()


def read_head(data: bytes) -> None:
    parse_head(data)


def read_description(data: bytes) -> None:
    offered = parse_description(data.decode("utf-8", "replace"))
    control_address("rtsp://camera/path/", offered.video.control)


def read_challenge(data: bytes) -> None:
    text = data.decode("latin-1")
    challenge = choose([text])
    if challenge is not None:
        header = answer(challenge, Login("user", "word"), "DESCRIBE", "rtsp://c/1", count=1, cnonce="00")
        assert "word" not in header or "word" in text or challenge.weak
    parse_login(text)


def read_reports(data: bytes) -> None:
    parse_reports(data)


def wired(codec):
    """The first pictures of a clip as they come over the line, with a reply and a report between them."""
    parts, number = [reply(200, "OK", 1, {})], 65_533
    for index, picture in enumerate(CLIPS[codec].pictures[:3]):
        payloads = payloads_of(codec, picture)[:3]
        for place, payload in enumerate(payloads):
            head = bytes([0x80, 96 | (0x80 if place == len(payloads) - 1 else 0)]) + (number & 0xFFFF).to_bytes(
                2, "big"
            )
            packet = head + (index * 3600).to_bytes(4, "big") + b"\0\0\0\7" + payload
            parts.append(b"$\0" + len(packet).to_bytes(2, "big") + packet)
            number += 1
        report = sender_report(7, NOW, index * 3600)
        parts.append(b"$\1" + len(report).to_bytes(2, "big") + report)
    frame = b"\x80\xe1\0\1" + bytes(8) + sound(AudioCodec.AAC).payloads[0]
    parts.append(b"$\2" + len(frame).to_bytes(2, "big") + frame)
    return b"".join(parts)


def read_line(codec):
    """Everything a connection reads; it may end with a refusal, and the loop must not hear of it."""

    async def read(data: bytes) -> None:
        units = []
        connection = Connection(None, lambda: NOW, units.extend)
        connection.tracks(0, VideoTrack(codec, CLIPS[codec].parameters.sets, HEARD.audio), 2, SoundTrack(HEARD))
        for at in range(0, len(data), 1_000):
            part = data[at : at + 1_000]
            connection.get_buffer(-1)[: len(part)] = part
            connection.buffer_updated(len(part))
        if connection._ended.done():
            assert isinstance(connection._ended.exception(), Refused)
        connection.close()

    return lambda data: asyncio.run(read(data))


CAMERA = {
    "camera_head": (read_head, [reply(200, "OK", 1, {"Session": "1;timeout=60"})[:-4], b"PLAY rtsp://c/1 RTSP/1.0"]),
    "camera_description": (read_description, [described(Codec.H264), described(Codec.H265)]),
    "camera_challenge": (
        read_challenge,
        [b'Digest realm="a", nonce="b", algorithm=SHA-256, qop="auth"', b'Basic realm="x"', b"admin:word"],
    ),
    "camera_reports": (read_reports, [sender_report(7, NOW, 9), sender_report(7, NOW, 9) + b"\x81\xcb\0\1\0\0\0\7"]),
    "camera_line_h264": (read_line(Codec.H264), [wired(Codec.H264)]),
    "camera_line_h265": (read_line(Codec.H265), [wired(Codec.H265)]),
}
