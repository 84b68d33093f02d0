"""A camera that is recorded: where it may stand, how it may be reached, how long it is kept."""

import msgspec
import pytest

from saqtau.kernel.errors import Refused
from saqtau.kernel.register import NOT_RECORDED, PlaceKind, Room, VideoCamera, check_days, check_room
from saqtau.kernel.sensitive import Sensitive, sensitive_of

FACTS = {
    "id": "c1", "site": "s1", "name": "Gate", "region": 3, "lat": 51.1, "lon": 71.4, "place": "penal_colony",
    "address": "rtsp://10.0.0.9:554/Streaming/Channels/101", "keep_days": 90,
}  # fmt: skip


def camera(**facts):
    return msgspec.convert({**FACTS, **facts}, VideoCamera)


@pytest.mark.parametrize("room", sorted(NOT_RECORDED))
def test_a_room_of_confidence_is_refused_with_the_laws_reason(room):
    with pytest.raises(Refused, match="article 17") as refused:
        check_room(camera(room=room.value), {room.value: "article 17"})
    assert refused.value.fields["room"] == "article 17"


@pytest.mark.parametrize("room", sorted(NOT_RECORDED))
def test_a_law_that_forgot_them_does_not_open_them(room):
    with pytest.raises(Refused):
        check_room(camera(room=room.value), {})


def test_a_law_may_close_more_rooms():
    check_room(camera(room="cell"), {})
    with pytest.raises(Refused):
        check_room(camera(room="cell"), {"cell": "a court said so"})


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://10.0.0.9/one", "rtsps://cam.example:322/a/b?channel=1", "rtmp://h/live/x", "http://h:80/mjpg?x=1",
        "https://[fd00::1]:8443/v", "file:///srv/clips/a.mp4", "rtsp://h/passage/1",
    ],
)  # fmt: skip
def test_addresses_that_cameras_have(address):
    assert camera(address=address).address == address


@pytest.mark.parametrize(
    "address",
    [
        "rtsp://admin:12345@10.0.0.9/one", "rtsp://admin@h/one", "http://h/v?user=admin&password=x", "http://h/v?PWD=x",
        "ftp://h/one", "rtsp://", "rtsp://h/one\r\nX: y", "rtsp://h/o ne", "file://h/a", "gopher://h/", "rtsp:/h", "",
    ],
)  # fmt: skip
def test_addresses_that_name_a_person_or_are_none_are_refused(address):
    with pytest.raises(msgspec.ValidationError):
        camera(address=address)


def test_pictures_are_kept_neither_shorter_nor_longer_than_the_kind_of_place_is():
    check_days(camera(keep_days=90), 90, 365)
    for days in (89, 366):
        with pytest.raises(Refused) as refused:
            check_days(camera(keep_days=days), 90, 365)
        assert "keep_days" in refused.value.fields


def test_pictures_of_schools_and_of_custody_are_sensitive():
    assert {place: set(sensitive_of(place)) for place in PlaceKind} == {
        PlaceKind.STREET: set(),
        PlaceKind.SCHOOL: {Sensitive.MINORS},
        PlaceKind.OFFICE: {Sensitive.CUSTODY},
        PlaceKind.COLONY: {Sensitive.CUSTODY},
    }


def test_every_room_is_either_recorded_or_not():
    for room in Room:
        if room not in NOT_RECORDED:
            check_room(camera(room=room.value), {})
