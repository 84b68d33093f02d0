"""The town as the traffic sees it: where to go and which edge comes next, what the cameras look at, where patrols wait.

Made once over a road graph; read-only afterwards.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import dijkstra

from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera
from saqtau.roads.ahead import chances
from saqtau.roads.graph import F32, F64, I32, Place, RoadGraph
from saqtau.roads.nearest import unit_field
from saqtau.roads.snap import snap, snapper
from saqtau.roads.tree import path_tree
from saqtau.simulate.register import arterial, core_of

ERRANDS = 40  # places that ordinary traffic drives to
SPOTS = 40  # places where patrols wait, at most
LIKELY = 0.55  # a spot is ahead of a camera when a vehicle read there passes it with this probability
SOON, LATE = 25.0, 110.0  # seconds from the camera to the spot
TASTE = 0.35  # how differently drivers judge the same street
TOO_FAR = 50.0  # metres; a camera farther from every road is not of this town


class Watch(msgspec.Struct, frozen=True):
    """A spot that lies ahead of a camera. camera: index. goal: index of the spot among the goals."""

    camera: int
    goal: int
    seconds: float
    probability: float


class Town(msgspec.Struct, frozen=True, eq=False):
    """n edges, g goals, c cameras. `hop[goal, edge]` is the edge that follows on the way to a goal."""

    graph: RoadGraph
    cameras: tuple[Camera, ...]
    camera_edge: I32  # (c,)
    camera_at: F64  # (c,) metres along its edge
    camera_on: I32  # (n,) camera of an edge, -1 for none
    goals: I32  # (g,) edges: first the cameras', then the spots, then the errands
    spots: range  # which goals are spots
    errands: range
    hop: I32  # (g, n)
    cost: F32  # (g, n) seconds from the end of an edge to the end of the goal's edge
    watches: tuple[Watch, ...]  # most probable first
    ahead: F64  # (c, s) probability that a vehicle read at a camera passes a spot in time
    start_bearing: F64  # (n,) radians
    end_bearing: F64  # (n,)


def make_town(graph: RoadGraph, cameras: Sequence[Camera], random: np.random.Generator) -> Town:
    """Snap the cameras and work out all ways. 0.5 s for the generated city, some seconds for a real one.

    Raises Refused(INVALID) when a camera is not on this map.
    """
    places = snap(
        snapper(graph),
        np.array([camera.lat for camera in cameras]),
        np.array([camera.lon for camera in cameras]),
        np.array([camera.heading for camera in cameras]),
    )
    for camera, distance in zip(cameras, places.distance, strict=True):
        if distance > TOO_FAR:
            raise Refused(
                Kind.INVALID,
                f"camera {camera.id}: {distance:.0f} m from every road; draw the registers again for this map",
                camera="off_road",
            )
    camera_on = np.full(graph.edges, -1, np.int32)
    camera_on[places.edge] = np.arange(len(cameras), dtype=np.int32)
    core = core_of(graph)
    waiting = _waiting_places(graph, core)
    chosen, watched = _watches(graph, places.edge, places.fraction, waiting)
    reachable = np.setdiff1d(core, np.concatenate((places.edge, chosen)))
    weight = graph.length[reachable].astype(np.float64)
    errands = random.choice(reachable, min(ERRANDS, len(reachable)), replace=False, p=weight / weight.sum())
    goals = np.concatenate((places.edge, chosen, errands)).astype(np.int32)
    hop, cost = _ways(graph, goals, random)
    first_spot, first_errand = len(cameras), len(cameras) + len(chosen)
    starts, ends = _bearings(graph)
    return Town(
        graph=graph,
        cameras=tuple(cameras),
        camera_edge=places.edge,
        camera_at=places.fraction.astype(np.float64) * graph.length[places.edge],
        camera_on=camera_on,
        goals=goals,
        spots=range(first_spot, first_errand),
        errands=range(first_errand, len(goals)),
        hop=hop,
        cost=cost,
        watches=tuple(
            Watch(camera, first_spot + spot, seconds, probability) for camera, spot, seconds, probability in watched
        ),
        ahead=_ahead_of(graph, places.edge, places.fraction, chosen),
        start_bearing=starts,
        end_bearing=ends,
    )


def _waiting_places(graph: RoadGraph, core: I32) -> I32:
    """Edges of big streets in the core that are long enough to stand on."""
    edges = np.intersect1d(arterial(graph), core)
    return edges[graph.length[edges] >= 60].astype(np.int32)


def _watches(
    graph: RoadGraph, edges: I32, fractions: F32, waiting: I32
) -> tuple[I32, list[tuple[int, int, float, float]]]:
    """The spots that serve most cameras (s,), and (camera, spot, seconds, probability) of each pair, best first."""
    half = np.full(len(waiting), 0.5, np.float32)
    field = unit_field(graph, waiting, half)
    pairs: list[tuple[float, int, int, float]] = []
    for camera, (edge, fraction) in enumerate(zip(edges, fractions, strict=True)):
        tree = path_tree(graph, Place(int(edge), float(fraction)), limit=LATE * 3)
        probability, seconds = chances(graph, tree, field, earliest=SOON, latest=LATE)
        good = [int(spot) for spot in np.argsort(-probability, kind="stable")[:12] if probability[spot] >= LIKELY]
        pairs += [(float(probability[spot]), camera, spot, float(seconds[spot])) for spot in _spread_out(good, seconds)]
    pairs.sort(reverse=True)
    kept: dict[int, int] = {}
    watched: list[tuple[int, int, float, float]] = []
    for probability_, camera, spot, seconds_ in pairs:
        if spot not in kept and len(kept) == SPOTS:
            continue
        number = kept.setdefault(spot, len(kept))
        watched.append((camera, number, seconds_, probability_))
    return waiting[list(kept)], watched


def _ahead_of(graph: RoadGraph, edges: I32, fractions: F32, spots: I32) -> F64:
    """Probability (c, s) of each pair of camera and spot."""
    field = unit_field(graph, spots, np.full(len(spots), 0.5, np.float32))
    ahead = np.zeros((len(edges), len(spots)))
    for camera, (edge, fraction) in enumerate(zip(edges, fractions, strict=True)):
        tree = path_tree(graph, Place(int(edge), float(fraction)), limit=LATE * 3)
        ahead[camera], _ = chances(graph, tree, field, earliest=SOON, latest=180.0)
    return ahead


def _spread_out(spots: Sequence[int], seconds: F64) -> list[int]:
    """The best spot and the next one that is passed at another time: two units need not stand on one corner."""
    other = [spot for spot in spots if abs(seconds[spot] - seconds[spots[0]]) > 12]
    return [*spots[:1], *other[:1]]


def _ways(graph: RoadGraph, goals: I32, random: np.random.Generator) -> tuple[I32, F32]:
    """Next edge and remaining seconds of every edge for every goal, each goal by its own taste of streets."""
    n = graph.edges
    hop = np.empty((len(goals), n), np.int32)
    cost = np.empty((len(goals), n), np.float32)
    into = np.repeat(np.arange(n), np.diff(graph.back_start))
    for row, goal in enumerate(goals):
        seconds = graph.seconds * random.uniform(1.0, 1.0 + TASTE, n) + 0.01
        # turned round: from an edge to those that lead into it; the price is driving the edge one came from
        turned = csr_matrix((seconds[into] + graph.back_cost, graph.back_from, graph.back_start), shape=(n, n))
        distance, before = dijkstra(turned, indices=int(goal), return_predecessors=True)
        hop[row], cost[row] = before, distance
        hop[row, goal] = goal
    return hop, cost


def _bearings(graph: RoadGraph) -> tuple[F64, F64]:
    """Direction in radians at the first and at the last step of each edge, (n,) and (n,)."""
    first, last = graph.shape_start[:-1], graph.shape_start[1:] - 1
    return _angle(graph, first, first + 1), _angle(graph, last - 1, last)


def _angle(graph: RoadGraph, start: NDArray[np.int32], stop: NDArray[np.int32]) -> F64:
    step = graph.shape[stop].astype(np.float64) - graph.shape[start].astype(np.float64)
    angle: F64 = np.arctan2(step[:, 1], step[:, 0])
    return angle
