"""Write a generated city as a real OpenStreetMap extract, so that `map import` cannot tell the difference."""

from pathlib import Path

import osmium

from saqtau.kernel.errors import Kind, Refused
from saqtau.simulate.lattice import degrees
from saqtau.simulate.streets import City


def write_pbf(city: City, file: Path) -> None:
    """Write nodes, ways and turn restrictions to `file` (`.osm.pbf`), replacing what was there at once.

    Raises Refused(INVALID) when the name does not end in `.osm.pbf`, since the format follows the name.
    """
    if not file.name.endswith(".osm.pbf"):
        raise Refused(Kind.INVALID, f"{file.name}: an extract is named *.osm.pbf", file="extract.name")
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f".{file.name.removesuffix('.osm.pbf')}.draft.osm.pbf")
    draft.unlink(missing_ok=True)
    make = osmium.osm.mutable
    with osmium.SimpleWriter(str(draft)) as writer:
        for node in city.nodes:
            lat, lon = degrees(node.point)
            writer.add_node(make.Node(id=node.id, version=1, location=(lon, lat), tags=dict(node.tags)))
        for way in city.ways:
            writer.add_way(make.Way(id=way.id, version=1, nodes=list(way.nodes), tags=dict(way.tags)))
        for turn in city.restrictions:
            members = [("w", turn.way_from, "from"), ("n", turn.via, "via"), ("w", turn.way_to, "to")]
            tags = {"type": "restriction", "restriction": turn.kind}
            writer.add_relation(make.Relation(id=turn.id, version=1, members=members, tags=tags))
    draft.replace(file)
