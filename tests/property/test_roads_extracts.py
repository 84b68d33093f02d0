"""Whatever lies in a file that is called an extract: it is imported or refused with a reason."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saqtau.jurisdiction import load
from saqtau.kernel.errors import Refused
from saqtau.roads.osm import import_osm

LAW = load()
SOUND = (
    '<?xml version="1.0"?><osm version="0.6">'
    '<node id="1" version="1" lat="43.2" lon="76.9"/><node id="2" version="1" lat="43.21" lon="76.9"/>'
    '<way id="1" version="1"><nd ref="1"/><nd ref="2"/><tag k="highway" v="primary"/><tag k="maxspeed" v="60"/></way>'
    '<relation id="1" version="1"><member type="way" ref="1" role="from"/><member type="node" ref="2" role="via"/>'
    '<member type="way" ref="1" role="to"/><tag k="type" v="restriction"/><tag k="restriction" v="no_u_turn"/>'
    "</relation>"
    "</osm>"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("extracts")


def taken_or_refused(path, content):
    path.write_bytes(content)
    try:
        outcome = import_osm(path, LAW.speeds, LAW.limits).edges > 0
    except Refused as refused:
        outcome = refused.fields["map"]
    assert outcome in {True, "empty", "broken", "no_roads", "span"}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(["a.osm.pbf", "a.osm", "a.osm.gz"]), st.binary(max_size=300))
def test_any_bytes(folder, name, content):
    taken_or_refused(folder / name, content)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, len(SOUND) - 1), st.integers(0, 12), st.text(st.characters(codec="utf-8"), max_size=8))
def test_a_sound_extract_with_a_piece_replaced(folder, at, cut, text):
    taken_or_refused(folder / "b.osm", (SOUND[:at] + text + SOUND[at + cut :]).encode())
