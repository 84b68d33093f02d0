"""A camera sends us nowhere but to itself, however it spells it."""

from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau.devices.reach import must_lead_to_a_camera, own_path
from saqtau.devices.streams.playlist import Choice, Media, parse
from saqtau.kernel.errors import Refused

BASE = "https://cam.example:8443/live/list.m3u8?a=1"
SOME = st.sampled_from(
    ["http:", "https:", "//", "cam.example", ":8443", ":443", "@", "user:word@", "evil.example", "\\", "/", "..", "?",
     "#", "[", "]", " ", "\t", "\n", "\0", "%2f", "%40", "a.ts", ".", "۱", "file:", "data:,x", ";", "ı", "K"]
)  # fmt: skip
LINES = st.one_of(
    SOME,
    st.text(max_size=40),
    st.sampled_from(
        ["#EXTM3U", "#EXTINF:2,", "#EXT-X-ENDLIST", "#EXT-X-TARGETDURATION:4", "#EXT-X-MEDIA-SEQUENCE:7",
         "#EXT-X-MEDIA-SEQUENCE:x", "#EXT-X-DISCONTINUITY", "#EXT-X-STREAM-INF:BANDWIDTH=5", '#EXT-X-MAP:URI="i.mp4"',
         '#EXT-X-MAP:URI="//evil.example/i"', "#EXT-X-KEY:METHOD=NONE", "#EXT-X-KEY:METHOD=AES-128", "1.ts",
         "https://evil.example/1.ts", "https://cam.example:8443/2.ts", "#EXT-X-BYTERANGE:1@0"]
    ),
)  # fmt: skip


def outcome(call, *arguments):
    """What a call answers, or the word of its refusal."""
    try:
        return call(*arguments), None
    except Refused as refused:
        return None, refused.fields["stream"]


def own(address):
    parts = urlsplit(address)
    return (parts.scheme, parts.netloc) == ("https", "cam.example:8443") and address.isascii() and address.isprintable()


@given(st.lists(SOME, max_size=8).map("".join) | st.text(max_size=60))
def test_where_a_camera_sends_is_a_path_of_its_own_or_refused(target):
    found, word = outcome(own_path, BASE, target)
    assert word == "denied" if found is None else own(found)


@given(st.lists(LINES, max_size=30))
def test_every_address_of_a_playlist_is_the_cameras_own(lines):
    found, word = outcome(parse, "\n".join(["#EXTM3U", *lines]), BASE)
    match found:
        case None:
            assert word in {"broken", "denied", "no_video"}
        case Choice(addresses):
            assert addresses
            assert all(own(one) for one in addresses)
        case Media(target, pieces, _):
            assert 1 <= target <= 60
            assert all(own(one.address) and (one.head is None or own(one.head)) for one in pieces)
            assert [one.sequence for one in pieces] == sorted({one.sequence for one in pieces})


@given(st.ip_addresses())
def test_what_only_we_can_reach_is_no_camera_by_name_and_the_registers_own_word_by_number(address):
    must_lead_to_a_camera(str(address), str(address))
    inward = (address.is_loopback, address.is_link_local, address.is_multicast, address.is_unspecified)
    mapped = getattr(address, "ipv4_mapped", None) or getattr(address, "sixtofour", None)
    _, word = outcome(must_lead_to_a_camera, "cam.example", str(address))
    assert word in {None, "address"}
    assert word == "address" or not any(inward) or mapped is not None


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "127.9.9.9", "169.254.169.254", "0.0.0.0", "::1", "::", "fe80::1", "fe80::1%eth0", "224.0.0.1",
     "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200", "168.63.129.16",
     "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"],
)  # fmt: skip
def test_a_name_does_not_lead_inwards(address):
    with pytest.raises(Refused) as refused:
        must_lead_to_a_camera("cam.example", address)
    assert refused.value.fields == {"stream": "address"}


@pytest.mark.parametrize(
    "address", ["10.20.4.3", "192.168.0.9", "172.16.1.1", "100.64.3.4", "8.8.8.8", "fd00:1::5", "64:ff9b::a14:403"]
)
def test_a_name_leads_to_the_cameras_network(address):
    must_lead_to_a_camera("cam.example", address)
    assert not ip_address(address).is_loopback


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost."])
def test_localhost_says_what_it_means(name):
    must_lead_to_a_camera(name, "127.0.0.1")
    with pytest.raises(Refused):
        must_lead_to_a_camera(name, "169.254.169.254")
