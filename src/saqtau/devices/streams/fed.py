"""OpenCV's FFmpeg takes apart what it is fed from memory, and decodes nothing; `raw` is the same for what it opens.

The options go through the environment of the process: one opens at a time.
"""

import io
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from saqtau.devices.streams.fetch import Wait
from saqtau.devices.streams.pictures import Pictures
from saqtau.kernel.clock import Clock
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import VIDEO_CLOCK, Codec, Unit

CODECS: Final = {
    "h264": Codec.H264, "avc1": Codec.H264, "hevc": Codec.H265, "hvc1": Codec.H265, "hev1": Codec.H265,
}  # fmt: skip
NOTHING: Final = {
    "protocol_whitelist": "none",
    "format_whitelist": "flv,live_flv,kux,mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,h264,hevc",
}
"""What FFmpeg may open by itself, and what it may take a stream for: nothing that leads elsewhere."""
BACK: Final = 8 << 20
"""Bytes from the beginning that may be read again: formats are guessed by reading them."""
_OPENING = threading.Lock()
_OPTIONS = "OPENCV_FFMPEG_CAPTURE_OPTIONS"


def open_raw(host: str, source: Any, options: dict[str, str], asked: list[int]) -> tuple[Any, Codec]:
    """A capture of coded pictures. source: an address, or a reader (which must outlive the capture).

    Raises Refused: stream="unreachable" (FFmpeg tells no reason), "no_video".
    """
    import cv2

    with _OPENING:
        before = os.environ.get(_OPTIONS)
        os.environ[_OPTIONS] = "|".join(f"{name};{value}" for name, value in options.items())
        try:
            capture = cv2.VideoCapture(source, cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1, *asked])
        finally:
            if before is None:
                del os.environ[_OPTIONS]
            else:
                os.environ[_OPTIONS] = before
    if not capture.isOpened():
        raise Refused(Kind.UNAVAILABLE, f"{host}: cannot be opened, or is no video", stream="unreachable")
    name = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=False).decode("latin-1").lower()
    codec = CODECS.get(name)
    if codec is None or capture.get(cv2.CAP_PROP_FORMAT) != -1:
        capture.release()
        raise Refused(Kind.INVALID, f"{host}: {name!r} is neither H.264 nor H.265", stream="no_video")
    return capture, codec


class Feed(io.BufferedIOBase):
    """Pieces as a file that FFmpeg reads; its beginning can be read again. failure: why it ended, if it was not over.

    An error in here would not come through FFmpeg: it is kept for whoever asked.
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._kept = bytearray()  # the beginning, as long as somebody may want it again
        self._rest = b""
        self._at = 0  # of what is read next
        self._come = 0  # bytes that came
        self.failure: Exception | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes; none at the end."""
        wanted = size if size is not None and size > 0 else 1 << 16
        if self._at < self._come and self._come - len(self._rest) > self._at:
            found = bytes(self._kept[self._at : min(self._at + wanted, self._come - len(self._rest))])
        else:
            if not self._rest:
                self._rest = self._next()
            found, self._rest = self._rest[:wanted], self._rest[wanted:]
        self._at += len(found)
        return found

    def _next(self) -> bytes:
        if self.failure is not None:
            return b""
        try:
            piece = next(self._pieces, b"")
        except Exception as error:  # noqa: BLE001 - raised by whoever reads `failure`
            self.failure, piece = error, b""
        if len(self._kept) == self._come:
            self._kept += piece[: max(0, BACK - self._come)]
        self._come += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Only back into the beginning; -1 for anything else."""
        read = self._come - len(self._rest)
        to = offset if whence == io.SEEK_SET else self._at + offset if whence == io.SEEK_CUR else -1
        if to < 0 or to > read or (to != read and read > len(self._kept)):
            return -1
        self._at = to
        return to

    def seekable(self) -> bool:
        """Within its beginning."""
        return True

    def readable(self) -> bool:
        """It is."""
        return True


def play_fed(
    host: str, feed: Feed, wait: Wait, clock: Clock, tell: Callable[[list[Unit]], None], silence: float
) -> None:
    """Read until the end. Raises what the feed failed with, or Refused as `open_raw`."""
    try:
        capture, codec = open_raw(host, feed, NOTHING, [])
    except Refused:
        if feed.failure is not None:
            raise feed.failure from None
        raise
    try:
        pictures = Pictures(codec)
        while capture.grab():
            packet, shown = next_packet(host, capture)
            if units := pictures.take(packet, stamp_of(shown), clock()):
                tell(units)
                wait.allow(silence)
    finally:
        capture.release()
    if feed.failure is not None:
        raise feed.failure


def next_packet(host: str, capture: Any) -> tuple[bytes, float]:
    """What was grabbed, with start codes, and when it is shown (ms). Raises Refused: stream="broken"."""
    import cv2

    found, packet = capture.retrieve()
    shown = float(capture.get(cv2.CAP_PROP_POS_MSEC))
    if not found or packet is None:
        raise Refused(Kind.INVALID, f"{host}: a packet without a picture", stream="broken")
    return packet.tobytes(), shown


def stamp_of(shown: float) -> int:
    """Milliseconds as 1/90,000 s."""
    return round(shown * VIDEO_CLOCK / 1000)
