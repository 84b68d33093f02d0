"""Packets of sound -> frames (RFC 3640 AAC-hbr, RFC 3551 G.711). Pure.

Losses of sound are no gaps of the picture: the time stamps jump, and that is what a player needs to know.
"""

from saqtau.devices.rtsp.sdp import Heard
from saqtau.kernel.clock import Instant
from saqtau.video.access_unit import AudioCodec, AudioFrame, Unit

TURN = 1 << 32
SAMPLES_OF_AAC = 1024
LARGEST_FRAME = 8 << 10  # bytes; AAC allows 768 a channel


class SoundTrack:
    """One track of sound. `take` is called for each packet, in order."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self._last = 0
        self._time: int | None = None
        self._half = b""  # a frame that goes on in the next packet

    def take(self, data: bytearray, start: int, end: int, received: Instant, out: list[Unit]) -> None:
        """Take the packet `data[start:end]`; frames are appended to `out`. What cannot be read is left out."""
        if end - start < 13 or data[start] >> 6 != 2:
            return
        flags, at = data[start], start + 12 + 4 * (data[start] & 15)
        if flags & 0x10 and at + 4 <= end:
            at += 4 + 4 * (data[at + 2] << 8 | data[at + 3])
        if flags & 0x20:
            end -= data[end - 1]
        if at >= end:
            return
        raw = int.from_bytes(data[start + 4 : start + 8], "big")
        moved = (raw - self._last + TURN // 2) % TURN - TURN // 2
        self._time = raw if self._time is None else self._time + moved
        self._last = raw
        if self._heard.audio.codec is not AudioCodec.AAC:
            out.append(AudioFrame(self._time, bytes(data[at:end]), received))
            return
        for number, frame in enumerate(self._frames(bytes(data[at:end]), ended=bool(data[start + 1] & 0x80))):
            out.append(AudioFrame(self._time + number * SAMPLES_OF_AAC, frame, received))

    def _frames(self, payload: bytes, *, ended: bool) -> list[bytes]:
        width = self._heard.size_bits + self._heard.index_bits
        bits = int.from_bytes(payload[:2], "big")
        heads = (bits + 7) // 8
        if len(payload) < 2 + heads or not width:
            return []
        value = int.from_bytes(payload[2 : 2 + heads], "big") >> 8 * heads - bits if bits else 0
        sizes = [
            (value >> bits - width * (k + 1) + self._heard.index_bits) & (1 << self._heard.size_bits) - 1
            for k in range(bits // width)
        ]
        body, frames = payload[2 + heads :], list[bytes]()
        if len(sizes) == 1 and sizes[0] > len(body):  # one frame over several packets
            self._half = (self._half + body)[:LARGEST_FRAME]
            if not ended:
                return []
            body, self._half = self._half, b""
            return [body] if len(body) == sizes[0] else []
        self._half = b""
        for size in sizes:
            frame, body = body[:size], body[size:]
            if len(frame) == size and size:
                frames.append(frame)
        return frames
