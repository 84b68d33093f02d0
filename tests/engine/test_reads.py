"""The main job on the real engine: from a sealed pack in the journal to an offer at the unit that lies ahead."""

import asyncio
import contextlib
import io
import itertools

import msgspec
import numpy as np
import pytest
import structlog

from saqtau.bootstrap import logs
from saqtau.desks.dangerous_drivers.rules import Limits
from saqtau.engine import postgres, silence
from saqtau.engine.atlas import Atlas, Fix, Whereabouts
from saqtau.engine.blobs import Blobs
from saqtau.engine.journal import READS
from saqtau.engine.pack import read_packer
from saqtau.engine.reads import Reads
from saqtau.engine.recent import read_recent
from saqtau.engine.window import Window, ensure_window
from saqtau.engine.worker import Worker
from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import discover, gather
from saqtau.kernel.signal import Picture, PlateRead, Trust
from saqtau.kernel.terms import Calendar
from saqtau.roads.build import Street, build_graph
from saqtau.roads.snap import snap, snapper
from saqtau.roads.tree import Trees

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)
DESKS = gather(*discover("saqtau.desks"))
LAT, STEP = 51.0, 0.0036  # 400 m of latitude


def road():
    """One long street to the north, 5 km, and a side street that leads back: what drives north stays on it."""
    nodes = {n: (LAT + n * STEP, 71.0) for n in range(13)}
    graph = build_graph([Street(1, tuple(range(13)), "primary", 60.0)], nodes)
    return Atlas(graph, snapper(graph), Trees(graph))


class House:
    def __init__(self, js, nc, pool, atlas, blobs):
        self.now = NOW
        self.count = itertools.count()
        self.window = Window(js, 1800.0)
        self.whereabouts = Whereabouts(atlas)
        self.atlas = atlas
        self.packer = read_packer(js, self.window, lambda: self.now, lambda: f"pack-{next(self.count)}")
        self.handler = Reads(
            js=js, window=self.window, window_seconds=1800.0, atlas=atlas, whereabouts=self.whereabouts, desks=DESKS,
            limits=Limits(tolerance=10.0, dangerous=40.0), calendar=Calendar(), blobs=blobs, clock=lambda: self.now,
            ids=lambda: f"{id(self):x}-{next(self.count)}",
        )  # fmt: skip
        self.worker = Worker(pool, nc, js, {READS: self.handler}, lambda: self.now)

    def place(self, unit, north, heading=0.0):
        """A patrol that stands so many metres north of the street's beginning."""
        lat = LAT + north / 111_195
        found = snap(self.atlas.roads, np.array([lat]), np.array([71.0]), np.array([heading]))
        self.whereabouts.see(
            [
                Fix(
                    unit,
                    71.0,
                    lat,
                    heading,
                    "A",
                    self.now,
                    (),
                    2,
                    int(found.edge[0]),
                    float(found.fraction[0]),
                    0.0,
                    self.now,
                )
            ]
        )

    async def read(self, camera, plate, at=None, **more):
        at = self.now if at is None else at
        await self.packer.put(
            PlateRead(f"{camera}-{plate}-{at}", camera, Instant(at), Instant(self.now), plate, **{"raw": plate, **more})
        )


@pytest.fixture
async def house(js, nc, database, pg_owner, tmp_path):
    await pg_owner.execute(
        """
        truncate partition_offset, quarantine, journal_stream, outbox, picture, read_history, read_recent, camera,
            unit, listed_vehicle, item cascade;
        delete from site;
        insert into site values ('s', 'Street', 2, 51, 71);
        update register_revision set revision = revision + 1;
        """
    )
    for parent in ("read_recent", "read_history"):
        await pg_owner.execute("select make_partition($1, $2, $3)", parent, NOW - 7_200_000, NOW + 7_200_000)
    for name, north, certificate in (("c1", 100, "K-1"), ("c2", 1700, "K-2"), ("c3", 3300, None)):
        await pg_owner.execute(
            "insert into camera (id, site, name, region, lat, lon, heading, speed_limit, certificate_number, "
            "certificate_from, certificate_until) values ($1, 's', $1, 2, $2, 71.0, 0, 60, $3, $4, $5)",
            name, LAT + north / 111_195, certificate, 0 if certificate else None, NOW * 2 if certificate else None,
        )  # fmt: skip
    await pg_owner.execute(
        "insert into unit (id, call_sign, region, status) "
        "values ('u1', 'U1', 2, 'available'), ('u2', 'U2', 2, 'available')"
    )
    await pg_owner.execute(
        "insert into listed_vehicle values ('777AAA02', 'stolen', 'Almaty police', 'case 12', $1, null, '')", NOW * 2
    )
    with contextlib.suppress(Exception):
        await js.delete_stream("KV_window")
    await ensure_window(js)
    async with postgres.pool(database, postgres.WORKER, 8) as pool:
        made = House(js, nc, pool, road(), Blobs(tmp_path / "blobs"))
        made.pg, made.pool, made.blobs = pg_owner, pool, Blobs(tmp_path / "blobs")
        made.stop = asyncio.Event()
        made.working = asyncio.create_task(made.worker.run(made.stop))
        yield made
        made.stop.set()
        await made.working


async def until(ask, patience=10.0):
    for _ in range(int(patience / 0.02)):
        if found := await ask():
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("it did not come about")


async def items(house, desk, **where):
    rows = await house.pg.fetch("select * from item where desk = $1 order by opened, id", desk)
    return [row for row in rows if all(row[name] == value for name, value in where.items())]


async def settled(house, count):
    """So many reads have taken effect."""

    async def ask():
        recent = await house.pg.fetchval("select count(*) from read_recent")
        return recent + await house.pg.fetchval("select count(*) from read_history") >= count

    await until(ask)


async def test_a_listed_vehicle_is_offered_to_the_unit_ahead_and_never_to_the_one_behind(house):
    house.place("u1", 1500)
    house.place("u2", 0)
    await house.read("c1", "777AAA02", pictures=(Picture("crop", "image/jpeg", b"\xff\xd8crop"),))
    (offer,) = await until(lambda: items(house, "dispatch"))
    (found,) = await items(house, "dangerous_drivers")
    assert (offer["state"], offer["unit"], offer["parent"]) == ("offered", "u1", found["id"])
    data = msgspec.json.decode(found["data"])
    assert [one["unit"] for one in data["recommendation"]["candidates"]] == ["u1"]
    assert data["band"], "the streets ahead are drawn"
    assert await house.pg.fetchval("select status from unit where id = 'u1'") == "reserved"
    picture = await house.pg.fetchrow("select name, size from picture where item = $1", found["id"])
    assert (picture["name"], picture["size"]) == ("crop", 6)


async def test_with_nobody_ahead_the_operator_is_told_so(house):
    house.place("u2", 0)
    await house.read("c2", "777AAA02")
    (found,) = await until(lambda: items(house, "dangerous_drivers"))
    assert (found["state"], found["owner"]) == ("no_unit_ahead", "operator")
    assert not await items(house, "dispatch")


async def test_a_further_read_moves_the_offer_to_the_unit_that_is_ahead_now(house):
    house.place("u1", 1500)
    house.place("u2", 3200)
    await house.read("c1", "777AAA02")
    await until(lambda: items(house, "dispatch", unit="u1"))
    house.now = Instant(house.now + 100_000)
    house.place("u1", 1500)
    house.place("u2", 3200)
    await house.read("c2", "777AAA02")
    await until(lambda: items(house, "dispatch", unit="u2"))
    assert len(await items(house, "dangerous_drivers")) == 1


async def test_a_further_read_leaves_the_offer_with_the_unit_that_is_still_ahead(house):
    """It is held for this very vehicle: that makes it no busy unit."""
    house.place("u1", 3200)
    await house.read("c1", "777AAA02")
    (offer,) = await until(lambda: items(house, "dispatch", unit="u1", state="offered"))
    house.now = Instant(house.now + 10_000)
    house.place("u1", 3200)
    await house.read("c1", "777AAA02")
    await settled(house, 2)
    (after,) = await items(house, "dispatch")
    assert (after["id"], after["state"], after["unit"], after["due"]) == (offer["id"], "offered", "u1", offer["due"])
    (found,) = await items(house, "dangerous_drivers")
    data = msgspec.json.decode(found["data"])
    assert [one["unit"] for one in data["recommendation"]["candidates"]] == ["u1"]
    assert len(data["reads"]) == 2


async def test_the_same_push_twice_is_one_alert(house):
    house.place("u1", 1500)
    for _ in range(2):
        await house.read("c1", "777AAA02")
        await house.read("c1", "500BBB02")
    await settled(house, 2)
    assert len(await until(lambda: items(house, "dangerous_drivers"))) == 1


async def kept(house, at):
    """Once a read of this moment is in the record: how often each is there."""

    async def ask():
        rows = await house.pg.fetch("select camera, at, count(*) from read_history group by camera, at")
        found = {(camera, moment): count for camera, moment, count in rows}
        return any(moment == at for _, moment in found) and found

    return await until(ask)


async def test_a_push_that_comes_again_after_the_next_read_is_still_one_read(house):
    """Its answer was lost with the intake, and the vehicle was read again before the camera sent it anew."""
    for at in (NOW, NOW + 1000, NOW, NOW + 2000):
        await house.read("c1", "777AAA02", at=at)
    assert await kept(house, NOW + 2000) == {("c1", NOW): 1, ("c1", NOW + 1000): 1, ("c1", NOW + 2000): 1}


async def test_a_push_that_comes_again_to_a_worker_that_was_started_anew_is_still_one_read(house, js, nc):
    await house.read("c1", "777AAA02", at=NOW)
    await kept(house, NOW)
    house.stop.set()
    await house.working
    again = House(js, nc, house.pool, house.atlas, house.blobs)
    stop = asyncio.Event()
    working = asyncio.create_task(again.worker.run(stop))
    for at in (NOW, NOW + 2000):
        await house.read("c1", "777AAA02", at=at)
    found = await kept(house, NOW + 2000)
    stop.set()
    await working
    assert found == {("c1", NOW): 1, ("c1", NOW + 2000): 1}


async def test_a_pair_that_no_vehicle_can_have_made_is_told_once_though_its_first_push_comes_again(house):
    await house.read("c1", "400AAA02", at=NOW)
    await settled(house, 1)
    for camera, at in (("c3", NOW + 5000), ("c1", NOW), ("c3", NOW + 6000)):
        await house.read(camera, "400AAA02", at=at)
    await until(lambda: house.pg.fetchval("select true from read_recent where at = $1", NOW + 6000))
    (found,) = await until(lambda: items(house, "cloned_plates"))
    assert found["rev"] == 0


async def test_speed_founds_an_alert_only_under_a_certificate(house):
    house.place("u1", 1500)
    await house.read("c3", "100AAA02", speed=150.0)
    await house.read("c1", "200AAA02", speed=150.0)
    (found,) = await until(lambda: items(house, "dangerous_drivers"))
    await settled(house, 2)
    data = msgspec.json.decode(found["data"])
    assert (data["plate"], data["ground"]) == ("200AAA02", "speed")
    assert len(await items(house, "dangerous_drivers")) == 1


async def test_an_average_between_two_cameras_founds_an_alert(house):
    await house.read("c1", "300AAA02", at=NOW)
    await settled(house, 1)
    house.now = Instant(NOW + 60_000)
    await house.read("c2", "300AAA02", at=NOW + 50_000)  # 1.6 km in 50 s: 115 km/h
    (found,) = await until(lambda: items(house, "dangerous_drivers"))
    assert msgspec.json.decode(found["data"])["ground"] == "section_speed"


async def test_two_reads_that_no_vehicle_can_have_made_are_compared_by_a_person_with_both_crops(house):
    crop = (Picture("crop", "image/jpeg", b"\xff\xd8one"),)
    await house.read("c1", "400AAA02", at=NOW, pictures=crop)
    await settled(house, 1)
    await house.read("c3", "400AAA02", at=NOW + 5_000, pictures=(Picture("crop", "image/jpeg", b"\xff\xd8two"),))
    (found,) = await until(lambda: items(house, "cloned_plates"))
    names = {row[0] for row in await house.pg.fetch("select name from picture where item = $1", found["id"])}
    assert names == {"crop", "first_crop"}
    assert not await items(house, "dangerous_drivers")


async def test_a_doubtful_read_is_shown_to_the_operator_first(house):
    house.place("u1", 1500)
    await house.read("c1", "777AAA02", trust=Trust.DOUBTFUL)
    (found,) = await until(lambda: items(house, "dangerous_drivers"))
    assert (found["state"], found["owner"]) == ("to_confirm", "operator")
    assert not await items(house, "dispatch")


async def test_a_plate_that_hits_nothing_stands_nowhere_in_the_record(house):
    await house.read("c1", "654XYZ02", speed=50.0)
    await settled(house, 1)
    tables = await house.pg.fetch("select tablename from pg_tables where schemaname = 'public'")
    for (table,) in tables:
        rows = await house.pg.fetch(f'select t::text from "{table}" t')
        assert not [row for row in rows if "654XYZ02" in row[0] or b"654XYZ02".hex() in row[0]], table
    assert await house.pg.fetchval("select octet_length(plate_key) from read_recent") == 16


async def test_what_was_seen_before_a_restart_still_counts_after_it(house):
    await house.read("c1", "300AAA02", at=NOW)
    await settled(house, 1)
    partition = await house.pg.fetchval("select partition from read_recent")
    house.handler.lost(partition)
    await house.handler.claimed(house.pg, partition)
    house.now = Instant(NOW + 60_000)
    await house.read("c2", "300AAA02", at=NOW + 50_000)
    await until(lambda: items(house, "dangerous_drivers"))


async def test_a_unit_on_duty_that_is_silent_opens_an_item_which_closes_when_it_is_heard(house, database):
    async with postgres.pool(database, postgres.WORKER, 2) as pool, pool.acquire() as pg:
        assert not await silence.listen(pg, DESKS, Instant(60_000), lambda: "x", Calendar())
        ids = iter("abcdef")
        assert await silence.listen(pg, DESKS, NOW, lambda: next(ids), Calendar())
        assert len(await items(house, "location_dark", state="silent")) == 2
        assert not await silence.listen(pg, DESKS, NOW, lambda: next(ids), Calendar())
        await pg.execute(
            "insert into unit_position (unit, region, at, received, device, seq, lat, lon) "
            "values ('u1', 2, $1, $1, 'd', 1, 51, 71)",
            NOW,
        )
        await silence.listen(pg, DESKS, Instant(NOW + 1), lambda: next(ids), Calendar())
        assert len(await items(house, "location_dark", state="heard_again")) == 1


@pytest.mark.parametrize("at", [-(2**62), 0, NOW - 10 * 86_400_000, NOW + 10 * 86_400_000, 2**62])
async def test_a_camera_whose_clock_is_absurd_breaks_nothing(house, at):
    house.place("u1", 1500)
    await house.read("c1", "300AAA02", at=at, speed=150.0)
    await house.read("c1", "777AAA02", at=at)
    await house.read("c2", "300AAA02", at=NOW)
    await house.read("c1", "500BBB02")
    await settled(house, 3)
    assert house.worker.tally.quarantined == 0
    rows = await house.pg.fetch("select received from read_recent")
    assert {row[0] for row in rows} == {NOW}, "reads lie by our clock"


@pytest.mark.parametrize("days", [-10, 10])
async def test_rows_of_a_time_without_a_partition_are_kept_beside(house, days):
    """A backlog after a long outage, or an intake whose clock was wrong."""
    house.now = Instant(NOW + days * 86_400_000)
    house.place("u1", 1500)
    await house.read("c1", "500BBB02")
    await house.read("c1", "777AAA02")
    await settled(house, 2)
    assert await house.pg.fetchval("select count(*) from read_recent_late") == 1
    assert await house.pg.fetchval("select count(*) from read_history_late") == 1
    assert len(await items(house, "dangerous_drivers")) == 1
    partition = await house.pg.fetchval("select partition from read_recent")
    found = await read_recent(house.pg, partition, Instant(house.now - 1), 900_000)
    assert [len(one) for one in found.values()] == [1], "and remembered after a restart all the same"


async def test_a_backlog_older_than_the_window_still_takes_effect_and_sends_nobody(house, database, js, nc):
    """Acknowledged is acknowledged: a hit is in the record, but no patrol looks for a vehicle that is an hour gone."""
    house.place("u1", 1500)
    house.stop.set()
    await house.working
    await house.read("c1", "777AAA02")
    await house.read("c1", "500BBB02")
    house.now = Instant(NOW + 3_600_000)
    async with postgres.pool(database, postgres.WORKER, 4) as pool:
        again = House(js, nc, pool, house.atlas, house.blobs)
        again.now = house.now
        again.place("u1", 1500)
        stop = asyncio.Event()
        working = asyncio.create_task(again.worker.run(stop))
        await settled(house, 2)
        stop.set()
        await working
    (found,) = await items(house, "dangerous_drivers")
    assert msgspec.json.decode(found["data"])["late"] is True
    assert not await items(house, "dispatch")
    assert again.worker.tally.quarantined == 0


async def test_reads_of_a_camera_that_has_left_the_register_are_passed_over(house):
    await house.read("gone", "777AAA02")
    await house.read("c1", "500BBB02")
    await settled(house, 1)
    assert not await items(house, "dangerous_drivers")
    assert house.worker.tally.quarantined == 0


async def test_a_read_of_a_camera_that_was_registered_a_moment_ago_takes_effect(house):
    """The intake learns of it first and answers for its reads; the worker must not take it for one that has left."""
    await house.read("c1", "500BBB02")
    await settled(house, 1)
    await house.pg.execute(
        "insert into camera (id, site, name, region, lat, lon, heading, speed_limit) "
        "values ('c9', 's', 'c9', 2, $1, 71.0, 0, 60)",
        LAT,
    )
    await house.pg.execute("update register_revision set revision = revision + 1")
    await house.read("c9", "777AAA02")
    assert await kept(house, NOW) == {("c9", NOW): 1}


async def test_two_reads_of_a_plate_in_one_batch_are_one_alert(house):
    house.place("u1", 1500)
    house.place("u2", 3200)
    await asyncio.gather(
        house.read("c1", "777AAA02", at=NOW - 60_000), house.read("c2", "777AAA02", at=NOW), house.read("c1", "5B")
    )
    await settled(house, 3)
    (found,) = await items(house, "dangerous_drivers")
    assert len(msgspec.json.decode(found["data"])["reads"]) == 2
    (offer,) = await items(house, "dispatch", state="offered")
    assert offer["unit"] == "u2", "as the last read says"
    steps = await house.pg.fetch("select rev from entry where item = $1 and edge <> 'read' order by rev", found["id"])
    assert [row[0] for row in steps] == list(range(found["rev"] + 1))


async def test_several_reads_of_one_batch_move_one_item_in_order(house):
    house.place("u1", 3200)
    times = [NOW - 90_000 + 10_000 * n for n in range(9)]
    await asyncio.gather(*(house.read("c1", "777AAA02", at=at) for at in times))
    await settled(house, 9)
    (found,) = await items(house, "dangerous_drivers")
    assert [one["at"] for one in msgspec.json.decode(found["data"])["reads"]] == times


async def test_two_listed_vehicles_in_one_batch_are_sent_two_units(house):
    await list_vehicle(house, "888BBB02", "wanted")
    house.place("u1", 1500)
    house.place("u2", 1600)
    await asyncio.gather(house.read("c1", "777AAA02"), house.read("c1", "888BBB02"))
    await settled(house, 2)
    offers = await until(lambda: items(house, "dispatch"))
    assert sorted(offer["unit"] for offer in offers) == ["u1", "u2"]
    assert {offer["state"] for offer in offers} == {"offered"}
    assert [msgspec.json.decode(offer["data"])["tried"] for offer in offers] == [[], []], "nobody's work was asked for"


async def list_vehicle(house, plate, ground, expires=NOW * 2, authority="Almaty police"):
    await house.pg.execute(
        "insert into listed_vehicle values ($1, $2, $3, 'case 13', $4, null, '')", plate, ground, authority, expires
    )
    await house.pg.execute("update register_revision set revision = revision + 1 where kind = 'vehicles'")
    async with house.pool.acquire() as pg:
        await house.handler.refresh(pg)


async def test_a_plate_that_is_listed_twice_is_one_alert_with_both_grounds(house):
    await list_vehicle(house, "777AAA02", "persistent_violator")
    house.place("u1", 1500)
    await house.read("c1", "777AAA02")
    (found,) = await until(lambda: items(house, "dangerous_drivers"))
    data = msgspec.json.decode(found["data"])
    assert [cause["ground"] for cause in data["causes"]] == ["stolen", "persistent_violator"]
    assert (data["ground"], found["priority"]) == ("stolen", 2)


async def test_an_entry_that_expires_while_it_is_held_in_memory_founds_nothing_more(house):
    await list_vehicle(house, "900CCC02", "wanted", expires=NOW + 60_000)
    house.place("u1", 1500)
    house.now = Instant(NOW + 59_999)
    await house.read("c1", "900CCC02")
    assert len(await until(lambda: items(house, "dangerous_drivers"))) == 1
    await list_vehicle(house, "901CCC02", "wanted", expires=NOW + 60_000)
    house.now = Instant(NOW + 60_000)
    await house.read("c1", "901CCC02")
    await settled(house, 2)
    assert len(await items(house, "dangerous_drivers")) == 1
    assert await house.pg.fetchval("select count(*) from read_recent") == 1, "it is a read like any other"


async def test_what_cannot_be_digested_is_kept_and_no_log_line_tells_the_plate(house):
    """PostgreSQL's DETAIL repeats the whole row."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        logs.configure()
        await house.pg.execute("alter table item add constraint planted check (data ->> 'plate' <> '777AAA02')")
        try:
            await house.read("c1", "777AAA02", raw="777AAA02")
            await until(lambda: house.pg.fetch("select 1 from quarantine"))
        finally:
            await house.pg.execute("alter table item drop constraint planted")
            structlog.reset_defaults()
    assert "quarantine" in said.getvalue()
    assert "CheckViolationError" in said.getvalue()
    assert "777AAA02" not in said.getvalue()
    assert "777AAA02" not in await house.pg.fetchval("select reason from quarantine")
    await house.read("c1", "500BBB02")
    await settled(house, 1)
