"""Cameras that tell of themselves: a device, our client, and what stands in rows, log, entries and items afterwards."""

import asyncio
import itertools
import secrets
import time
from contextlib import asynccontextmanager
from datetime import timedelta
from random import Random

import asyncpg
import msgspec
import pytest
from tests.engine.test_ledger import SEED
from tests.telling_device import telling

from saqtau.devices.onvif.events import listen
from saqtau.engine import postgres, video_told, video_watch
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import Ledger
from saqtau.engine.video_told import Listening
from saqtau.kernel.clock import HOUR, MINUTE, Instant
from saqtau.kernel.desk import discover, gather
from saqtau.kernel.terms import Calendar
from saqtau.ledger.leaf import parse_leaf, parse_record
from saqtau.ledger.sealing import unseal
from saqtau.ledger.tiles import unpack_entries

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000 // HOUR * HOUR)
DESKS = gather(*discover("saqtau.desks"))
SCENE = ("tns1:VideoSource/GlobalSceneChange/ImagingService", "State")
DOOR = ("tns1:Device/Trigger/DigitalInput", "LogicalState")
_TABLES = (
    "item, outbox, video_told, video_health_log, video_gap, video_segment, video_health, video_volume, video_camera"
)
_count = itertools.count()


class House:
    """A register with one camera, and the part that listens."""

    def __init__(self, pool, folder):
        self.pool, self.keys, self.now = pool, Keys(folder / "keys"), NOW
        self.signers = Signers(f"told{next(_count)}.test", SEED)
        self.ledger = Ledger(pool, self.signers, self.keys, lambda: self.now, secrets.token_bytes)
        self.wrong = set()

    async def camera(self, service):
        await self.pool.execute(
            """insert into video_camera (id, site, name, region, place, lat, lon, address, keep_days, added, added_by,
                   back_fill)
               values ('c1', 'colony', 'c1', 2, 'penal_colony', 51.2, 71.4, 'rtsp://camera.example/1', 90, $1, 'import',
                   $2)""",
            NOW - 90 * HOUR, service,
        )  # fmt: skip
        await self.pool.execute(
            """insert into video_segment
                   (camera, first, last, began, ended, volume, path, bytes, frames, recorded_ms, previous, chain)
               values ('c1', 0, 0, $1, $2, 'v', 'p', 1, 1, 1, $3, $3)""",
            NOW - MINUTE, NOW, b"0" * 32,
        )  # fmt: skip

    @asynccontextmanager
    async def listening(self):
        async def hear(camera, on_batch):
            await listen(camera.service, camera.credentials, wall, on_batch, wait=1, breath=0.01)

        made = Listening(self.pool, self.ledger, hear, lambda: self.now, ids, Random(1))
        try:
            await made.round()
            yield made
        finally:
            await made.stop()

    async def rows(self):
        return [tuple(row) for row in await self.pool.fetch(
            "select word, source, ended is null as open, confirmed from video_told order by began, id"
        )]  # fmt: skip

    async def until(self, condition):
        async with asyncio.timeout(20):
            while not condition(await self.rows()):
                await asyncio.sleep(0.02)

    async def look(self):
        async with self.pool.acquire() as pg:
            await video_watch.look(pg, DESKS, self.now, ids, Calendar())
        rows = await self.pool.fetch("select data::text from item order by opened, id")
        return [msgspec.json.decode(row["data"]) for row in rows]

    async def entries(self):
        packs = await self.pool.fetch(
            """select p.first, p.leaves, r.retention, to_char(r.day, 'YYYY-MM-DD') as day, r.records
               from ledger_pack p join ledger_log l on l.id = p.log
               join ledger_records r on r.log = p.log and r.first = p.first where l.origin like $1 order by p.first""",
            f"{self.signers.authority}/%",
        )  # fmt: skip
        found = []
        for row in packs:
            leaves, kek = unpack_entries(row["leaves"]), self.keys.find(row["retention"], row["day"])
            for index, wrapped, content in msgspec.msgpack.decode(row["records"]):
                leaf = parse_leaf(leaves[index - row["first"]])
                found.append((leaf.klass.value, parse_record(unseal(kek, wrapped, content))))
        return found


def wall():
    return Instant(time.time_ns() // 1_000_000)


def ids():
    return f"00000000-0000-7000-8000-{next(_count):012d}"


@pytest.fixture
async def house(database, pg_owner, tmp_path):
    await pg_owner.execute(f"truncate {_TABLES} cascade; delete from site")
    await pg_owner.execute("insert into site (id, name, region, lat, lon) values ('colony', 'Colony', 2, 51.2, 71.4)")
    await pg_owner.execute("insert into video_volume (folder, name, at) values ('v', 'v', 0)")
    async with postgres.pool(database, postgres.WORKER, 4) as pool:
        made = House(pool, tmp_path)
        yield made
        await made.ledger.close()


async def test_a_lens_that_is_covered_in_a_colony_is_told_entered_and_opens_an_item_until_it_is_over(house):
    async with telling() as (device, service):
        device.set(*SCENE, on=False)
        await house.camera(service)
        async with house.listening() as listening:
            await house.until(lambda _: "c1" in listening.hearing)
            assert await house.rows() == [], "nothing has happened"
            device.set(*SCENE, on=True)
            await house.until(len)
            ((word, source, is_open, confirmed),) = await house.rows()
            assert (word, source, is_open, confirmed) == ("told_tamper", "GlobalSceneChange.source_1", True, None)
            (item,) = await house.look()
            assert (item["kind"], item["dark_since"]) == ("told_tamper", NOW)
            house.now = Instant(NOW + 20_000)
            device.set(*SCENE, on=False)
            await house.until(lambda rows: rows and not rows[0][2])
            (item,) = await house.look()
            assert item["dark_until"] == NOW + 20_000
            assert (await house.rows())[0][3] is True, "the camera said that it is over"
    (_, began), (klass, ended) = await house.entries()
    assert klass == "health"
    assert (began["verdict"], began["before"]) == ("told_tamper", "told_tamper_over")
    assert ended == {
        "v": 1, "kind": "told", "at": NOW + 20_000, "camera": "c1", "site": "colony", "region": 2,
        "place": "penal_colony", "verdict": "told_tamper_over", "before": "told_tamper", "since": NOW,
        "source": "GlobalSceneChange.source_1", "confirmed": True, "moved_ms": None,
    }  # fmt: skip
    lines = await house.pool.fetch("select verdict, entry from video_health_log order by seq")
    told = await house.pool.fetchrow("select entry, ended_entry from video_told")
    assert [tuple(line) for line in lines] == [("told_tamper", told[0]), ("told_tamper_over", told[1])]
    assert device.asked[-1] == "Unsubscribe"


async def test_a_contact_is_entered_and_asks_nothing_of_anybody(house):
    async with telling() as (device, service):
        await house.camera(service)
        async with house.listening():
            device.set(*DOOR, on=True, source="door 1")
            await house.until(len)
    assert (await house.rows())[0][:3] == ("told_input", "door-1", True)
    assert await house.look() == []


async def test_what_was_over_while_nobody_listened_is_over_and_what_goes_on_is_not_told_twice(house):
    async with telling() as (device, service):
        await house.camera(service)
        async with house.listening():
            device.set(*SCENE, on=True)
            device.set(*DOOR, on=True)
            await house.until(lambda rows: len(rows) == 2)
        del device.states[(*SCENE, "source_1")]  # it has forgotten it: neither on nor off
        async with house.listening():
            await house.until(lambda rows: any(not row[2] for row in rows))
        assert sorted(await house.rows()) == [
            ("told_input", "source_1", True, None),
            ("told_tamper", "GlobalSceneChange.source_1", False, False),
        ]


async def test_a_camera_that_cannot_be_asked_for_its_states_keeps_those_it_told(house):
    async with telling() as (device, service):
        device.resends = False
        await house.camera(service)
        async with house.listening():
            device.set(*SCENE, on=True)
            await house.until(len)
        pulls = device.asked.count("PullMessages")
        async with house.listening():
            await house.until(lambda _: device.asked.count("PullMessages") > pulls + 2)
        assert [row[2] for row in await house.rows()] == [True]


async def test_a_clock_that_is_set_back_is_entered_with_how_far(house):
    async with telling() as (device, service):
        await house.camera(service)
        async with house.listening() as listening:
            await house.until(lambda _: "c1" in listening.hearing)
            device.skew = timedelta(hours=-1)
            await house.until(len)
    row = await house.pool.fetchrow("select word, ended, moved_ms from video_told")
    assert (row["word"], row["ended"]) == ("told_clock", NOW)
    assert -3_610_000 < row["moved_ms"] < -3_590_000


async def test_a_camera_that_tells_too_much_is_not_heard_until_the_hour_is_over(house, monkeypatch):
    monkeypatch.setattr(video_told, "MOST_AN_HOUR", 4)
    async with telling() as (device, service):
        await house.camera(service)
        async with house.listening() as listening:
            await house.until(lambda _: "c1" in listening.hearing)
            for number in range(4):  # each in an answer of its own
                device.set(*SCENE, on=number % 2 == 0)
                await house.until(
                    lambda rows, number=number: len(rows) > number // 2 and rows[-1][2] == (number % 2 == 0)
                )
            device.set(*SCENE, on=True)
            await house.until(lambda _: device.asked[-1] == "Unsubscribe")
    assert [record["verdict"] for _, record in await house.entries()][3:] == ["told_tamper_over", "told_too_much"]
    assert ("told_too_much", "", False, None) in await house.rows()


async def test_a_camera_that_is_gone_from_the_register_is_left(house, pg_owner):
    async with telling() as (device, service):
        await house.camera(service)
        async with house.listening() as listening:
            await house.until(lambda _: "c1" in listening.hearing)
            await house.pool.execute("update video_camera set back_fill = null where id = 'c1'")
            await listening.round()
            assert listening.hearing == set()
            assert device.asked[-1] == "Unsubscribe"


async def test_nobody_edits_what_was_told(house, pg_owner):
    async with telling() as (device, service):
        await house.camera(service)
        async with house.listening():
            device.set(*SCENE, on=True)
            await house.until(len)
    for act in (
        "delete from video_told",
        "update video_told set began = began - 1",
        "update video_told set word = 'told_x'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pg_owner.execute(act)
