"""The registers of a simulated authority: sites, cameras, units, officers, vehicles on the list, one user a role.

Drawn over any road graph, a generated city's or a real one's. Pure: time, seed and the source of secrets are handed in.
"""

from collections.abc import Callable, Iterator, Sequence
from random import Random

import msgspec
import numpy as np

from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.register import Camera, Certificate, Ground, ListedVehicle, Officer, Site, Unit
from saqtau.roads.graph import F64, I32, Place, RoadGraph, place_xy
from saqtau.roads.tree import driven, path_tree
from saqtau.simulate.names import INITIALS, SURNAMES
from saqtau.simulate.plates import random_plate

ARTERIAL = frozenset({"motorway", "trunk", "primary", "secondary"})
CORE = 5_000.0
"""Metres around the middle of the big streets; in a real region cameras and traffic stay inside of it."""
CAMERAS, UNITS, LISTED = 60, 24, 40
APART = 550.0  # metres between the sites of cameras
LOOKS_AT = 0.25  # of an edge: where its camera reads
AUTHORITY = "Қала полиция департаменті"


class Account(msgspec.Struct, frozen=True):
    """A user of the demonstration. `simulated`: the simulation answers for it, no person does."""

    name: str
    role: str
    region: int
    unit: str | None = None
    language: str = "kk"
    simulated: bool = False


class Registers(msgspec.Struct, frozen=True):
    """What the authority has. `tokens`: camera -> the secret in the path it pushes to."""

    sites: tuple[Site, ...]
    cameras: tuple[Camera, ...]
    tokens: dict[str, str]
    units: tuple[Unit, ...]
    officers: tuple[Officer, ...]
    vehicles: tuple[ListedVehicle, ...]
    accounts: tuple[Account, ...]


def draw_registers(graph: RoadGraph, seed: int, *, region: int, now: Instant, secret: Callable[[], str]) -> Registers:
    """Registers for this graph: about 60 cameras where most traffic passes, 24 units, 40 vehicles on the list.

    region: 1..20, of everything. now: certificates and entries are dated around it. secret: a fresh token a call.
    """
    random = Random(seed)  # noqa: S311 - a demonstration's registers, its tokens come from `secret`
    sites, cameras = _cameras(graph, random, region, now)
    units = tuple(
        Unit(
            id=f"P-{number:02}",
            call_sign=f"Сұңқар {number:02}",
            region=region,
            plate=random_plate(random, region),
            skills=("pursuit",) if number % 3 == 0 else (),
        )
        for number in range(1, UNITS + 1)
    )
    officers = tuple(
        Officer(
            id=f"O-{2 * number + pair:03}",
            name=f"{random.choice(SURNAMES)} {random.choice(INITIALS)}.{random.choice(INITIALS)}.",
            region=region,
            unit=unit.id,
        )
        for number, unit in enumerate(units)
        for pair in (1, 2)
    )
    return Registers(
        sites=sites,
        cameras=cameras,
        tokens={camera.id: secret() for camera in cameras},
        units=units,
        officers=officers,
        vehicles=tuple(_vehicles(random, region, now)),
        accounts=tuple(_accounts(units, region)),
    )


def core_of(graph: RoadGraph) -> I32:
    """Edges whose middle is within `CORE` of the middle of the big streets, (k,)."""
    middle = middles(graph)
    big = arterial(graph)
    centre = np.median(middle[big if len(big) else slice(None)], axis=0)
    return np.flatnonzero(np.hypot(*(middle - centre).T) <= CORE).astype(np.int32)


def arterial(graph: RoadGraph) -> I32:
    """Edges of big streets, (k,)."""
    kinds = np.array([kind in ARTERIAL for kind in graph.kinds])
    return np.flatnonzero(kinds[graph.kind]).astype(np.int32)


def middles(graph: RoadGraph) -> F64:
    """Local metres of the middle point of each edge's drawing, (n, 2)."""
    between = (graph.shape_start[:-1] + graph.shape_start[1:] - 1) // 2
    points: F64 = graph.shape[between].astype(np.float64)
    return points


def _flow(graph: RoadGraph, edges: I32, random: Random) -> F64:
    """How many ways lead over each edge, from forty places in the core, (n,)."""
    flow = np.zeros(graph.edges)
    for root in random.sample([int(edge) for edge in edges], min(40, len(edges))):
        tree = path_tree(graph, Place(root, 0.5))
        flow[tree.edge[1:]] += driven(graph, tree)[1:]
    return flow


def _cameras(
    graph: RoadGraph, random: Random, region: int, now: Instant
) -> tuple[tuple[Site, ...], tuple[Camera, ...]]:
    """Cameras on the busiest pieces of big streets; where a street has two directions, a site often looks at both."""
    core = core_of(graph)
    inside = np.zeros(graph.edges, bool)
    inside[core] = True
    flow = _flow(graph, core, random)
    busy = [
        int(edge)
        for edge in (*arterial(graph)[np.argsort(-flow[arterial(graph)], kind="stable")],)
        if inside[edge] and graph.length[edge] >= 90 and graph.limit[edge] <= 150
    ]
    sites: list[Site] = []
    cameras: list[Camera] = []
    taken: list[tuple[float, float]] = []
    for edge in busy:
        if len(cameras) >= CAMERAS:
            break
        east, north = place_xy(graph, Place(edge, LOOKS_AT))
        if any(np.hypot(east - x, north - y) < APART for x, y in taken):
            continue
        taken.append((east, north))
        site = f"S{len(sites) + 1:03}"
        twin = int(graph.twin[edge])
        looks = [edge, twin] if twin >= 0 and random.random() < 0.7 else [edge]
        for looked in looks:
            cameras.append(_camera(graph, looked, f"C{len(cameras) + 1:03}", site, region, random, now))
        first = cameras[-len(looks)]
        name = _crossing_name(graph, edge)
        sites.append(Site(id=site, name=name, region=region, lat=first.lat, lon=first.lon))
    return tuple(sites), tuple(cameras)


def _camera(graph: RoadGraph, edge: int, number: str, site: str, region: int, random: Random, now: Instant) -> Camera:
    xy = np.array(place_xy(graph, Place(edge, LOOKS_AT)))
    further = np.array(place_xy(graph, Place(edge, LOOKS_AT + 0.05)))
    east, north = further - xy
    heading = round(float(np.degrees(np.arctan2(east, north))) % 360, 1) % 360
    lat, lon = graph.degrees(xy)
    return Camera(
        id=number,
        site=site,
        name=f"{_crossing_name(graph, edge)} {_arrow(heading)}",
        region=region,
        lat=round(float(lat), 7),
        lon=round(float(lon), 7),
        heading=heading,
        limit=float(graph.limit[edge]),
        certificate=_certificate(random, now),
        address="127.0.0.1",
    )


def _certificate(random: Random, now: Instant) -> Certificate | None:
    """Nine of ten cameras measure lawfully today; of the others some certificates ran out and some never were."""
    dice = random.random()
    today = now - now % DAY
    start = Instant(today - random.randint(30, 300) * DAY)
    until = Instant(start + 365 * DAY) if dice < 0.92 else Instant(today - 9 * DAY)
    if dice >= 0.96:
        return None
    return Certificate(f"KZ.{random.randint(10, 99)}.{random.randint(1000, 9999)}", min(start, until), until)


def _crossing_name(graph: RoadGraph, edge: int) -> str:
    """The street's name and the one it next meets, at most 120 characters."""
    own = graph.names[graph.name[edge]]
    arcs = graph.arc_to[graph.arc_start[edge] : graph.arc_start[edge + 1]]
    others = [graph.names[graph.name[other]] for other in arcs]
    other = next((name for name in others if name and name != own), "")
    return (f"{own} - {other}" if own and other else own or other or f"№ {edge}")[:110]


def _arrow(heading: float) -> str:
    return "↑↗→↘↓↙←↖"[round(heading / 45) % 8]


def _vehicles(random: Random, region: int, now: Instant) -> Iterator[ListedVehicle]:
    """Vehicles on the list: most for repeated violations, few wanted or stolen; two entries are about to run out."""
    grounds: Sequence[Ground] = random.choices(
        [Ground.PERSISTENT_VIOLATOR, Ground.WANTED, Ground.STOLEN, Ground.FORGED_PLATES], [60, 14, 16, 10], k=LISTED
    )
    today = now - now % DAY
    for number, ground in enumerate(grounds):
        days = 1 if number in (LISTED - 1, LISTED - 2) else random.randint(20, 360)
        yield ListedVehicle(
            plate=random_plate(random, random.choice((region, region, region, 1 + region % 20))),
            ground=ground,
            authority=AUTHORITY,
            basis=f"№ {random.randint(1000, 9999)}-2026",
            expires=Instant(today + days * DAY),
            region=region if random.random() < 0.2 else None,
            note="",
        )


def _accounts(units: Sequence[Unit], region: int) -> Iterator[Account]:
    """One account a role for people, and one a further unit for the simulation."""
    yield from (
        Account(name, role, region, language=language)
        for name, role, language in (
            ("operator", "operator", "kk"),
            ("duty", "duty_officer", "ru"),
            ("inspector", "inspector", "ru"),
            ("school", "school_officer", "kk"),
            ("custody", "custody_supervisor", "ru"),
            ("prosecutor", "prosecutor", "kk"),
            ("auditor", "auditor", "en"),
            ("admin", "administrator", "en"),
        )
    )
    yield Account("patrol", "patrol", region, units[0].id)
    yield from (Account(f"patrol-{unit.id[2:]}", "patrol", region, unit.id, simulated=True) for unit in units[1:])
