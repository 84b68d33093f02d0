"""Signatures, numbers as JavaScript writes them, and bodies of any bytes."""

import json
import shutil
import struct
import subprocess

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saqtau.devices.owntracks import parse as owntracks
from saqtau.devices.tablet import parse as tablet
from saqtau.devices.tablet.compose import compose, new_key
from saqtau.devices.tablet.parse import Fix, signed_text, to_fixed
from saqtau.devices.tablet.signature import verify
from saqtau.devices.track import Track, follow
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Flag, Position

KEY, PUBLIC = new_key()
numbers = st.floats(-1e6, 1e6) | st.integers(-(10**9), 10**9).map(lambda n: n / 1024) | st.sampled_from([-0.0, 0.0])
ticks = st.integers(1_000_000_000_000, 9_999_999_999_999)
fixes = st.builds(
    Fix,
    seq=st.just(0),
    at=ticks,
    lat=st.floats(-90, 90),
    lon=st.floats(-180, 180),
    accuracy=st.none() | st.floats(0, 1e6),
    speed=st.none() | st.floats(0, 2000),
    heading=st.none() | st.floats(0, 360),
    battery=st.none() | st.floats(0, 1),
    mock=st.booleans(),
)
batches = st.lists(fixes, min_size=1, max_size=8).map(
    lambda many: [msgspec.structs.replace(fix, seq=place) for place, fix in enumerate(many)]
)


@given(batches)
@settings(max_examples=60, deadline=None)
def test_what_is_composed_is_read_and_verified(many):
    batch = tablet.parse(compose(KEY, "tab-1", many))
    assert list(batch.fixes) == many
    assert verify(PUBLIC, signed_text(batch.device, batch.fixes), batch.signature)


@given(batches, st.data())
@settings(max_examples=60, deadline=None)
def test_no_field_can_be_changed_under_a_signature(many, data):
    batch = tablet.parse(compose(KEY, "tab-1", many))
    place = data.draw(st.integers(0, len(many) - 1))
    changed = list(batch.fixes)
    old = changed[place]
    changes = {
        "seq": old.seq + 1,
        "at": old.at ^ 1,
        "lat": -old.lat or 1.0,
        "mock": not old.mock,
        "accuracy": 7.5,
        "speed": 1.25,
    }
    name = data.draw(st.sampled_from(sorted(changes)))
    changed[place] = msgspec.structs.replace(old, **{name: changes[name]})
    text = signed_text(batch.device, tuple(changed))
    same = text == signed_text(batch.device, batch.fixes)
    assert verify(PUBLIC, text, batch.signature) == same
    assert not verify(PUBLIC, signed_text("tab-2", batch.fixes), batch.signature)


@given(numbers, st.sampled_from([2, 7]))
def test_a_written_number_is_the_nearest_and_has_its_digits(value, digits):
    written = to_fixed(value, digits)
    assert len(written.partition(".")[2]) == digits
    assert abs(float(written) - value) <= 0.5000001 * 10**-digits + abs(value) * 2**-52


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on PATH: JavaScript's own toFixed is not asked")
def test_javascript_itself_writes_the_same():
    values = [-0.0, 0.125, -0.125, -0.001, 0.005, 1.005, 2.5, 43.00390625, -7.00390625, 1e-9, -1e-9, 359.995, 76.889709]
    values += [
        struct.unpack("<d", struct.pack("<Q", 0x4045000000000000 + n * 7919 * 1_000_003))[0] for n in range(20_000)
    ]
    values += [n / 1024 for n in range(-20_000, 20_000, 7)] + [n / 2**9 for n in range(5_000)]
    program = (
        "const values = JSON.parse(require('fs').readFileSync(0));"
        "console.log(JSON.stringify(values.map(x => [x.toFixed(2), x.toFixed(7)])))"
    )
    done = subprocess.run(["node", "-e", program], input=json.dumps(values).encode(), capture_output=True, check=True)
    assert [[to_fixed(v, 2), to_fixed(v, 7)] for v in values] == json.loads(done.stdout)


FRAGMENTS = b'{ } [ ] , : "device" "fixes" "signature" "seq" "_type" "location" "lat" 1e999 null \xff'.split()
pieces = st.sampled_from(FRAGMENTS)
bodies = (
    st.binary(max_size=60)
    | st.lists(pieces | st.binary(max_size=6), max_size=20).map(b"".join)
    | st.just(b"[" * 50_000)
)


@pytest.mark.parametrize("parse", [tablet.parse, owntracks.parse], ids=["tablet", "owntracks"])
@given(body=bodies)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused_by_name(parse, body):
    try:
        parse(body)
    except Refused as refusal:
        named = refusal.kind is Kind.INVALID and len(refusal.fields) == 1
    else:
        named = True
    assert named


@given(batches, st.integers(0, 2000), st.data())
@settings(max_examples=100, deadline=None)
def test_no_position_is_ever_dropped_and_every_flag_is_told_once(many, cut, data):
    body = bytearray(compose(KEY, "tab-1", many))
    for place in data.draw(st.lists(st.integers(0, len(body) - 1), max_size=3)):
        body[place] = data.draw(st.integers(0, 255))
    try:
        batch = tablet.parse(bytes(body[: max(cut, 1)] if cut < 1000 else body))
    except Refused:
        return
    track = Track()
    for position in tablet.positions_of(batch, "unit-1", Instant(2_000_000_000_000)):
        track, flagged = follow(
            track, position, data.draw(st.none() | st.floats(0, 500)), clock_off=data.draw(st.booleans())
        )
        assert isinstance(flagged, Position)
        assert len(set(flagged.flags)) == len(flagged.flags)
        assert (flagged.lat, flagged.lon, flagged.seq) == (position.lat, position.lon, position.seq)
        assert (Flag.MOCK in flagged.flags) == (Flag.MOCK in position.flags)
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(flagged), type=Position) == flagged
