"""Playing a stream that is neither RTSP nor SRT, in a thread of its own: coded pictures as they are, none decoded.

HTTP is fetched by ourselves (`over_http`). RTMP and files are opened by OpenCV's FFmpeg, which may use that protocol
alone.
"""

import ssl
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Never
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

import msgspec

from saqtau.devices.reach import PORTS, find
from saqtau.devices.rtsp.auth import parse_login
from saqtau.devices.streams.fed import next_packet, open_raw, stamp_of
from saqtau.devices.streams.over_http import read_http
from saqtau.devices.streams.pictures import Pictures
from saqtau.devices.streams.threaded import in_thread
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import Unit

PATIENCE = 10.0  # s to open
SCHEMES = ("file", "rtmp", "http", "https")
FILES = "mov,mp4,m4a,3gp,3g2,mj2,mpegts,matroska,webm,flv,avi,h264,hevc"
"""What a file is taken for: no list that leads to others."""


class _Source(msgspec.Struct, frozen=True):
    """What to open, with which options of FFmpeg. paced: at the speed of its time stamps, as a camera would send it."""

    host: str
    address: str
    options: dict[str, str]
    paced: bool


async def play(
    address: str, *, credentials: str | None, audio: bool, clock: Clock, on_units: Callable[[list[Unit]], None],
    trust: ssl.SSLContext | None = None, silence: float = 10.0,
) -> Never:  # fmt: skip
    """As `devices.source.play`; a file ends with stream="lost" after its last picture."""
    parts = _place(address)
    host = parts.hostname or "file"
    match parts.scheme:
        case "http" | "https":
            login = parse_login(credentials) if credentials is not None else None
            work = partial(read_http, host, address, login, trust)
            await in_thread(host, on_units, lambda stop, tell: work(stop, clock, tell, silence, audio=audio))
        case _:
            source = _source(parts, credentials)
            await in_thread(host, on_units, lambda stop, tell: _read(source, stop, clock, tell, silence))


def _place(address: str) -> SplitResult:
    try:
        parts = urlsplit(address)
        host, known = parts.hostname or "", parts.username is None and (parts.port or 1) > 0
    except ValueError:
        parts, host, known = urlsplit(""), "", False
    if parts.scheme not in SCHEMES or not known or bool(host) == (parts.scheme == "file"):
        raise Refused(Kind.INVALID, "an address like rtmp://camera/live/1, without a password", stream="address")
    return parts


def _source(parts: SplitResult, credentials: str | None) -> _Source:
    # no other analyzeduration here: with it OpenCV 4.14 counts the milliseconds of Matroska from nought again
    if parts.scheme == "file":
        path = unquote(parts.path)
        if not Path(path).is_file():
            raise Refused(Kind.NOT_FOUND, f"{path}: no such file", stream="not_found")
        return _Source("file", path, {"protocol_whitelist": "file", "format_whitelist": FILES}, paced=True)
    if credentials is not None:
        login = parse_login(credentials)
        netloc = f"{quote(login.user, safe='')}:{quote(login.password, safe='')}@{parts.netloc}"
        address = urlunsplit(parts._replace(netloc=netloc))
    else:
        address = urlunsplit(parts)
    return _Source(parts.hostname or "", address, {"protocol_whitelist": "rtmp,tcp"}, paced=False)


def _read(
    source: _Source, stop: threading.Event, clock: Clock, tell: Callable[[list[Unit]], None], silence: float
) -> None:
    """Read until stopped. Raises `Refused` at the end of the stream. tell: called from this thread."""
    import cv2

    if not source.paced:
        find(source.host, urlsplit(source.address).port or PORTS["rtmp"])  # FFmpeg looks it up once more
    asked = [
        cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, round(PATIENCE * 1000), cv2.CAP_PROP_READ_TIMEOUT_MSEC, round(silence * 1000),
    ]  # fmt: skip
    capture, codec = open_raw(source.host, source.address, source.options, asked)
    try:
        pictures = Pictures(codec)
        began: float | None = None
        while not stop.is_set():
            asked_at = time.monotonic()
            if not capture.grab():
                quiet = time.monotonic() - asked_at >= silence * 0.9
                word, why = ("silent", f"no picture for {silence:g} s") if quiet else ("lost", "the stream ended")
                raise Refused(Kind.UNAVAILABLE, f"{source.host}: {why}", stream=word)
            packet, shown = next_packet(source.host, capture)
            if source.paced:
                began = time.monotonic() - shown / 1000 if began is None else began
                if stop.wait(max(0.0, min(began + shown / 1000 - time.monotonic(), silence))):
                    return
            if units := pictures.take(packet, stamp_of(shown), clock()):
                tell(units)
    finally:
        capture.release()
