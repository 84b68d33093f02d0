"""What the map shows between the streets: river, lake, parks, quarters, houses. Nothing of it can be driven on."""

from collections.abc import Iterator
from itertools import pairwise
from random import Random

import msgspec

from saqtau.simulate.lattice import LINES, RIVER, Lattice, Point
from saqtau.simulate.names import CITY_NAME, LAKE_NAME, RIVER_NAME
from saqtau.simulate.streets import DIAGONAL, City, Node, Way

QUARTER = 3  # blocks a side of a quarter with one kind of use
USES = ("residential", "residential", "residential", "residential", "commercial", "industrial")
SETBACK = 0.14  # of a block: pavement and yard between street and house

Corners = tuple[tuple[float, float], ...]


class Area(msgspec.Struct, frozen=True):
    """A polygon in lattice coordinates with its tags."""

    corners: Corners
    tags: dict[str, str]


def with_scenery(city: City, seed: int) -> City:
    """The city with its water, parks, quarters and houses added after the streets, by the same seed."""
    random = Random(seed + 1)  # noqa: S311 - a city, not a secret
    nodes, ways = list(city.nodes), list(city.ways)

    def node(point: Point, **tags: str) -> int:
        nodes.append(Node(len(nodes) + 1, point, tags))
        return len(nodes)

    def way(ids: list[int], tags: dict[str, str]) -> None:
        ways.append(Way(len(ways) + 1, tuple(ids), tags))

    for area in _areas(city, random):
        ring = [node(point) for point in _bent(city.lattice, area.corners)]
        way([*ring, ring[0]], area.tags)
    river = [node(city.lattice.at(u / 4, RIVER + 0.5)) for u in range(-8, (LINES + 1) * 4)]
    way(river, {"waterway": "river", "name": RIVER_NAME[0], "name:ru": RIVER_NAME[1]})
    place = {"place": "city", "name": CITY_NAME[0], "name:ru": CITY_NAME[1]}
    node(city.lattice.at(LINES // 2, LINES // 2 + 0.5), **place)
    return msgspec.structs.replace(city, nodes=tuple(nodes), ways=tuple(ways))


def _areas(city: City, random: Random) -> Iterator[Area]:
    yield Area(_strip(RIVER + 0.36, RIVER + 0.64), {"natural": "water", "water": "river"})
    for number, (u0, v0, u1, v1) in enumerate(city.parks):
        inset = 0.08
        corners = _box(u0 + inset, v0 + inset, u1 - inset, v1 - inset)
        if number == 0:
            yield Area(corners, {"landuse": "grass"})
            lake = tuple((u0 + (u1 - u0) * a, v0 + (v1 - v0) * b) for a, b in _LAKE)
            yield Area(lake, {"natural": "water", "name": LAKE_NAME[0], "name:ru": LAKE_NAME[1]})
        else:
            yield Area(corners, {"landuse": "forest", "natural": "wood"} if number % 2 else {"landuse": "grass"})
    uses: dict[tuple[int, int], str] = {}
    for u in range(LINES - 1):
        for v in range(LINES - 1):
            quarter = (u // QUARTER, v // QUARTER)
            use = uses.setdefault(quarter, random.choice(USES))
            if v == RIVER or any(u0 <= u < u1 and v0 <= v < v1 for u0, v0, u1, v1 in city.parks):
                continue
            yield Area(_box(u + 0.05, v + 0.05, u + 0.95, v + 0.95), {"landuse": use})
            if (u, v) in DIAGONAL:
                continue  # the boulevard runs through this block
            central = abs(u - LINES / 2) + abs(v - LINES / 2) < LINES / 3
            yield from _houses(u, v, use, central, random)


_LAKE = ((0.2, 0.3), (0.45, 0.2), (0.7, 0.25), (0.85, 0.5), (0.7, 0.75), (0.45, 0.8), (0.3, 0.65), (0.18, 0.5))


def _houses(u: int, v: int, use: str, central: bool, random: Random) -> Iterator[Area]:
    """Houses of one block: halls, slabs round a yard, or rows of small ones."""
    low, high = SETBACK, 1 - SETBACK
    if use == "industrial":
        split = random.uniform(0.35, 0.6)
        boxes = [(low, low, high, split - 0.04), (low, split + 0.06, random.uniform(0.5, high), high)]
        kind = "industrial"
    elif use == "commercial" or central:
        deep = 0.13
        boxes = [
            (low, low, low + deep, random.uniform(0.55, high)),
            (random.uniform(0.35, 0.45), low, high, low + deep),
            (high - deep, random.uniform(0.36, 0.5), high, high),
            (low, high - deep, random.uniform(0.5, 0.68), high),
        ]
        kind = "commercial" if use == "commercial" else "apartments"
    else:
        step, deep = 0.15, 0.09
        boxes = [
            (low + column * step, row, low + column * step + random.uniform(0.07, 0.1), row + deep)
            for row in (low, 0.4, 0.54, high - deep)
            for column in range(5)
            if random.random() > 0.18
        ]
        kind = "house"
    for u0, v0, u1, v1 in boxes:
        yield Area(_box(u + u0, v + v0, u + u1, v + v1), {"building": kind})


def _box(u0: float, v0: float, u1: float, v1: float) -> Corners:
    return ((u0, v0), (u1, v0), (u1, v1), (u0, v1))


def _strip(low: float, high: float) -> Corners:
    """The river's bed from beyond the western to beyond the eastern edge."""
    steps = [u / 4 for u in range(-8, (LINES + 1) * 4)]
    return (*((u, low) for u in steps), *((u, high) for u in reversed(steps)))


def _bent(lattice: Lattice, corners: Corners) -> Iterator[Point]:
    """The outline with enough points that long sides follow the bend of the streets."""
    for (u0, v0), (u1, v1) in pairwise((*corners, corners[0])):
        pieces = max(1, round((abs(u1 - u0) + abs(v1 - v0)) * 2))
        for step in range(pieces):
            yield lattice.at(u0 + (u1 - u0) * step / pieces, v0 + (v1 - v0) * step / pieces)
