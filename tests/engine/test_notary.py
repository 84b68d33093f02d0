"""The notary takes what the log has signed to real witnesses, and keeps what they say."""

import asyncio
import contextlib
import hashlib
import random
import secrets
import signal
import time

import pytest
from tests.proxied import Wire
from tests.witnessing import GrownLog, RunningWitness

from saqtau.bootstrap import witness as office
from saqtau.engine import ledger_read, postgres
from saqtau.engine.feeding import WitnessAt
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import ACCESS, Draft, Ledger
from saqtau.engine.notary import ALIVE, Notary
from saqtau.engine.picture_entries import enter_pictures
from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import uuid7_source
from saqtau.ledger.leaf import LeafClass, parse_leaf
from saqtau.ledger.note import check_cosignature, parse_note
from saqtau.ledger.tree import EMPTY

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


@pytest.fixture(scope="module")
def office_of_all(tmp_path_factory):
    made = RunningWitness(tmp_path_factory.mktemp("office") / "w")
    yield made
    made.kill()


@pytest.fixture
def witness(office_of_all):
    """A running witness; each test has a log of its own, told by its region."""
    if office_of_all.process is None or office_of_all.process.poll() is not None:
        office_of_all.start()
    return office_of_all


def feeding(pool, ledger, *witnesses, clock=now):
    return feeding_at(pool, ledger, *(WitnessAt(one.verifier, one.url) for one in witnesses), clock=clock)


@contextlib.asynccontextmanager
async def feeding_at(pool, ledger, *witnesses, clock=now):
    notary = Notary(pool, ledger, witnesses, clock, uuid7_source(clock, secrets.token_bytes), random.random)
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


def evidence(witness, origin):
    """What the witness holds against a log."""
    return [one.kind for one in witness.evidence() if one.origin == origin]


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
    assert evidence(witness, origin) == []


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


async def entered(pool, what):
    """How many entries of the log tell of a witness so."""
    return await pool.fetchval(
        "select coalesce(sum(entries), 0) from ledger_count where action = $1", f"witness.{what}"
    )


async def test_a_witness_that_is_cut_off_is_noted_and_catches_up_when_it_is_back(pool, ledger, witness):
    origin = (await ledger.append(draft(region=3))).origin
    watch(witness, origin)
    host, port = witness.listen.split(":")
    async with Wire(host, int(port)) as wire:
        reached = WitnessAt(witness.verifier, f"http://127.0.0.1:{wire.port}")
        async with feeding_at(pool, ledger, reached):
            await until(caught_up(pool, witness, origin))
            wire.cut()
            await ledger.append_all([draft(region=3)] * 300)
            await until(lambda: trouble(pool, witness, origin, "does not answer"))
            row = await state(pool, witness, origin)
            assert row["away"] is not None
            assert row["size"] < row["log_size"]
            wire.mend()
            row = await until(caught_up(pool, witness, origin))
            assert row["away"] is None


async def test_one_witness_that_hangs_does_not_keep_the_other_waiting(pool, ledger, witness, tmp_path):
    other = RunningWitness(tmp_path / "other", "ombudsman.test/1")
    origin = (await ledger.append(draft(region=4))).origin
    for one in (witness, other):
        watch(one, origin)
    other.start()
    other.process.send_signal(signal.SIGSTOP)
    try:
        async with feeding(pool, ledger, other, witness):
            for _ in range(3):
                await ledger.append_all([draft(region=4)] * 30)
                await until(caught_up(pool, witness, origin))
            assert await state(pool, other, origin) is None or (await state(pool, other, origin))["size"] == 0
            other.process.send_signal(signal.SIGCONT)
            await until(caught_up(pool, other, origin))
    finally:
        other.kill()


async def trouble(pool, witness, origin, begins):
    row = await state(pool, witness, origin)
    return row is not None and (row["trouble"] or "").startswith(begins) and row


async def test_a_log_that_was_put_back_accuses_itself_once_and_is_not_cosigned(pool, ledger, witness):
    """The witness has seen 50 entries of a log that now has 1: yesterday's backup was put back."""
    origin = (await ledger.append(draft(region=5))).origin
    before = GrownLog(Signers("saqtau.test", SEED).signer(origin))
    watch(witness, origin)
    assert witness.post(before.request(0, 50)).status_code == 200
    async with feeding(pool, ledger, witness):
        await until(lambda: trouble(pool, witness, origin, "has seen 50 entries"))
        await until(lambda: entered(pool, "seen_more"))
        await ledger.append_all([draft(region=5)] * 10)
        assert not await pool.fetchval("select count(*) from ledger_cosigned c join ledger_log l on l.id = c.log "
                                       "where l.origin = $1", origin)  # fmt: skip
    shown = len(evidence(witness, origin))
    async with feeding(pool, ledger, witness):  # it runs again: what was said is not said twice
        await ledger.append_all([draft(region=5)] * 10)
        await until(lambda: shown_more(witness, origin, shown))
    assert await entered(pool, "seen_more") == 1
    assert set(evidence(witness, origin)) == {"older"}


async def shown_more(witness, origin, before):
    return len(evidence(witness, origin)) > before


async def test_a_log_with_another_past_is_called_a_fork_and_gets_an_entry(pool, ledger, witness):
    origin = (await ledger.append_all([draft(region=6)] * 40))[0].origin
    watch(witness, origin)
    assert witness.post(GrownLog(Signers("saqtau.test", SEED).signer(origin)).request(0, 30)).status_code == 200
    async with feeding(pool, ledger, witness):
        await until(lambda: trouble(pool, witness, origin, "the log does not continue"))
        await until(lambda: entered(pool, "fork"))
    assert (await state(pool, witness, origin))["against"] == "fork"
    nobody = WitnessAt(witness.verifier, "http://127.0.0.1:9")
    async with feeding_at(pool, ledger, nobody):  # to cut the witness off does not take back what it holds
        await until(lambda: trouble(pool, witness, origin, "does not answer"))
    assert (await state(pool, witness, origin))["against"] == "fork"
    assert set(evidence(witness, origin)) == {"unexplained"}


async def test_a_witness_that_was_put_back_itself_is_told_on(pool, ledger, witness):
    origin = (await ledger.append_all([draft(region=7)] * 40))[0].origin
    watch(witness, origin)
    async with feeding(pool, ledger, witness):
        await until(caught_up(pool, witness, origin))
        witness.kill()
        store, _ = office.opened(witness.folder)
        store._db.execute("update log set size = 0, root = ? where origin = ?", (EMPTY, origin))
        store.close()
        witness.start()
        await ledger.append(draft(region=7))
        await until(caught_up(pool, witness, origin))
        await until(lambda: entered(pool, "forgot"))


async def test_witnesses_that_come_and_go_are_entered_once(pool, ledger, tmp_path):
    guest = RunningWitness(tmp_path / "guest", "guest.test/1")  # never started: it is there by its name
    origin = (await ledger.append(draft(region=8))).origin
    before = await entered(pool, "added")
    for _ in range(2):
        async with feeding(pool, ledger, guest):
            await until(lambda: trouble(pool, guest, origin, "does not answer"))
        assert await entered(pool, "added") == before + 1
    gone = await entered(pool, "taken_away")
    async with feeding(pool, ledger):
        await until(lambda: trouble(pool, guest, origin, "taken away"))
    gone_now = await entered(pool, "taken_away")
    assert gone_now > gone
    async with feeding(pool, ledger):
        pass
    assert await entered(pool, "taken_away") == gone_now


async def test_a_witness_that_is_long_away_gets_an_entry_and_another_when_it_is_back(pool, ledger, witness):
    origin = (await ledger.append(draft(region=9))).origin
    watch(witness, origin)
    ahead = [0]

    def clock():
        return Instant(now() + ahead[0])

    async with feeding(pool, ledger, witness, clock=clock):
        await until(caught_up(pool, witness, origin))
        witness.kill()
        await ledger.append(draft(region=9))
        await until(lambda: trouble(pool, witness, origin, "does not answer"))
        away, back = await entered(pool, "away"), await entered(pool, "back")
        ahead[0] = 2 * MINUTE
        await until(lambda: more(pool, "away", away))
        witness.start()
        await until(lambda: more(pool, "back", back))
        assert await until(caught_up(pool, witness, origin))


async def more(pool, what, before):
    return await entered(pool, what) > before


async def test_a_quiet_log_is_shown_again_so_that_a_silent_witness_is_noticed(pool, ledger, witness):
    origin = (await ledger.append(draft(region=10))).origin
    watch(witness, origin, "saqtau.test/00/access/2026")
    ahead = [0]
    async with feeding(pool, ledger, witness, clock=lambda: Instant(now() + ahead[0])):
        first = await until(caught_up(pool, witness, origin))
        ahead[0] = ALIVE

        async def seen_again():
            return (await state(pool, witness, origin))["seen"] > first["seen"]

        await until(seen_again)
