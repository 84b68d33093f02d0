"""A record whose term is over is unreadable for good, in every backup too; the log says so; a case keeps its own."""

import asyncio
import secrets
import subprocess

import pytest
from tests.engine.test_ledger import NOW, SEED, draft, keeper, leaves

from saqtau.engine import postgres
from saqtau.engine.forgetting import forget_due, is_vouched
from saqtau.engine.holds import lift_hold, place_hold
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.ledger import Ledger
from saqtau.engine.ledger_read import read_records
from saqtau.kernel.access import AccessRequest, Action, Decision, Purpose, Viewer, granted
from saqtau.kernel.clock import DAY, HOUR, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass, parse_leaf
from saqtau.ledger.tree import leaf_hashes, subtree_root

pytestmark = pytest.mark.anyio

TERMS = {"access_3y": 30 * DAY}
MIDNIGHT = Instant(NOW - NOW % DAY + DAY)
DUE = Instant(MIDNIGHT + 30 * DAY + 2 * HOUR)
DAY_OF = "2026-09-21"


def grant(action=Action.READ_ACCESS, case=None, now=NOW):
    viewer = Viewer(id="p.rosecutor", role="prosecutor", regions=frozenset())
    request = AccessRequest(action=action, purpose=Purpose.OVERSIGHT, case=case)
    return granted(Decision(allow=True), "log#1", viewer, request, now)


@pytest.fixture
async def pool(engine):
    async with postgres.pool(await asyncio.to_thread(engine.fresh_database), postgres.WORKER, 6) as made:
        yield made


@pytest.fixture
def keys(tmp_path):
    return Keys(tmp_path / "keys")


async def filled(pool, folder, count=600):
    """Entries of one day, and one of the next; the ledger at the time of erasure."""
    placed = await keeper(pool, folder).append_all([draft(n) for n in range(count)])
    later = Ledger(pool, Signers("saqtau.test", SEED), Keys(folder / "keys"), lambda: DUE, secrets.token_bytes)
    await later.append(draft("young"))
    return placed[0].origin, later


async def opened(pool, keys, origin, first=0, count=10_000, now=DUE):
    return [one async for one in read_records(grant(now=now), pool, keys, origin, first, count, now)]


async def test_what_is_due_cannot_be_read_and_the_log_tells_what_went(pool, keys, tmp_path):
    origin, ledger = await filled(pool, tmp_path)
    before = await leaves(pool, origin)
    assert await forget_due(pool, ledger, keys, TERMS, Instant(DUE - 2 * HOUR)) == []  # clocks may differ: not yet
    (erased,) = await forget_due(pool, ledger, keys, TERMS, DUE)
    assert await forget_due(pool, ledger, keys, TERMS, DUE) == []
    after = await leaves(pool, origin)
    read = await opened(pool, keys, origin)
    assert after[: len(before)] == before
    assert [one.why for one in read] == ["erased"] * 600 + ["", ""]
    record = read[-1].record
    gone = [parse_leaf(leaf).commitment for leaf in before if parse_leaf(leaf).day == DAY_OF]
    assert parse_leaf(after[-1]).klass is LeafClass.ERASE
    assert (record["count"], record["day"], record["retention"], record["held"]) == (600, DAY_OF, "access_3y", 0)
    assert record["root"] == erased.root.hex() == subtree_root(leaf_hashes(gone)).hex()


@pytest.mark.parametrize("step", ["destroy", "ledger_erase", "within", "commit"])
async def test_a_crash_at_any_step_ends_in_the_same_state(pool, keys, tmp_path, monkeypatch, step):
    origin, ledger = await filled(pool, tmp_path, 3)

    def die(*_, **__):
        raise DiedError

    async def die_later(*_, **__):
        raise DiedError

    with monkeypatch.context() as patch:
        if step == "destroy":
            patch.setattr(keys, "destroy", lambda *given: (Keys(tmp_path / "keys").destroy(*given), die()))
        if step == "within":
            patch.setattr(ledger, "within", die_later)
        with pytest.raises(DiedError):
            await forget_due(
                Dying(pool, step) if step in {"ledger_erase", "commit"} else pool, ledger, keys, TERMS, DUE
            )
    assert len(await leaves(pool, origin)) == 4  # no leaf says what is not done
    (erased,) = await forget_due(pool, ledger, keys, TERMS, DUE)
    read = await opened(pool, keys, origin)
    assert (erased.count, [one.why for one in read]) == (3, ["erased"] * 3 + ["", ""])
    assert (
        await pool.fetchval("select count(*) from ledger_records where retention = 'access_3y' and records is not null")
        == 1
    )


class DiedError(Exception):
    """The process was killed here."""


class Dying:
    """The pool of a process that dies when it sends a certain statement, or its commit; its lock goes with it."""

    def __init__(self, pool, step):
        self._pool, self._step, self._guarded = pool, step, False

    def acquire(self):
        first, self._guarded = not self._guarded, True
        return self._pool.acquire() if first else _Handle(self._pool, self._step, DiedError)


class _Handle:
    """A connection that is lost at a step; what was not committed is gone."""

    def __init__(self, pool, step, died):
        self._acquired, self._step, self._died = pool.acquire(), step, died

    async def __aenter__(self):
        self._pg = await self._acquired.__aenter__()
        return self

    async def __aexit__(self, *error):
        await self._acquired.__aexit__(*error)

    def __getattr__(self, name):
        return getattr(self._pg, name)

    async def fetchval(self, query, *given):
        if self._step in query:
            raise self._died
        return await self._pg.fetchval(query, *given)

    def transaction(self):
        outer, real = self, self._pg.transaction()

        class Transaction:
            async def __aenter__(self):
                await real.__aenter__()

            async def __aexit__(self, kind, *error):
                if kind is None and outer._step == "commit":
                    await real.__aexit__(outer._died, outer._died(), None)
                    raise outer._died
                await real.__aexit__(kind, *error)

        return Transaction()


async def test_a_restored_backup_does_not_bring_an_erased_record_back(engine, tmp_path):
    """Yesterday's dump, with all its rows, beside today's keys."""
    server = await asyncio.to_thread(engine.fresh_database)
    restored = await asyncio.to_thread(engine.fresh_database)
    keys = Keys(tmp_path / "keys")
    async with postgres.pool(server, postgres.WORKER, 4) as pool:
        origin, ledger = await filled(pool, tmp_path, 5)
        assert [one.record["object"] for one in await opened(pool, keys, origin, now=NOW, count=5)] == [
            f"item {n}" for n in range(5)
        ]
        tables = ["ledger_log", "ledger_pack", "ledger_records", "ledger_tile", "ledger_checkpoint"]
        dump = await asyncio.to_thread(pg_dump, server, tables)
        await forget_due(pool, ledger, keys, TERMS, DUE)
    await asyncio.to_thread(psql, restored, dump)
    async with postgres.pool(restored, postgres.WORKER, 4) as pool:
        assert await pool.fetchval("select count(*) from ledger_records where records is not null") == 2
        read = await opened(pool, keys, origin)
        assert [(one.record is None, one.why) for one in read] == [(True, "erased")] * 5 + [(False, "")]
        # a process of yesterday's idea cannot make the key anew either, and the next round erases the rows again
        with pytest.raises(Refused) as refused:
            keys.kek("access_3y", DAY_OF)
        assert (refused.value.kind, refused.value.fields["key"]) == (Kind.CONFLICT, "gone")
        later = Ledger(pool, Signers("saqtau.test", SEED), keys, lambda: DUE, secrets.token_bytes)
        (erased,) = await forget_due(pool, later, keys, TERMS, DUE)
        assert erased.count == 5


def pg_dump(server, tables):
    program, arguments, environment = client(server, "pg_dump", postgres.OWNER)
    wanted = [word for table in tables for word in ("-t", table)]
    return subprocess.run(
        [program, *arguments, "--data-only", *wanted], env=environment, check=True, capture_output=True
    ).stdout  # fmt: skip


def psql(server, text):
    program, arguments, environment = client(server, "psql", postgres.OWNER)
    subprocess.run([program, *arguments, "-q", "-v", "ON_ERROR_STOP=1"], input=text, env=environment, check=True)


def client(server, name, role):
    program = postgres.binaries() / name
    return str(program), ["-d", server.dsn, "-U", role], {"PGPASSWORD": server.passwords[role]}


async def test_a_case_keeps_its_records_until_it_is_over(pool, keys, tmp_path):
    origin, ledger = await filled(pool, tmp_path, 400)
    hold = grant(Action.PLACE_HOLD, "KZ/2026-17", DUE)
    await place_hold(hold, pool, ledger, keys, origin, [7, 300], DUE, secrets.token_bytes)
    (erased,) = await forget_due(pool, ledger, keys, TERMS, DUE)
    assert (erased.count, erased.held) == (398, (7, 300))
    read = await opened(pool, keys, origin, count=400)
    assert {one.index: (one.record["object"], one.why) for one in read if one.record} == {
        7: ("item 7", "held:KZ/2026-17"), 300: ("item 300", "held:KZ/2026-17")
    }  # fmt: skip
    await lift_hold(grant(Action.LIFT_HOLD, "KZ/2026-17", DUE), pool, ledger, keys, DUE)
    assert not [one for one in await opened(pool, keys, origin, count=400) if one.record]
    told = [one.record for one in await opened(pool, keys, origin, first=401) if one.leaf.klass is LeafClass.HOLD]
    assert [(one["what"], one["case"]) for one in told] == [("placed", "KZ/2026-17")]
    with pytest.raises(Refused) as refused:
        await lift_hold(grant(Action.LIFT_HOLD, "KZ/2026-17", DUE), pool, ledger, keys, DUE)
    assert refused.value.kind is Kind.NOT_FOUND


async def test_what_is_erased_cannot_be_held_any_more(pool, keys, tmp_path):
    origin, ledger = await filled(pool, tmp_path, 3)
    await forget_due(pool, ledger, keys, TERMS, DUE)
    for indices, kind in (([1], Kind.NOT_FOUND), ([99], Kind.NOT_FOUND), ([], Kind.INVALID)):
        with pytest.raises(Refused) as refused:
            await place_hold(
                grant(Action.PLACE_HOLD, "case-2", DUE), pool, ledger, keys, origin, indices, DUE, secrets.token_bytes
            )
        assert refused.value.kind is kind


async def test_a_key_of_a_day_without_records_goes_too_and_a_class_without_a_term_stays(pool, keys, tmp_path):
    ledger = keeper(pool, tmp_path)
    keys.kek("access_3y", "2026-01-01")
    keys.kek("other_1d", "2026-01-01")
    assert await forget_due(pool, ledger, keys, TERMS, DUE) == []
    assert keys.days() == [("other_1d", "2026-01-01")]


async def test_two_who_erase_do_it_once(pool, keys, tmp_path):
    origin, ledger = await filled(pool, tmp_path, 50)
    done = await asyncio.gather(*(forget_due(pool, ledger, keys, TERMS, DUE) for _ in range(3)))
    assert sum(len(one) for one in done) == 1
    assert [parse_leaf(leaf).klass for leaf in await leaves(pool, origin)].count(LeafClass.ERASE) == 1


async def test_a_clock_far_ahead_of_every_witness_erases_nothing(pool, keys, tmp_path):
    origin, ledger = await filled(pool, tmp_path, 5)
    witness = Signers("witness.test", bytes(32)).signer("witness.test")
    log, size = await pool.fetchrow("select log, max(size) from ledger_checkpoint group by log")
    body = "any checkpoint\n"
    for at, erased in ((NOW, 0), (DUE - 29 * DAY, 1)):
        line = witness.cosign(body, at // 1000)
        await pool.execute("select ledger_cosign($1, $2, $3, $4, $5)", log, size, f"witness {at}", line, DUE)
        assert await is_vouched(pool, DUE) is bool(erased)
        assert len(await forget_due(pool, ledger, keys, TERMS, DUE)) == erased
    assert [one.why for one in await opened(pool, keys, origin, count=5)] == ["erased"] * 5
