"""Whatever a camera or an attacker sends over MQTT: what it says, or a refusal that names a field."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import publishing
from tests.fuzz.targets import TARGETS

from saqtau.devices.onvif import mqtt
from saqtau.devices.onvif.parse import parse
from saqtau.devices.seen import read_of
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.kernel.signal import PlateRead

TOPIC = "RuleEngine/Recognition/LicensePlate"
names = st.sampled_from(
    ["Data", "Source", "UtcTime", "LicensePlateInfo", "PlateNumber", "#text", "@Likelihood", "Likelihood", "SimpleItem",
     "ElementItem", "Name", "Value", "tt:LicensePlateInfo", "VehicleInfo", "Type", "Image", "Speed", "Object",
     "ObjectId"]
)  # fmt: skip
leaves = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20)
trees = st.recursive(leaves, lambda deeper: st.lists(deeper, max_size=4) | st.dictionaries(names, deeper, max_size=5))
topics = st.from_regex(r"\A[a-z0-9/&-]{1,40}\Z")


@given(st.dictionaries(names, trees, max_size=4))
def test_any_tree_gives_lawful_reads_or_a_refusal(tree):
    try:
        event = parse(TOPIC, json.dumps(tree).encode(), again=False)
    except Refused as refusal:
        told = refusal
        event = None
    if event is None:
        assert told.fields
        return
    for seen in event.seen:
        read = read_of(seen, "kam", Instant(1_795_160_588_000), b"k" * 32)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(read), type=PlateRead) == read


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data):
    TARGETS["plate_event"][0](data)
    TARGETS["mqtt"][0](data)


@given(topics, st.binary(max_size=400), st.integers(1, 65535), st.sampled_from([0, 1, 2]))
def test_what_is_published_is_what_is_read(topic, payload, number, qos):
    raw = publishing.publish(topic, payload, number, qos=qos)
    head, left = mqtt.length(raw[:5])
    assert left == len(raw) - head
    read = mqtt.read_publish(raw[0] & 15, raw[head:])
    assert (read.topic, read.payload, read.qos, read.packet) == (topic, payload, qos, number if qos else 0)


@given(st.data())
def test_a_packet_cut_anywhere_is_refused_and_never_read_as_another(data):
    raw = publishing.connect("kam-1", "t" * 40)
    cut = data.draw(st.integers(2, len(raw) - 1))
    with pytest.raises(Refused) as refused:
        mqtt.read_connect(raw[2:cut])
    assert refused.value.fields
