"""Places of the demonstration that are recorded: four crossings, a school, a police office and a colony. Pure."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from saqtau.kernel.register import Camera, PlaceKind, Room, Site, VideoCamera

CROSSINGS: Final = 4
SITES: Final = "video_sites.csv"
CAMERAS: Final = "video_cameras.geojson"
OFFERED: Final = ("street/new", "yard/new", "cell/new")
"""Streams that nobody has registered: for whoever wants to add a camera by its address."""

_PLACES: Final = (
    ("V-SCHOOL", "№25 мектеп-гимназия", 0.004, 0.003),
    ("V-OFFICE", "Орталық полиция бөлімі", -0.003, 0.004),
    ("V-COLONY", "№7 түзеу мекемесі", 0.009, -0.008),
)
_INSIDE: Final = (
    ("V-SCHOOL", PlaceKind.SCHOOL, "S-01", "Мектеп ауласы", Room.YARD, "yard/s-01", 30),
    ("V-SCHOOL", PlaceKind.SCHOOL, "S-02", "Бас дәліз", Room.CORRIDOR, "corridor/s-02", 30),
    ("V-OFFICE", PlaceKind.OFFICE, "O-01", "Кезекші бөлім", Room.DUTY_DESK, "corridor/aac/o-01", 90),
    ("V-OFFICE", PlaceKind.OFFICE, "O-02", "Уақытша ұстау камерасы 2", Room.CELL, "cell/o-02", 90),
    ("V-OFFICE", PlaceKind.OFFICE, "O-03", "Тергеу бөлмесі 1", Room.INTERVIEW, "cell/pcma/o-03", 90),
    ("V-COLONY", PlaceKind.COLONY, "C-01", "Серуендеу ауласы", Room.YARD, "yard/c-01", 90),
    ("V-COLONY", PlaceKind.COLONY, "C-02", "А корпусының дәлізі", Room.CORRIDOR, "corridor/c-02", 90),
    ("V-COLONY", PlaceKind.COLONY, "C-03", "Камера 14", Room.CELL, "cell/c-03", 90),
)


class VideoPlaces(msgspec.Struct, frozen=True):
    """What is recorded."""

    sites: tuple[Site, ...]
    cameras: tuple[VideoCamera, ...]


def draw_places(readers: Sequence[Camera], region: int, address: Callable[[str], str]) -> VideoPlaces:
    """Cameras at the first crossings that have readers of plates, and in places nearby.

    readers: the region's, at least one. address: of a stream by its path.
    """
    lat = sum(one.lat for one in readers) / len(readers)
    lon = sum(one.lon for one in readers) / len(readers)
    sites = tuple(
        Site(code, name, region, round(lat + north, 6), round(lon + east, 6)) for code, name, north, east in _PLACES
    )
    crossings: dict[str, Camera] = {}
    for reader in readers:
        crossings.setdefault(reader.site, reader)
    streets = [
        VideoCamera(
            id=f"K-{number:02}", site=one.site, name=one.name, region=region, lat=one.lat, lon=one.lon,
            place=PlaceKind.STREET, heading=one.heading, keep_days=30,
            address=address(f"{'street265' if number == CROSSINGS else 'street'}/k-{number:02}"),
        )
        for number, one in enumerate(list(crossings.values())[:CROSSINGS], 1)
    ]  # fmt: skip
    where = {site.id: site for site in sites}
    inside = [
        VideoCamera(
            id=code, site=site, name=name, region=region, lat=where[site].lat, lon=where[site].lon, place=place,
            room=room, keep_days=days, address=address(path), audio="/aac/" in path or "/pcma/" in path, reach=15.0,
        )
        for site, place, code, name, room, path, days in _INSIDE
    ]  # fmt: skip
    return VideoPlaces(sites, (*streets, *inside))


def sites_csv(sites: Sequence[Site]) -> bytes:
    """As `register import` takes them."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("id", "name", "region", "lat", "lon"))
    writer.writerows((one.id, one.name, one.region, one.lat, one.lon) for one in sites)
    return out.getvalue().encode()


def cameras_geojson(cameras: Sequence[VideoCamera]) -> bytes:
    """As `register import` takes them."""
    features = []
    for one in cameras:
        plain = msgspec.to_builtins(one)
        told = {
            name: value for name, value in plain.items() if value is not None and name not in {"lat", "lon", "mask"}
        }
        place = {"type": "Point", "coordinates": [one.lon, one.lat]}
        features.append({"type": "Feature", "geometry": place, "properties": told})
    return msgspec.json.format(msgspec.json.encode({"type": "FeatureCollection", "features": features}), indent=1)
