"""Events as the standard and cameras spell them, and the plates they tell of."""

import json
from pathlib import Path

import pytest

from saqtau.devices.onvif.parse import Event, local_topic, parse
from saqtau.devices.seen import read_of
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Picture, Trust

DATA = Path(__file__).parents[3] / "data" / "onvif"
TOPIC = "RuleEngine/Recognition/LicensePlate/&1/Gate north"
AT = 1_795_160_588_000


def told(name, **more):
    return parse(TOPIC, (DATA / f"{name}.json").read_bytes(), **{"again": False, **more})


def of(plate="123ABC02", **data):
    event = {"UtcTime": "2026-11-20T07:43:08Z", "Source": {}, "Data": {"LicensePlateInfo": {"PlateNumber": plate}}}
    event["Data"].update({"Likelihood": 0.9, **data})
    return parse(TOPIC, json.dumps(event).encode(), again=False)


def test_a_recognition_as_the_standard_has_it():
    (seen,) = told("recognition").seen
    assert (seen.plate, seen.raw, seen.trust, seen.confidence) == ("123ABC02", "123 АВС 02", Trust.SURE, 0.93)
    assert (seen.at, seen.event, seen.channel, seen.vehicle) == (AT, "4711", "1/Gate north", "Car")
    assert (seen.speed, seen.direction) == (59.4, "approaching")
    assert [picture.name for picture in seen.pictures] == ["crop", "scene"]
    assert seen.pictures[1] == Picture("scene", "image/jpeg", b"\xff\xd8\xff\xe0\x00\x10"[:6])


def test_a_camera_that_keeps_the_lists_of_the_xml_and_writes_percent():
    (seen,) = told("items").seen
    assert (seen.plate, seen.confidence, seen.trust) == ("777AAA02", 0.91, Trust.SURE)
    assert seen.at == AT, "without an offset it is UTC, as the field is called"


def test_an_object_of_the_scene_with_prefixes():
    (seen,) = told("object").seen
    assert (seen.plate, seen.event, seen.vehicle) == ("05QKZA02", "9", "Truck")
    assert (seen.trust, seen.doubts) == (Trust.DOUBTFUL, (2,))


@pytest.mark.parametrize(
    ("likelihood", "trust"), [(0.85, "sure"), (0.84, "doubtful"), (None, "doubtful"), ("x", "doubtful")]
)
def test_who_is_not_sure_or_does_not_say_how_sure_is_doubtful(likelihood, trust):
    assert of(Likelihood=likelihood).seen[0].trust == trust


def test_a_vehicle_whose_plate_was_not_read_is_counted():
    assert of(plate="unknown") == Event(unread=1)


def test_other_events_and_deleted_properties_tell_of_no_plate():
    assert parse("RuleEngine/LineDetector/Crossed", b'{"Data":{"ObjectId":"15"}}', again=False) == Event()
    assert parse(TOPIC, b"", again=False) == Event()


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        (b'{"Data":{}}', "plate"),
        (b'{"Data":{"LicensePlateInfo":{"PlateNumber":"1234567890123"}}}', "plate"),
        (b"[1]", "body"),
        (b"\xff", "body"),
        (b'{"Data":' + b"[" * 3_000, "body"),
        (b'{"Data":[' + b"0," * 30_000 + b"0]}", "body"),
        (b'{"Data":[' + b",".join([b'{"PlateNumber":"1"}'] * 17) + b"]}", "plate"),
    ],
)
def test_what_is_malformed_is_refused_by_the_name_of_its_field(payload, field):
    with pytest.raises(Refused) as refused:
        parse(TOPIC, payload, again=False)
    assert refused.value.kind is Kind.INVALID
    assert list(refused.value.fields) == [field]


def test_a_picture_that_cannot_be_read_does_not_cost_the_read():
    (seen,) = of(Image="not base64!", VehicleImage="QUJD").seen
    assert seen.pictures == ()


def test_the_same_event_has_the_same_id_and_another_camera_another_one():
    first, again = told("recognition").seen[0], told("recognition", again=True).seen[0]
    assert read_of(first, "k", AT, b"x" * 32).id == read_of(again, "k", AT + 9, b"x" * 32).id
    assert read_of(first, "k", AT, b"x" * 32).id != read_of(first, "k", AT, b"y" * 32).id


def test_only_a_repeat_may_be_old():
    late = AT + 3_600_000
    assert read_of(told("recognition").seen[0], "k", late, b"x" * 32).trust is Trust.DOUBTFUL
    assert read_of(told("recognition", again=True).seen[0], "k", late, b"x" * 32).trust is Trust.SURE


def test_a_camera_speaks_under_its_own_name_only():
    assert local_topic("kam-1/onvif-ej/RuleEngine/x", "kam-1") == "RuleEngine/x"
    for foreign in (
        "kam-2/onvif-ej/x",
        "kam-1/onvif-mj/x",
        "kam-1/onvif-ej/",
        "kam-11/onvif-ej/x",
        "x/kam-1/onvif-ej/x",
    ):
        assert local_topic(foreign, "kam-1") is None
