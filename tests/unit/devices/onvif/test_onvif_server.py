"""The MQTT input over real sockets: who may speak, what an acknowledgement means, who is told to go."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from tests import publishing
from tests.publishing import connect, publish, subscribe

from saqtau.devices.http import token_digest
from saqtau.devices.limits import Rate
from saqtau.devices.onvif.device import DEVICE
from saqtau.devices.onvif.server import Events, listening
from saqtau.devices.taking import Taking
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera

pytestmark = pytest.mark.anyio

NOW = Instant(1_795_160_589_000)
TOKEN, ELSEWHERE = "t" * 43, "e" * 43
TOPIC = "kam-1/onvif-ej/RuleEngine/Recognition/LicensePlate/&1/Gate"
EVENT = (Path(__file__).parents[3] / "data" / "onvif" / "recognition.json").read_bytes()
ACCEPTED, UNAVAILABLE, UNAUTHORISED = b"\x20\2\0\0", b"\x20\2\0\3", b"\x20\2\0\5"


class Intake:
    def __init__(self, rate=DEVICE.rate):
        self.register = {
            token_digest(TOKEN): Camera("kam-1", "s", "n", 2, 43.2, 76.9, 0.0, 60.0, address="127.0.0.1"),
            token_digest(ELSEWHERE): Camera("kam-2", "s", "n", 2, 43.2, 76.9, 0.0, 60.0, address="192.0.2.7"),
        }
        self.reads, self.quarantined, self.trouble, self.now = [], [], None, NOW
        self.gate = asyncio.Event()
        self.gate.set()
        registry = CollectorRegistry()
        taking = Taking(self.take, self.keep, lambda: self.now, registry)
        self.events = Events(cameras=self.known, taking=taking, registry=registry, rate=rate)

    def known(self, digest):
        if self.register is None:
            raise Refused(Kind.UNAVAILABLE, "stale", registers="stale")
        return self.register.get(digest)

    async def take(self, read):
        await self.gate.wait()
        if self.trouble:
            raise self.trouble
        self.reads.append(read)

    async def keep(self, camera, reason, raw):
        self.quarantined.append((camera, reason, raw))

    @contextlib.asynccontextmanager
    async def camera(self, user="kam-1", token=TOKEN):
        async with listening(self.events, "127.0.0.1", 0, None) as port, publishing.camera(port) as made:
            assert await made.ask(connect(user, token)) == ACCEPTED
            yield made


async def test_an_acknowledgement_comes_when_the_read_is_durable_and_not_before():
    intake = Intake()
    async with intake.camera() as camera:
        intake.gate.clear()
        await camera.say(publish(TOPIC, EVENT, 7, retained=True))
        hearing = asyncio.create_task(camera.hear())
        while not intake.gate._waiters:
            await asyncio.sleep(0)
        assert not hearing.done()
        intake.gate.set()
        assert await hearing == b"\x40\2\0\7"
        assert [read.plate for read in intake.reads] == ["123ABC02"]
        assert await camera.ask(publish(TOPIC, EVENT, 8, again=True)) == b"\x40\2\0\x08"
        assert len(intake.reads) == 1, "the same event twice is one read"


async def test_a_disk_that_refuses_is_never_acknowledged_and_the_repeat_is_taken():
    intake = Intake()
    intake.trouble = Refused(Kind.UNAVAILABLE, "full", journal="full")
    async with intake.camera() as camera:
        assert await camera.ask(publish(TOPIC, EVENT, 7)) == b""
    intake.trouble = None
    async with intake.camera() as camera:
        assert await camera.ask(publish(TOPIC, EVENT, 7, again=True)) == b"\x40\2\0\7"
    assert len(intake.reads) == 1


async def test_quality_zero_and_two_are_taken_as_well():
    intake = Intake()
    async with intake.camera() as camera:
        await camera.say(publish(TOPIC, EVENT, qos=0))
        assert await camera.ask(publish(TOPIC, EVENT, 9, qos=2)) == b"\x50\2\0\x09"
        assert await camera.ask(b"\x62\2\0\x09") == b"\x70\2\0\x09"
    assert len(intake.reads) == 1


async def test_what_nobody_understands_is_kept_raw_and_acknowledged():
    intake = Intake()
    async with intake.camera() as camera:
        for number, (topic, payload) in enumerate(
            [(TOPIC, b"{"), ("other/onvif-ej/x", EVENT), (TOPIC, b'{"Data":{}}')], 1
        ):
            assert await camera.ask(publish(topic, payload, number)) == bytes([0x40, 2, 0, number])
    assert [(who, why) for who, why, _ in intake.quarantined] == [
        ("kam-1", "body"),
        ("kam-1", "topic"),
        ("kam-1", "plate"),
    ]
    assert intake.quarantined[0][2] == b"{"
    assert intake.reads == []


@pytest.mark.parametrize(
    ("user", "token"), [("kam-1", "wrong" * 9), ("kam-2", TOKEN), ("kam-1", ""), ("kam-2", ELSEWHERE), ("", TOKEN)]
)
async def test_who_is_not_the_camera_is_refused_in_the_same_words(user, token):
    async with listening(Intake().events, "127.0.0.1", 0, None) as port, publishing.camera(port) as camera:
        assert await camera.ask(connect(user, token)) == UNAUTHORISED
        assert await camera.hear() == b""


async def test_registers_that_are_stale_tell_a_camera_to_come_again():
    intake = Intake()
    intake.register = None
    async with listening(intake.events, "127.0.0.1", 0, None) as port, publishing.camera(port) as camera:
        assert await camera.ask(connect("kam-1", TOKEN)) == UNAVAILABLE


async def test_who_left_the_register_is_not_heard_any_more():
    intake = Intake()
    async with intake.camera() as camera:
        intake.register = {}
        assert await camera.ask(publish(TOPIC, EVENT, 7)) == b""
    assert intake.reads == []


async def test_nobody_reads_here():
    async with Intake().camera() as camera:
        assert await camera.ask(subscribe("#", 5)) == b"\x90\3\0\5\x80"
        assert await camera.ask(b"\xa2\5\0\6\0\1#") == b"\xb0\2\0\6"
        assert await camera.ask(b"\xc0\0") == b"\xd0\0"
        await camera.say(b"\xe0\0")
        assert await camera.hear() == b""


@pytest.mark.parametrize(
    "first",
    [
        publish(TOPIC, EVENT, 7),
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x10\xff\xff\xff\xff\xff",
        b"\x10\x80\x80\x01",
        connect("kam-1", TOKEN, name="HTTP"),
    ],
)
async def test_whatever_else_comes_first_ends_the_connection(first):
    async with listening(Intake().events, "127.0.0.1", 0, None) as port, publishing.camera(port) as camera:
        assert await camera.ask(first) == b""


async def test_another_version_is_told_so():
    async with listening(Intake().events, "127.0.0.1", 0, None) as port, publishing.camera(port) as camera:
        assert await camera.ask(connect("kam-1", TOKEN, version=5)) == b"\x20\2\0\1"


async def test_a_camera_has_one_line_and_the_newer_one_wins():
    intake = Intake()
    async with intake.camera() as former:
        port = former.writer.get_extra_info("peername")[1]
        async with publishing.camera(port) as newer:
            assert await newer.ask(connect("kam-1", TOKEN)) == ACCEPTED
            assert await former.hear() == b""
            assert await newer.ask(publish(TOPIC, EVENT, 3)) == b"\x40\2\0\3"


async def test_a_camera_that_is_too_fast_waits_and_loses_nothing():
    intake = Intake(rate=Rate(per_second=1, burst=2))
    async with intake.camera() as camera:
        for number in (1, 2, 3):
            await camera.say(publish("kam-1/onvif-ej/x", b"{}", number))
        assert [await camera.hear() for _ in range(2)] == [b"\x40\2\0\1", b"\x40\2\0\2"]
        third = asyncio.create_task(camera.hear())
        await asyncio.sleep(0)
        assert not third.done()
        intake.now += 1_000
        assert await third == b"\x40\2\0\3"
