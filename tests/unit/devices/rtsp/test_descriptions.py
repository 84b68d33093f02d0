"""Session descriptions as cameras of several makers spell them, and the reports beside the packets."""

import pytest

from saqtau.devices.rtsp.rtcp import SenderReport, parse_reports
from saqtau.devices.rtsp.sdp import control_address, parse_description
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.simulate.clip import sender_report
from saqtau.video.access_unit import AudioCodec, Codec

HIKVISION = """v=0
o=- 1109162014219182 1109162014219192 IN IP4 0.0.0.0
s=Media Presentation
b=AS:5100
t=0 0
a=control:rtsp://192.0.2.64/Streaming/Channels/101/
m=video 0 RTP/AVP 96
c=IN IP4 0.0.0.0
b=AS:5000
a=recvonly
a=x-dimensions:1920,1080
a=control:rtsp://192.0.2.64/Streaming/Channels/101/trackID=1
a=rtpmap:96 H264/90000
a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z01AHo2NQFAe//+ACQAH,aO44gA==
m=audio 0 RTP/AVP 8
a=control:rtsp://192.0.2.64/Streaming/Channels/101/trackID=2
a=rtpmap:8 PCMA/8000
a=Media_header:MEDIAINFO=494D4B48010100000400000111710110401F000000FA000000000000000000000000000000000000;
"""
DAHUA = """v=0
o=- 2251938191 2251938191 IN IP4 0.0.0.0
s=RTSP Session/2.0
a=control:*
a=packetization-supported:DH
t=0 0
m=video 0 RTP/AVP 98
a=control:trackID=0
a=framerate:25.000000
a=rtpmap:98 H265/90000
a=fmtp:98 profile-id=1;\
sprop-sps=QgEBAWAAAAMAsAAAAwAAAwBaoAWCAeFja5JFL83BQYFBAAADAAEAAAMADKE=;\
sprop-pps=RAHA8saNA7NA;\
sprop-vps=QAEMAf//AWAAAAMAsAAAAwAAAwBarAwAAAMABAAAAwAyqA==
a=recvonly
m=audio 0 RTP/AVP 97
a=control:trackID=1
a=rtpmap:97 MPEG4-GENERIC/48000/2
a=fmtp:97 streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190
m=application 0 RTP/AVP 107
a=control:trackID=4
a=rtpmap:107 vnd.onvif.metadata/90000
"""


def test_a_description_with_absolute_controls():
    offered = parse_description(HIKVISION)
    assert offered.video.codec is Codec.H264
    assert [one[0] & 31 for one in offered.video.sets] == [7, 8]
    assert offered.video.control == "rtsp://192.0.2.64/Streaming/Channels/101/trackID=1"
    assert offered.heard.audio.codec is AudioCodec.PCMA
    assert offered.heard.audio.rate == 8_000


def test_a_description_with_relative_controls_and_sets_in_any_order():
    offered = parse_description(DAHUA)
    assert offered.video.codec is Codec.H265
    assert sorted(one[0] >> 1 for one in offered.video.sets) == [32, 33, 34]
    assert offered.heard.audio.config == b"\x11\x90"
    assert (offered.heard.audio.rate, offered.heard.audio.channels) == (48_000, 2)
    assert control_address("rtsp://192.0.2.65/cam/realmonitor/", offered.video.control).endswith("/trackID=0")


def test_a_sound_by_its_fixed_number_needs_no_map():
    text = "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\nm=audio 0 RTP/AVP 0\n"
    assert parse_description(text).heard.audio.codec is AudioCodec.PCMU


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m=video 0 RTP/AVP 26",  # JPEG
        "m=video 0 RTP/AVP 96\na=rtpmap:96 MP4V-ES/90000",
        "m=video 0 RTP/AVP 96\na=rtpmap:96 H264/90000\na=fmtp:96 packetization-mode=2",
        "m=video 0 RTP/AVP 999\na=rtpmap:999 H264/90000",
    ],
)
def test_what_we_cannot_record_is_refused(text):
    with pytest.raises(Refused) as refused:
        parse_description(text)
    assert refused.value.fields["stream"] == "no_video"


@pytest.mark.parametrize(
    ("base", "control", "address"),
    [
        ("rtsp://c/a/", "trackID=1", "rtsp://c/a/trackID=1"),
        ("rtsp://c/a", "trackID=1", "rtsp://c/a/trackID=1"),
        ("rtsp://c/a", "*", "rtsp://c/a"),
        ("rtsp://c/a", "", "rtsp://c/a"),
        ("rtsp://c/a/", "rtsp://c/b/1", "rtsp://c/b/1"),
        ("rtsp://c/a?x=1", "trackID=1", "rtsp://c/a?x=1/trackID=1"),
    ],
)
def test_controls_are_laid_on_the_base_as_cameras_expect_it(base, control, address):
    assert control_address(base, control) == address


@pytest.mark.parametrize("now", [0, 1_795_165_387_412, 2_085_978_495_999, 2_085_978_497_000, 2_200_000_000_000])
def test_the_cameras_clock_is_read_to_the_millisecond_also_after_2036(now):
    told = parse_reports(sender_report(7, Instant(now), 90_000)).report
    assert told == SenderReport(7, told.ntp, 90_000)
    assert abs(told.ntp - now) <= 1


def test_a_goodbye_is_found_behind_a_report():
    assert parse_reports(sender_report(7, Instant(0), 1) + bytes([0x81, 203, 0, 1, 0, 0, 0, 7])).ended
    assert not parse_reports(sender_report(7, Instant(0), 1)).ended
