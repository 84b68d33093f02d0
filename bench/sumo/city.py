"""A city that nobody here wrote: SUMO drives traffic, speeders and patrols on an OpenStreetMap extract.

Streets, lights and driving come from SUMO (netconvert, duarouter, sumo); we choose only where cameras stand and where
patrols go. Everything is seeded. What comes out: plate reads (camera, time, vehicle, true speed) and where every
vehicle truly was every two seconds. Needs the dependency group `sim`.
"""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import msgspec
import numpy as np
import osmium
import sumolib

import sumo

MAIN = re.compile(r"highway\.(trunk|primary|secondary|tertiary)$")
PERIOD = 2.0
"""Seconds between true positions."""


class Profile(msgspec.Struct, frozen=True):
    """What to drive. `always_moving`: patrols never stand at a post."""

    extract: str
    clip: str | None = None  # west,south,east,north
    end: int = 1800  # s
    every: float = 0.5  # s between vehicles
    cameras: int = 250
    patrols: int = 120
    apart: float = 250.0  # m between cameras
    shortest: float = 1500.0  # m of a trip
    always_moving: bool = False
    seed: int = 17  # parameters of roads/ahead were chosen on seeds 3 and 4, never on this one


class Camera(msgspec.Struct, frozen=True):
    """Where a camera stands and the driving direction it watches."""

    lat: float
    lon: float
    heading: float
    limit: float  # km/h


class City(msgspec.Struct, frozen=True):
    """The truth of a run. Tracks: vehicle -> rows of (time, lat, lon, speed m/s, heading)."""

    cameras: list[Camera]
    reads: list[tuple[float, str, int, float]]  # time, vehicle, camera, km/h
    tracks: dict[str, np.ndarray]
    patrols: list[str]


def _tool(folder: Path, *command: str) -> None:
    environment = {**os.environ, "SUMO_HOME": sumo.SUMO_HOME}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")


def _binary(name: str) -> str:
    return str(Path(sumo.SUMO_HOME) / "bin" / name)


def _network(folder: Path, profile: Profile) -> None:
    """city.net.xml from the extract; with urban speeds, joined junctions and guessed lights."""
    with osmium.SimpleWriter(str(folder / "city.osm.xml"), overwrite=True) as out:
        for thing in osmium.FileProcessor(str(Path(profile.extract).resolve())):
            out.add(thing)
    types = Path(sumo.SUMO_HOME) / "data" / "typemap"
    clip = ["--keep-edges.in-geo-boundary", profile.clip] if profile.clip else []
    _tool(
        folder, _binary("netconvert"), "--osm-files", "city.osm.xml", "-o", "city.net.xml",
        "--type-files", f"{types}/osmNetconvert.typ.xml,{types}/osmNetconvertUrbanDe.typ.xml", *clip,
        "--geometry.remove", "--roundabouts.guess", "--ramps.guess", "--junctions.join", "--tls.guess-signals",
        "--tls.discard-simple", "--tls.join", "--tls.default-type", "actuated", "--keep-edges.by-vclass", "passenger",
        "--remove-edges.isolated", "--keep-edges.components", "1", "--no-warnings",
    )  # fmt: skip


def _middle(shape: list[tuple[float, float]]) -> tuple[float, float, float]:
    """x, y and heading (degrees from north) half way along a line."""
    x, y = sumolib.geomhelper.positionAtShapeOffset(shape, sumolib.geomhelper.polyLength(shape) / 2)
    a = sumolib.geomhelper.positionAtShapeOffset(shape, max(sumolib.geomhelper.polyLength(shape) / 2 - 5, 0))
    return x, y, float(np.degrees(np.arctan2(x - a[0], y - a[1])) % 360)


def _traffic(folder: Path, profile: Profile, net: sumolib.net.Net) -> None:
    """routes.xml: private cars (4 % of them speeders) on near-quickest routes."""
    _tool(
        folder, sys.executable, str(Path(sumo.SUMO_HOME) / "tools" / "randomTrips.py"), "-n", "city.net.xml",
        "-e", str(profile.end), "-p", str(profile.every), "--lanes", "--length", "--speed-exponent", "1",
        "--fringe-factor", "5", "--min-distance", str(profile.shortest), "--prefix", "car", "--no-validate",
        "-o", "trips.xml", "--seed", str(profile.seed),
    )  # fmt: skip
    chance = random.Random(profile.seed)
    edges = {edge.getID() for edge in net.getEdges() if edge.allows("passenger")}
    trip = re.compile(r'<trip id="(\w+)"[^>]*depart="([\d.]+)"[^>]* from="([^"]+)" to="([^"]+)"')
    lines = [
        "<routes>",
        '<vType id="norm" vClass="passenger" speedFactor="normc(0.95,0.1,0.6,1.2)"/>',
        '<vType id="fast" vClass="passenger" speedFactor="normc(1.5,0.1,1.3,1.9)" sigma="0.3" lcSpeedGain="5"/>',
    ]
    for found in trip.finditer((folder / "trips.xml").read_text()):
        if found[3] in edges and found[4] in edges:
            kind = "fast" if chance.random() < 0.04 else "norm"
            lines.append(
                f'<trip id="{found[1]}" type="{kind}" depart="{found[2]}" departLane="best" departSpeed="max" '
                f'from="{found[3]}" to="{found[4]}"/>'
            )
    (folder / "cars.xml").write_text("\n".join([*lines, "</routes>"]))
    _route(folder, "cars.xml", "cars.rou.xml")


def _route(folder: Path, trips: str, routes: str) -> None:
    _tool(
        folder, _binary("duarouter"), "-n", "city.net.xml", "-r", trips, "-o", routes, "--routing-algorithm", "CH",
        "--weights.random-factor", "1.5", "--ignore-errors", "--no-warnings", "--no-step-log",
    )  # fmt: skip


def _patrols(folder: Path, profile: Profile, net: sumolib.net.Net) -> None:
    """patrols.rou.xml: each unit drives its beat (about 2 km around a home) and stands 2-7 minutes at its posts."""
    chance = random.Random(profile.seed + 1)
    main = [edge for edge in net.getEdges() if edge.allows("passenger") and MAIN.match(edge.getType() or "")]
    main = [edge for edge in main if edge.getLength() > 40]
    homes = chance.sample(main, profile.patrols * 11 // 10)  # some cannot be routed, some are left over as traffic
    lines = ["<routes>", '<vType id="patrol" vClass="passenger" speedFactor="normc(0.9,0.1,0.6,1.1)"/>']
    middles = {edge: _middle(edge.getShape()) for edge in main}
    for number, home in enumerate(homes):
        x, y, _ = middles[home]
        beat = [edge for edge in main if np.hypot(middles[edge][0] - x, middles[edge][1] - y) < 2000]
        stops = [home, *(chance.choice(beat) for _ in range(24))]
        ends = f'from="{home.getID()}" to="{stops[-1].getID()}"'
        lines.append(f'<trip id="patrol{number}" type="patrol" depart="0" {ends}>')
        for stop in stops[1:]:
            stand = 1 if profile.always_moving else chance.uniform(120, 420)
            lane = next(lane for lane in stop.getLanes() if lane.allows("passenger"))
            lines.append(
                f'<stop lane="{lane.getID()}" endPos="{lane.getLength() / 2:.1f}" duration="{stand:.0f}" '
                'parking="true"/>'
            )
        lines.append("</trip>")
    (folder / "patrols.xml").write_text("\n".join([*lines, "</routes>"]))
    _route(folder, "patrols.xml", "patrols.rou.xml")


def _cameras(folder: Path, profile: Profile, net: sumolib.net.Net) -> list[Camera]:
    """loops.add.xml: one loop a lane in the middle of main streets, on average one camera a quarter kilometre apart."""
    import libsumo

    chance = random.Random(profile.seed + 2)
    main = [edge for edge in net.getEdges() if edge.allows("passenger") and MAIN.match(edge.getType() or "")]
    main = [edge for edge in main if edge.getLength() > 60]
    chance.shuffle(main)
    taken: list[tuple[float, float]] = []
    lines = ["<additional>"]
    cameras = []
    libsumo.start([_binary("sumo"), "-n", str(folder / "city.net.xml"), "--no-step-log", "--no-warnings"])
    for edge in main:
        if len(cameras) == profile.cameras:
            break
        x, y, heading = _middle(edge.getShape())
        if any(np.hypot(x - a, y - b) < profile.apart for a, b in taken):
            continue
        taken.append((x, y))
        lon, lat = libsumo.simulation.convertGeo(x, y)
        lines.extend(
            f'<instantInductionLoop id="cam{len(cameras)}_{lane.getIndex()}" lane="{lane.getID()}" '
            f'pos="{lane.getLength() / 2:.1f}" file="reads.xml"/>'
            for lane in edge.getLanes()
            if lane.allows("passenger")
        )
        cameras.append(Camera(lat, lon, heading, edge.getSpeed() * 3.6))
    libsumo.close()
    (folder / "loops.add.xml").write_text("\n".join([*lines, "</additional>"]))
    return cameras


def _read(folder: Path) -> list[tuple[float, str, int, float]]:
    pattern = re.compile(r'id="cam(\d+)_\d+" time="([\d.]+)" state="enter" vehID="(\w+)" speed="([\d.]+)"')
    found = pattern.findall((folder / "reads.xml").read_text())
    reads = [(float(time), car, int(camera), float(speed) * 3.6) for camera, time, car, speed in found]
    return sorted(read for read in reads if not read[1].startswith("patrol"))


def _tracks(folder: Path) -> dict[str, np.ndarray]:
    rows = duckdb.sql(
        f"select * from read_csv('{folder / 'fcd.csv'}', delim=';', header=true) where vehicle_id is not null"
        " order by vehicle_id, timestep_time"
    ).fetchnumpy()
    ids = np.asarray(rows["vehicle_id"])
    columns = ("timestep_time", "vehicle_y", "vehicle_x", "vehicle_speed", "vehicle_angle")
    table = np.column_stack([np.asarray(rows[name], np.float64) for name in columns])
    cuts = np.flatnonzero(ids[1:] != ids[:-1]) + 1
    starts = np.concatenate(([0], cuts))
    return {str(ids[start]): part for start, part in zip(starts, np.split(table, cuts), strict=True)}


def drive(profile: Profile, folder: Path) -> City:
    """Run the city, or take the run that already lies in `folder` for the same profile."""
    folder.mkdir(parents=True, exist_ok=True)
    done = folder / "done.json"
    wanted = msgspec.json.encode(profile)
    if not (done.is_file() and done.read_bytes() == wanted):
        done.unlink(missing_ok=True)
        _network(folder, profile)
        net = sumolib.net.readNet(str(folder / "city.net.xml"))
        _traffic(folder, profile, net)
        _patrols(folder, profile, net)
        cameras = _cameras(folder, profile, net)
        (folder / "cameras.json").write_bytes(msgspec.json.encode(cameras))
        _tool(
            folder, _binary("sumo"), "-n", "city.net.xml", "-r", "patrols.rou.xml,cars.rou.xml", "-a", "loops.add.xml",
            "-e", str(profile.end), "--time-to-teleport", "120", "--no-step-log", "--no-warnings",
            "--fcd-output", "fcd.csv", "--fcd-output.geo", "--precision.geo", "6",
            "--fcd-output.attributes", "id,x,y,speed,angle", "--device.fcd.period", str(PERIOD),
            "--seed", str(profile.seed),
        )  # fmt: skip
        done.write_bytes(wanted)
    cameras = msgspec.json.decode((folder / "cameras.json").read_bytes(), type=list[Camera])
    tracks = _tracks(folder)
    patrols = sorted((name for name in tracks if name.startswith("patrol")), key=lambda name: int(name[6:]))
    return City(cameras, _read(folder), tracks, patrols[: profile.patrols])
