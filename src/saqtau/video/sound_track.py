"""The sound that goes with the pictures: frames wait for the next fragment, laid on the same clock."""

from collections import deque
from typing import Final

from saqtau.video.access_unit import Audio, AudioCodec, AudioFrame
from saqtau.video.boxes import Sound
from saqtau.video.media_clock import MediaClock

LONGEST: Final = 10
"""Seconds of sound that wait for a picture; older sound is dropped."""
_APART: Final = 20  # part of a second by which counted and measured time may differ before the measured one counts
_MOST_BYTES: Final = 1 << 20


class SoundTrack:
    """Collects the frames of one track; of none, when `audio` is None."""

    def __init__(self, audio: Audio | None) -> None:
        self._audio = audio
        self._clock = MediaClock(audio.rate if audio else 1)
        self._waiting: deque[tuple[int, int, bytes]] = deque()
        self._bytes = 0
        self._next: int | None = None  # time after the last frame, in samples since 1970

    def reset(self) -> None:
        """Another connection: what waits is dropped, and its clock."""
        self._waiting.clear()
        self._bytes, self._next = 0, None
        self._clock.reset()

    def take(self, frame: AudioFrame) -> None:
        """A frame; dropped where the parameters told of no sound."""
        audio = self._audio
        if audio is None or not frame.data:
            return
        samples = len(frame.data) // audio.channels if audio.codec is not AudioCodec.AAC else _aac_samples(audio)
        time = self._clock.at(frame.ts, frame.received)
        if self._next is not None and abs(time - self._next) * _APART <= audio.rate:
            time = self._next
        self._next = time + samples
        self._waiting.append((time, samples, frame.data))
        self._bytes += len(frame.data)
        while self._bytes > _MOST_BYTES or time - self._waiting[0][0] > LONGEST * audio.rate:
            self._bytes -= len(self._waiting.popleft()[2])

    def cut(self) -> Sound | None:
        """What waits, up to the first hole in it: one fragment holds sound without holes."""
        if not self._waiting or self._audio is None:
            return None
        base = following = self._waiting[0][0]
        frames = list[tuple[int, bytes]]()
        while self._waiting and self._waiting[0][0] == following:
            _, samples, data = self._waiting.popleft()
            frames.append((samples, data))
            following += samples
            self._bytes -= len(data)
        return Sound(self._audio.codec, base, frames)


def _aac_samples(audio: Audio) -> int:
    """Samples of an AAC frame: 1,024 of the core, doubled where spectral band replication is signalled (5, 29)."""
    return 2048 if audio.config and audio.config[0] >> 3 in {5, 29} else 1024
