"""Import of an OpenStreetMap extract (.osm.pbf, .osm, .osm.gz). The one file of `roads` that reads a file.

What is taken: `highway` ways open to motor vehicles, one-ways, `maxspeed` with direction and zone, traffic lights,
and turn restrictions through a node. What is left out and counted: restrictions through a way, restrictions of
certain hours. Barriers are not looked at. A way is cut where the extract lacks one of its nodes, never drawn
straight across the hole.
Source: https://wiki.openstreetmap.org/wiki/Key:highway, Key:oneway, Key:maxspeed, Relation:restriction.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import osmium

from saqtau.jurisdiction import Bounds, Limits, Speeds
from saqtau.kernel.errors import Kind, Refused
from saqtau.roads.build import Restriction, Street, TurnCosts, build_graph
from saqtau.roads.graph import RoadGraph

MAX_BYTES = 1 << 30
"""A region of Kazakhstan is well under 100 MB; a continent is refused before it is read."""
MILE = 1.609344

_SPEED = re.compile(r"(\d{1,3}(?:\.\d+)?)\s*(km/?h|kmh|kph|mph)?", re.ASCII)
_CLOSED = frozenset({"no", "private", "agricultural", "forestry"})
_MINOR = frozenset({"driveway", "parking_aisle", "drive-through", "emergency_access"})
_TURNS = re.compile(r"(no|only)_(right_turn|left_turn|u_turn|straight_on|entry|exit)", re.ASCII)


def parse_maxspeed(text: str, zones: Mapping[str, float]) -> float:
    """km/h of a `maxspeed` tag, 0 when it says none or nothing that can be understood; of several the lowest.

    zones: km/h by zone name for values like `KZ:urban`. Never raises.
    """
    found = []
    for part in text.split(";"):
        value = part.strip().lower()
        if match := _SPEED.fullmatch(value):
            found.append(float(match[1]) * (MILE if match[2] == "mph" else 1.0))
        elif value == "walk":
            found.append(6.0)
        elif ":" in value:
            found.append(zones.get(value.partition(":")[2], 0.0))
    usable = [kmh for kmh in found if 5 <= kmh <= 150]
    return min(usable, default=0.0)


def _drivable(tags: Mapping[str, str]) -> bool:
    """Whether a motor vehicle may use the way. The most particular tag decides."""
    if tags.get("area") == "yes" or tags.get("service") in _MINOR:
        return False
    for key in ("motorcar", "motor_vehicle", "vehicle", "access"):
        if key in tags:
            return tags[key] not in _CLOSED
    return True


def _directions(tags: Mapping[str, str]) -> tuple[bool, bool]:
    """Whether the way is driven forward, backward."""
    match tags.get("oneway"):
        case "yes" | "true" | "1":
            return True, False
        case "-1" | "reverse":
            return False, True
        case "reversible":
            return False, False
        case None if tags.get("highway") == "motorway" or tags.get("junction") in {"roundabout", "circular"}:
            return True, False
        case _:
            return True, True


def _pieces(nodes: Any, where: dict[int, tuple[float, float]]) -> Iterator[tuple[int, ...]]:
    """Runs of nodes that the extract holds; notes their places."""
    run: list[int] = []
    for node in nodes:
        if node.location.valid():
            where[node.ref] = (node.location.lat, node.location.lon)
            if not run or run[-1] != node.ref:
                run.append(node.ref)
        else:
            if len(run) > 1:
                yield tuple(run)
            run = []
    if len(run) > 1:
        yield tuple(run)


def _streets(way: Any, speeds: Speeds, limits: Limits, where: dict[int, tuple[float, float]]) -> Iterator[Street]:
    """The drivable pieces of a way."""
    tags = dict(way.tags)
    kind = tags.get("highway", "")
    if kind not in speeds.kmh or not _drivable(tags):
        return
    forward, backward = _directions(tags)
    if not (forward or backward):
        return
    signed = parse_maxspeed(tags.get("maxspeed", ""), limits.kmh)
    ahead = parse_maxspeed(tags.get("maxspeed:forward", ""), limits.kmh) or signed
    astern = parse_maxspeed(tags.get("maxspeed:backward", ""), limits.kmh) or signed
    for nodes in _pieces(way.nodes, where):
        yield Street(way.id, nodes, kind, speeds.kmh[kind], (ahead, astern), forward, backward, tags.get("name", ""))


def _restrictions(relation: Any) -> Iterator[Restriction | None]:
    """The turn rules of a relation; None for one that is left out."""
    tags = dict(relation.tags)
    rule = tags.get("restriction:motorcar") or tags.get("restriction", "")
    if "motorcar" in tags.get("except", ""):
        return
    turn = _TURNS.fullmatch(rule)
    via = [member.ref for member in relation.members if member.role == "via" and member.type == "n"]
    if turn is None or len(via) != 1:
        yield None
        return
    ways = {role: [m.ref for m in relation.members if m.role == role and m.type == "w"] for role in ("from", "to")}
    for origin in ways["from"]:
        for target in ways["to"]:
            yield Restriction(origin, via[0], target, only=turn[1] == "only")


def _outside(graph: RoadGraph, bounds: Bounds) -> bool:
    lat, lon = graph.origin
    return not (bounds.south <= lat <= bounds.north and bounds.west <= lon <= bounds.east)


def import_osm(
    path: Path, speeds: Speeds, limits: Limits, *, within: Bounds | None = None, costs: TurnCosts | None = None
) -> RoadGraph:
    """The road graph of an extract.

    speeds, limits: of the jurisdiction. within: refuse an extract whose middle lies outside.
    Raises Refused: NOT_FOUND (no file), TOO_LARGE (over 1 GiB), INVALID (not an extract, broken, no roads,
    foreign, or more than 12 degrees wide), each saying what to do.
    """
    if not path.is_file():
        raise Refused(Kind.NOT_FOUND, f"map {path.name}: no such file", map="not_found")
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise Refused(Kind.TOO_LARGE, f"map {path.name}: {size >> 20} MiB, cut it to a region first", map="too_large")
    if size == 0:
        raise Refused(Kind.INVALID, f"map {path.name}: the file is empty", map="empty")
    if not path.name.endswith((".pbf", ".osm", ".osm.gz", ".osm.bz2")):
        raise Refused(Kind.INVALID, f"map {path.name}: not .osm.pbf, .osm or .osm.gz", map="format")
    where: dict[int, tuple[float, float]] = {}
    streets: list[Street] = []
    rules: list[Restriction] = []
    lights: set[int] = set()
    left_out = 0
    try:
        found: Any
        for found in osmium.FileProcessor(str(path)).with_locations():
            if found.is_node():
                if found.tags and found.tags.get("highway") == "traffic_signals":
                    lights.add(found.id)
            elif found.is_way():
                if "highway" in found.tags:
                    streets.extend(_streets(found, speeds, limits, where))
            elif found.is_relation() and found.tags.get("type") == "restriction":
                for rule in _restrictions(found):
                    left_out += rule is None
                    if rule is not None:
                        rules.append(rule)
    except (RuntimeError, OSError, ValueError, osmium.InvalidLocationError) as error:
        raise Refused(Kind.INVALID, f"map {path.name}: broken extract ({error})", map="broken") from error
    with path.open("rb") as source:
        digest = hashlib.file_digest(source, "sha256").hexdigest()
    graph = build_graph(
        streets, where, rules, signals=frozenset(lights), costs=costs, digest=digest, facts={"turns_left_out": left_out}
    )
    if within is not None and _outside(graph, within):
        lat, lon = graph.origin
        raise Refused(Kind.INVALID, f"map {path.name}: lies at {lat:.2f}, {lon:.2f}, a foreign land", map="foreign")
    return graph
