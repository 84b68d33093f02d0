"""Is the alerted unit the one the vehicle passes? The trial of goals.md, against SUMO's truth.

A read is taken at time t. A method names one unit, or nobody. It hit when the vehicle that carries the plate that was
read truly comes within 300 m of where that unit truly is, at one moment between t + 20 s and t + 180 s. Patrols move.
10 % of reads are missed, 2 % misread (half of them as another car's plate). Patrol positions are 5 m wrong and come
every 2 s. `Oracle`: some unit would have been right.

    python bench/ahead.py [--quick] [--city almaty|liechtenstein] [--always-moving]
"""

import argparse
import os
import platform
import random
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "sumo"), str(HERE.parent / "src")]

from city import PERIOD, City, Profile, drive  # noqa: E402 - after the path is set

from saqtau import roads  # noqa: E402
from saqtau.jurisdiction import load  # noqa: E402
from saqtau.roads.ahead import ENOUGH, REACH, units_ahead  # noqa: E402
from saqtau.roads.graph import Place, RoadGraph  # noqa: E402
from saqtau.roads.nearest import UnitField, nearest, unit_field  # noqa: E402
from saqtau.roads.osm import import_osm  # noqa: E402
from saqtau.roads.section import impossible  # noqa: E402
from saqtau.roads.snap import Snapper, snap, snap_local, snapper  # noqa: E402
from saqtau.roads.tree import Trees  # noqa: E402

MAPS = HERE.parent.parent / "shared" / "data" / "maps"
EARLIEST, LATEST = 20.0, 180.0
MISSED, MISREAD = 0.10, 0.02
OLDEST = 900.0
CITIES = {
    "almaty": Profile(str(MAPS / "almaty.osm.pbf"), "76.80,43.17,77.02,43.36"),
    # never tuned on; a tenth of the roads, so a tenth of the patrols
    "liechtenstein": Profile(
        str(MAPS / "liechtenstein-latest.osm.pbf"), every=1.5, cameras=60, patrols=16, apart=250.0, shortest=1200.0
    ),
}


class Read(msgspec.Struct, frozen=True):
    """A read as the system sees it. `car`: the plate as read, which a misread makes another or nobody's."""

    at: float
    car: str
    camera: int
    kmh: float


class Trial(msgspec.Struct, frozen=True):
    """A city made ready: its truth on the product's own graph."""

    graph: RoadGraph
    snapper: Snapper
    trees: Trees
    cameras: list[Place | None]
    limits: list[float]  # km/h at each camera
    points: list[tuple[float, float]]  # latitude, longitude of each camera
    reads: list[Read]
    cars: dict[str, np.ndarray]  # rows (time, x, y)
    patrols: np.ndarray  # (ticks, units, 5): x, y, velocity x, y, heading


def spoiled(reads: list[tuple[float, str, int, float]], seed: int) -> list[Read]:
    """Reads with misses and misreads."""
    chance = random.Random(seed)
    plates = sorted({car for _, car, _, _ in reads})
    out = []
    for at, car, camera, kmh in reads:
        if chance.random() < MISSED:
            continue
        plate = car
        if chance.random() < MISREAD:
            plate = chance.choice(plates) if chance.random() < 0.5 else f"nobody{len(out)}"
        out.append(Read(at, plate, camera, kmh))
    return out


def prepare(profile: Profile, city: City) -> Trial:
    """Cameras and patrols on the product's graph of the same extract."""
    law = load()
    graph = import_osm(Path(profile.extract), law.speeds, law.limits)
    roads_ready = snapper(graph)
    lat, lon, heading = np.array([(camera.lat, camera.lon, camera.heading) for camera in city.cameras]).T
    found = snap(roads_ready, lat, lon, heading)
    places = [
        Place(int(edge), float(fraction)) if edge >= 0 else None
        for edge, fraction in zip(found.edge, found.fraction, strict=True)
    ]
    ticks = int(profile.end / PERIOD) + 1
    names = city.patrols
    patrols = np.full((ticks, len(names), 5), np.nan)
    for unit, name in enumerate(names):
        track = city.tracks[name]
        tick = np.round(track[:, 0] / PERIOD).astype(int)
        angle = np.radians(90 - track[:, 4])
        patrols[tick, unit, :2] = graph.local(track[:, 1], track[:, 2])
        patrols[tick, unit, 2] = track[:, 3] * np.cos(angle)
        patrols[tick, unit, 3] = track[:, 3] * np.sin(angle)
        patrols[tick, unit, 4] = track[:, 4]
    cars = {
        name: np.column_stack((track[:, 0], graph.local(track[:, 1], track[:, 2])))
        for name, track in city.tracks.items()
        if not name.startswith("patrol")
    }
    return Trial(
        graph, roads_ready, Trees(graph, 1 << 31), places, [camera.limit for camera in city.cameras],
        list(zip(lat.tolist(), lon.tolist(), strict=True)), spoiled(city.reads, 7), cars, patrols,
    )  # fmt: skip


def field_at(trial: Trial, tick: int, noise: np.random.Generator) -> UnitField:
    """What the system knows about the patrols at a tick: noisy, on the road, with speed and heading."""
    now = trial.patrols[tick]
    known = ~np.isnan(now[:, 0])
    xy = np.where(known[:, None], now[:, :2], 1e7) + noise.normal(0, 5, (len(now), 2))
    moving = np.hypot(now[:, 2], now[:, 3]) > 1.0
    found = snap_local(trial.snapper, xy, np.where(moving & known, now[:, 4], np.nan))
    velocity = np.where((moving & known)[:, None], now[:, 2:4], 0.0)
    return unit_field(trial.graph, found.edge, found.fraction, np.where(known[:, None], xy, np.nan), velocity)


def truth(trial: Trial, car: str, at: float) -> np.ndarray:
    """Which units the car truly meets in the window."""
    units = trial.patrols.shape[1]
    track = trial.cars.get(car)
    if track is None:
        return np.zeros(units, bool)
    part = track[(track[:, 0] >= at + EARLIEST) & (track[:, 0] <= at + LATEST)]
    tick = np.round(part[:, 0] / PERIOD).astype(int)
    away = np.hypot(*np.moveaxis(trial.patrols[tick, :, :2] - part[:, None, 1:], 2, 0))
    return (away <= REACH).any(axis=0)


def occasions(trial: Trial, end: float, most: int) -> list[tuple[Read, Read | None]]:
    """Reads to be judged, with the earlier read of the same plate that the system would use."""
    last: dict[str, Read] = {}
    out = []
    for read in trial.reads:
        before = last.get(read.car)
        last[read.car] = read
        if trial.cameras[read.camera] is None or not 60 < read.at < end - LATEST - PERIOD:
            continue
        if before is not None:
            if read.at - before.at > OLDEST or before.camera == read.camera or trial.cameras[before.camera] is None:
                before = None
            elif impossible(trial.points[before.camera], trial.points[read.camera], read.at - before.at):
                continue  # the desk opens "misread or cloned plate" instead
        out.append((read, before))
    random.Random(11).shuffle(out)
    return out[:most]


class Score(msgspec.Struct):
    alerts: int = 0
    hits: int = 0

    def add(self, hit: bool) -> None:
        self.alerts += 1
        self.hits += int(hit)


def judge(trial: Trial, chosen: list[tuple[Read, Read | None]]) -> tuple[dict[str, Score], np.ndarray, np.ndarray]:
    """Scores by method, (probability, hit) of every best unit of ours, and latencies of ours in ms."""
    scores = {name: Score() for name in ("ours", "ours, one read", "straight line", "drive time", "oracle")}
    noise = np.random.default_rng(5)
    calibration, latency = [], []
    for read, before in chosen:
        place = trial.cameras[read.camera]
        units = field_at(trial, int(read.at / PERIOD), noise)
        hits = truth(trial, read.car, read.at)
        tree = trial.trees.of(place)
        earlier = trial.trees.of(trial.cameras[before.camera]) if before else None
        ratio = read.kmh / trial.limits[read.camera]
        start = time.perf_counter()
        best = units_ahead(
            trial.graph, tree, units, earliest=EARLIEST, latest=LATEST, speed_ratio=ratio, earlier=earlier, least=0.01
        )
        latency.append((time.perf_counter() - start) * 1e3)
        single = units_ahead(trial.graph, tree, units, earliest=EARLIEST, latest=LATEST, speed_ratio=ratio)
        if best:
            calibration.append((best[0].probability, hits[best[0].unit]))
        for name, found in (("ours", best), ("ours, one read", single)):
            if found and found[0].probability >= ENOUGH:
                scores[name].add(hits[found[0].unit])
        camera = trial.graph.local(*trial.points[read.camera])
        scores["straight line"].add(hits[np.nanargmin(np.hypot(*(units.xy - camera).T))])
        by_time = nearest(trial.graph, units, place, 1)
        scores["drive time"].add(bool(by_time) and hits[by_time[0].unit])
        scores["oracle"].add(hits.any())
    return scores, np.array(calibration), np.array(latency)


def machine() -> str:
    """What ran this, and when."""
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {day}"


def report(name: str, trial: Trial, chosen: list[tuple[Read, Read | None]]) -> None:
    """Print the table."""
    scores, calibration, latency = judge(trial, chosen)
    moving = np.nanmean(np.hypot(trial.patrols[..., 2], trial.patrols[..., 3]) > 0.5)
    two = np.mean([before is not None for _, before in chosen])
    print(f"\n## Unit ahead, {name} ({machine()})\n")
    print(
        f"{len(chosen)} reads ({two:.0%} with an earlier one), {len(trial.cameras)} cameras, "
        f"{trial.patrols.shape[1]} patrols ({moving:.0%} of the time moving), "
        f"{MISSED:.0%} missed, {MISREAD:.0%} misread\n"
    )
    print("| method | alerts / reads | right |\n|---|---|---|")
    for method, score in scores.items():
        right = score.hits / score.alerts if score.alerts else float("nan")
        print(f"| {method} | {score.alerts / len(chosen):.2f} | {right:.3f} |")
    classic = scores["drive time"].hits / scores["drive time"].alerts
    ours = scores["ours"].hits / max(scores["ours"].alerts, 1)
    print(f"\nours / drive time: {ours / classic:.2f}x")
    print("\n| told probability | reads | mean told | came true |\n|---|---|---|---|")
    for low, high in ((0.01, 0.2), (0.2, 0.4), (0.4, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01)):
        part = calibration[(calibration[:, 0] >= low) & (calibration[:, 0] < high)]
        if len(part):
            told, true = part.mean(axis=0)
            print(f"| {low:.2f}..{min(high, 1):.2f} | {len(part)} | {told:.2f} | {true:.2f} |")
    warm = latency[len(latency) // 10 :]
    print(f"\nprediction: p50 {np.percentile(warm, 50):.2f} ms, p99 {np.percentile(warm, 99):.2f} ms")
    each = trial.trees.bytes / max(len(trial.trees), 1)
    print(f"path trees: {len(trial.trees)} kept, {each / 1e3:.0f} kB each; 10,000 cameras {each * 1e4 / 2**30:.2f} GiB")


def main() -> None:
    """Drive the city (kept in the temporary folder for the next run) and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--quick", action="store_true", help="15 minutes of traffic, 400 reads")
    options.add_argument("--city", choices=sorted(CITIES), default="almaty")
    options.add_argument("--always-moving", action="store_true", help="patrols never stand at a post")
    chosen = options.parse_args()
    profile = CITIES[chosen.city]
    if not Path(profile.extract).is_file():
        raise SystemExit(f"bench/ahead: no extract at {profile.extract}; nothing was measured")
    changes = {"always_moving": chosen.always_moving, **({"end": 900} if chosen.quick else {})}
    profile = msgspec.structs.replace(profile, **changes)
    folder = Path(tempfile.gettempdir()) / f"saqtau-sumo-{chosen.city}-{profile.end}{'-moving' * chosen.always_moving}"
    city = drive(profile, folder)
    roads.warm()
    trial = prepare(profile, city)
    report(chosen.city, trial, occasions(trial, profile.end, 400 if chosen.quick else 1500))


if __name__ == "__main__":
    main()
