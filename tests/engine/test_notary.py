"""The notary takes what the log has signed to real witnesses, and keeps what they say."""

import asyncio
import contextlib
import hashlib
import random
import secrets
import time

import pytest
from tests.witnessing import RunningWitness

from saqtau.engine import ledger_read, postgres
from saqtau.engine.feeding import WitnessAt
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import ACCESS, Draft, Ledger
from saqtau.engine.notary import Notary
from saqtau.engine.picture_entries import enter_pictures
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import uuid7_source
from saqtau.ledger.leaf import LeafClass, parse_leaf
from saqtau.ledger.note import check_cosignature, parse_note

pytestmark = pytest.mark.anyio

SEED = bytes(range(32))


def now():
    return Instant(time.time_ns() // 1_000_000)


def draft(number=0, region=2):
    return Draft(ACCESS, region, LeafClass.VIEW, "access_3y", {"object": f"item {number}"}, None)


@pytest.fixture
async def pool(database):
    async with postgres.pool(database, postgres.WORKER, 8) as made:
        yield made


@pytest.fixture
async def ledger(pool, tmp_path):
    made = Ledger(pool, Signers("saqtau.test", SEED), Keys(tmp_path / "keys"), now, secrets.token_bytes)
    yield made
    await made.close()


@pytest.fixture
def witness(tmp_path):
    made = RunningWitness(tmp_path / "w")
    yield made.start()
    made.kill()


@contextlib.asynccontextmanager
async def feeding(pool, ledger, *witnesses, clock=now):
    notary = Notary(
        pool, ledger, [WitnessAt(one.verifier, one.url) for one in witnesses], clock,
        uuid7_source(clock, secrets.token_bytes), random.random,
    )  # fmt: skip
    stop = asyncio.Event()
    task = asyncio.create_task(notary.run(stop))
    try:
        yield notary
    finally:
        stop.set()
        await task


async def until(ask, patience=60.0):
    async with asyncio.timeout(patience):
        while not (found := await ask()):
            await asyncio.sleep(0.02)
        return found


def watch(witness, *origins):
    for origin in origins:
        witness.watch(Signers("saqtau.test", SEED).signer(origin).vkey())


async def state(pool, witness, origin):
    return await pool.fetchrow(
        "select w.*, l.size as log_size from ledger_witness w join ledger_log l on l.id = w.log "
        "where w.name = $1 and l.origin = $2",
        witness.verifier.name, origin,
    )  # fmt: skip


def caught_up(pool, witness, origin):
    async def ask():
        row = await state(pool, witness, origin)
        return row if row is not None and row["size"] == row["log_size"] and row["trouble"] is None else None

    return ask


async def test_each_checkpoint_is_cosigned_and_the_cosignature_is_kept(pool, ledger, witness):
    origin = (await ledger.append(draft())).origin
    watch(witness, origin, "saqtau.test/00/access/2026")
    async with feeding(pool, ledger, witness):
        for number in range(5):
            await ledger.append_all([draft(number)] * 70)
            await until(caught_up(pool, witness, origin))
            note = parse_note((await ledger_read.checkpoint(pool, origin)).encode())
            assert check_cosignature(witness.verifier, note) is not None
    assert witness.log(origin).size == (await state(pool, witness, origin))["log_size"]
    assert witness.evidence() == []


async def keep_picture(pg, item, name, data=b"jpeg", region=2):
    await pg.execute(
        "insert into picture (item, name, media, sha256, size, region, at) "
        "values ($1, $2, 'image/jpeg', $3, $4, $5, 1)",
        item, name, hashlib.sha256(data).digest(), len(data), region,
    )  # fmt: skip


async def test_a_picture_becomes_one_entry_of_the_evidence_log(pool, ledger, pg_worker):
    for name in ("crop", "scene"):
        await keep_picture(pg_worker, "item-1", name, name.encode())
    assert await enter_pictures(pool, ledger) == 2
    assert await enter_pictures(pool, ledger) == 0
    rows = await pool.fetch("select * from picture_entry where item = 'item-1' order by name")
    assert [row["name"] for row in rows] == ["crop", "scene"]
    origin, _, index = rows[1]["entry"].partition("#")
    assert origin.split("/")[1:3] == ["02", "evidence"]
    entry = await ledger_read.leaves(pool, origin, int(index), 1).__anext__()
    assert parse_leaf(entry[1][0]).klass is LeafClass.PICTURE


async def test_a_picture_whose_entry_could_not_be_written_is_entered_later_and_once(pool, ledger, pg_worker, tmp_path):
    await keep_picture(pg_worker, "item-2", "crop")
    closed = Ledger(pool, Signers("saqtau.test", SEED), Keys(tmp_path / "keys"), now, secrets.token_bytes)
    await closed.close()
    with pytest.raises(Refused) as refused:
        await enter_pictures(pool, closed)
    assert refused.value.kind is Kind.UNAVAILABLE
    done = await asyncio.gather(*(enter_pictures(pool, ledger) for _ in range(3)))
    assert sum(done) == 1
    assert await pool.fetchval("select count(*) from picture_entry where item = 'item-2'") == 1
