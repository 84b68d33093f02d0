"""Durable steps of the kernel a second, one by one and batched, and 100,000 deadlines due at once.

    python -m bench.steps [--quick]

"One by one": every step is a transaction of its own, fsynced before it counts (synchronous_commit on); several
connections share the disk's fsyncs, as several operators and workers do. "Batched": as a worker writes what a batch of
messages led to, 500 steps a transaction. A step reads the item, asks the kernel, compares the revision, and writes
item, entry and the parcel for the screens.
Peers (own trial, notes/desks.md): SpiffWorkflow 1,243 steps/s, DBOS 119, an own kernel on SQLite 4,553 / 47,600.
"""

import asyncio
import itertools
import os
import sys
import time
from pathlib import Path

import uvloop
from tests import running

from saqtau.engine import items, postgres, store, timers
from saqtau.kernel import item as life
from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import CLOCK, END, RULE, Desk, Edge, Mode, State, gather
from saqtau.kernel.item import Actor, Open
from saqtau.kernel.terms import Calendar

NOW = Instant(1_790_000_000_000)
CASE = Desk(
    name="case",
    article=1,
    version=1,
    mode=Mode.HELP,
    starts=("open",),
    states={"open": State("operator", "PT60S", "close"), "closed": END},
    edges=(
        Edge("tick", "open", "open", RULE, sets=lambda data, *_: {"ticks": data.get("ticks", 0) + 1}),
        Edge("close", "open", "closed", CLOCK),
    ),
    retention="short",
    purposes=("incident",),
    line=lambda data: {"plate": data["plate"]},
)
DESKS = gather(CASE)
MACHINE = Actor("bench", RULE)
_count = itertools.count()


def ids():
    return f"item-{next(_count):09d}"


async def open_cases(pool, count):
    opened = []
    for at in range(0, count, 1000):
        async with pool.acquire() as pg, pg.transaction():
            wishes = [
                Open(desk="case", data={"plate": f"{n:03d}ABC02", "camera": "c1", "speed": 91.5}, region=2)
                for n in range(at, min(at + 1000, count))
            ]
            opened += (await store.act(pg, DESKS, wishes, NOW, ids)).items
    return opened


async def one_by_one(pool, cases, workers):
    """Steps a second, each durable before the next of its connection."""
    queue = iter(cases)
    done = 0

    async def work():
        nonlocal done
        async with pool.acquire() as pg:
            for case in queue:
                await store.fire(pg, DESKS, case.id, "tick", MACHINE, {}, None, NOW, ids)
                done += 1

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(workers)))
    return done / (time.perf_counter() - begun)


def cpu_of(pids):
    """Seconds of processor the given processes have used (Linux)."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


async def batched(pool, cases, size=500):
    """Steps a second in transactions of `size` steps, and the processor a step takes here and in PostgreSQL, us."""

    async def work(pg, share):
        for at in range(0, len(share), size):
            async with pg.transaction():
                locked = await items.lock(pg, [case.id for case in share[at : at + size]])
                steps = [life.fire(CASE, one, "tick", MACHINE, {}, NOW, Calendar()) for one in locked]
                await store.apply(pg, DESKS, *steps)

    half = len(cases) // 2
    async with pool.acquire() as one, pool.acquire() as other:
        pids = [await pg.fetchval("select pg_backend_pid()") for pg in (one, other)]
        begun, ours, theirs = time.perf_counter(), time.process_time(), cpu_of(pids)
        await asyncio.gather(work(one, cases[:half]), work(other, cases[half:]))
        spent = time.perf_counter() - begun
        each = 1e6 / len(cases)
        return len(cases) / spent, (time.process_time() - ours) * each, (cpu_of(pids) - theirs) * each


async def main(server, quick):
    async with postgres.pool(server, postgres.WORKER, 40) as pool:
        cases = await open_cases(pool, 20_000 if quick else 100_000)
        for workers in (1, 8, 32):
            some = cases[: (500 if quick else 2_000) * (1 if workers == 1 else 4)]
            rate = await one_by_one(pool, some, workers)
            ratio = rate / 1243
            print(
                f"one by one, {workers:2d} connections: {rate:8,.0f} durable steps/s  (goal 4,000; Spiff {ratio:.1f}x)"
            )
        rate, ours, theirs = await batched(pool, cases)
        print(
            f"batched, 500 a transaction:  {rate:8,.0f} durable steps/s  (goal 40,000; own trial on SQLite 47,600); "
            f"processor a step: {ours:.0f} us here, {theirs:.0f} us in PostgreSQL"
        )
        await pool.execute("delete from outbox")
        begun = time.perf_counter()
        expired, _ = await timers.expire_due(pool, DESKS, Instant(NOW + 10**9), ids)
        spent = time.perf_counter() - begun
        print(f"{expired:,} deadlines due at once: {spent:.2f} s by one worker  (goal 100,000 in < 5 s)")


if __name__ == "__main__":
    running.QUICK.clear()  # the settings of the product, not those of the tests
    with running.running() as engine:
        uvloop.run(main(engine.fresh_database(), "--quick" in sys.argv))
