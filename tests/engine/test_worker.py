"""Workers: each message takes effect once, whoever is killed, and a bad one stops nobody."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from saqtau.engine import claims, journal, postgres
from saqtau.engine.failures import is_passing
from saqtau.engine.journal import POSITIONS, READS
from saqtau.engine.lines import Outgoing
from saqtau.engine.worker import Worker, every, message_partition
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused

pytestmark = pytest.mark.anyio


class Counting:
    """Writes each message into a table of its own; memory must agree with the table."""

    def __init__(self, slow=0.0):
        self.memory = {}
        self.slow = slow

    async def claimed(self, pg, partition):
        self.memory[partition] = await pg.fetchval("select count(*) from done where partition = $1", partition)

    def lost(self, partition):
        self.memory.pop(partition, None)

    async def handle(self, pg, messages):
        for message in messages:
            self.memory[message_partition(message)] += 1
            if message.data == b"poison":
                raise ValueError("cannot digest \0 this")
            if message.data == b"refused":
                raise Refused(Kind.INVALID, "no such camera")
        await asyncio.sleep(self.slow)
        rows = [(message_partition(message), message.sequence, message.data) for message in messages]
        await pg.executemany("insert into done values ($1, $2, $3)", rows)
        return [Outgoing(f"m{message.sequence}", "items", b"[]") for message in messages]


@pytest.fixture
async def done(pg_owner):
    await pg_owner.execute(
        "drop table if exists done; create table done (partition int, sequence bigint, data bytea);"
        "grant all on done to saqtau_worker; truncate partition_offset; truncate quarantine; truncate journal_stream"
    )
    return pg_owner


@pytest.fixture
async def pool(database):
    async with postgres.pool(database, postgres.WORKER, 12) as made:
        yield made


@contextlib.asynccontextmanager
async def working(pool, nc, js, handlers, **options):
    stop = asyncio.Event()
    worker = Worker(pool, nc, js, handlers, lambda: Instant(1_790_000_000_000), **options)
    task = asyncio.create_task(worker.run(stop))
    try:
        yield worker
    finally:
        stop.set()
        await asyncio.wait_for(task, 2)


async def until(ask, patience=15):
    """Wait until the question is answered with yes; the test ends by its assertion, not by the clock."""
    for _ in range(int(patience / 0.02)):
        if await ask():
            return True
        await asyncio.sleep(0.02)
    return False


async def fill(js, count, partitions=journal.PARTITIONS, data=b"x"):
    await asyncio.gather(
        *(journal.publish(js, f"reads.{n % partitions}", b"%s%d" % (data, n), f"{data}-{n}") for n in range(count))
    )


def counted(pg, count):
    async def ask():
        return await pg.fetchval("select count(*) from done") >= count

    return ask


async def test_each_message_takes_effect_once_and_moves_its_offset(pool, nc, js, done):
    await fill(js, 300)
    handler = Counting()
    async with working(pool, nc, js, {READS: handler}) as worker:
        assert await until(counted(done, 300))
        await fill(js, 100, data=b"later")
        assert await until(counted(done, 400))
        assert sum(handler.memory.values()) == 400
        assert len(worker.owned["READS"]) == 64
        assert worker.tally.fenced == 0
    assert await done.fetchval("select count(distinct sequence) from done") == 400
    offsets = await claims.committed(done, "READS")
    assert max(offsets.values()) == 400
    told = await js.stream_info("FEED")
    assert told.state.messages == 400


async def test_a_worker_goes_on_where_another_stopped(pool, nc, js, done):
    await fill(js, 50)
    async with working(pool, nc, js, {READS: Counting()}):
        assert await until(counted(done, 50))
    await fill(js, 50, data=b"more")
    async with working(pool, nc, js, {READS: Counting()}):
        assert await until(counted(done, 100))
    assert await done.fetchval("select count(distinct sequence) from done") == 100


async def test_several_workers_share_the_partitions_fairly_and_nothing_is_done_twice(pool, nc, js, done):
    async with contextlib.AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(working(pool, nc, js, {READS: Counting()})) for _ in range(3)]

        async def shared():
            owned = [worker.owned["READS"] for worker in workers]
            return sum(map(len, owned)) == 64 and max(map(len, owned)) <= 22 and len(set().union(*owned)) == 64

        assert await until(shared)
        await fill(js, 400)
        assert await until(counted(done, 400))
    assert await done.fetchval("select count(*) from done") == 400
    assert await done.fetchval("select count(distinct sequence) from done") == 400


async def test_two_streams_are_handled_side_by_side(pool, nc, js, done):
    await journal.publish(js, "positions.5", b"p", "p")
    await fill(js, 5)
    async with working(pool, nc, js, {READS: Counting(), POSITIONS: Counting()}):
        assert await until(counted(done, 6))
    assert (await claims.committed(done, "POSITIONS"))[5] == 1


@pytest.mark.parametrize("bad", [b"poison", b"refused"])
async def test_a_message_nobody_can_digest_goes_into_quarantine_and_the_partition_goes_on(pool, nc, js, done, bad):
    await journal.publish(js, "reads.3", b"before", "1")
    await journal.publish(js, "reads.3", bad, "2")
    await journal.publish(js, "reads.3", b"after", "3")
    handler = Counting()
    async with working(pool, nc, js, {READS: handler}) as worker:
        assert await until(counted(done, 2))
        assert handler.memory[3] == 2
        assert worker.tally.quarantined == 1
    row = await done.fetchrow("select stream, partition, sequence, reason, raw from quarantine")
    assert tuple(row)[:3] == ("READS", 3, 2)
    assert row["raw"] == bad
    assert row["reason"] in {"ValueError", "no such camera"}, (
        "a value it choked on may be a plate: it is not kept in clear"
    )
    assert (await claims.committed(done, "READS"))[3] == 3


async def test_a_worker_that_was_overtaken_changes_nothing(pool, nc, js, done):
    async with pool.acquire() as pg:
        await claims.read_offsets(pg, "READS", [1, 2])
        await claims.advance(pg, "READS", {1: (0, 7)})

        async def overtaken():
            async with pg.transaction():
                await pg.execute("insert into done values (1, 1, '')")
                await claims.advance(pg, "READS", {1: (0, 9), 2: (0, 8)})

        with pytest.raises(claims.Fenced):
            await overtaken()
        assert await pg.fetchval("select count(*) from done") == 0
        assert (await claims.committed(pg, "READS"))[2] == 0


async def test_a_worker_whose_connection_is_cut_goes_on_by_itself(pool, nc, js, done, engine):
    await fill(js, 20)
    async with working(pool, nc, js, {READS: Counting()}) as worker:
        assert await until(counted(done, 20))
        admin = await postgres.connect(engine.server.at("postgres"), postgres.ADMIN)
        await admin.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'saqtau_worker'")
        await admin.close()
        await fill(js, 20, data=b"after")
        assert await until(counted(done, 40))
        assert worker.tally.outages >= 1
    assert await done.fetchval("select count(distinct sequence) from done") == 40


async def test_a_journal_made_anew_is_read_from_its_beginning(pool, nc, js, done):
    await fill(js, 30)
    async with working(pool, nc, js, {READS: Counting()}):
        assert await until(counted(done, 30))
    await js.delete_stream("READS")
    await journal.ensure_streams(js)
    await fill(js, 3, partitions=1, data=b"anew")
    async with working(pool, nc, js, {READS: Counting()}):
        assert await until(counted(done, 33))


async def test_a_worker_stops_while_a_batch_is_stuck(pool, nc, js, done):
    await fill(js, 3)
    async with working(pool, nc, js, {READS: Counting(slow=60)}):
        await asyncio.sleep(0.5)
    assert await done.fetchval("select count(*) from done") == 0


async def test_a_chore_that_fails_is_done_again():
    stop = asyncio.Event()
    turns = []

    async def chore():
        turns.append(1)
        if len(turns) == 1:
            raise ValueError("once")
        stop.set()

    await every(0.01, "chore", chore, stop)
    assert len(turns) == 2


PROGRAM = """
import asyncio, sys
sys.path[:0] = {path!r}
from saqtau.engine import broker, postgres
from saqtau.engine.worker import message_partition, Worker
from saqtau.kernel.clock import Instant
from saqtau.engine.journal import READS
from tests.engine.test_worker import Counting

async def main():
    server = postgres.Server({dsn!r}, {{postgres.WORKER: {password!r}}})
    nc = await broker.connect(broker.Broker({urls!r}, {secret!r}))
    async with postgres.pool(server, postgres.WORKER, 4) as pool:
        await Worker(pool, nc, broker.context(nc), {{READS: Counting()}}, lambda: Instant(0)).run(asyncio.Event())

asyncio.run(main())
"""


async def test_a_killed_worker_is_replaced_and_nothing_is_lost_or_doubled(database, engine, pool, nc, js, done):
    text = PROGRAM.format(
        path=[str(Path("src").absolute()), str(Path.cwd())],
        dsn=database.dsn,
        password=database.passwords[postgres.WORKER],
        urls=engine.broker.urls,
        secret=engine.broker.password,
    )
    with subprocess.Popen([sys.executable, "-c", text], env=dict(os.environ)) as process:
        try:
            await fill(js, 200)
            assert await until(counted(done, 1))
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
    async with working(pool, nc, js, {READS: Counting()}):
        await fill(js, 50, data=b"after")
        assert await until(counted(done, 250))
    assert await done.fetchval("select count(*) from done") == 250
    assert await done.fetchval("select count(distinct sequence) from done") == 250


@pytest.mark.parametrize("part", ["postgres", "nats"])
async def test_a_worker_waits_for_a_killed_engine_and_loses_and_doubles_nothing(engine, pool, nc, js, done, part):
    if part not in engine.parts:
        pytest.skip("a cluster has no single NATS to kill")
    await fill(js, 60)
    async with working(pool, nc, js, {READS: Counting()}):
        assert await until(counted(done, 10))
        engine.kill(part)
        await asyncio.sleep(0.2)
        engine.again(part)
        await asyncio.to_thread(engine.wait, part)
        await fill(js, 60, data=b"after")
        # the connection of the test may have been to what was killed
        async with pool.acquire() as pg:
            assert await until(counted(pg, 120))
            assert await pg.fetchval("select count(*) from done") == 120
            assert await pg.fetchval("select count(distinct sequence) from done") == 120


def test_trouble_of_the_engine_passes_and_trouble_of_the_content_does_not():
    assert is_passing(ConnectionResetError())
    assert is_passing(Refused(Kind.UNAVAILABLE, ""))
    assert not is_passing(Refused(Kind.INVALID, ""))
    assert not is_passing(ValueError())
