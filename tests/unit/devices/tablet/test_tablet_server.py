"""The tablet's input over real sockets."""

import httpx
import msgspec
import pytest
from prometheus_client import CollectorRegistry
from tests.unit.devices.served import served

from saqtau.devices.http import serve
from saqtau.devices.tablet.compose import compose, new_key
from saqtau.devices.tablet.device import DEVICE
from saqtau.devices.tablet.parse import Fix
from saqtau.devices.tablet.server import Enrolled, positions
from saqtau.kernel.clock import HOUR, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Flag

pytestmark = pytest.mark.anyio

NOW = Instant(1_795_165_387_000)
KEY, PUBLIC = new_key()


class Intake:
    def __init__(self, off_road=None):
        self.taken, self.trouble, self.now = [], None, NOW
        self.enrolled = Enrolled("unit-1", PUBLIC, Instant(NOW + HOUR))
        self.registry = CollectorRegistry()
        more = {} if off_road is None else {"off_road": off_road}
        handler = positions(
            devices=lambda device: self.enrolled if device == "tab-1" else None,
            take_positions=self.take,
            clock=lambda: self.now,
            registry=self.registry,
            **more,
        )
        self.app = serve({DEVICE.path: handler})

    async def take(self, found):
        if self.trouble:
            raise self.trouble
        self.taken.extend(found)


def batch(*seqs, key=KEY, device="tab-1", late=0):
    last = seqs[-1]
    return compose(key, device, [Fix(s, NOW - late - (last - s) * 1000, 43.25, 76.9, 5.0, 0.0) for s in seqs])


async def post(client, body):
    return await client.post(DEVICE.path, content=body)


async def test_a_signed_batch_is_taken_and_acknowledged_to_its_last_number():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        answer = await post(client, batch(1, 2, 3))
    assert (answer.status_code, answer.json()) == (200, {"accepted_to": 3})
    assert [(p.unit, p.seq, p.flags) for p in intake.taken] == [("unit-1", 1, ()), ("unit-1", 2, ()), ("unit-1", 3, ())]


async def test_a_strange_device_and_a_wrong_signature_hear_the_same_words():
    other, _ = new_key()
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        answers = [await post(client, batch(1, device="tab-2")), await post(client, batch(1, key=other))]
        changed = await post(client, batch(1).replace(b"43.25", b"43.26"))
    assert [answer.status_code for answer in (*answers, changed)] == [401] * 3
    assert answers[0].content == answers[1].content
    assert intake.taken == []


async def test_positions_stored_without_a_network_were_sent_later_and_no_clock_is_blamed():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        await post(client, batch(1))
        intake.now = Instant(NOW + 300_000)
        for first in range(2, 302, 50):
            stored = [Fix(s, NOW + (s - 1) * 1000, 43.25, 76.9) for s in range(first, first + 50)]
            await post(client, compose(KEY, "tab-1", stored))
    late = [p.seq for p in intake.taken if p.flags == (Flag.REPLAYED,)]
    assert late == list(range(2, 271))
    assert {p.flags for p in intake.taken if p.seq not in late} == {()}


async def test_a_clock_that_stays_minutes_behind_is_wrong():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        for seq in (1, 2, 3):
            intake.now = Instant(NOW + seq * 1000)
            await post(client, compose(KEY, "tab-1", [Fix(seq, intake.now - 120_000, 43.25, 76.9)]))
    assert [p.flags for p in intake.taken] == [(Flag.REPLAYED,), (Flag.CLOCK,), (Flag.CLOCK,)]


async def test_missing_numbers_are_seen_and_a_batch_sent_again_is_taken_as_replayed():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        await post(client, batch(1))
        intake.now = Instant(NOW + 5_000)
        later = compose(KEY, "tab-1", [Fix(6, NOW + 5_000, 43.25, 76.9)])
        await post(client, later)
        await post(client, later)
    assert [p.flags for p in intake.taken] == [(), (Flag.GAP,), (Flag.REPLAYED,)]
    assert intake.registry.get_sample_value("saqtau_tablet_flags_total", {"flag": "gap"}) == 1


async def test_a_refusing_disk_is_told_and_the_next_try_is_no_replay():
    intake = Intake()
    intake.trouble = Refused(Kind.UNAVAILABLE, "disk full", disk="full")
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        refused = await post(client, batch(1))
        intake.trouble = None
        taken = await post(client, batch(1))
    assert (refused.status_code, taken.status_code) == (503, 200)
    assert refused.json() == {"kind": "unavailable", "fields": {"disk": "full"}, "message": "disk full"}
    assert [p.flags for p in intake.taken] == [()]


async def test_our_own_fault_makes_the_device_keep_its_batch(caplog):
    intake = Intake()
    intake.trouble = KeyError("a fault of ours")
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        answer = await post(client, batch(1))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert "a device request failed" in caplog.text


async def test_the_road_is_asked_once_a_batch():
    asked = []

    def off_road(found):
        asked.append(len(found))
        return [200.0] * len(found)

    intake = Intake(off_road)
    fixes = [Fix(s, NOW + (s - 80) * 1000, 43.25 + s * 1e-4, 76.9, 5.0, 40.0) for s in range(1, 81)]
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        await post(client, compose(KEY, "tab-1", fixes))
    assert asked == [80]
    assert [p.seq for p in intake.taken if Flag.OFF_ROAD in p.flags] == list(range(62, 81))


async def test_bad_fields_and_floods_are_refused_by_name():
    intake = Intake()
    async with served(intake.app) as base, httpx.AsyncClient(base_url=base) as client:
        bad = await post(client, batch(1).replace(b"43.25", b"143.25"))
        large = await post(client, b" " * ((256 << 10) + 1))
        flood = [(await post(client, batch(s))).status_code for s in range(1, 152)]
    assert (bad.status_code, bad.json()["fields"]) == (400, {"fixes[0].lat": "invalid"})
    assert large.status_code == 413
    assert flood == [200] * 150 + [429]


async def test_positions_under_a_certificate_that_ended_or_was_revoked_are_refused_with_the_reason():
    intake = Intake()
    batch = compose(KEY, "tab-1", [Fix(seq=1, at=NOW, lat=43.24, lon=76.95)])
    async with served(intake.app) as url, httpx.AsyncClient() as client:
        for change, reason in (({"ends": NOW}, "expired"), ({"revoked": True}, "revoked")):
            intake.enrolled = msgspec.structs.replace(Enrolled("unit-1", PUBLIC, Instant(NOW + 1)), **change)
            answer = await client.post(url + DEVICE.path, content=batch)
            assert (answer.status_code, answer.json()["fields"]) == (401, {"certificate": reason})
        forged = compose(new_key()[0], "tab-1", [Fix(seq=1, at=NOW, lat=43.24, lon=76.95)])
        answer = await client.post(url + DEVICE.path, content=forged)
        assert answer.json()["fields"] == {"signature": "wrong"}  # a stranger is not told which devices there were
    assert intake.taken == []
