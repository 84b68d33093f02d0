"""Playing a stream with OpenCV's FFmpeg, a thread a stream: coded pictures as they are, none decoded."""

import os
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Never
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import msgspec

from saqtau.devices.rtsp.auth import parse_login
from saqtau.devices.streams.pictures import Pictures
from saqtau.devices.streams.threaded import in_thread
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import VIDEO_CLOCK, Codec, Unit

PATIENCE = 10.0  # s to open
CODECS = {"h264": Codec.H264, "avc1": Codec.H264, "hevc": Codec.H265, "hvc1": Codec.H265, "hev1": Codec.H265}
ALLOWED = {
    "file": "file",
    "rtmp": "rtmp,rtmpt,tcp",
    "http": "http,tcp",
    "https": "https,http,tls,tcp",
}
"""Which protocols FFmpeg may use for each scheme: a playlist must not lead it to our own files."""
_OPENING = threading.Lock()
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


class _Source(msgspec.Struct, frozen=True):
    """What to open, with which options of FFmpeg. paced: at the speed of its time stamps, as a camera would send it."""

    host: str
    address: str
    options: str
    paced: bool


async def play(
    address: str,
    *,
    credentials: str | None,
    clock: Clock,
    on_units: Callable[[list[Unit]], None],
    silence: float = 10.0,
) -> Never:
    """As `devices.source.play`; a file ends with stream="lost" after its last picture."""
    source = _source(address, credentials)
    await in_thread(source.host, on_units, lambda stop, tell: _read(source, stop, clock, tell, silence))


def _source(address: str, credentials: str | None) -> _Source:
    try:
        parts = urlsplit(address)
        host, known = parts.hostname or "", parts.username is None and (parts.port or 1) > 0
    except ValueError:
        parts, host, known = urlsplit(""), "", False
    if parts.scheme not in ALLOWED or not known or bool(host) == (parts.scheme == "file"):
        raise Refused(Kind.INVALID, "an address like rtmp://camera/live/1, without a password", stream="address")
    # no other analyzeduration here: with it OpenCV 4.14 counts the milliseconds of Matroska from nought again
    options = {"protocol_whitelist": ALLOWED[parts.scheme]}
    if parts.scheme == "file":
        path = unquote(parts.path)
        if not Path(path).is_file():
            raise Refused(Kind.NOT_FOUND, f"{path}: no such file", stream="not_found")
        return _Source("file", path, _spelled(options), paced=True)
    if parts.scheme == "https":
        paths = ssl.get_default_verify_paths()
        options |= {"tls_verify": "1", "verify": "1"} | ({"ca_file": paths.cafile} if paths.cafile else {})
    if credentials is not None:
        login = parse_login(credentials)
        netloc = f"{quote(login.user, safe='')}:{quote(login.password, safe='')}@{parts.netloc}"
        address = urlunsplit(parts._replace(netloc=netloc))
    return _Source(host, address, _spelled(options), paced=False)


def _spelled(options: dict[str, str]) -> str:
    return "|".join(f"{name};{value}" for name, value in options.items())


def _open(source: _Source, silence: float) -> tuple[Any, Codec]:
    import cv2

    asked = [
        cv2.CAP_PROP_FORMAT, -1,  # packets, not pictures
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(PATIENCE * 1000),
        cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(silence * 1000),
    ]  # fmt: skip
    with _OPENING:  # the options go through the environment of the process
        before = os.environ.get(_OPTIONS)
        os.environ[_OPTIONS] = source.options
        try:
            capture = cv2.VideoCapture(source.address, cv2.CAP_FFMPEG, asked)
        finally:
            if before is None:
                del os.environ[_OPTIONS]
            else:
                os.environ[_OPTIONS] = before
    if not capture.isOpened():
        # FFmpeg tells no reason through OpenCV
        raise Refused(Kind.UNAVAILABLE, f"{source.host}: cannot be opened, or is no video", stream="unreachable")
    name = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=False).decode("latin-1").lower()
    codec = CODECS.get(name)
    if codec is None or capture.get(cv2.CAP_PROP_FORMAT) != -1:
        capture.release()
        raise Refused(Kind.INVALID, f"{source.host}: {name!r} is neither H.264 nor H.265", stream="no_video")
    return capture, codec


def _read(
    source: _Source, stop: threading.Event, clock: Clock, tell: Callable[[list[Unit]], None], silence: float
) -> None:
    """Read until stopped. Raises `Refused` at the end of the stream. tell: called from this thread."""
    import cv2

    capture, codec = _open(source, silence)
    try:
        pictures = Pictures(codec)
        began: float | None = None
        while not stop.is_set():
            asked = time.monotonic()
            if not capture.grab():
                quiet = time.monotonic() - asked >= silence * 0.9
                word, why = ("silent", f"no picture for {silence:g} s") if quiet else ("lost", "the stream ended")
                raise Refused(Kind.UNAVAILABLE, f"{source.host}: {why}", stream=word)
            whole, packet = capture.retrieve()
            shown = float(capture.get(cv2.CAP_PROP_POS_MSEC))
            if not whole or packet is None:
                raise Refused(Kind.INVALID, f"{source.host}: a packet without a picture", stream="broken")
            if source.paced:
                began = time.monotonic() - shown / 1000 if began is None else began
                if stop.wait(max(0.0, min(began + shown / 1000 - time.monotonic(), silence))):
                    return
            if units := pictures.take(packet.tobytes(), round(shown * VIDEO_CLOCK / 1000), clock()):
                tell(units)
    finally:
        capture.release()
