"""A phone's bytes and the expected position; then the input over real sockets."""

from pathlib import Path

import httpx
import pytest
from prometheus_client import CollectorRegistry
from tests.unit.devices.served import served

from saqtau.devices.http import serve, token_digest
from saqtau.devices.owntracks.device import DEVICE
from saqtau.devices.owntracks.parse import parse, position_of
from saqtau.devices.owntracks.server import Phone, locations
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Flag

pytestmark = pytest.mark.anyio

RECORDED = Path(__file__).parents[3] / "data" / "owntracks"
NOW = Instant(1_795_165_388_000)
TOKEN = "p" * 40


def recorded(name):
    return (RECORDED / f"{name}.json").read_bytes()


@pytest.mark.parametrize(
    ("name", "lat", "lon", "accuracy", "speed", "heading", "battery"),
    [
        ("android", 43.238949, 76.889709, 13.0, 54.0, 271.0, 0.87),
        ("ios_unknown", 43.2389491, 76.8897092, 5.0, None, None, 0.42),  # -1: not known
        ("least", 43.24, 76.89, None, None, None, None),
    ],
)
def test_what_each_app_posts_becomes_a_position(name, lat, lon, accuracy, speed, heading, battery):
    position = position_of(parse(recorded(name)), "unit-1", "phone-1", 5, NOW)
    assert (position.lat, position.lon, position.at, position.seq) == (lat, lon, 1_795_165_387_000, 5)
    assert (position.accuracy, position.speed, position.heading, position.battery) == (
        accuracy,
        speed,
        heading,
        battery,
    )


@pytest.mark.parametrize("name", ["lwt", "transition", "status", "waypoints", "encrypted"])
def test_other_messages_carry_no_position(name):
    assert parse(recorded(name)) is None


@pytest.mark.parametrize("body", [b"", b"  "])
def test_an_empty_body_is_no_fault(body):
    assert parse(body) is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"x", "body"),
        (b"[]", "body"),
        (b"{}", "_type"),
        (b'{"_type":1}', "_type"),
        (b'{"_type":"location","lat":91,"lon":1,"tst":1795165387}', "lat"),
        (b'{"_type":"location","lat":"43","lon":1,"tst":1795165387}', "lat"),
        (b'{"_type":"location","lat":43,"lon":1}', "tst"),
        (b'{"_type":"location","lat":43,"lon":1,"tst":1795165387000}', "tst"),
    ],
)
def test_what_is_wrong_is_refused_by_its_name(body, field):
    with pytest.raises(Refused) as refusal:
        parse(body)
    assert (refusal.value.kind, list(refusal.value.fields)) == (Kind.INVALID, [field])


class Intake:
    def __init__(self):
        self.taken, self.now = [], NOW
        handler = locations(
            phones={token_digest(TOKEN): Phone("phone-1", "unit-1")}.get,
            take_positions=self.take,
            clock=lambda: self.now,
            registry=CollectorRegistry(),
        )
        self.app = serve({DEVICE.path: handler})

    async def take(self, found):
        self.taken.extend(found)


def location(at, lat=43.25):
    return b'{"_type":"location","lat":%f,"lon":76.9,"tst":%d}' % (lat, at // 1000)


async def test_a_phone_s_positions_are_numbered_by_us_and_a_repeat_is_taken_once():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        for at in (NOW, NOW, NOW + 1_000, NOW - 60_000):
            answer = await client.post(
                f"/owntracks/{TOKEN}", content=location(at), headers={"X-Limit-U": "anna", "X-Limit-D": "p"}
            )
            assert (answer.status_code, answer.json()) == (200, [])
    assert [(p.unit, p.at - NOW, p.flags) for p in intake.taken] == [
        ("unit-1", 0, ()),
        ("unit-1", 1_000, ()),
        ("unit-1", -60_000, (Flag.REPLAYED,)),
    ]
    assert intake.taken[0].seq < intake.taken[1].seq


async def test_only_a_clock_that_is_ahead_can_be_told_from_a_stored_location():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        await client.post(f"/owntracks/{TOKEN}", content=location(NOW - 600_000))
        await client.post(f"/owntracks/{TOKEN}", content=location(NOW + 60_000))
    assert [p.flags for p in intake.taken] == [(Flag.REPLAYED,), (Flag.CLOCK,)]


async def test_a_phone_without_its_token_and_a_large_body_are_refused():
    async with served(Intake().app) as base, httpx.AsyncClient(base_url=base) as client:
        unknown = await client.post("/owntracks/" + "q" * 40, content=location(NOW))
        large = await client.post(f"/owntracks/{TOKEN}", content=b" " * 16_385)
        other = await client.post(f"/owntracks/{TOKEN}", content=recorded("lwt"))
    assert (unknown.status_code, large.status_code, other.status_code, other.json()) == (401, 413, 200, [])
