"""Cameras are looked at in their own files; what changes is a row, a line and an entry of the evidence log, or none."""

import asyncio
import itertools
import os
import secrets
import signal

import msgspec
import pytest
from tests.engine.test_ledger import SEED

from saqtau.engine import postgres
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import Ledger
from saqtau.engine.video_camera import relearn
from saqtau.engine.video_decoding import Decoders
from saqtau.engine.video_health import HealthWatch
from saqtau.kernel.clock import DAY, MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import parse_leaf, parse_record
from saqtau.ledger.sealing import unseal
from saqtau.ledger.tiles import unpack_entries
from saqtau.simulate.clip import scene
from saqtau.video.access_unit import AccessUnit
from saqtau.video.boxes import Sample, fragment_bytes, init_segment
from saqtau.video.fragment import Fragmenter
from saqtau.video.segment_writer import SegmentWriter
from saqtau.video.standing import LEARNED_FROM

pytestmark = pytest.mark.anyio

NOW = Instant(1_795_000_000_000)  # 18 November 2026, 08:26 UTC: afternoon in Astana
_TABLES = (
    "video_relearn, video_health, video_health_log, video_reference, video_gap, video_segment, video_volume, "
    "video_camera"
)
_count = itertools.count(1)


class House:
    """Cameras, each filmed for a second a minute, and the watch."""

    def __init__(self, pool, folder, decoders):
        self.pool, self.folder, self.decoders = pool, folder, decoders
        self.now = NOW
        keys = Keys(folder / "keys")
        self.keys = keys
        signers = Signers(f"house{next(_count)}.test", SEED)
        self.ledger = Ledger(pool, signers, keys, lambda: self.now, secrets.token_bytes)
        self.watch = self.begin()
        self.writers = {}

    def begin(self):
        return HealthWatch(self.pool, self.ledger, self.decoders, lambda: self.now)

    async def camera(self, code, *, room="corridor", added=NOW - 90 * DAY):
        await self.pool.execute(
            """insert into video_camera (id, site, name, region, place, room, lat, lon, address, keep_days, added,
                   added_by)
               values ($1, 'colony', $1, 2, 'penal_colony', $2, 51.17, 71.45, 'rtsp://camera.example/1', 90, $3,
                   'import')""",
            code, room, added,
        )  # fmt: skip

    async def film(self, code, name, *, begin=0, skew=0):
        """A second of a scene, at the present minute, from its picture `begin` on; a file of its own."""
        clip = scene(name)
        writer, cutter = self.writers.get(code) or (SegmentWriter(self.folder, code, "penal_colony"), Fragmenter(code))
        self.writers[code] = writer, cutter
        for link in cutter.take(clip.parameters):
            writer.append(link)
        keys = [number for number, key in enumerate(clip.keys) if key]
        first = keys[begin % len(keys)]
        for number in range(first, first + 12):
            at = Instant(self.now - 1000 + (number - first) * 80)
            which = number % len(clip.pictures)
            unit = AccessUnit(at * 90, clip.keys[which], clip.pictures[which], at, at + skew)
            for link in cutter.take(unit):
                writer.append(link)
        await self.enter(writer.segment())

    async def enter(self, segment):
        await self.pool.execute(
            """insert into video_segment
                   (camera, first, last, began, ended, volume, path, bytes, frames, recorded_ms, previous, chain)
               values ($1, $2, $3, $4, $5, 'v', $6, 1, 1, 1, $7, $7)
               on conflict (camera, first) do update set ended = excluded.ended, last = excluded.last""",
            segment.camera, segment.first, segment.last, segment.began, segment.ended, str(segment.path), b"0" * 32,
        )  # fmt: skip

    async def minute(self, **scenes):
        """A minute passes, the cameras film, and are looked at."""
        self.now = Instant(self.now + MINUTE)
        for code, name in scenes.items():
            # another picture of the clip each time: a frozen one is a case of its own
            await self.film(code, name, begin=next(_count))
        return await self.watch.round()

    async def learn(self, code, name="corridor"):
        for _ in range(LEARNED_FROM):
            await self.minute(**{code: name})

    async def verdict(self, code):
        row = await self.pool.fetchrow("select verdict, since from video_health where camera = $1", code)
        return row["verdict"], row["since"]

    async def entries(self):
        """The records of the evidence log, opened."""
        found = []
        packs = await self.pool.fetch(
            """select p.first, p.leaves, r.retention, to_char(r.day, 'YYYY-MM-DD') as day, r.records
               from ledger_pack p join ledger_log l on l.id = p.log
               join ledger_records r on r.log = p.log and r.first = p.first
               where l.origin like $1 order by p.first""",
            f"{self.ledger._signers.authority}/%",
        )  # fmt: skip
        for row in packs:
            leaves = unpack_entries(row["leaves"])
            kek = self.keys.find(row["retention"], row["day"])
            for index, wrapped, content in msgspec.msgpack.decode(row["records"]):
                leaf = parse_leaf(leaves[index - row["first"]])
                found.append((leaf.klass.value, parse_record(unseal(kek, wrapped, content))))
        return found


@pytest.fixture(scope="module")
async def decoders():
    made = Decoders(1)
    yield made
    await made.close()


@pytest.fixture
async def house(database, pg_owner, tmp_path, decoders):
    await pg_owner.execute(f"truncate {_TABLES} cascade; delete from site")
    await pg_owner.execute("insert into site (id, name, region, lat, lon) values ('colony', 'Colony', 2, 51.2, 71.4)")
    await pg_owner.execute("insert into video_volume (folder, name, at) values ('v', 'v', 0)")
    async with postgres.pool(database, postgres.WORKER, 4) as pool:
        made = House(pool, tmp_path, decoders)
        yield made
        await made.ledger.close()


def told(entries):
    return [(record["camera"], record["before"], record["verdict"]) for _, record in entries]


async def test_a_camera_is_learned_and_then_turned_away(house):
    await house.camera("c1")
    await house.learn("c1")
    assert await house.verdict("c1") == ("ok", NOW + MINUTE - 1000)
    assert told(await house.entries())[-1] == ("c1", "ok", "learned")
    await house.minute(c1="cell")
    first = house.now
    assert (await house.verdict("c1"))[0] == "ok", "one look is no verdict"
    await house.minute(c1="cell")
    assert await house.verdict("c1") == ("moved", first - 1000)
    klass, record = (await house.entries())[-1]
    assert klass == "health"
    assert record == {
        "v": 1, "kind": "health", "at": house.now - 1000, "camera": "c1", "site": "colony", "region": 2,
        "place": "penal_colony", "verdict": "moved", "before": "ok", "since": first - 1000, "short_days": 89,
        "drift_ms": 0,
    }  # fmt: skip
    line = await house.pool.fetchrow("select * from video_health_log order by seq desc limit 1")
    assert (line["verdict"], line["before_"], line["entry"]) == ("moved", "ok", line["entry"])
    assert line["entry"].partition("#")[0].endswith("/02/evidence/2026")
    await house.minute(c1="corridor")
    await house.minute(c1="corridor")
    assert (await house.verdict("c1"))[0] == "ok"
    assert told(await house.entries())[-1] == ("c1", "moved", "ok")


async def test_another_process_goes_on_where_the_first_was(house):
    await house.camera("c1")
    await house.learn("c1")
    house.watch = house.begin()
    await house.minute(c1="yard")
    await house.minute(c1="yard")
    assert (await house.verdict("c1"))[0] == "moved"
    house.watch = house.begin()
    before = len(await house.entries())
    await house.minute(c1="yard")
    assert (await house.verdict("c1"))[0] == "moved"
    assert len(await house.entries()) == before, "nothing new, nothing told"


async def test_a_camera_that_is_away_is_not_judged(house):
    await house.camera("c1")
    await house.camera("c2")
    done = await house.minute(c1="corridor")
    assert (done.looked, done.away) == (1, 1)
    house.now = Instant(house.now + 5 * MINUTE)
    done = await house.watch.round()
    assert (done.looked, done.away) == (0, 2)


async def test_what_is_no_picture_is_told_as_that(house):
    await house.camera("c1")
    await house.learn("c1")
    for _ in range(2):
        await house.film("c1", "corridor")
        house.now = Instant(house.now + MINUTE)
        await house.film("c1", "corridor")
        path = house.writers["c1"][0].segment().path
        data = bytearray(path.read_bytes())
        for place in range(len(data)):
            if data[place : place + 4] == b"mdat":
                data[place + 8 : place + 60] = bytes(52)
        path.write_bytes(data)
        done = await house.watch.round()
        assert done.undecodable == 1
    assert (await house.verdict("c1"))[0] == "undecodable"


async def test_a_frozen_camera_is_told_and_a_stream_that_goes_round_is_not(house):
    await house.camera("still")
    await house.camera("round")
    for number in range(6):
        house.now = Instant(house.now + MINUTE)
        await house.film("still", "corridor", begin=0)
        await house.film("still", "corridor", begin=0)
        await house.film("round", "yard", begin=number + 1)
        await house.film("round", "yard", begin=0)
        await house.watch.round()
    assert (await house.verdict("still"))[0] == "frozen"
    assert (await house.verdict("round"))[0] == "ok"


async def test_a_wrong_clock_and_a_short_archive_are_told(house):
    await house.camera("c1", added=NOW - 3 * MINUTE)
    await house.film("c1", "corridor", skew=7_000)
    await house.watch.round()
    row = await house.pool.fetchrow("select * from video_health")
    assert row["drift_ms"] == 7_000
    assert row["oldest"] == NOW - 1000
    assert told(await house.entries()) == [("c1", "clock_right", "clock_off")]
    house.watch = house.begin()
    for _ in range(6):  # the drift is that of a file's beginning; a file ends after five minutes at most
        await house.minute(c1="corridor")
    changes = [one for one in told(await house.entries()) if "clock" in one[1]]
    assert changes[1:] == [("c1", "clock_off", "clock_right")], "told once, also by another process"
    house.now = Instant(NOW + 95 * DAY)
    await house.pool.execute("update video_camera set retired = $1 where id = 'c1'", NOW)
    await house.camera("c2", added=NOW)
    await house.film("c2", "corridor")
    await house.watch.round()
    await house.minute(c2="corridor")
    assert [one for one in told(await house.entries()) if one[0] == "c2"] == [
        ("c2", "archive_whole", "archive_short")
    ], "told once"


async def test_a_reference_is_the_workers_alone(house, pg_app):
    await house.camera("c1")
    await house.learn("c1")
    assert await house.pool.fetchval("select length(reference) from video_reference") > 9000
    with pytest.raises(Exception, match="permission denied"):
        await pg_app.fetch("select * from video_reference")


async def test_a_camera_that_was_moved_on_purpose_is_learned_anew_and_nobody_else_is(house):
    await house.camera("c1")
    await house.camera("c2")
    for _ in range(LEARNED_FROM):
        await house.minute(c1="corridor", c2="corridor")
    for _ in range(2):
        await house.minute(c1="cell", c2="cell")
    async with house.pool.acquire() as pg, pg.transaction():
        await relearn(pg, "r1", "c1", "the corridor was rebuilt", "a.b", "administrator", "e", house.now)
    for _ in range(LEARNED_FROM):
        await house.minute(c1="cell", c2="cell")
    assert [(await house.verdict(code))[0] for code in ("c1", "c2")] == ["ok", "moved"]
    changes = [one for one in told(await house.entries()) if one[0] == "c1" and "archive" not in one[1]]
    assert changes == [
        ("c1", "ok", "learned"), ("c1", "ok", "moved"), ("c1", "moved", "ok"), ("c1", "ok", "learned"),
    ]  # fmt: skip
    await house.minute(c1="corridor")
    await house.minute(c1="corridor")
    assert (await house.verdict("c1"))[0] == "moved", "what it was learned from now is what counts"
    with pytest.raises(Refused):
        async with house.pool.acquire() as pg, pg.transaction():
            await relearn(pg, "r2", "c1", "no", "a.b", "administrator", "e", house.now)


async def test_a_decoder_that_dies_takes_one_picture_with_it(decoders):
    clip = scene("cell")
    init = init_segment(clip.parameters)
    data = fragment_bytes(1, NOW, NOW * 90, [Sample(3600, True, clip.pictures[0])])
    assert (await decoders.look(init, data)).contrast > 5
    child = await decoders._free.get()
    for process in child._processes.values():
        os.kill(process.pid, signal.SIGKILL)
        await asyncio.to_thread(process.join)
    decoders._free.put_nowait(child)
    with pytest.raises(Refused) as refused:
        await decoders.look(init, data)
    assert refused.value.fields == {"fragment": "undecodable"}
    assert (await decoders.jpeg(init, data, 160))[:2] == b"\xff\xd8"
    with pytest.raises(Refused) as refused:
        await decoders.jpeg(init, data, 1)
    assert (refused.value.kind, refused.value.fields) == (Kind.INVALID, {"width": "invalid"})
