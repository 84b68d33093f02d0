"""The five nearest units by drive time: how fast, and is it exact?

Peers in the same run, on the same graph: a plain full Dijkstra (scipy, all edges) as the truth, and an index by
straight line (scipy's k-d tree) as what most dispatch systems do. Units and incidents lie anywhere on the roads.

    python bench/nearest.py [--quick]
"""

import argparse
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src")]

from saqtau import roads  # noqa: E402 - after the path is set
from saqtau.jurisdiction import load  # noqa: E402
from saqtau.roads.build import Street, build_graph  # noqa: E402
from saqtau.roads.graph import Place, RoadGraph, place_xy  # noqa: E402
from saqtau.roads.nearest import UnitField, nearest, unit_field  # noqa: E402
from saqtau.roads.osm import import_osm  # noqa: E402
from saqtau.roads.snap import snap_local, snapper  # noqa: E402

EXTRACT = HERE.parent.parent / "shared" / "data" / "maps" / "almaty.osm.pbf"
K = 5


def lattice(side: int = 70) -> RoadGraph:
    """A made-up city for machines without an extract: about as many edges as Almaty."""
    chance = np.random.default_rng(1)
    where = {
        x * 1000 + y: (43.2 + 0.0022 * y + chance.normal(0, 2e-4), 76.8 + 0.003 * x + chance.normal(0, 2e-4))
        for x in range(side)
        for y in range(side)
    }
    streets = [
        Street(number, (node, node + step), "road", float(chance.choice([30, 40, 60])))
        for number, (node, step) in enumerate((n, s) for n in where for s in (1, 1000) if n + s in where)
    ]
    return build_graph(streets, where)


def the_map() -> tuple[str, RoadGraph]:
    """Almaty where its extract is at hand, else the made-up city, said loudly."""
    if EXTRACT.is_file():
        law = load()
        return "Almaty (OpenStreetMap 2012)", import_osm(EXTRACT, law.speeds, law.limits)
    print(f"NOTE: no extract at {EXTRACT}: a made-up city is used, its figures are not Almaty's")
    return "made-up lattice", lattice()


class FullSearch:
    """Drive time from every edge's end to an incident, by Dijkstra over the whole reversed edge graph."""

    def __init__(self, graph: RoadGraph) -> None:
        n = graph.edges
        source = np.repeat(np.arange(n), np.diff(graph.arc_start))
        weight = graph.arc_cost.astype(float) + graph.seconds.astype(float)[graph.arc_to]
        self.back = csr_matrix((weight, (graph.arc_to, source)), shape=(n, n))
        self.graph = graph

    def seconds(self, field: UnitField, goal: Place) -> np.ndarray:
        """Of every unit, to the incident from either side of its street."""
        graph, best = self.graph, np.full(len(field.edge), np.inf)
        time_of = graph.seconds.astype(float)
        goals = [goal]
        if graph.twin[goal.edge] >= 0:
            goals.append(Place(int(graph.twin[goal.edge]), 1 - goal.fraction))
        for one in goals:
            ends = dijkstra(self.back, indices=one.edge)
            loop = min(
                (
                    float(cost) + time_of[onto] + ends[onto]
                    for onto, cost in zip(
                        graph.arc_to[graph.arc_start[one.edge] : graph.arc_start[one.edge + 1]],
                        graph.arc_cost[graph.arc_start[one.edge] : graph.arc_start[one.edge + 1]],
                        strict=True,
                    )
                ),
                default=np.inf,
            )
            way = ends[field.edge] + (1 - field.fraction) * time_of[field.edge] - (1 - one.fraction) * time_of[one.edge]
            same = field.edge == one.edge
            before = same & (field.fraction <= one.fraction)
            way[same] = (1 - field.fraction[same]) * time_of[one.edge] + loop - (1 - one.fraction) * time_of[one.edge]
            way[before] = (one.fraction - field.fraction[before]) * time_of[one.edge]
            best = np.minimum(best, way)
        return best


def timed(call, rounds) -> tuple[list, np.ndarray]:
    """Results and milliseconds of each call."""
    out, taken = [], []
    for argument in rounds:
        start = time.perf_counter()
        out.append(call(argument))
        taken.append((time.perf_counter() - start) * 1e3)
    return out, np.array(taken)


def row(name: str, taken: np.ndarray, agree: str) -> None:
    """One line of the table."""
    middle, worst = np.percentile(taken, (50, 99))
    print(f"| {name} | {middle:.3f} | {worst:.3f} | {1e3 / taken.mean():,.0f} | {agree} |")


def trial(graph: RoadGraph, units: int, queries: int, checked: int) -> None:
    """Print the table of one number of units."""
    chance = np.random.default_rng(units)
    field = unit_field(graph, chance.integers(0, graph.edges, units), chance.random(units, np.float32))
    goals = [Place(int(edge), float(share)) for edge, share in zip(
        chance.integers(0, graph.edges, queries), chance.random(queries), strict=True)]  # fmt: skip
    found, ours = timed(lambda goal: nearest(graph, field, goal, K), goals)
    straight = cKDTree(field.xy)
    spots = [np.array(place_xy(graph, goal)) for goal in goals]
    by_line, line = timed(lambda spot: straight.query(spot, K)[1], spots)
    search = FullSearch(graph)
    truth, full = timed(lambda goal: search.seconds(field, goal), goals[:checked])
    exact = first = recall = 0.0
    late = []
    for best, chosen, mine in zip(truth, by_line, found, strict=False):
        order = np.sort(best)[:K]
        exact += np.allclose([one.seconds for one in mine], order, atol=1e-2)
        first += best[chosen[0]] <= order[0] + 1e-2
        recall += np.mean(best[chosen] <= order[-1] + 1e-2)
        late.append(best[chosen[0]] - order[0])
    print(f"\n### {units:,} units, {queries:,} incidents, {checked} checked\n")
    print("| method | p50 ms | p99 ms | a second | right |\n|---|---|---|---|---|")
    row("**nearest by drive time**", ours, f"all {K} in {exact / checked:.1%}")
    row("full search (truth)", full, "-")
    row("straight line", line, f"first {first / checked:.0%}, of five {recall / checked:.0%}")
    print(f"\nfull search takes {full.mean() / ours.mean():.0f}x as long; the straight line's first unit comes "
          f"{np.mean(late):.0f} s later on average, {np.percentile(late, 95):.0f} s at p95")  # fmt: skip


def positions(graph: RoadGraph, units: int) -> None:
    """Print what a tick of positions costs: snapping with heading and a fresh field."""
    chance = np.random.default_rng(3)
    ready = snapper(graph)
    edge = chance.integers(0, graph.edges, units)
    field = unit_field(graph, edge, chance.random(units, np.float32))
    first = graph.shape[graph.shape_start[edge]]
    last = graph.shape[graph.shape_start[edge + 1] - 1]
    heading = 90 - np.degrees(np.arctan2(*(last - first).T[::-1])) + chance.normal(0, 14, units)
    xy = field.xy + chance.normal(0, 8, field.xy.shape)
    taken = []
    for _ in range(12):
        start = time.perf_counter()
        snapped = snap_local(ready, xy, heading)
        middle = time.perf_counter()
        unit_field(graph, snapped.edge, snapped.fraction, xy)
        taken.append((middle - start, time.perf_counter() - middle))
    snapping, indexing = np.array(taken[2:]).mean(axis=0) * 1e3
    print(f"\n### A tick of {units:,} positions (8 m, 14 degrees of noise)\n")
    print(
        f"snapped in {snapping:.1f} ms ({np.mean(snapped.edge == edge):.1%} onto the very edge), "
        f"indexed in {indexing:.2f} ms"
    )


def main() -> None:
    """Print every table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="a tenth of the incidents")
    quick = options.parse_args().quick
    start = time.perf_counter()
    roads.warm()
    warm = time.perf_counter() - start
    name, graph = the_map()
    print(f"## Nearest {K} units, {name} ({platform.machine()}, {os.cpu_count()} cores, "
          f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d})\n")  # fmt: skip
    print(
        f"{graph.edges:,} directed edges, {len(graph.arc_to):,} turns, {graph.facts['kilometres']:,} km; "
        f"warm-up {warm:.1f} s"
    )
    for units in (100, 1_000, 10_000):
        trial(graph, units, 500 if quick else 5_000, 50 if quick else 400)
    positions(graph, 10_000)


if __name__ == "__main__":
    main()
