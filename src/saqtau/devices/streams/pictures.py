"""Packets of a demultiplexer -> units, from the first key picture on. Pure: bytes and times are handed in."""

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import VIDEO_CLOCK, AccessUnit, Audio, Codec, Parameters, Unit
from saqtau.video.nal import annexb_split, is_key, is_set, parameters_of

LEAP, BACK = 10 * VIDEO_CLOCK, VIDEO_CLOCK  # time stamps that jump further began anew


class Pictures:
    """The pictures of one stream. `audio`: the sound beside them; another value is told before the next key picture."""

    def __init__(self, codec: Codec) -> None:
        self.audio: Audio | None = None
        self._codec = codec
        self._sets: tuple[bytes, ...] = ()
        self._parameters: Parameters | None = None
        self._last: int | None = None
        self._shift = 0

    @property
    def began(self) -> bool:
        """Whether a picture was given out."""
        return self._last is not None

    @property
    def heard(self) -> Audio | None:
        """The sound that was told beside the pictures: frames of another are not understood yet."""
        return self._parameters.audio if self._parameters else None

    def take(self, data: bytes, ts: int, received: Instant) -> list[Unit]:
        """One picture: its units with start codes, as they came; ts: 90 kHz, as its source counts.

        Raises `Refused` (stream="broken") for parameter sets that cannot be read.
        """
        nals = tuple(annexb_split(data))
        key, units = is_key(self._codec, nals), list[Unit]()
        if key:
            told = tuple(dict.fromkeys(nal for nal in nals if is_set(self._codec, nal)))
            if (told and told != self._sets) or (self._parameters and self._parameters.audio != self.audio):
                sets = told or self._sets
                try:
                    parameters = parameters_of(self._codec, sets, self.audio)
                except Refused as refused:
                    raise Refused(Kind.INVALID, refused.message, stream="broken") from refused
                self._sets = sets
                if parameters != self._parameters:
                    self._parameters = parameters
                    units.append(parameters)
        if self._parameters is None or not nals:
            return []
        if self._last is not None and not -BACK <= ts + self._shift - self._last <= LEAP:
            self._shift = self._last + 1 - ts
        self._last = ts + self._shift
        units.append(AccessUnit(self._last, key, nals, received))
        return units
