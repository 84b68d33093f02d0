"""The streets of a city made from a seed: OpenStreetMap tags, one-way pairs, bridges, roundabouts, forbidden turns.

The result is plain nodes, ways and restrictions; `pbf.write_pbf` makes a real extract of it, so that the very same
`map import` reads the generated city and a real one.
"""

import math
from collections.abc import Iterator, Mapping
from random import Random
from typing import Literal

import msgspec

from saqtau.simulate.lattice import LINES, RIVER, Lattice, Point, draw_lattice
from saqtau.simulate.names import AVENUES, BOULEVARD, EMBANKMENTS, RING, STREETS

Axis = Literal["column", "row", "diagonal"]
Crossing = tuple[int, int]  # (u, v) of the lattice

COLUMNS = {0: "trunk", 4: "secondary", 9: "secondary", 13: "primary", 18: "secondary", 22: "secondary", 26: "trunk"}
ROWS = {0: "trunk", 3: "secondary", 7: "secondary", 13: "primary", 18: "secondary", 22: "secondary", 26: "trunk"}
COLLECTORS = {"column": (2, 6, 11, 16, 20, 24), "row": (5, RIVER, RIVER + 1, 15, 20, 24)}
BRIDGES = (0, 4, 13, 22, 26)  # columns that cross the river
ONE_WAY = {  # pairs of neighbouring lines, one up and one down
    ("column", 11): "yes", ("column", 12): "-1", ("row", 15): "yes", ("row", 16): "-1",
    ("column", 19): "-1", ("column", 20): "yes",
}  # fmt: skip
ROUNDABOUTS: tuple[Crossing, ...] = ((13, 18), (4, 13), (22, 3))
ROUNDABOUT_RADIUS = 34.0
ROUNDABOUT_POINTS = 12
DIAGONAL: tuple[Crossing, ...] = tuple((4 + step, 13 + step) for step in range(10))  # the boulevard
LIMITS = {"trunk": 80, "primary": 60, "secondary": 60, "tertiary": 50, "living_street": 20}
DROPPED = 0.13  # share of residential pieces that do not exist: yards, T-crossings, dead ends
FORBIDDEN_TURNS = 14


class Node(msgspec.Struct, frozen=True):
    """A node of the extract; `point` in metres from the city's south-west corner."""

    id: int
    point: Point
    tags: Mapping[str, str] = {}


class Way(msgspec.Struct, frozen=True):
    """A way of the extract: node ids in drawing order; closed when the first is the last."""

    id: int
    nodes: tuple[int, ...]
    tags: Mapping[str, str]


class Restriction(msgspec.Struct, frozen=True):
    """A forbidden turn: from one way over a node into another way."""

    id: int
    way_from: int
    via: int
    way_to: int
    kind: str


class City(msgspec.Struct, frozen=True):
    """Everything of an extract."""

    lattice: Lattice
    nodes: tuple[Node, ...]
    ways: tuple[Way, ...]
    restrictions: tuple[Restriction, ...]
    parks: tuple[tuple[int, int, int, int], ...]  # u, v, u, v of lattice rectangles without streets inside


class _Draft:
    """Nodes and ways while they are drawn; identifiers count up."""

    def __init__(self, lattice: Lattice) -> None:
        self.lattice = lattice
        self.nodes: list[Node] = []
        self.ways: list[Way] = []
        self.crossings: dict[Crossing, int] = {}

    def node(self, point: Point, **tags: str) -> int:
        self.nodes.append(Node(len(self.nodes) + 1, point, tags))
        return len(self.nodes)

    def way(self, nodes: list[int], tags: Mapping[str, str]) -> Way:
        self.ways.append(Way(len(self.ways) + 1, tuple(nodes), tags))
        return self.ways[-1]

    def crossing(self, where: Crossing, signals: bool) -> int:
        if where not in self.crossings:
            tags = {"highway": "traffic_signals"} if signals else {}
            self.crossings[where] = self.node(self.lattice.at(*where), **tags)
        return self.crossings[where]


def draw_streets(seed: int) -> City:
    """The streets of the city of this seed: about 6 x 6 km and 2,500 directed edges. The same seed, the same city."""
    random = Random(seed)  # noqa: S311 - a city, not a secret
    draft = _Draft(draw_lattice(random))
    parks = _parks(random)
    rings = {where: _roundabout(draft, where) for where in ROUNDABOUTS}
    turns = _turn_places(random)
    for street in _streets(random):
        _draw(draft, street, rings, set(turns), parks, random)
    restrictions = _restrictions(draft, turns, random)
    return City(draft.lattice, tuple(draft.nodes), tuple(draft.ways), restrictions, parks)


class _Street(msgspec.Struct, frozen=True):
    axis: Axis
    index: int
    path: tuple[Crossing, ...]
    highway: str
    tags: Mapping[str, str]


def _streets(random: Random) -> Iterator[_Street]:
    avenues, streets = list(AVENUES), list(STREETS)
    random.shuffle(avenues)
    random.shuffle(streets)
    for index in range(LINES):
        for axis, arterials in (("column", COLUMNS), ("row", ROWS)):
            path = tuple((index, k) if axis == "column" else (k, index) for k in range(LINES))
            highway = arterials.get(index) or ("tertiary" if index in COLLECTORS[axis] else "residential")
            match highway:
                case "trunk":
                    name = RING
                case "primary" | "secondary":
                    name = avenues.pop()
                case _ if axis == "row" and index in (RIVER, RIVER + 1):
                    name = EMBANKMENTS[index - RIVER]
                case _:
                    plain = streets.pop()
                    name = (f"{plain} көшесі", f"улица {plain}")
            if highway == "residential" and random.random() < 0.15:
                highway = "living_street"
            tags = {"highway": highway, "name": name[0], "name:ru": name[1]}
            if highway in LIMITS:
                tags["maxspeed"] = str(LIMITS[highway])
            if (axis, index) in ONE_WAY:
                tags["oneway"] = ONE_WAY[axis, index]
            yield _Street("column" if axis == "column" else "row", index, path, highway, tags)
    tags = {"highway": "secondary", "name": BOULEVARD[0], "name:ru": BOULEVARD[1], "maxspeed": "60"}
    yield _Street("diagonal", 0, DIAGONAL, "secondary", tags)


def _draw(
    draft: _Draft,
    street: _Street,
    rings: Mapping[Crossing, tuple[Point, list[tuple[float, int]], Way]],
    breaks: set[Crossing],
    parks: tuple[tuple[int, int, int, int], ...],
    random: Random,
) -> None:
    """Draw a street as few ways as its tags allow; it is cut at forbidden turns, bridges, gaps and roundabouts."""
    run: list[int] = []
    run_tags: Mapping[str, str] = {}
    for start, end in zip(street.path, street.path[1:], strict=False):
        tags = _piece_tags(street, start, end, parks, random)
        piece = [] if tags is None else _piece(draft, start, end, rings)
        joined = run and piece and run[-1] == piece[0] and run_tags == tags and start not in breaks
        if not joined and len(run) > 1:
            draft.way(run, run_tags)
        run = run + piece[1:] if joined else piece
        run_tags = tags or {}
    if len(run) > 1:
        draft.way(run, run_tags)


def _piece_tags(
    street: _Street,
    start: Crossing,
    end: Crossing,
    parks: tuple[tuple[int, int, int, int], ...],
    random: Random,
) -> Mapping[str, str] | None:
    """Tags of the piece between two crossings, None where there is no road."""
    small = street.highway in ("residential", "living_street") and "oneway" not in street.tags
    gone = random.random() < DROPPED  # always drawn, so that one rule does not shift the dice of all others
    if street.axis == "column" and start[1] == RIVER:
        return {**street.tags, "bridge": "yes", "layer": "1"} if street.index in BRIDGES else None
    middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
    in_park = any(u0 < middle[0] < u1 and v0 < middle[1] < v1 for u0, v0, u1, v1 in parks)
    quiet = small or (street.highway == "tertiary" and "oneway" not in street.tags)
    return None if (small and gone) or (quiet and in_park) else street.tags


def _piece(
    draft: _Draft,
    start: Crossing,
    end: Crossing,
    rings: Mapping[Crossing, tuple[Point, list[tuple[float, int]], Way]],
) -> list[int]:
    """Node ids from crossing to crossing with two bend points between, or from the edge of a roundabout."""
    inner = [
        draft.lattice.at(start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part)
        for part in (0.33, 0.67)
    ]
    big = ("trunk", "primary", "secondary")
    ends = [
        _ring_node(rings[where], toward)
        if where in rings
        else draft.crossing(where, COLUMNS.get(where[0]) in big and ROWS.get(where[1]) in big)
        for where, toward in ((start, inner[0]), (end, inner[1]))
    ]
    return [ends[0], *(draft.node(point) for point in inner), ends[1]]


def _roundabout(draft: _Draft, where: Crossing) -> tuple[Point, list[tuple[float, int]], Way]:
    """A ring of nodes, counter-clockwise as right-hand traffic goes round it: (centre, [(angle, node)], way)."""
    x, y = draft.lattice.at(*where)
    ring = []
    for step in range(ROUNDABOUT_POINTS):
        angle = math.tau * step / ROUNDABOUT_POINTS
        point = (x + ROUNDABOUT_RADIUS * math.cos(angle), y + ROUNDABOUT_RADIUS * math.sin(angle))
        ring.append((angle, draft.node(point)))
    tags = {"highway": "secondary", "junction": "roundabout", "maxspeed": "40"}
    nodes = [node for _, node in ring]
    return (x, y), ring, draft.way([*nodes, nodes[0]], tags)


def _ring_node(ring: tuple[Point, list[tuple[float, int]], Way], toward: Point) -> int:
    """The node of the ring that lies in the direction of a point."""
    (x, y), nodes, _ = ring
    angle = math.atan2(toward[1] - y, toward[0] - x)
    return min(nodes, key=lambda entry: abs(math.remainder(entry[0] - angle, math.tau)))[1]


def _parks(random: Random) -> tuple[tuple[int, int, int, int], ...]:
    """Rectangles of 2..3 blocks that are green, one in each quarter of the city and one beside the river."""
    corners = ((5, 19), (14, 19), (19, 5), (5, 4), (14, RIVER + 1))  # the first one has the lake
    return tuple((u, v, u + random.randint(2, 3), v + random.randint(2, 3)) for u, v in corners)


def _turn_places(random: Random) -> list[Crossing]:
    """Crossings of big streets where a left turn is forbidden."""
    places = [(u, v) for u in COLUMNS for v in ROWS if 0 < u < LINES - 1 and 0 < v < LINES - 1]
    open_places = [place for place in places if place not in ROUNDABOUTS]
    return random.sample(open_places, FORBIDDEN_TURNS)


def _restrictions(draft: _Draft, places: list[Crossing], random: Random) -> tuple[Restriction, ...]:
    """One forbidden left turn at each place, found by the angle between the ways that end or start there."""
    points = {node.id: node.point for node in draft.nodes}
    made: list[Restriction] = []
    for place in places:
        via = draft.crossings[place]
        arms = [
            (way, _bearing(points[via], points[way.nodes[1] if way.nodes[0] == via else way.nodes[-2]]))
            for way in draft.ways
            if via in (way.nodes[0], way.nodes[-1]) and "junction" not in way.tags
        ]
        lefts = [
            (came.id, goes.id)
            for came, back in arms
            for goes, out in arms
            if came is not goes and 45 < (out - back) % 360 < 135
        ]
        if lefts:
            way_from, way_to = random.choice(lefts)
            made.append(Restriction(len(made) + 1, way_from, via, way_to, "no_left_turn"))
    return tuple(made)


def _bearing(start: Point, end: Point) -> float:
    """Degrees clockwise from north."""
    return math.degrees(math.atan2(end[0] - start[0], end[1] - start[1])) % 360
