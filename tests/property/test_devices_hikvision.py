"""Whatever a camera, a broken line or an attacker sends: a push or a refusal, never anything else."""

from pathlib import Path

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from saqtau.devices.hikvision.compose import Capture, compose, event
from saqtau.devices.hikvision.multipart import split
from saqtau.devices.hikvision.parse import Push, parse
from saqtau.devices.hikvision.tree import read_event
from saqtau.devices.plate import spell
from saqtau.devices.seen import read_of
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Picture, PlateRead, Trust

RECORDED = sorted((Path(__file__).parents[1] / "data" / "hikvision").glob("*.http"))
JPEG = b"\xff\xd8\xff\xe0"
instants = st.integers(1_700_000_000_000, 1_900_000_000_000).map(Instant)
plates = st.from_regex(r"\A[0-9]{3}[A-PR-Z]{2,3}(0[1-9]|1[0-9]|20)\Z")


def taken(content_type, body):
    """Whether the bytes were answered as promised: a push, or a refusal that names its field."""
    try:
        push = parse(content_type, body)
    except Refused as refusal:
        return refusal.kind is Kind.INVALID and len(refusal.fields) > 0
    for seen in push.seen:
        read = read_of(seen, "kam", Instant(1_795_165_387_412), b"k" * 32)
        # what leaves the parser is a lawful signal: it survives its own strict decoding
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(read), type=PlateRead) == read
    return isinstance(push, Push)


content_types = st.one_of(
    st.sampled_from(
        ["", "multipart/form-data", "multipart/form-data; boundary=boundary", "multipart/mixed; boundary=", "text/xml"]
    ),
    st.text(max_size=60).map(lambda text: f"multipart/form-data; boundary={text}"),
    st.text(max_size=40),
)
FRAGMENTS = b"""--boundary
--boundary--
Content-Type: text/xml
Content-Length: 12
Content-Disposition: form-data; name="anpr.xml"
<EventNotificationAlert>
</EventNotificationAlert>
<ANPR><licensePlate>123ABC02</licensePlate></ANPR>
<eventType>ANPR</eventType>
<confidenceLevel>1e999</confidenceLevel>
<!DOCTYPE a>
<!ENTITY b 'c'>
&b;
<a:b>
{"eventType":"ANPR","ANPR":{"licensePlate":"1"}}
<?xml version='1.0' encoding='gbk'?>
<?xml version='1.0' encoding='nosuch'?>""".split(b"\n")
pieces = st.one_of(st.binary(max_size=40), st.sampled_from([*FRAGMENTS, b"\n", b"\r\n", b"\r\n\r\n", b"\0", JPEG]))


@given(content_types, st.lists(pieces, max_size=25).map(b"".join))
@settings(max_examples=400, deadline=None)
def test_any_bytes_give_a_push_or_a_refusal(content_type, body):
    assert taken(content_type, body)


@given(st.sampled_from(RECORDED), st.data())
@settings(max_examples=300, deadline=None)
def test_a_push_cut_or_damaged_anywhere_gives_a_push_or_a_refusal(path, data):
    head, _, body = path.read_bytes().partition(b"\r\n\r\n")
    content_type = "multipart/form-data; boundary=boundary" if b"boundary=boundary" in head else ""
    cut = data.draw(st.integers(0, len(body)))
    hurt = bytearray(body[:cut])
    for place in data.draw(st.lists(st.integers(0, max(cut - 1, 0)), max_size=6)):
        if hurt:
            hurt[place] = data.draw(st.integers(0, 255))
    assert taken(content_type, bytes(hurt))


@given(
    st.builds(
        Capture,
        at=instants,
        plate=plates,
        uuid=st.uuids().map(str),
        confidence=st.integers(0, 100),
        direction=st.sampled_from(["forward", "reverse"]),
        speed=st.integers(0, 255),
        vehicle=st.sampled_from(["SUVMPV", "truck", "bus", "vehicle"]),
        line=st.integers(1, 8),
        offset=st.integers(-12 * 60, 14 * 60),
        late=st.booleans(),
    ),
    st.lists(st.sampled_from(["crop", "scene"]), unique=True).flatmap(
        lambda names: st.tuples(
            *(st.binary(max_size=300).map(lambda d, n=n: Picture(n, "image/jpeg", JPEG + d)) for n in names)
        )
    ),
)
@settings(max_examples=200, deadline=None)
def test_what_the_simulator_composes_is_what_the_server_reads(capture, pictures):
    headers, body = compose(capture, pictures)
    push = parse(headers["Content-Type"], body)
    (seen,) = push.seen
    assert push.malformed == ()
    assert (seen.at, seen.plate, seen.event, seen.late) == (capture.at, capture.plate, capture.uuid, capture.late)
    assert seen.confidence == capture.confidence / 100
    assert seen.speed == (capture.speed or None)
    assert seen.direction == {"forward": "approaching", "reverse": "leaving"}[capture.direction]
    assert (seen.trust is Trust.SURE) == (capture.confidence >= 85)
    assert {p.name: p.data for p in seen.pictures} == {p.name: p.data for p in pictures}


@given(
    st.lists(st.binary(max_size=200), min_size=1, max_size=6),
    st.sampled_from(["boundary", "----x", "a b"]),
    st.booleans(),
)
@settings(deadline=None)
def test_parts_that_tell_their_length_come_out_byte_for_byte(datas, boundary, crlf):
    end = b"\r\n" if crlf else b"\n"
    body = b"".join(
        b"--%b%bContent-Length: %d%b%b%b%b" % (boundary.encode(), end, len(data), end, end, data, end) for data in datas
    )
    body += b"--" + boundary.encode() + b"--" + end
    assert [part.data for part in split(f'multipart/form-data; boundary="{boundary}"', body)] == datas


@given(st.text(max_size=80))
def test_a_spelling_is_lawful_and_spelling_it_again_changes_nothing(text):
    spelling = spell(text)
    if spelling is not None:
        assert spelling.plate.isascii()
        assert spelling.plate.isalnum()
        assert spelling.plate == spelling.plate.upper()
        assert all(0 <= place < len(spelling.plate) for place in spelling.doubts)
        again = spell(spelling.plate)
        assert again is None or again.plate == spelling.plate


@given(
    st.builds(
        Capture,
        at=instants,
        plate=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"])),
        uuid=st.just("u"),
    )
)
@settings(deadline=None)
def test_any_plate_text_is_well_formed_in_the_event(capture):
    table = read_event(event(capture).encode())
    assert table[""] == "EventNotificationAlert"
    assert spell(table.get("ANPR/licensePlate", "")) == spell(capture.plate)
