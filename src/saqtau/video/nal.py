"""NAL units: what a picture's size is, where decoding can begin, what the camera signed.

Sources: ITU-T H.264 (08/2021) 7.3.2.1.1, annex B; H.265 (08/2021) 7.3.2.2, 7.3.3, annex B; RFC 6381 and
ISO/IEC 14496-15:2022 annex E for the names of codecs.
"""

from collections.abc import Iterable
from typing import Final, NoReturn

import msgspec

from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import Audio, Codec, Parameters

LONGEST_SET = 4096
"""Bytes of one parameter set; a real one has 8 to 200."""
MOST_SETS = 16
"""Parameter sets of one stream."""
LARGEST_SIDE = 16_384
"""Pixels; beyond H.265 level 6.2."""

_AXIS: Final = bytes.fromhex("5369676e656420566964656f2e2e2e30")
_ONVIF: Final = bytes.fromhex("005bc93f2d715e95ada4796f90877a6f")
_SIGNERS: Final = {_AXIS: "axis", _ONVIF: "onvif"}
_H264_SETS: Final = (7, 8)
_H265_SETS: Final = (32, 33, 34)
_H264_CHROMA: Final = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


class Shape(msgspec.Struct, frozen=True):
    """What a sequence parameter set says: pixels after cropping, and what `avcC` and `hvcC` repeat.

    profile: H.264: profile, constraints, level (3 bytes). H.265: the 12 bytes of the general profile, tier and level.
    layers, nested: temporal layers of H.265.
    """

    width: int
    height: int
    profile: bytes
    chroma: int = 1
    luma_depth: int = 8
    chroma_depth: int = 8
    layers: int = 1
    nested: bool = True


class _Bits:
    """Reads a payload bit by bit, without its emulation prevention bytes. Raises `Refused(INVALID)` at its end."""

    def __init__(self, payload: bytes) -> None:
        plain = payload.replace(b"\0\0\3", b"\0\0")
        self._value = int.from_bytes(plain, "big")
        self._left = len(plain) * 8

    def u(self, bits: int) -> int:
        if bits > self._left:
            _refuse("a parameter set ends too early")
        self._left -= bits
        return self._value >> self._left & (1 << bits) - 1

    def ue(self) -> int:
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > 31:
                _refuse("a parameter set holds a number over 32 bits")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        code = self.ue()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def _refuse(why: str) -> NoReturn:
    raise Refused(Kind.INVALID, f"video parameters: {why}", sets="video.parameters")


def nal_type(codec: Codec, nal: bytes) -> int:
    """The type of a NAL unit that has at least one byte."""
    return nal[0] & 31 if codec is Codec.H264 else nal[0] >> 1 & 63


def is_key(codec: Codec, nals: Iterable[bytes]) -> bool:
    """Whether decoding can begin at this picture: an IDR of H.264, a random access point of H.265."""
    if codec is Codec.H264:
        return any(nal[0] & 31 == 5 for nal in nals if nal)
    return any(16 <= nal[0] >> 1 & 63 <= 21 for nal in nals if nal)


def is_set(codec: Codec, nal: bytes) -> bool:
    """Whether this is a parameter set that `Parameters.sets` holds (VPS, SPS, PPS)."""
    return nal_type(codec, nal) in (_H264_SETS if codec is Codec.H264 else _H265_SETS)


def annexb_split(data: bytes) -> list[bytes]:
    """The NAL units of a byte stream with start codes (annex B); what stands before the first start code is dropped."""
    return [nal for part in data.split(b"\0\0\1")[1:] if (nal := part.rstrip(b"\0"))]


def sei_signatures(nal: bytes) -> set[str]:
    """Who signed the video in this NAL unit: `axis` (Signed Video), `onvif` (Media Signing); empty for other units."""
    if len(nal) < 3:
        return set()
    if nal[0] & 0x9F == 6:
        start = 1
    elif nal[0] >> 1 in {39, 40}:
        start = 2
    else:
        return set()
    payload, found = nal[start:].replace(b"\0\0\3", b"\0\0"), set[str]()
    place = 0
    while place + 2 < len(payload):
        kind, place = _sei_number(payload, place)
        size, place = _sei_number(payload, place)
        if kind == 5 and (signer := _SIGNERS.get(payload[place : place + 16])) and size >= 16:
            found.add(signer)
        place += size
    return found


def _sei_number(payload: bytes, place: int) -> tuple[int, int]:
    """A number of an SEI (bytes of 255, then the rest) and where it ends."""
    total = 0
    while place < len(payload) and payload[place] == 255:
        total, place = total + 255, place + 1
    return (total + payload[place], place + 1) if place < len(payload) else (total, place)


def sps_shape(codec: Codec, sps: bytes) -> Shape:
    """What this sequence parameter set says. Raises `Refused(INVALID)` when it is none, is cut, or is out of bounds."""
    expected = 7 if codec is Codec.H264 else 33
    if not 4 <= len(sps) <= LONGEST_SET or nal_type(codec, sps) != expected:
        _refuse(f"{len(sps)} bytes are no sequence parameter set of {codec}")
    shape = _h264(sps) if codec is Codec.H264 else _h265(sps)
    if not (0 < shape.width <= LARGEST_SIDE and 0 < shape.height <= LARGEST_SIDE):
        _refuse(f"{shape.width} x {shape.height} pixels")
    return shape


def sps_size(codec: Codec, sps: bytes) -> tuple[int, int]:
    """Width and height in pixels, after cropping. Raises as `sps_shape`."""
    shape = sps_shape(codec, sps)
    return shape.width, shape.height


def _h264(sps: bytes) -> Shape:
    bits, profile = _Bits(sps[4:]), sps[1:4]
    bits.ue()  # seq_parameter_set_id
    chroma, planes, luma_depth, chroma_depth = 1, 0, 8, 8
    if profile[0] in _H264_CHROMA:
        chroma = _at_most(bits.ue(), 3)
        planes = bits.u(1) if chroma == 3 else 0
        luma_depth, chroma_depth = 8 + _at_most(bits.ue(), 6), 8 + _at_most(bits.ue(), 6)
        bits.u(1)  # qpprime_y_zero_transform_bypass_flag
        if bits.u(1):
            _scaling_lists(bits, 12 if chroma == 3 else 8)
    bits.ue()  # log2_max_frame_num_minus4
    _picture_order(bits)
    bits.ue()  # max_num_ref_frames
    bits.u(1)  # gaps_in_frame_num_value_allowed_flag
    width, rows, frames_only = (bits.ue() + 1) * 16, bits.ue() + 1, bits.u(1)
    height = rows * 16 * (2 - frames_only)
    if not frames_only:
        bits.u(1)  # mb_adaptive_frame_field_flag
    bits.u(1)  # direct_8x8_inference_flag
    if bits.u(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        across = 2 if chroma in {1, 2} and not planes else 1
        down = (2 if chroma == 1 and not planes else 1) * (2 - frames_only)
        width, height = width - (left + right) * across, height - (top + bottom) * down
    return Shape(width, height, profile, chroma, luma_depth, chroma_depth)


def _scaling_lists(bits: _Bits, lists: int) -> None:
    for number in range(lists):
        if bits.u(1):
            last = following = 8
            for _ in range(16 if number < 6 else 64):
                if following:
                    following = (last + bits.se()) % 256
                last = following or last


def _picture_order(bits: _Bits) -> None:
    match bits.ue():
        case 0:
            bits.ue()  # log2_max_pic_order_cnt_lsb_minus4
        case 1:
            bits.u(1)  # delta_pic_order_always_zero_flag
            bits.se(), bits.se()
            for _ in range(_at_most(bits.ue(), 255)):
                bits.se()
        case _:
            pass


def _h265(sps: bytes) -> Shape:
    bits = _Bits(sps[2:])
    bits.u(4)  # sps_video_parameter_set_id
    below = _at_most(bits.u(3), 6)
    nested = bool(bits.u(1))
    profile = bits.u(96).to_bytes(12, "big")
    _sub_layers(bits, below)
    bits.ue()  # sps_seq_parameter_set_id
    chroma = _at_most(bits.ue(), 3)
    planes = bits.u(1) if chroma == 3 else 0
    width, height = bits.ue(), bits.ue()
    if bits.u(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        across = 2 if chroma in {1, 2} and not planes else 1
        down = 2 if chroma == 1 and not planes else 1
        width, height = width - (left + right) * across, height - (top + bottom) * down
    luma_depth, chroma_depth = 8 + _at_most(bits.ue(), 8), 8 + _at_most(bits.ue(), 8)
    return Shape(width, height, profile, chroma, luma_depth, chroma_depth, below + 1, nested)


def _sub_layers(bits: _Bits, below: int) -> None:
    present = [(bits.u(1), bits.u(1)) for _ in range(below)]
    if below:
        bits.u(2 * (8 - below))
    for profiled, levelled in present:
        bits.u(88 * profiled + 8 * levelled)


def _at_most(value: int, limit: int) -> int:
    if value > limit:
        _refuse(f"{value} where {limit} is the most")
    return value


def parameters_of(codec: Codec, sets: Iterable[bytes], audio: Audio | None = None) -> Parameters:
    """The parameters of a stream, from parameter sets in any order, possibly twice.

    Raises `Refused(INVALID)`: a set is missing, too long, or says what no camera can.
    """
    wanted = _H264_SETS if codec is Codec.H264 else _H265_SETS
    given = dict.fromkeys(nal for nal in sets if nal)
    if len(given) > MOST_SETS or any(len(nal) > LONGEST_SET for nal in given):
        _refuse("too many or too long parameter sets")
    ordered = tuple(sorted((nal for nal in given if is_set(codec, nal)), key=lambda nal: nal_type(codec, nal)))
    kinds = [nal_type(codec, nal) for nal in ordered]
    for kind in wanted:
        if kind not in kinds:
            _refuse(f"{codec} lacks its parameter set of type {kind}")
    width, height = sps_size(codec, ordered[kinds.index(wanted[-2])])
    return Parameters(codec, ordered, width, height, audio)


def sps_of(parameters: Parameters) -> bytes:
    """The first sequence parameter set."""
    kind = 7 if parameters.codec is Codec.H264 else 33
    return next(nal for nal in parameters.sets if nal_type(parameters.codec, nal) == kind)


def codec_string(parameters: Parameters) -> str:
    """What a browser calls this video: `avc1.4d401f`, `hvc1.1.6.L93.B0`. Raises as `sps_shape`."""
    profile = sps_shape(parameters.codec, sps_of(parameters)).profile
    if parameters.codec is Codec.H264:
        return f"avc1.{profile.hex()}"
    space = ("", "A", "B", "C")[profile[0] >> 6]
    tier = "H" if profile[0] & 0x20 else "L"
    compatible = int(f"{int.from_bytes(profile[1:5], 'big'):032b}"[::-1], 2)
    constraints = "".join(f".{byte:X}" for byte in profile[5:11].rstrip(b"\0"))
    return f"hvc1.{space}{profile[0] & 31}.{compatible:X}.{tier}{profile[11]}{constraints}"
