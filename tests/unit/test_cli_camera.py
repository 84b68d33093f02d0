"""`saqtau camera`: what is said to a person, and what is refused before anything is started."""

import socket

import msgspec
import pytest
from typer.testing import CliRunner

from saqtau import bootstrap, jurisdiction
from saqtau.bootstrap.cameras import CameraWish, draw_places
from saqtau.cli import app
from saqtau.jurisdiction.rooms import lawful_camera
from saqtau.kernel.errors import Refused
from saqtau.kernel.register import Camera, PlaceKind, Room

LAW = jurisdiction.load("kz")
LINES = [
    ("C-1", "penal_colony", "s1", "Cell 14", "reconnect", "1790000000000", ""),
    ("K-01", "street", "s2", "Abay", "recorded", "1790000000000", "1790000000000"),
]


def say(*words):
    return CliRunner().invoke(app, ["camera", *words])


def test_cameras_are_listed_a_line_each_and_whole_whatever_the_width(monkeypatch):
    monkeypatch.setattr(bootstrap, "list_cameras", lambda _config: LINES)
    lines = say("list").output.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("C-1 ")
    assert lines[1].endswith(" Cell 14")
    assert "2026" in lines[2]


def test_a_camera_is_added_by_its_address(monkeypatch):
    wishes = []
    monkeypatch.setattr(bootstrap, "add_camera", lambda _config, wish: wishes.append(wish) or "done")
    done = say("add", "C-1", "rtsp://h/a", "--site", "s1", "--place", "street", "--audio", "--keep-days", "30")
    assert (done.exit_code, done.output) == (0, "done\n")
    assert wishes == [CameraWish("C-1", "rtsp://h/a", "s1", "street", keep_days=30, audio=True)]


@pytest.mark.parametrize("verb", ["disable", "retire"])
def test_nobody_switches_a_camera_off_without_a_reason(verb):
    assert say(verb, "C-1").exit_code != 0


def test_a_plug_that_is_none_is_told():
    with socket.socket() as held:  # bound, and nobody listens
        held.bind(("127.0.0.1", 0))
        with pytest.raises(Refused) as refused:
            bootstrap.move_plug(f"rtsp://127.0.0.1:{held.getsockname()[1]}/cell/1", out=True)
    assert refused.value.fields == {"address": "no_plug"}


@pytest.mark.parametrize("room", ["lawyer", "medical", "toilet"])
def test_a_room_that_is_not_recorded_is_refused_with_the_laws_reason_in_every_language(room):
    reader = Camera("R-1", "S001", "Abay", 3, 51.1, 71.4, 90, 60)
    office = next(
        one for one in draw_places([reader], 3, "rtsp://127.0.0.1/{}".format).cameras if one.place is PlaceKind.OFFICE
    )
    with pytest.raises(Refused) as refused:
        lawful_camera(LAW, msgspec.structs.replace(office, address="rtsp://127.0.0.1/x", room=Room(room)))
    assert refused.value.fields["room"] == "not_recorded"
    named = LAW.custody.not_recorded[room]
    assert [refused.value.fields[language] for language in ("kk", "ru", "en")] == [named.kk, named.ru, named.en]


def test_the_demonstrations_cameras_are_lawful_and_of_every_kind_of_place():
    reader = Camera("R-1", "S001", "Abay", 3, 51.1, 71.4, 90, 60)
    places = draw_places([reader], 3, lambda path: f"rtsp://127.0.0.1:8554/{path}")
    for camera in places.cameras:
        lawful_camera(LAW, camera)
    assert {camera.place for camera in places.cameras} == set(PlaceKind)
    sites = {site.id for site in places.sites} | {reader.site}
    assert {camera.site for camera in places.cameras} <= sites
    assert len({camera.id for camera in places.cameras}) == len(places.cameras)
