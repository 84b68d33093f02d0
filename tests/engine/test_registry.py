"""Registers in memory: read again when an import has changed them, and only then."""

import itertools

import pytest

from saqtau.engine.registers import import_register
from saqtau.engine.registry import NOTHING, read_registers
from saqtau.kernel.clock import Instant

pytestmark = pytest.mark.anyio

NOW = Instant(1_790_000_000_000)
SITES = b"id,name,region,lat,lon\ns,Street,2,43.2,76.9\n"
CAMERAS = "id,site,name,region,lat,lon,heading,limit,certificate_number,certificate_from,certificate_until,token\n"
LISTED = "plate,ground,authority,basis,expires\n"
TOKEN = "t" * 40


class Counted:
    """A connection that tells what was asked."""

    def __init__(self, pg):
        self._pg = pg
        self.asked = itertools.count()

    def __getattr__(self, name):
        found = getattr(self._pg, name)

        async def ask(*values):
            next(self.asked)
            return await found(*values)

        return ask


@pytest.fixture
async def pg(pg_owner, pg_worker):
    await pg_owner.execute("truncate listed_vehicle, camera, officer, unit cascade; delete from site")
    await pg_owner.execute("update register_revision set revision = revision + 1")
    return pg_worker


async def take(pg, kind, data, now=NOW):
    report = await import_register(
        pg, kind, f"{kind}.csv", data if isinstance(data, bytes) else data.encode(), "t", now
    )
    assert not report.refusals, report.refusals
    return report


async def test_registers_are_read_again_when_an_import_changed_them_and_only_then(pg):
    first = await read_registers(pg, NOTHING, NOW)
    assert first.cameras == {}
    assert await read_registers(pg, first, NOW) is first
    await take(pg, "sites", SITES)
    await take(pg, "cameras", CAMERAS + f"c1,s,C1,2,43.2,76.9,90,60,,,,{TOKEN}\n")
    second = await read_registers(pg, first, NOW)
    assert set(second.cameras) == {"c1"}
    assert list(second.by_token.values()) == [second.cameras["c1"]]
    assert await read_registers(pg, second, NOW) is second
    assert first.cameras == {}, "what a batch holds in its hand is not changed under it"


async def test_one_question_a_second_is_all_that_unchanged_registers_cost(pg):
    known = await read_registers(pg, NOTHING, NOW)
    counted = Counted(pg)
    await read_registers(counted, known, NOW)
    assert next(counted.asked) == 1


async def test_an_import_that_refused_everything_changes_nothing(pg):
    known = await read_registers(pg, NOTHING, NOW)
    report = await import_register(
        pg, "vehicles", "v.csv", (LISTED + "1A,nonsense,A,b,2099-01-01\n").encode(), "t", NOW
    )
    assert report.refusals
    assert await read_registers(pg, known, NOW) is known


async def test_an_expired_entry_is_not_held_and_one_that_expires_later_says_when(pg):
    await take(pg, "vehicles", LISTED + "1A,stolen,A,b,2026-01-01\n2A,wanted,A,b,2099-01-01\n", Instant(0))
    found = await read_registers(pg, NOTHING, NOW)
    assert set(found.listed) == {"2A"}
    assert found.urgent == {"2A"}
    (entry,) = found.listed["2A"]
    assert entry.in_force(NOW)
    assert not entry.in_force(entry.expires)


async def test_a_plate_listed_twice_has_both_entries_and_only_urgent_grounds_make_it_urgent(pg):
    await take(
        pg,
        "vehicles",
        LISTED + "1A,stolen,A,b,2099-01-01\n1A,persistent_violator,B,b,2099-01-01\n"
        "2A,persistent_violator,B,b,2099-01-01\n",
    )
    found = await read_registers(pg, NOTHING, NOW)
    assert {entry.ground for entry in found.listed["1A"]} == {"stolen", "persistent_violator"}
    assert len(found.listed["2A"]) == 1
    assert found.urgent == {"1A"}


async def test_a_camera_is_held_with_its_certificate(pg):
    await take(pg, "sites", SITES)
    await take(
        pg,
        "cameras",
        CAMERAS + "c1,s,C1,2,43.2,76.9,90,60,K-1,2026-01-01,2027-01-01,\nc2,s,C2,2,43.2,76.9,90,60,,,,\n",
    )
    found = await read_registers(pg, NOTHING, NOW)
    certificate = found.cameras["c1"].certificate
    assert certificate is not None
    assert certificate.number == "K-1"
    assert certificate.covers(NOW)
    assert found.cameras["c2"].certificate is None
    assert found.by_token == {}
