"""The road network of a city as frozen arrays: what every other part of `roads` reads.

An *edge* is one direction of travel along a stretch of street between two junctions. Searches run from edge to edge
over *arcs*, so that a forbidden turn is simply an arc that is not there.
"""

import io
import zipfile
from math import cos, radians

import msgspec
import numpy as np
from numpy.typing import NDArray

from saqtau.kernel.errors import Kind, Refused

VERSION = 1
"""Of the file format; a graph written by another version is refused and must be imported again."""

METRES_PER_DEGREE = 111_195.08
"""Of latitude on the sphere of 6,371,008.8 m (IUGG mean radius)."""

I32 = NDArray[np.int32]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Bool = NDArray[np.bool_]


class RoadGraph(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Directed road network. n edges, a arcs, p geometry points; local metres are east, north of `origin`."""

    digest: str  # SHA-256 of the source
    origin: tuple[float, float]  # latitude, longitude of (0, 0)
    names: tuple[str, ...]  # street names; [0] is ""
    kinds: tuple[str, ...]  # highway classes
    facts: dict[str, int]  # what the import kept, left out and repaired
    tail: I32  # (n,) junction an edge starts at
    head: I32  # (n,) junction it ends at
    length: F32  # (n,) metres
    seconds: F32  # (n,) to drive it, without junctions
    limit: F32  # (n,) km/h as the map says; the class's driving speed where it says nothing
    kind: I32  # (n,) index into `kinds`
    name: I32  # (n,) index into `names`
    twin: I32  # (n,) the other direction of the same stretch, -1 if there is none
    shape_start: I32  # (n + 1,) points of edge e: shape[shape_start[e] : shape_start[e + 1]]
    shape: F32  # (p, 2) local metres
    arc_start: I32  # (n + 1,) arcs out of edge e
    arc_to: I32  # (a,) edge
    arc_cost: F32  # (a,) seconds lost at the junction
    back_start: I32  # (n + 1,) the same arcs by the edge they lead to
    back_from: I32  # (a,)
    back_cost: F32  # (a,)

    @property
    def edges(self) -> int:
        """Number of directed edges."""
        return len(self.tail)

    def local(self, lat: float | F64, lon: float | F64) -> F64:
        """Local metres (..., 2) of degrees."""
        east = (np.asarray(lon) - self.origin[1]) * METRES_PER_DEGREE * cos(radians(self.origin[0]))
        north = (np.asarray(lat) - self.origin[0]) * METRES_PER_DEGREE
        return np.stack((east, north), axis=-1)

    def degrees(self, xy: F64 | F32) -> tuple[F64, F64]:
        """Latitudes and longitudes of local metres (..., 2)."""
        plane = np.asarray(xy, np.float64)
        lat = plane[..., 1] / METRES_PER_DEGREE + self.origin[0]
        lon = plane[..., 0] / (METRES_PER_DEGREE * cos(radians(self.origin[0]))) + self.origin[1]
        return lat, lon

    def points(self, edge: int) -> F32:
        """Geometry of an edge, (k, 2) local metres in driving direction, k >= 2."""
        return self.shape[self.shape_start[edge] : self.shape_start[edge + 1]]


class Place(msgspec.Struct, frozen=True):
    """A point on an edge. fraction: 0 at its start, 1 at its end."""

    edge: int
    fraction: float


def place_xy(graph: RoadGraph, place: Place) -> tuple[float, float]:
    """Local metres of a place."""
    points = np.asarray(graph.points(place.edge), np.float64)
    steps = np.hypot(*np.diff(points, axis=0).T)
    run = np.concatenate(([0.0], np.cumsum(steps)))
    at = place.fraction * run[-1]
    return float(np.interp(at, run, points[:, 0])), float(np.interp(at, run, points[:, 1]))


def reversed_arcs(arc_start: I32, arc_to: I32, arc_cost: F32) -> tuple[I32, I32, F32]:
    """The same arcs indexed by the edge they lead to: (start, from, cost)."""
    n = len(arc_start) - 1
    source = np.repeat(np.arange(n, dtype=np.int32), np.diff(arc_start))
    order = np.argsort(arc_to, kind="stable")
    start = np.zeros(n + 1, np.int32)
    np.cumsum(np.bincount(arc_to, minlength=n), out=start[1:])
    return start, source[order], arc_cost[order]


def frozen(graph: RoadGraph) -> RoadGraph:
    """The same graph with its arrays write-protected, so that threads can share it."""
    for field in graph.__struct_fields__:
        value = getattr(graph, field)
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return graph


_TEXT = ("digest", "origin", "names", "kinds", "facts")


def encode_graph(graph: RoadGraph) -> bytes:
    """The graph as the bytes of an .npz file."""
    out = io.BytesIO()
    about = {"version": VERSION, **{name: getattr(graph, name) for name in _TEXT}}
    arrays = {name: getattr(graph, name) for name in graph.__struct_fields__ if name not in _TEXT}
    np.savez_compressed(out, about=np.frombuffer(msgspec.json.encode(about), np.uint8), **arrays)
    return out.getvalue()


class _Head(msgspec.Struct):
    version: int
    digest: str
    origin: tuple[float, float]
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    facts: dict[str, int]


def decode_graph(data: bytes) -> RoadGraph:
    """The graph of an .npz file. Raises Refused(INVALID) when it is damaged or of another version."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            about = msgspec.json.decode(stored["about"].tobytes(), type=_Head)
            if about.version != VERSION:
                raise Refused(Kind.INVALID, f"road graph: version {about.version}, import the map again", map="version")
            arrays = {name: stored[name] for name in stored.files if name != "about"}
        text = {name: getattr(about, name) for name in _TEXT}
        return frozen(RoadGraph(**text, **arrays))
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile, msgspec.DecodeError) as error:
        raise Refused(Kind.INVALID, f"road graph: damaged ({error}), import the map again", map="damaged") from error
