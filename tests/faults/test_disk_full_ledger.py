"""A full disk: an entry is refused, what was acknowledged stands, and it goes on when there is room."""

import asyncio
import secrets

import pytest
from tests.engine.test_ledger_forget import opened
from tests.running import QUICK, Running, _set_up

from saqtau.engine import postgres
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import ACCESS, Draft, Ledger
from saqtau.engine.place import open_place
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass

NOW = Instant(1_790_000_000_000)
MIB = 1 << 20
DISK = 192


@pytest.fixture
def engine(small_disk):
    """PostgreSQL alone, on the small disk."""
    place = open_place(small_disk / "s")
    programs = postgres.binaries()
    postgres.prepare(place, programs, sync=False)
    made = Running(place)
    try:
        made.up(postgres.part(place, programs, {**QUICK, "max_wal_size": "64MB", "min_wal_size": "32MB"}))
        made.server = postgres.own_server(place)
        made.wait("postgres")
        asyncio.run(_set_up(made.server))
        yield made
    finally:
        made.stop()


def draft(number):
    return Draft(ACCESS, 2, LeafClass.VIEW, "access_3y", {"number": number, "fill": "x" * 200_000})


def test_a_full_disk_refuses_and_forgets_nothing(engine, small_disk, tmp_path):
    server = engine.server.at("saqtau_template")
    ballast = small_disk / "ballast"
    with ballast.open("wb") as file:
        file.write(bytes(60 * MIB))
    told = asyncio.run(until_full(server, tmp_path))
    ballast.unlink()
    if engine.processes["postgres"].poll() is not None:  # without room for its log PostgreSQL stops; somebody starts it
        engine.again("postgres")
    engine.wait("postgres")
    asyncio.run(go_on(server, tmp_path, told))


def ledger_on(pool, folder):
    signers = Signers("saqtau.test", bytes(32))
    return Ledger(pool, signers, Keys(folder / "keys"), lambda: NOW, secrets.token_bytes, patience=1.0)


async def until_full(server, folder):
    told = {}
    async with postgres.pool(server, postgres.APP, 4) as pool:
        with pytest.raises(Refused) as refused:
            await fill(ledger_on(pool, folder), told)
        pool.terminate()
    assert refused.value.kind is Kind.UNAVAILABLE
    assert refused.value.fields["ledger"] in {"full", "unavailable"}
    assert told
    return told


async def fill(ledger, told):
    for number in range(2_000):
        told[(await ledger.append(draft(number))).index] = number


async def go_on(server, folder, told):
    async with postgres.pool(server, postgres.APP, 4) as pool:
        placed = await ledger_on(pool, folder).append(draft(-1))
        found = {
            one.index: one.record["number"] for one in await opened(pool, Keys(folder / "keys"), placed.origin, now=NOW)
        }
    assert found[placed.index] == -1
    assert {index: found.get(index) for index in told} == told
