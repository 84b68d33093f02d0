"""Streets drawn by hand in metres east and north of a corner in Almaty."""

from math import cos, radians

import msgspec

from saqtau.roads.build import Restriction, Street, TurnCosts, build_graph
from saqtau.roads.graph import METRES_PER_DEGREE, Place, RoadGraph

LAT, LON = 43.2, 76.9
FREE = TurnCosts(junction=0, signals=0, right=0, left=0, back=0)


def degrees(x: float, y: float) -> tuple[float, float]:
    return LAT + y / METRES_PER_DEGREE, LON + x / (METRES_PER_DEGREE * cos(radians(LAT)))


class Drawing(msgspec.Struct):
    """A graph, and its edges by the junctions they join."""

    graph: RoadGraph
    where: dict[int, tuple[float, float]]  # metres

    def edge(self, start: int, end: int) -> int:
        """The edge from one drawn node to another, found by where it starts and ends."""
        want = [self.graph.local(*degrees(*self.where[node])) for node in (start, end)]
        for edge in range(self.graph.edges):
            points = self.graph.points(edge)
            if abs(points[0] - want[0]).max() < 0.5 and abs(points[-1] - want[1]).max() < 0.5:
                return edge
        raise AssertionError(f"no edge from {start} to {end}")

    def has(self, start: int, end: int) -> bool:
        try:
            return self.edge(start, end) >= 0
        except AssertionError:
            return False

    def on(self, start: int, end: int, fraction: float) -> Place:
        return Place(self.edge(start, end), fraction)

    def arc(self, a: int, b: int, c: int) -> bool:
        """Whether one may drive a to b to c."""
        graph, edge = self.graph, self.edge(a, b)
        return self.edge(b, c) in graph.arc_to[graph.arc_start[edge] : graph.arc_start[edge + 1]]


def draw(
    where: dict[int, tuple[float, float]],
    *ways: tuple[int, ...] | Street,
    rules: tuple[Restriction, ...] = (),
    signals: frozenset[int] = frozenset(),
    costs: TurnCosts = FREE,
) -> Drawing:
    """A graph of ways at 36 km/h (10 m/s); a bare tuple of nodes is a street of two directions, numbered from 1."""
    streets = [
        way if isinstance(way, Street) else Street(number, way, "residential", 36.0)
        for number, way in enumerate(ways, start=1)
    ]
    places = {node: degrees(*xy) for node, xy in where.items()}
    return Drawing(build_graph(streets, places, rules, signals=signals, costs=costs), where)


def one_way(way: int, *nodes: int, kmh: float = 36.0) -> Street:
    return Street(way, nodes, "residential", kmh, backward=False)


CROSS = {0: (0.0, 0.0), 1: (-500.0, 0.0), 2: (500.0, 0.0), 3: (0.0, -500.0), 4: (0.0, 500.0)}
"""A crossing at node 0 with arms west (1), east (2), south (3), north (4), 500 m each."""


def crossing(*rules: Restriction, costs: TurnCosts = FREE, signals: frozenset[int] = frozenset()) -> Drawing:
    """Ways 1..4 are the west, east, south and north arms."""
    return draw(CROSS, (1, 0), (0, 2), (3, 0), (0, 4), rules=rules, costs=costs, signals=signals)
