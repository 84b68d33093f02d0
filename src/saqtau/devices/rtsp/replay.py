"""What a device stored, out of it: RTSP with the times of the recording (ONVIF Streaming Specification, 6 Playback).

    DESCRIBE, SETUP, PLAY   Require: onvif-replay
    PLAY                    Range: clock=20261124T184500.250Z-20261124T184600Z      Rate-Control: no
    first packet of a picture: an RTP header extension 0xABAC of three words: NTP time (64 bits) when it was taken,
    flags (C begins a group, E the recording breaks off here, D it broke off before, T the last), CSeq

The time of a picture is what the device says it was, never when it came.
"""

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from saqtau.devices.rtsp.assemble import VideoTrack
from saqtau.devices.rtsp.auth import parse_login
from saqtau.devices.rtsp.client import (
    accepted,
    channel_of,
    connect,
    describe,
    place_of,
    session_of,
    transport_of,
)
from saqtau.devices.rtsp.connection import PATIENCE, Connection
from saqtau.devices.rtsp.sdp import control_address
from saqtau.kernel.clock import SECOND, Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import AccessUnit, Codec, Unit

EXTENSION: Final = 0xABAC
RATE: Final = 32_000_000
"""Bits a second that are taken at most: the living pictures come first."""
LOOK: Final = 0.1
"""Seconds between two looks at whether it is over."""
_REQUIRE: Final = {"Require": "onvif-replay"}
_WORDS: Final = 3
_TERMINAL: Final = 0x10
_FROM_1900: Final = 2_208_988_800


def told_by(data: bytes | bytearray, start: int, end: int) -> tuple[Instant, bool] | None:
    """When the picture was taken whose packet this is, and whether it is the last; None where it does not say."""
    if end - start < 28 or not data[start] & 0x10:
        return None
    at = start + 12 + 4 * (data[start] & 15)
    if at + 4 + 4 * _WORDS > end or int.from_bytes(data[at : at + 2], "big") != EXTENSION:
        return None
    if int.from_bytes(data[at + 2 : at + 4], "big") < _WORDS:
        return None
    seconds = int.from_bytes(data[at + 4 : at + 8], "big")
    fraction = int.from_bytes(data[at + 8 : at + 12], "big")
    # the era of 2036 begins again at nought (RFC 4330 3)
    unix = seconds - _FROM_1900 + (0 if seconds & 0x80000000 else 1 << 32)
    return Instant(unix * SECOND + (fraction * SECOND + (1 << 31) >> 32)), bool(data[at + 12] & _TERMINAL)


class ReplayTrack(VideoTrack):
    """Pictures by the time that the device says they were taken: `taken` of the last. over: that one was the last."""

    def __init__(self, codec: Codec, sets: tuple[bytes, ...]) -> None:
        super().__init__(codec, sets, None)
        self.over = False
        self.taken: Instant | None = None
        self._final = False

    def run(self, data: bytearray, at: int, end: int, channel: int, received: Instant, out: list[Unit]) -> int:
        """Each packet by itself: any of them may carry a time."""
        del data, end, channel, received, out
        return at

    def take(self, data: bytearray, start: int, end: int, received: Instant, out: list[Unit]) -> None:
        """As of living pictures. Raises Refused(stream="broken"): the first picture has no time."""
        del received
        told = told_by(data, start, end)
        if told is not None:
            self.taken, self._final = told
        if self.taken is None:
            raise Refused(Kind.INVALID, "a stored picture that does not say when it was taken", stream="broken")
        super().take(data, start, end, self.taken, out)
        self.over = self.over or (self._final and end - start > 1 and bool(data[start + 1] & 0x80))


class Pace:
    """Lets no more through than `rate` bits a second, by not reading on."""

    def __init__(self, connection: Connection, rate: int) -> None:
        self._connection, self._rate = connection, rate
        self._free = asyncio.get_running_loop().time()

    def took(self, size: int) -> None:
        """So many bytes came."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._free = max(self._free, now) + size * 8 / self._rate
        if self._free - now > LOOK:
            self._connection.hold(self._free - now)


def clock_range(began: Instant, ended: Instant) -> str:
    """The header `Range` of a time (RFC 2326 3.7)."""
    return f"clock={_spelled(began)}-{_spelled(ended)}"


def _spelled(at: Instant) -> str:
    whole, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(whole, UTC):%Y%m%dT%H%M%S}.{rest:03}Z"


async def replay(
    address: str, began: Instant, ended: Instant, *, credentials: str | None, clock: Clock,
    on_units: Callable[[list[Unit]], None], trust: ssl.SSLContext | None = None, silence: float = 10.0,
    rate: int = RATE,
) -> None:  # fmt: skip
    """Everything a device stored from `began` to `ended` by its own clock, as fast as it gives it, `rate` at most.

    As `source.play`, but `AccessUnit.received` is when the device says the picture was taken. Without sound. Returns
    when the device has sent its last picture, one behind `ended`, or nothing more for `silence` seconds after some.
    Raises Refused as `source.play`, and what `on_units` raises.
    """
    login = parse_login(credentials) if credentials is not None else None
    place = place_of(address)
    pace: Pace | None = None
    refusals: list[Exception] = []

    def heard(units: list[Unit]) -> None:
        if pace is not None:
            pace.took(sum(sum(map(len, unit.nals)) for unit in units if isinstance(unit, AccessUnit)))
        try:
            on_units(units)
        except Exception as error:
            refusals.append(error)
            raise

    connection = await connect(place, login, clock, heard, trust)
    pace = Pace(connection, rate)
    try:
        base, offered = await describe(connection, address, _REQUIRE)
        if isinstance(offered, str):
            raise Refused(Kind.DENIED, f"{place.hostname} sends elsewhere: not followed", stream="denied")
        video = offered.video
        asked = {"Transport": transport_of(0), **_REQUIRE}
        reply = await connection.ask("SETUP", control_address(base, video.control), asked)
        accepted(reply, "SETUP")
        session, lives = session_of(reply)
        track = ReplayTrack(video.codec, video.sets)
        connection.tracks(channel_of(reply, 0), track, None, None)
        whole = control_address(base, offered.control)
        asked = {"Session": session, "Range": clock_range(began, ended), "Rate-Control": "no", **_REQUIRE}
        reply = await connection.ask("PLAY", whole, asked)
        if reply.status == 457:  # Invalid Range
            raise Refused(Kind.NOT_FOUND, f"{place.hostname} stored nothing of this time", stream="nothing")
        accepted(reply, "PLAY")
        connection.leaving = ("TEARDOWN", whole, {"Session": session})
        await _stay(connection, track, ended, (whole, session, lives), silence)
        if refusals:  # of the very last picture
            raise refusals[0]
    except TimeoutError as error:
        raise Refused(Kind.UNAVAILABLE, f"{place.hostname}: no answer in {PATIENCE:g} s", stream="lost") from error
    finally:
        connection.close()


async def _stay(
    connection: Connection, track: ReplayTrack, ended: Instant, alive: tuple[str, str, float], silence: float
) -> None:
    """Look on until it is over. Raises what ended it before."""
    loop = asyncio.get_running_loop()
    whole, session, lives = alive
    seen, seen_at = track.pictures, loop.time()
    asked_at = seen_at
    while not track.over and not (track.pictures and track.taken is not None and track.taken >= ended):
        await connection.broken(LOOK)
        now = loop.time()
        if track.pictures != seen or connection.held:
            seen, seen_at = track.pictures, now
        elif now - seen_at >= silence:
            if not track.pictures:
                raise Refused(Kind.NOT_FOUND, "the device sends nothing of this time", stream="nothing")
            return
        if now - asked_at >= lives / 3:
            asked_at = now
            await connection.ask("GET_PARAMETER", whole, {"Session": session})
