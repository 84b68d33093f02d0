"""A small generated city with its registers, made once."""

from itertools import count

import pytest

from saqtau.jurisdiction import load
from saqtau.kernel.clock import Instant
from saqtau.roads.osm import import_osm
from saqtau.simulate.city import make_city
from saqtau.simulate.pbf import write_pbf
from saqtau.simulate.register import draw_registers

NOW = Instant(1_795_000_000_000)


@pytest.fixture(scope="session")
def graph(tmp_path_factory):
    file = tmp_path_factory.mktemp("streets") / "city.osm.pbf"
    write_pbf(make_city(7), file)
    law = load("kz")
    return import_osm(file, law.speeds, law.limits, within=law.bounds)


@pytest.fixture(scope="session")
def registers(graph):
    numbers = count()
    return draw_registers(graph, 7, region=10, now=NOW, secret=lambda: f"token-{next(numbers):026}")
