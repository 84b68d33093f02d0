"""Traffic as arrays: vehicles and patrols that follow legal ways through the town, and what passes the cameras.

`step` is pure: the same traffic, time and random source give the same next moment. Vehicles do not see each other;
what matters here is where they are, how fast they pass a camera, and who waits ahead.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from saqtau.kernel.clock import SECOND, Instant
from saqtau.roads.graph import F64, I32, Place, place_xy
from saqtau.simulate.town import Town

Random = np.random.Generator
Bool = NDArray[np.bool_]
I64 = NDArray[np.int64]

GAIN, BRAKE = 2.2, 4.0  # m/s2
TURN = 7.5  # m/s through a sharp turn
SHARP = 0.7  # radians
STAY = (60.0, 240.0)  # seconds that a patrol waits at a spot
FIRST_STAYS = 600.0  # seconds of the first patrol at a spot: somebody sits before its tablet
RIVAL = 0.25  # another patrol that a vehicle passes with more than this probability gets the offer meant for the first
STAGED = 3  # notable drivers that start on their way to a camera
SLOWEST = 0.5  # m/s, so that a vehicle braking for a place gets there

ORDINARY, NOTABLE, PATROL = 0, 1, 2


class Traffic(msgspec.Struct, frozen=True, eq=False):
    """n vehicles, the patrols last. Arrays are never written after they are made."""

    plates: tuple[str, ...]
    role: I32  # (n,) ORDINARY, NOTABLE (listed or reckless) or PATROL
    manner: F64  # (n,) share of the speed limit that the driver likes
    edge: I32  # (n,)
    along: F64  # (n,) metres
    speed: F64  # (n,) m/s
    goal: I32  # (n,) index into the town's goals
    then: I32  # (n,) the goal after it, -1 for none: a notable driver passes a camera, then a spot
    until: I64  # (n,) Unix ms before which the vehicle stands

    @property
    def patrols(self) -> range:
        """Indices of the patrols."""
        return range(int((self.role != PATROL).sum()), len(self.role))


class Passage(msgspec.Struct, frozen=True):
    """A vehicle passed a camera. speed: true, km/h."""

    vehicle: int
    camera: int
    at: Instant
    speed: float


def start(
    town: Town, plates: Sequence[str], notable: Sequence[tuple[str, float]], patrols: Sequence[str], now: Instant,
    random: Random,
) -> Traffic:  # fmt: skip
    """Traffic at the first moment.

    plates: of ordinary drivers. notable: (plate, share of the limit); those first in it start shortly before a camera
    with a patrol ahead, the very first one ahead of the first patrol. patrols: plates of the units' cars.
    """
    n = len(plates) + len(notable) + len(patrols)
    role = np.repeat(np.array([ORDINARY, NOTABLE, PATROL], np.int32), (len(plates), len(notable), len(patrols)))
    first_patrol, first_notable = n - len(patrols), len(plates)
    edge = random.choice(town.goals, n).astype(np.int32)
    along = random.uniform(0.0, 0.45, n) * town.graph.length[edge]
    goal = random.choice(np.array(town.errands, np.int32), n).astype(np.int32)
    then = np.full(n, -1, np.int32)
    until = np.zeros(n, np.int64)
    manner = np.clip(random.normal(0.93, 0.06, n), 0.75, 1.06)
    manner[first_notable:first_patrol] = [share for _, share in notable]
    spots = [*town.spots[:1], *_away_from(town, town.spots[0], town.spots[1:])] if town.spots else []
    for number in range(len(patrols) if spots else 0):
        me, spot = first_patrol + number, spots[number % len(spots)]
        goal[me], edge[me] = spot, town.goals[spot]
        along[me] = town.graph.length[edge[me]] / 2
        until[me] = now + (FIRST_STAYS if number == 0 else random.uniform(*STAY)) * SECOND
    stood_at = [
        spot for spot in dict.fromkeys(watch.goal for watch in town.watches) if spot in set(goal[first_patrol:])
    ]
    for number, spot in zip(range(min(len(notable), STAGED)), stood_at, strict=False):
        watch = next(watch for watch in town.watches if watch.goal == spot)
        me = first_notable + number
        goal[me], then[me] = watch.camera, watch.goal
        edge[me], along[me] = _before(town, watch.camera, 40.0 + 20.0 * number), 0.0
    speed = town.graph.limit[edge].astype(np.float64) / 3.6 * manner * (until == 0)
    everyone = (*plates, *(plate for plate, _ in notable), *patrols)
    return Traffic(everyone, role, manner, edge, along.astype(np.float64), speed, goal, then, until)


def _before(town: Town, camera: int, seconds: float) -> int:
    """The edge from whose start a vehicle needs about so long to the camera."""
    graph = town.graph
    rest = town.cost[camera] + graph.seconds - graph.seconds[town.camera_edge[camera]] * 0.75
    apart = np.abs(rest - seconds)
    apart[town.camera_edge[camera]] = np.inf
    return int(np.argmin(apart))


def step(town: Town, traffic: Traffic, now: Instant, seconds: float, random: Random) -> tuple[Traffic, list[Passage]]:
    """The traffic `seconds` after `now`, and who passed which camera in between. seconds: 0.05..1."""
    graph, here = town.graph, traffic
    length = graph.length[here.edge].astype(np.float64)
    following = town.hop[here.goal, here.edge]
    turn = np.abs(_turned(town.start_bearing[following] - town.end_bearing[here.edge])) > SHARP
    allowed = np.where(turn, TURN, np.inf)
    ahead = np.maximum(length - here.along, 0.0)
    at_goal = here.edge == town.goals[here.goal]
    stops = at_goal & (here.role == PATROL)
    ahead = np.where(stops, np.maximum(length / 2 - here.along, 0.0), ahead)
    allowed = np.where(stops, SLOWEST, allowed)
    wished = graph.limit[here.edge] / 3.6 * here.manner * random.normal(1.0, 0.02, len(length))
    wished = np.minimum(wished, np.sqrt(allowed**2 + 2 * BRAKE * 0.8 * ahead))
    wished = np.where(here.until > now, 0.0, wished)
    speed = np.clip(wished, here.speed - BRAKE * seconds, here.speed + GAIN * seconds)
    speed = np.maximum(speed, 0.0)
    edge, along, passages = _advance(town, traffic, speed, now, seconds)
    moved = msgspec.structs.replace(traffic, edge=edge, along=along, speed=speed)
    return _decide(town, moved, Instant(now + round(seconds * SECOND)), random), passages


def _turned(angle: F64) -> F64:
    """Into -pi..pi."""
    turned: F64 = (angle + np.pi) % (2 * np.pi) - np.pi
    return turned


def _advance(town: Town, traffic: Traffic, speed: F64, now: Instant, seconds: float) -> tuple[I32, F64, list[Passage]]:
    """Move everybody along, edge by edge; a vehicle at the end of its goal's edge waits there for a decision."""
    length = town.graph.length
    edge, along = traffic.edge.copy(), traffic.along.copy()
    left = speed * seconds
    passages: list[Passage] = []
    moving = np.flatnonzero(left > 0)
    while len(moving):
        end = length[edge[moving]].astype(np.float64)
        reached = np.minimum(along[moving] + left[moving], end)
        camera = town.camera_on[edge[moving]]
        spot = town.camera_at[camera]
        for k in np.flatnonzero((camera >= 0) & (along[moving] < spot) & (spot <= reached)):
            who = int(moving[k])
            behind = left[who] - (spot[k] - along[who])
            at = now + round((seconds - behind / speed[who]) * SECOND)
            passages.append(Passage(who, int(camera[k]), Instant(at), float(speed[who] * 3.6)))
        left[moving] -= reached - along[moving]
        along[moving] = reached
        over = moving[(left[moving] > 1e-9) & (edge[moving] != town.goals[traffic.goal[moving]])]
        edge[over] = town.hop[traffic.goal[over], edge[over]]
        along[over] = 0.0
        moving = over
    return edge, along, sorted(passages, key=lambda passage: (passage.at, passage.vehicle))


def _decide(town: Town, traffic: Traffic, now: Instant, random: Random) -> Traffic:
    """New goals for those who have arrived, a stay for patrols that reached their spot."""
    length = town.graph.length[traffic.edge]
    at_goal = traffic.edge == town.goals[traffic.goal]
    camera = np.minimum(traffic.goal, len(town.cameras) - 1)
    want = np.where(traffic.goal < len(town.cameras), town.camera_at[camera] + 1.0, length / 2 - 1.0)
    arrived = at_goal & ((traffic.along >= want) | (length - traffic.along < 1.0)) & (traffic.until <= now)
    if not arrived.any():
        return traffic
    goal, then, until = traffic.goal.copy(), traffic.then.copy(), traffic.until.copy()
    for me in np.flatnonzero(arrived):
        match int(traffic.role[me]):
            case 2 if traffic.until[me] == 0:  # just arrived
                stay = FIRST_STAYS if me == traffic.patrols[0] else random.uniform(*STAY)
                until[me] = now + round(stay * SECOND)
            case 2:
                goal[me], until[me] = _free_spot(town, goal, traffic.patrols, me, random), 0
            case 1 if then[me] >= 0:
                goal[me], then[me], until[me] = then[me], -1, 0
            case 1:
                goal[me], then[me] = _provocation(town, traffic, int(me), now, random)
                until[me] = 0
            case _:
                goal[me] = random.choice(np.array(town.errands))
    return msgspec.structs.replace(traffic, goal=goal, then=then, until=until)


def _free_spot(town: Town, goals: I32, patrols: range, me: np.int64, random: Random) -> int:
    """A spot that no other patrol stands at or drives to; any when all are taken."""
    taken = {int(goals[other]) for other in patrols if other != me}
    free = [spot for spot in town.spots if spot not in taken and spot != goals[me]]
    if me != patrols[0]:
        free = _away_from(town, int(goals[patrols[0]]), free)
    return int(random.choice(np.array(free or [int(goals[me])])))


def _away_from(town: Town, first: int, spots: Sequence[int]) -> list[int]:
    """The spots that no vehicle passes which passes the camera before the first patrol's spot."""
    if first not in town.spots:
        return list(spots)
    camera = int(np.argmax(town.ahead[:, first - town.spots.start]))
    return [spot for spot in spots if town.ahead[camera, spot - town.spots.start] < RIVAL]


def _provocation(town: Town, traffic: Traffic, me: int, now: Instant, random: Random) -> tuple[int, int]:
    """The next camera (goal) and spot for a driver whom the patrols are to meet: near, with a patrol waiting there."""
    waiting = {int(traffic.goal[patrol]) for patrol in traffic.patrols if traffic.until[patrol] > now}
    first = int(traffic.goal[traffic.patrols[0]]) if len(traffic.patrols) else -1
    attended = bool(((traffic.role == NOTABLE) & (traffic.then == first)).any())
    edge = traffic.edge[me]
    best, chosen = np.inf, None
    for watch in town.watches:
        if watch.goal not in waiting or town.goals[watch.camera] == edge:
            continue
        price = (float(town.cost[watch.camera, edge]) + 20.0) * random.uniform(0.6, 1.6)
        price *= 0.15 if watch.goal == first and not attended else 1.0
        if price < best:
            best, chosen = price, watch
    if chosen is None:
        return int(random.choice(np.array(town.errands))), -1
    return chosen.camera, chosen.goal


def hold(traffic: Traffic, who: int, until: Instant) -> Traffic:
    """The vehicle comes to a stop and stands until then (a stop by the police, a patrol that keeps its place)."""
    stays = traffic.until.copy()
    stays[who] = max(int(stays[who]), until)
    return msgspec.structs.replace(traffic, until=stays)


def where(town: Town, traffic: Traffic, who: int) -> tuple[float, float, float]:
    """Latitude, longitude and heading (degrees from north) of a vehicle."""
    edge = int(traffic.edge[who])
    length = float(town.graph.length[edge])
    fraction = min(float(traffic.along[who]) / length, 1.0)
    xy = place_xy(town.graph, Place(edge, fraction))
    base = max(min(fraction, 0.98), 0.02)
    behind, before = (np.array(place_xy(town.graph, Place(edge, base + part))) for part in (-0.02, 0.02))
    east, north = before - behind
    lat, lon = town.graph.degrees(np.array(xy))
    return float(lat), float(lon), float(np.degrees(np.arctan2(east, north))) % 360
