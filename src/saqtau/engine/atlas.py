"""The map of this folder in memory: road graph, snapping, camera trees, and where the units are now.

Every process that decides holds one. The field of units is replaced whole at each tick, so readers never wait.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
import numpy as np

from saqtau.engine.tiles import Map, build_tiles
from saqtau.jurisdiction import Jurisdiction
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera
from saqtau.roads.graph import Place, RoadGraph, decode_graph, encode_graph
from saqtau.roads.nearest import UnitField, unit_field
from saqtau.roads.osm import import_osm
from saqtau.roads.snap import Snapper, snap, snapper
from saqtau.roads.tree import Trees

GRAPH = "roads.npz"
TREES = 1 << 30
"""Bytes of camera trees kept in one process; 10,000 cameras in four workers stay under 4 GiB."""


class Atlas(msgspec.Struct, frozen=True, eq=False):
    """A road graph made ready for decisions."""

    graph: RoadGraph
    roads: Snapper
    trees: Trees


def import_map(source: Path, folder: Path, law: Jurisdiction, say: Callable[[str], None]) -> tuple[RoadGraph, Map]:
    """Read an extract: graph for decisions, tiles for the screen. The old map serves until both are whole.

    Raises Refused as `import_osm` and `build_tiles`.
    """
    say("Reading streets and turn restrictions ...")
    graph = import_osm(source, law.speeds, law.limits, within=law.bounds)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{GRAPH}.new"
    try:
        with fresh.open("wb") as out:
            out.write(encode_graph(graph))
            out.flush()
            os.fsync(out.fileno())
        tiles = build_tiles(source, folder, lambda step, part: say(f"Cutting the map: {step} {part:.0%}"))
        fresh.replace(folder / GRAPH)
    finally:
        fresh.unlink(missing_ok=True)
    return graph, tiles


def open_atlas(folder: Path) -> Atlas | None:
    """The imported map, None when there is none yet. Raises Refused(INVALID) when it is damaged."""
    path = folder / GRAPH
    if not path.is_file():
        return None
    graph = decode_graph(path.read_bytes())
    return Atlas(graph, snapper(graph), Trees(graph, TREES))


def place_cameras(atlas: Atlas, cameras: Iterable[Camera]) -> dict[str, Place]:
    """Where each camera looks: the directed edge of its lane. One farther than 60 m from every road is left out."""
    listed = list(cameras)
    if not listed:
        return {}
    found = snap(
        atlas.roads,
        np.array([camera.lat for camera in listed]),
        np.array([camera.lon for camera in listed]),
        np.array([camera.heading for camera in listed]),
    )
    return {
        camera.id: Place(int(edge), float(fraction))
        for camera, edge, fraction in zip(listed, found.edge, found.fraction, strict=True)
        if edge >= 0
    }


class Fix(msgspec.Struct, frozen=True, array_like=True):
    """A unit's last position as it travels on `live.positions` and lies in memory."""

    unit: str
    lon: float
    lat: float
    heading: float | None
    status: str  # first letter for the map
    at: Instant
    flags: tuple[str, ...]
    region: int
    edge: int = -1
    fraction: float = 0.0
    speed: float | None = None  # km/h
    received: Instant = Instant(0)


class Units(msgspec.Struct, frozen=True, eq=False):
    """Every unit's last fix by index, and the field the searches read."""

    ids: tuple[str, ...]
    fixes: tuple[Fix, ...]
    field: UnitField

    def eligible(self, wanted: Mapping[str, bool]) -> np.ndarray:
        """(n,) True for the units that `wanted` names true."""
        return np.fromiter((wanted.get(unit, False) for unit in self.ids), np.bool_, len(self.ids))


class Whereabouts:
    """Where the units are, as one process knows it. `see` remembers, `now` builds the field when something changed."""

    def __init__(self, atlas: Atlas) -> None:
        self._atlas = atlas
        self._fixes: dict[str, Fix] = {}
        self._built: Units | None = None

    def see(self, fixes: Iterable[Fix]) -> None:
        """Newer fixes replace older ones."""
        for fix in fixes:
            known = self._fixes.get(fix.unit)
            if known is None or fix.at >= known.at:
                self._fixes[fix.unit] = fix
                self._built = None

    def now(self) -> Units:
        """The field of this moment."""
        if self._built is None:
            self._built = _built(self._atlas, tuple(self._fixes.values()))
        return self._built


def _built(atlas: Atlas, fixes: Sequence[Fix]) -> Units:
    heading = np.radians([90.0 if fix.heading is None else 90.0 - fix.heading for fix in fixes])
    speed = np.array([0.0 if fix.speed is None or fix.heading is None else fix.speed / 3.6 for fix in fixes])
    field = unit_field(
        atlas.graph,
        np.array([fix.edge for fix in fixes], np.int32),
        np.array([fix.fraction for fix in fixes], np.float32),
        atlas.graph.local(np.array([fix.lat for fix in fixes]), np.array([fix.lon for fix in fixes])).reshape(-1, 2),
        np.stack((speed * np.cos(heading), speed * np.sin(heading)), axis=-1).reshape(-1, 2),
    )
    return Units(tuple(fix.unit for fix in fixes), tuple(fixes), field)


def need(atlas: Atlas | None) -> Atlas:
    """The map, or Refused(UNAVAILABLE) that says how to get one."""
    if atlas is None:
        raise Refused(Kind.UNAVAILABLE, "no map: saqtau map import FILE.osm.pbf", map="missing")
    return atlas
