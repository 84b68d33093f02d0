"""SRT (Secure Reliable Transport, draft-sharabayko-srt) by the system's libsrt (MPL-2.0), MPEG-TS inside it.

We call the camera, as the register says where it is. Lost datagrams are counted by their sequence numbers: a gap knows
how many. Parameters of the address: `latency` (ms, 20..8,000) and `streamid`. A password is the passphrase of SRT.
"""

import ctypes
import ctypes.util
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Never, NoReturn
from urllib.parse import parse_qsl, urlsplit

import msgspec

from saqtau.devices.reach import find
from saqtau.devices.rtsp.auth import parse_login
from saqtau.devices.streams.mpegts import Demultiplexer
from saqtau.devices.streams.threaded import in_thread
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import AccessUnit, Unit

NAMES = ("libsrt-openssl.so.1.5", "libsrt-gnutls.so.1.5", "libsrt.so.1.5")
LONGEST_MESSAGE = 1_456  # bytes of a datagram in live mode
PATIENCE = 5_000  # ms to connect
TURN = 200  # ms after which a reader looks whether it should stop
LATENCY = 200  # ms in which what was lost may be sent again
WRAP = 1 << 31  # sequence numbers
# srt.h of libsrt 1.5
_RCVSYN, _RCVTIMEO, _LATENCY, _PASSPHRASE, _CONNTIMEO, _STREAMID, _PEERIDLE = 2, 14, 23, 26, 36, 46, 55
_AGAIN = 6_000  # error codes: 6,000 to 6,999 say "later"
_DENIED = (10, 11)  # SRT_REJ_BADSECRET, SRT_REJ_UNSECURE


class _Control(ctypes.Structure):
    """SRT_MSGCTRL."""

    _fields_ = (
        ("flags", ctypes.c_int),
        ("ttl", ctypes.c_int),
        ("inorder", ctypes.c_int),
        ("boundary", ctypes.c_int),
        ("srctime", ctypes.c_int64),
        ("pktseq", ctypes.c_int32),
        ("msgno", ctypes.c_int32),
        ("group", ctypes.c_void_p),
        ("group_size", ctypes.c_size_t),
    )


class Wanted(msgspec.Struct, frozen=True):
    """Whom to call and how."""

    host: str
    port: int
    latency: int  # ms
    stream: str
    passphrase: str | None


def parse_address(address: str, credentials: str | None) -> Wanted:
    """What `srt://camera:9000?latency=200&streamid=live/1` asks for. Raises `Refused` (stream="address")."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
        told = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query), max_num_fields=2))
        latency = int(told.pop("latency", LATENCY))
    except ValueError:
        _refuse_address()
    stream = told.pop("streamid", "")
    if not host or not port or parts.username or told or not 20 <= latency <= 8_000 or len(stream) > 500:
        _refuse_address()
    passphrase = parse_login(credentials).password if credentials else None
    if passphrase is not None and not 10 <= len(passphrase.encode()) <= 79:
        raise Refused(Kind.INVALID, "a passphrase of SRT has 10 to 79 bytes", stream="denied")
    return Wanted(host, port, latency, stream, passphrase)


async def play(
    address: str, *, credentials: str | None, audio: bool, clock: Clock, on_units: Callable[[list[Unit]], None],
    silence: float,
) -> Never:  # fmt: skip
    """As `devices.source.play`."""
    wanted = parse_address(address, credentials)
    await in_thread(
        wanted.host, on_units, lambda stop, tell: _read(wanted, stop, clock, tell, silence, audio=audio)
    )  # fmt: skip


def _refuse_address() -> NoReturn:
    raise Refused(Kind.INVALID, "an address like srt://camera:9000?latency=200&streamid=1", stream="address")


@cache
def _library() -> Any:
    """libsrt, started once for the life of the process. Raises `Refused` where the system has none."""
    for name in (*NAMES, ctypes.util.find_library("srt")):
        if name:
            try:
                library = ctypes.CDLL(name)
            except OSError:
                continue
            library.srt_getlasterror_str.restype = ctypes.c_char_p
            library.srt_setloglevel(2)  # what is critical only: the rest we tell ourselves
            if library.srt_startup() < 0:
                continue
            return library
    raise Refused(
        Kind.UNAVAILABLE, "SRT needs libsrt 1.5 of the system (Debian: libsrt1.5-openssl)", stream="no_video"
    )  # fmt: skip


def available() -> bool:
    """Whether this system has libsrt."""
    try:
        _library()
    except Refused:
        return False
    return True


def _read(
    wanted: Wanted, stop: threading.Event, clock: Clock, tell: Callable[[list[Unit]], None], silence: float, *,
    audio: bool,
) -> None:  # fmt: skip
    """Read until stopped, in a thread of its own. tell: called from this thread. Raises `Refused` when it ends."""
    library = _library()
    line = _call(library, wanted, silence)
    try:
        _listen(library, line, wanted.host, Demultiplexer(audio=audio), stop, clock, tell, silence)
    finally:
        library.srt_close(line)


def _call(library: Any, wanted: Wanted, silence: float) -> int:
    family, *_, where = find(wanted.host, wanted.port, socket.SOCK_DGRAM)[0]
    line = int(library.srt_create_socket())
    numbers = (
        (_RCVSYN, 1), (_RCVTIMEO, TURN), (_LATENCY, wanted.latency), (_CONNTIMEO, PATIENCE),
        (_PEERIDLE, max(1_000, round(silence * 1000))),
    )  # fmt: skip
    texts = ((_PASSPHRASE, wanted.passphrase), (_STREAMID, wanted.stream))
    options = [(name, value.to_bytes(4, sys.byteorder)) for name, value in numbers]
    options += [(name, text.encode()) for name, text in texts if text]
    for option, value in options:
        if library.srt_setsockflag(line, option, value, len(value)) < 0:  # never without its passphrase
            why = library.srt_getlasterror_str().decode("utf-8", "replace")
            library.srt_close(line)
            raise Refused(Kind.UNAVAILABLE, f"{wanted.host}: option {option} of SRT: {why}", stream="unreachable")
    packed = _sockaddr(family, where)
    if library.srt_connect(line, packed, len(packed)) < 0:
        reason, why = library.srt_getrejectreason(line), library.srt_getlasterror_str().decode("utf-8", "replace")
        library.srt_close(line)
        word = "denied" if reason in _DENIED else "unreachable"
        raise Refused(Kind.UNAVAILABLE, f"{wanted.host}: {why}", stream=word)
    return line


def _sockaddr(family: int, where: tuple[Any, ...]) -> bytes:
    """A `struct sockaddr` as the system's libraries take it."""
    address = socket.inet_pton(family, where[0].partition("%")[0])
    head = int(family).to_bytes(2, "little") + int(where[1]).to_bytes(2, "big")
    if family == socket.AF_INET:
        return head + address + bytes(8)
    return head + bytes(4) + address + int(where[3]).to_bytes(4, "little")


def _listen(
    library: Any, line: int, host: str, streams: Demultiplexer, stop: threading.Event, clock: Clock,
    tell: Callable[[list[Unit]], None], silence: float,
) -> None:  # fmt: skip
    buffer, control = ctypes.create_string_buffer(LONGEST_MESSAGE), _Control()
    following: int | None = None
    pictured = time.monotonic()
    while not stop.is_set():
        size = library.srt_recvmsg2(line, buffer, LONGEST_MESSAGE, ctypes.byref(control))
        if size < 0:
            code = library.srt_getlasterror(None)
            if not _AGAIN <= code < _AGAIN + 1_000:
                why = library.srt_getlasterror_str().decode("utf-8", "replace")
                raise Refused(Kind.UNAVAILABLE, f"{host}: {why}", stream="lost")
            units = list[Unit]()
        else:
            now = clock()
            missing = (control.pktseq - following) % WRAP if following is not None else 0
            following = (control.pktseq + 1) % WRAP
            units = streams.lost(missing, now) if missing else []
            units += streams.take(buffer.raw[:size], now)
        if units:
            tell(units)
        if any(isinstance(unit, AccessUnit) for unit in units):
            pictured = time.monotonic()
        elif time.monotonic() - pictured > silence:
            raise Refused(Kind.UNAVAILABLE, f"{host}: no picture for {silence:g} s", stream="silent")
