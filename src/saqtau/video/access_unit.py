"""What every source of video yields, in order: coded pictures, sound, losses, and the parameters they are decoded with.

Bytes are handed through as the camera coded them: nothing is transcoded, re-ordered or tidied, so that a signature
that the camera put into its stream goes on to verify.
"""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from saqtau.kernel.clock import Instant

VIDEO_CLOCK = 90_000
"""Ticks a second of video time stamps (RFC 6184, RFC 7798)."""


class Codec(StrEnum):
    """How pictures are coded."""

    H264 = "h264"
    H265 = "h265"


class AudioCodec(StrEnum):
    """How sound is coded: AAC (MPEG-4, raw frames without ADTS), or G.711 with A-law or µ-law."""

    AAC = "aac"
    PCMA = "pcma"
    PCMU = "pcmu"


class Audio(msgspec.Struct, frozen=True):
    """A track of sound: `rate` samples a second, `config` the AudioSpecificConfig of AAC, empty for G.711."""

    codec: AudioCodec
    rate: int
    channels: int
    config: bytes = b""


class Parameters(msgspec.Struct, frozen=True):
    """What a decoder must know before the first picture. Another value than before ends a segment.

    sets: parameter sets without start codes, in the order [VPS,] SPS, PPS; each at least once.
    width, height: pixels shown, after cropping.
    """

    codec: Codec
    sets: tuple[bytes, ...]
    width: int
    height: int
    audio: Audio | None = None


class AccessUnit(msgspec.Struct, frozen=True, gc=False):
    """One coded picture.

    ts: presentation time, 90 kHz, unwrapped (goes on past 2^32); the origin is the source's own.
    key: decoding can begin here.
    nals: every NAL unit of the picture as it came, without start codes or lengths (AUD, SEI, parameter sets stay in).
    received: our clock when its last byte came. ntp: the source's own clock, Unix milliseconds, where it tells it.
    """

    ts: int
    key: bool
    nals: tuple[bytes, ...]
    received: Instant
    ntp: int | None = None


class AudioFrame(msgspec.Struct, frozen=True, gc=False):
    """One coded frame of sound; `ts` in samples (`Audio.rate` a second), unwrapped. G.711: any number of samples."""

    ts: int
    data: bytes
    received: Instant


class Loss(msgspec.Struct, frozen=True, gc=False):
    """Packets that did not come, noticed at `at`; None where nobody can count. The damaged picture is left out."""

    packets: int | None
    at: Instant


Unit: TypeAlias = AccessUnit | AudioFrame | Loss | Parameters
