"""A tablet's batch: its limits and the text it signs."""

import json

import pytest

from saqtau.devices.tablet.compose import compose, new_key
from saqtau.devices.tablet.parse import Fix, parse, positions_of, signed_text, to_fixed
from saqtau.devices.tablet.signature import load_key, verify
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Flag

AT = 1_795_165_387_000
SIGNATURE = "A" * 86 + "=="


def body(**changes):
    fix = {"seq": 1, "at": AT, "lat": 43.25, "lon": 76.9} | changes.pop("fix", {})
    return json.dumps({"device": "tab-1", "fixes": [fix], "signature": SIGNATURE} | changes).encode()


def test_the_signed_text_is_the_one_the_tablet_page_signs():
    fixes = (
        Fix(7, AT, 43.238949, 76.889709, 4.5, 0.0, 359.9, 0.83),
        Fix(8, AT + 1000, -43.0, 7.00390625, None, None, None, None, mock=True),
    )
    assert signed_text("tab-1", fixes).decode().split("\n") == [
        "saqtau-positions-v1",
        "tab-1",
        f"7,{AT},43.2389490,76.8897090,4.50,0.00,359.90,0.83,0",
        f"8,{AT + 1000},-43.0000000,7.0039063,,,,,1",
    ]


@pytest.mark.parametrize(
    ("value", "digits", "written"),
    [
        (0.125, 2, "0.13"),
        (-0.125, 2, "-0.13"),
        (-0.0, 2, "0.00"),
        (-0.001, 2, "-0.00"),
        (1.005, 2, "1.00"),
        (7, 2, "7.00"),
    ],
)
def test_numbers_are_written_as_javascript_writes_them(value, digits, written):
    assert to_fixed(value, digits) == written


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"fix": {"lat": 91}}, "fixes[0].lat"),
        ({"fix": {"lon": "76.9"}}, "fixes[0].lon"),
        ({"fix": {"seq": -1}}, "fixes[0].seq"),
        ({"fix": {"seq": 1 << 53}}, "fixes[0].seq"),
        ({"fix": {"at": 1_795_165_387}}, "fixes[0].at"),  # seconds
        ({"fix": {"battery": 83}}, "fixes[0].battery"),
        ({"fix": {"heading": 361}}, "fixes[0].heading"),
        ({"fix": {"mock": 1}}, "fixes[0].mock"),
        ({"fix": {"altitude": 700}}, "fixes[0]"),
        ({"fixes": []}, "fixes"),
        ({"fixes": [{"seq": n, "at": AT, "lat": 1, "lon": 1} for n in range(601)]}, "fixes"),
        ({"fixes": [{"seq": n, "at": AT, "lat": 1, "lon": 1} for n in (1, 2, 2)]}, "fixes[2].seq"),
        ({"device": "a b"}, "device"),
        ({"signature": "short"}, "signature"),
        ({"more": 1}, "body"),
    ],
)
def test_every_limit_is_refused_by_the_name_of_its_field(changes, field):
    with pytest.raises(Refused) as refusal:
        parse(body(**changes))
    assert (refusal.value.kind, list(refusal.value.fields)) == (Kind.INVALID, [field])


def test_positions_keep_what_the_device_said():
    key, _ = new_key()
    batch = parse(compose(key, "tab-1", [Fix(1, AT, 43.25, 76.9, 3.0, 61.2, 360.0, 0.5, mock=True)]))
    (position,) = positions_of(batch, "unit-1", Instant(AT + 5))
    assert (position.unit, position.device, position.seq, position.at, position.received) == (
        "unit-1",
        "tab-1",
        1,
        AT,
        AT + 5,
    )
    assert (position.accuracy, position.speed, position.heading, position.battery) == (3.0, 61.2, 0.0, 0.5)
    assert position.flags == (Flag.MOCK,)


def test_a_key_is_taken_as_spki_or_as_a_point_and_no_other_way():
    key, spki = new_key()
    point = b"\x04" + b"".join(
        n.to_bytes(32, "big") for n in (key.public_key().public_numbers().x, key.public_key().public_numbers().y)
    )
    assert load_key(spki).public_numbers() == load_key(point).public_numbers()
    for wrong in (b"", b"\x04" + b"\x01" * 64, spki[:-1]):
        with pytest.raises(Refused):
            load_key(wrong)


def test_a_signature_is_of_this_text_and_this_key():
    key, spki = new_key()
    _, other = new_key()
    batch = parse(compose(key, "tab-1", [Fix(1, AT, 43.25, 76.9)]))
    text = signed_text(batch.device, batch.fixes)
    assert verify(spki, text, batch.signature)
    assert not verify(other, text, batch.signature)
    assert not verify(spki, text + b"0", batch.signature)
    assert not verify(spki, text, SIGNATURE)
