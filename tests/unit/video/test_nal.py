"""Parameter sets as two encoders write them, and camera signatures in the stream."""

import pytest
from tests.coded import coded, stream

from saqtau.kernel.errors import Kind, Refused
from saqtau.video.access_unit import Codec
from saqtau.video.nal import (
    annexb_split,
    codec_string,
    is_key,
    nal_type,
    parameters_of,
    sei_signatures,
    sps_of,
    sps_shape,
    sps_size,
)

AXIS = bytes.fromhex("5369676e656420566964656f2e2e2e30")
ONVIF = bytes.fromhex("005bc93f2d715e95ada4796f90877a6f")


@pytest.mark.parametrize("codec", list(Codec))
@pytest.mark.parametrize("size", [(128, 96), (130, 98), (322, 182), (640, 360), (1920, 1080)])
def test_a_parameter_set_says_the_size_that_was_coded(codec, size):
    parameters, _ = stream(codec, width=size[0], height=size[1], count=1)
    assert (parameters.width, parameters.height) == size
    assert sps_size(codec, sps_of(parameters)) == size


@pytest.mark.parametrize(("codec", "pixels", "chroma", "depth"), [
    (Codec.H264, "yuv422p", 2, 8), (Codec.H264, "yuv444p", 3, 8), (Codec.H264, "yuv420p10le", 1, 10),
    (Codec.H265, "yuv422p", 2, 8), (Codec.H265, "yuv444p", 3, 8), (Codec.H265, "yuv420p10le", 1, 10),
])  # fmt: skip
def test_other_colours_and_depths_are_told_apart(codec, pixels, chroma, depth):
    parameters, _ = stream(codec, width=130, height=98, count=1, pixels=pixels)
    shape = sps_shape(codec, sps_of(parameters))
    assert (shape.width, shape.height, shape.chroma, shape.luma_depth, shape.chroma_depth) == (
        130,
        98,
        chroma,
        depth,
        depth,
    )


def test_interlaced_pictures_have_their_full_height():
    parameters, _ = stream(width=130, height=100, count=1, options=(("x264-params", "interlaced=1:bframes=0"),))
    assert (parameters.width, parameters.height) == (130, 100)


def test_scaling_lists_are_stepped_over():
    parameters, _ = stream(
        width=130, height=98, count=1, options=(("x264-params", "cqm=jvt:bframes=0"), ("profile", "high"))
    )
    assert (parameters.width, parameters.height) == (130, 98)


@pytest.mark.parametrize("codec", list(Codec))
def test_the_first_picture_and_one_in_ten_is_a_key(codec):
    keys = [is_key(codec, nals) for nals, _ in coded(codec, count=20, gop=10)]
    assert [number for number, key in enumerate(keys) if key] == [0, 10]


def test_browsers_are_told_profile_and_level():
    parameters, _ = stream(width=640, height=360, count=1, options=(("profile", "baseline"), ("level", "3.1")))
    assert codec_string(parameters) == "avc1.42c01f"
    assert codec_string(stream(Codec.H265, width=640, height=360, count=1)[0]) == "hvc1.1.6.L63.90"


def test_a_stream_without_its_picture_parameters_is_refused():
    parameters, _ = stream(count=1)
    with pytest.raises(Refused) as refused:
        parameters_of(Codec.H264, parameters.sets[:1])
    assert refused.value.kind is Kind.INVALID
    assert "sets" in refused.value.fields


@pytest.mark.parametrize("codec", list(Codec))
def test_a_parameter_set_cut_anywhere_is_refused_or_says_less(codec):
    parameters, _ = stream(codec, count=1)
    sps = sps_of(parameters)
    refused = 0
    for end in range(len(sps)):
        try:
            assert sps_size(codec, sps[:end]) == (parameters.width, parameters.height)
        except Refused:
            refused += 1
    assert refused > 4


def test_sets_in_any_order_and_twice_are_the_same_parameters():
    parameters, _ = stream(Codec.H265, count=1)
    assert parameters_of(Codec.H265, [*reversed(parameters.sets), *parameters.sets]) == parameters


def sei(payload, *, h265=False, kind=5):
    head = b"\x4e\x01" if h265 else b"\x06"
    body = payload
    sizes = b"\xff" * (len(body) // 255) + bytes((len(body) % 255,))
    escaped, zeros = bytearray(), 0
    for byte in body:
        if zeros == 2 and byte <= 3:
            escaped.append(3)
            zeros = 0
        escaped.append(byte)
        zeros = zeros + 1 if byte == 0 else 0
    return head + bytes((kind,)) + sizes + bytes(escaped) + b"\x80"


@pytest.mark.parametrize("h265", [False, True])
def test_a_camera_that_signs_is_recognised(h265):
    assert sei_signatures(sei(AXIS + b"signature", h265=h265)) == {"axis"}
    assert sei_signatures(sei(ONVIF + bytes(300), h265=h265)) == {"onvif"}


def test_other_messages_are_no_signature():
    assert sei_signatures(sei(bytes(16) + b"x264")) == set()
    assert sei_signatures(sei(AXIS, kind=4)) == set()
    assert sei_signatures(b"\x65" + sei(AXIS)) == set()
    assert sei_signatures(b"\x06\x05\xff\xff\xff") == set()


def test_a_byte_stream_is_split_at_its_start_codes():
    data = b"\0\0\0\1\x67abc\0\0\1\x68d\0\0\0\1\x65e"
    assert annexb_split(data) == [b"\x67abc", b"\x68d", b"\x65e"]
    assert [nal_type(Codec.H264, nal) for nal in annexb_split(data)] == [7, 8, 5]
    assert annexb_split(b"no start code") == []
