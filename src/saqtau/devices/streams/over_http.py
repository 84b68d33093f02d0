"""A stream over HTTP, as one file or as a playlist of many (HLS): fetched by ourselves, from the camera's machine only.

MPEG-TS is taken apart by our own demultiplexer. What else there is (FLV, fragmented MP4, Matroska) OpenCV's FFmpeg is
fed from memory: it may open nothing by itself, so that nothing in a stream leads it anywhere.
"""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from itertools import chain

import msgspec

from saqtau.devices.rtsp.auth import Login
from saqtau.devices.streams.fed import Feed, play_fed
from saqtau.devices.streams.fetch import Fetcher, Wait, whole
from saqtau.devices.streams.mpegts import PACKET, SYNC, Demultiplexer
from saqtau.devices.streams.playlist import LARGEST, LONGEST, Choice, Media, Piece, parse
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import VIDEO_CLOCK, AccessUnit, Unit

LATE: int = 3
"""Segments before the end of a playlist that is still written, where playing begins (RFC 8216, 6.3.3)."""


class Part(msgspec.Struct, frozen=True):
    """Bytes, and what is said of their beginning.

    joins: another file begins; missing: some were never fetched; ahead: they come in lumps, before their time.
    """

    data: bytes
    joins: bool = False
    missing: bool = False
    ahead: bool = False


class Pace:
    """Pictures that came in lumps are handed on when they are due, as a camera would send them."""

    def __init__(self, wait: Wait, clock: Clock, tell: Callable[[list[Unit]], None]) -> None:
        self._wait = wait
        self._clock = clock
        self._tell = tell
        self._zero: float | None = None  # when a picture of time stamp 0 would have been due (monotonic)

    def __call__(self, units: list[Unit]) -> None:
        """In the place of `tell`."""
        for unit in units:
            one = unit
            if isinstance(unit, AccessUnit):
                at, now = unit.ts / VIDEO_CLOCK, time.monotonic()
                if self._zero is None or not -LONGEST < self._zero + at - now < LONGEST:
                    self._zero = now - at
                self._wait.stop.wait(max(0.0, self._zero + at - now))
                one = msgspec.structs.replace(unit, received=self._clock())
            self._tell([one])


def read_http(
    host: str, address: str, login: Login | None, trust: ssl.SSLContext | None, stop: threading.Event, clock: Clock,
    tell: Callable[[list[Unit]], None], silence: float, *, audio: bool,
) -> None:  # fmt: skip
    """Read until stopped, in a thread of its own. tell: called from this thread. Raises `Refused` when it ends."""
    wait = Wait(stop)
    fetcher = Fetcher(login, trust, wait)
    connected = time.monotonic()
    try:
        parts = _parts(fetcher, address, wait, silence)
        first = next(parts, Part(b""))
        while len(first.data) <= PACKET and (more := next(parts, None)) is not None:
            first = msgspec.structs.replace(first, data=first.data + more.data)
        every = chain([first], parts)
        if first.ahead:
            tell = Pace(wait, clock, tell)
        if first.data[:1] == bytes([SYNC]) and first.data[PACKET : PACKET + 1] == bytes([SYNC]):
            _take_apart(every, Demultiplexer(audio=audio), wait, clock, tell, silence)
        else:
            play_fed(host, Feed(part.data for part in every), wait, clock, tell, silence)
    except TimeoutError as error:
        word = "silent" if time.monotonic() - connected >= silence else "lost"
        raise Refused(Kind.UNAVAILABLE, f"{host}: no picture for {silence:g} s", stream=word) from error
    finally:
        fetcher.close()
    if not stop.is_set():
        raise Refused(Kind.UNAVAILABLE, f"{host}: the stream ended", stream="lost")


def _take_apart(
    parts: Iterator[Part], streams: Demultiplexer, wait: Wait, clock: Clock, tell: Callable[[list[Unit]], None],
    silence: float,
) -> None:  # fmt: skip
    for part in parts:
        if part.joins:
            streams.joins()
        now = clock()
        units = (streams.lost(None, now) if part.missing else []) + streams.take(part.data, now)
        if units:
            tell(units)
        if any(isinstance(unit, AccessUnit) for unit in units):
            wait.allow(silence)


def _parts(fetcher: Fetcher, address: str, wait: Wait, silence: float) -> Iterator[Part]:
    """What the camera sends, whichever way it does."""
    address, pieces = fetcher.get(address)
    first = next(pieces, b"")
    while len(first) < 8 and (more := next(pieces, b"")):
        first += more
    if not first.removeprefix(b"\xef\xbb\xbf").startswith(b"#EXTM3U"):
        wait.allow(silence)
        yield Part(first)
        yield from map(Part, pieces)
        return
    found = parse(_text(chain([first], pieces)), address)
    if isinstance(found, Choice):
        address, pieces = fetcher.get(found.addresses[0])
        found = parse(_text(pieces), address)
        if isinstance(found, Choice):
            raise Refused(Kind.INVALID, "a playlist that leads to playlists without end", stream="broken")
    wait.allow(silence)
    yield from _followed(fetcher, address, found, wait)


def _followed(fetcher: Fetcher, address: str, found: Media, wait: Wait) -> Iterator[Part]:
    """The segments of a playlist, and of what it is a while later. It waits no longer than for a picture."""
    pieces = found.pieces if found.ended else found.pieces[-LATE:]
    head: str | None = None
    following: int | None = None
    while True:
        for piece in pieces:
            until = wait.until  # fetching allows itself its own time; pictures have theirs
            missing = following is not None and piece.sequence > following
            if piece.head is not None and piece.head != head:
                head = piece.head
                yield from (Part(data, ahead=True) for data in fetcher.get(head)[1])
            yield from _segment(fetcher, piece, wait, until, missing=missing)
            following = piece.sequence + 1
        if found.ended:
            return
        _rest(wait, found.target / 2)
        until = wait.until
        found = _again(fetcher, address)
        wait.until = until
        pieces = tuple(one for one in found.pieces if following is None or one.sequence >= following)
        if found.pieces and following is not None and found.pieces[-1].sequence + len(found.pieces) < following:
            raise Refused(Kind.UNAVAILABLE, "the camera's playlist began anew", stream="lost")


def _segment(fetcher: Fetcher, piece: Piece, wait: Wait, until: float, *, missing: bool) -> Iterator[Part]:
    _, pieces = fetcher.get(piece.address)
    wait.until = until
    joins = True
    for data in pieces:
        yield Part(data, joins, missing, ahead=True)
        joins = missing = False


def _again(fetcher: Fetcher, address: str) -> Media:
    where, pieces = fetcher.get(address)
    found = parse(_text(pieces), where)
    if isinstance(found, Choice):
        raise Refused(Kind.INVALID, "a playlist of segments became one of playlists", stream="broken")
    return found


def _rest(wait: Wait, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        wait.stop.wait(min(left, wait.turn()))


def _text(pieces: Iterator[bytes]) -> str:
    return whole(pieces, LARGEST).decode("utf-8", "replace")
