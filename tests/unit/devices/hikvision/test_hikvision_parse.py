"""A device test is the device's own bytes and the expected signal."""

from pathlib import Path

import pytest

from saqtau.devices.hikvision.compose import Capture, compose
from saqtau.devices.hikvision.parse import parse
from saqtau.devices.seen import Seen, clock_is_off, read_of, read_time
from saqtau.kernel.clock import MINUTE, SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Trust

RECORDED = Path(__file__).parents[3] / "data" / "hikvision"
AT = Instant(1_795_165_387_412)  # 2026-11-20T14:03:07.412+05:00
WHOLE = Instant(1_795_165_387_000)
KEY = b"k" * 32


def recorded(name):
    head, _, body = (RECORDED / f"{name}.http").read_bytes().partition(b"\r\n\r\n")
    types = [
        line.partition(b":")[2].strip() for line in head.split(b"\r\n") if line.lower().startswith(b"content-type:")
    ]
    return (types[0].decode() if types else ""), body


def pushed(name):
    return parse(*recorded(name))


def the_read(name) -> Seen:
    push = pushed(name)
    assert (len(push.seen), push.malformed) == (1, ())
    return push.seen[0]


def facts(seen):
    return (seen.plate, seen.raw, seen.trust, seen.confidence, seen.doubts, seen.speed, seen.direction, seen.vehicle)


SURE, DOUBTFUL = Trust.SURE, Trust.DOUBTFUL
VARIANTS = {
    "deepinview_5_8": ("123ABC02", "123ABC02", DOUBTFUL, 0.92, (3,), None, "leaving", "SUVMPV"),
    "tcg406_radar": ("123ABC02", "123 ABC 02", SURE, 0.97, (), 87.0, "approaching", "vehicle"),
    "2cd4a26_5_4": ("A123BCD", "A123BCD", SURE, 0.85, (), None, "approaching", None),
    "nvr_prefixed_lf": ("777AAA01", "777AAA01", SURE, 0.97, (), None, "approaching", "SUVMPV"),
    "no_namespace_quoted": ("123ABC02", "123ABC02", SURE, 0.925, (), None, "approaching", "SUVMPV"),
    "unquoted_odd_boundary": ("123ABC02", "123ABC02", SURE, 0.97, (), None, "approaching", "SUVMPV"),
    "no_boundary": ("123ABC02", "123ABC02", SURE, 0.97, (), None, "approaching", "SUVMPV"),
    "plain_xml": ("123ABC02", "123ABC02", SURE, 0.97, (), None, "approaching", "SUVMPV"),
    "no_content_type": ("321XYZ13", "321xyz13", SURE, 0.97, (), None, "approaching", "SUVMPV"),
    "mixed_bare_parts": ("123ABC02", "123ABC02", SURE, 0.97, (), None, "approaching", "SUVMPV"),
    "unread_character": ("123AQC02", "123A?C02", DOUBTFUL, 0.88, (4,), None, "approaching", "SUVMPV"),
    "low_confidence": ("123ABC02", "123ABC02", DOUBTFUL, 0.61, (), None, "approaching", "SUVMPV"),
    "cyrillic": ("050ABC02", "050 АВС 02", SURE, 0.97, (), None, "approaching", "SUVMPV"),
    "corrected_by_its_list": ("123ABC02", "123ABC02", DOUBTFUL, 0.97, (4,), None, "approaching", "SUVMPV"),
    "json": ("123ABC02", "123ABC02", SURE, 0.96, (), 64.0, "approaching", "truck"),
    "json_wrapped": ("123ABC02", "123ABC02", SURE, 0.96, (), 64.0, "approaching", "truck"),
    "boundary_in_picture": ("123ABC02", "123ABC02", SURE, 0.97, (), None, "approaching", "SUVMPV"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_what_each_firmware_pushes_becomes_the_same_kind_of_read(name):
    assert facts(the_read(name)) == VARIANTS[name]


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("deepinview_5_8", AT),  # milliseconds and an offset
        ("tcg406_radar", WHOLE),  # whole seconds
        ("2cd4a26_5_4", Instant(WHOLE - 5 * 3_600_000 + 5 * 3_600_000)),  # 09:03:07Z is 14:03:07+05:00
        ("plain_xml", WHOLE),  # no offset: the camera runs on Kazakhstan's time
        ("reuploaded", Instant(1_795_154_400_000)),
    ],
)
def test_the_camera_s_own_time_is_understood(name, at):
    assert the_read(name).at == at


def test_a_number_that_is_not_a_time_is_no_time():
    assert [
        read_time(text) for text in ("", "12", "20261120140307", "2026-13-45T00:00:00", "0001-01-01T00:00:00+14:00")
    ] == [None] * 5


@pytest.mark.parametrize(
    ("name", "pictures"),
    [
        ("deepinview_5_8", ["crop", "scene"]),
        ("tcg406_radar", ["crop", "scene"]),  # the scene came first
        ("2cd4a26_5_4", ["scene"]),  # vehiclePicture as application/octet-stream
        ("nvr_prefixed_lf", ["crop"]),
        ("mixed_bare_parts", ["crop"]),
        ("plain_xml", []),
    ],
)
def test_pictures_keep_their_bytes(name, pictures):
    got = the_read(name).pictures
    assert [picture.name for picture in got] == pictures
    for picture in got:
        assert picture.media == "image/jpeg"
        assert (picture.data[:3], picture.data[-2:]) == (b"\xff\xd8\xff", b"\xff\xd9")


def test_a_picture_that_holds_the_boundary_is_not_torn():
    (picture,) = the_read("boundary_in_picture").pictures
    assert b"\r\n--boundary\r\n" in picture.data
    assert picture.data.endswith(b"\xff\xd9")


def test_two_vehicles_in_one_push_keep_their_own_pictures():
    first, second = pushed("two_vehicles").seen
    assert (first.plate, [p.name for p in first.pictures]) == ("123ABC02", ["crop"])
    assert (second.plate, [p.name for p in second.pictures]) == ("321XYZ13", ["scene"])


def test_a_heartbeat_is_a_sign_of_life_and_nothing_else():
    push = pushed("heartbeat")
    assert (push.heartbeats, push.others, push.seen, push.malformed) == (1, 0, (), ())


def test_another_event_is_counted_and_left_alone():
    push = pushed("motion")
    assert (push.heartbeats, push.others, push.seen) == (0, 1, ())


def test_a_vehicle_without_a_readable_plate_is_counted_as_unread():
    push = pushed("unknown_plate")
    assert (push.unread, push.seen, push.malformed) == (1, (), ())


@pytest.mark.parametrize(
    ("name", "reasons", "reads"),
    [
        ("broken_xml", ["not_xml"], 0),
        ("broken_picture", ["picture"], 1),
        ("entity_bomb", ["declaration"], 0),
        ("plate_too_long", ["plate"], 0),
    ],
)
def test_what_cannot_be_understood_is_kept_as_it_came(name, reasons, reads):
    content_type, body = recorded(name)
    push = parse(content_type, body)
    assert [bad.reason for bad in push.malformed] == reasons
    assert len(push.seen) == reads
    assert all(bad.data in body for bad in push.malformed)


@pytest.mark.parametrize(
    ("content_type", "body", "field"),
    [
        ("multipart/form-data; boundary=x", b"nothing of the kind", "boundary"),
        ("multipart/form-data", b"", "boundary"),
        ("multipart/form-data; boundary=x", b"--x\r\n--x--", "head"),
        ("multipart/form-data; boundary=x", b"--x--", "parts"),
        ("multipart/form-data; boundary=x", b"--x\r\nA: b\r\n\r\nd\r\n" * 40, "parts"),
        ("multipart/form-data; boundary=x", b"--x\r\n" + b"A" * 9_000 + b"\r\n\r\nd\r\n--x--", "head"),
    ],
)
def test_a_body_without_parts_is_refused_by_the_name_of_what_is_wrong(content_type, body, field):
    with pytest.raises(Refused) as refusal:
        parse(content_type, body)
    assert refusal.value.kind is Kind.INVALID
    assert list(refusal.value.fields) == [field]


def test_depth_size_and_text_of_an_event_have_limits():
    deep = b"<a>" * 17 + b"</a>" * 17
    long = b"<a>" + b"x" * 5_000 + b"</a>"
    wide = b"<a>" + b"<b/>" * 4_001 + b"</a>"
    large = b"<a>" + b" " * 300_000 + b"</a>"
    reasons = [parse("text/xml", body).malformed[0].reason for body in (deep, long, wide, large)]
    assert reasons == ["too_deep", "text_too_long", "too_deep", "too_large"]
    nested = b"[" * 100_000
    assert parse("application/json", b'{"a":' + nested).malformed[0].reason == "not_json"


def test_the_same_push_twice_is_the_same_read():
    first, second = the_read("deepinview_5_8"), the_read("deepinview_5_8")
    assert read_of(first, "kam-1", AT, KEY).id == read_of(second, "kam-1", Instant(AT + 5_000), KEY).id


def test_reads_of_two_cameras_or_two_moments_differ():
    seen = the_read("2cd4a26_5_4")  # no UUID
    other = the_read("plain_xml")
    ids = {read_of(seen, "kam-1", AT, KEY).id, read_of(seen, "kam-2", AT, KEY).id, read_of(other, "kam-1", AT, KEY).id}
    assert len(ids) == 3


def test_the_id_of_a_read_needs_the_camera_s_key_to_be_guessed():
    seen = the_read("deepinview_5_8")
    assert read_of(seen, "kam-1", AT, KEY).id != read_of(seen, "kam-1", AT, b"another").id
    assert "123ABC02" not in read_of(seen, "kam-1", AT, KEY).id


def test_a_camera_whose_clock_is_off_cannot_open_a_case_by_itself():
    seen = the_read("tcg406_radar")
    assert read_of(seen, "kam-1", Instant(WHOLE + 30 * SECOND), KEY).trust is SURE
    assert read_of(seen, "kam-1", Instant(WHOLE + 31 * SECOND), KEY).trust is DOUBTFUL
    assert read_of(seen, "kam-1", Instant(WHOLE - 31 * SECOND), KEY).trust is DOUBTFUL


def test_a_read_that_is_uploaded_again_after_an_outage_is_late_not_wrong():
    seen = the_read("reuploaded")
    assert not clock_is_off(seen, Instant(seen.at + 180 * MINUTE))
    assert clock_is_off(seen, Instant(seen.at - MINUTE))


def test_a_read_without_a_time_has_ours_and_is_doubtful():
    read = read_of(the_read("no_time"), "kam-1", AT, KEY)
    assert (read.at, read.trust) == (AT, DOUBTFUL)


def test_low_characters_are_found_behind_the_spaces_the_camera_writes():
    levels = (99, 99, 99, 99, 99, 40, 99, 99, 99, 99)
    headers, body = compose(Capture(at=AT, plate="123 ABC 02", uuid="u", believed=levels))
    (seen,) = parse(headers["Content-Type"], body).seen
    assert (seen.plate, seen.doubts) == ("123ABC02", (4,))


def test_firmware_that_measures_no_characters_writes_zeros_and_doubts_none():
    headers, body = compose(Capture(at=AT, plate="123ABC02", uuid="u", believed=(0,) * 8))
    (seen,) = parse(headers["Content-Type"], body).seen
    assert (seen.doubts, seen.trust) == ((), SURE)


def test_two_vehicles_of_one_second_are_two_reads_where_the_camera_gives_no_id():
    ids = set()
    for plate in ("123ABC02", "321XYZ13"):
        headers, body = compose(Capture(at=AT, plate=plate, uuid=""))
        (seen,) = parse(headers["Content-Type"], body).seen
        ids.add(read_of(seen, "kam-1", AT, KEY).id)
    assert len(ids) == 2


def test_a_boundary_in_the_middle_of_a_line_of_a_picture_ends_nothing():
    picture = b"\xff\xd8\xff x--boundary\r\nx\xff\xd9"
    body = b"--boundary\r\n\r\n<a><ANPR><licensePlate>123ABC02</licensePlate></ANPR></a>\r\n--boundary\r\n\r\n"
    (seen,) = parse("multipart/form-data; boundary=boundary", body + picture + b"\r\n--boundary--").seen
    assert [found.data for found in seen.pictures] == [picture]


def test_a_document_type_is_refused_even_without_an_entity():
    push = parse("text/xml", b"<!DOCTYPE a><a><ANPR><licensePlate>123ABC02</licensePlate></ANPR></a>")
    assert ([bad.reason for bad in push.malformed], push.seen) == (["declaration"], ())
