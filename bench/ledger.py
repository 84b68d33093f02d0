"""The ledger's figures, on the settings of the product: durable entries a second, proofs, and a large log audited.

    .venv/bin/python bench/ledger.py [--quick]

"Leaves only" is the log by itself: leaves that are there already, hashed, put into tiles, signed, committed. "Sealed
records" is what an access costs: the record spelled, sealed under its own key, committed beside its leaf, counted.
Writers and ledger share one process and one core with the loop; PostgreSQL has the other.
"""

import asyncio
import os
import random
import resource
import secrets
import sys
import tempfile
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests import running

from saqtau.engine import ledger_read, postgres
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.lane import Lane
from saqtau.engine.ledger import ACCESS, Count, Draft, Ledger
from saqtau.engine.ledger_read import Proofs
from saqtau.engine.sequencer import BATCH, Entry
from saqtau.kernel.clock import Instant
from saqtau.kernel.ids import uuid7_source
from saqtau.ledger.leaf import Leaf, LeafClass, encode_leaf
from saqtau.ledger.policy import parse_policy
from saqtau.ledger.tiles import parse_path
from saqtau.ledger.verify.audit import audit

WRITERS = 1_000
BIG = "saqtau.bench/03/access/2026"
SEED = bytes(range(32))
RECORD = {
    "v": 1,
    "at": 1_790_000_000_000,
    "viewer": "a.operator",
    "role": "operator",
    "action": "item.read",
    "purpose": "incident",
    "object": "0199a3c4-7c00-7000-8000-000000000000",
    "case": "0199a3c4-7c00-7000-8000-000000000000",
    "region": 2,
    "decision": "allow",
    "policies": ["incident-by-operator"],
    "policy_set": "5f" * 32,
    "session": "s" * 22,
}
COUNT = Count("item.read", "incident", "operator", "allow", "incident-by-operator")


def now():
    return Instant(time.time_ns() // 1_000_000)


def leaf_entries(count):
    """Leaves as they are, with a count, without a record."""
    random = os.urandom(32 * count)
    return [
        Entry(
            encode_leaf(Leaf(random[32 * n : 32 * n + 32], LeafClass.VIEW, "2026-11-24", "access_3y")),
            LeafClass.VIEW, "2026-11-24", "access_3y", count=COUNT,
        )
        for n in range(count)
    ]  # fmt: skip


async def writers(put, seconds):
    """1,000 writers, each with one entry on its way: (entries/s, p50 ms, p99 ms)."""
    taken, end = [], time.perf_counter() + seconds

    async def write(number):
        while time.perf_counter() < end:
            begun = time.perf_counter()
            await put(number)
            taken.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(write(n) for n in range(WRITERS)))
    rate = len(taken) / (time.perf_counter() - begun)
    taken.sort()
    return rate, taken[len(taken) // 2] * 1e3, taken[len(taken) * 99 // 100] * 1e3


async def batches(put, make, seconds):
    """One writer that has many entries at a time, three batches on their way: entries/s."""
    flights, sent, begun = [], 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        entries = make()
        sent += len(entries)
        flights.append(asyncio.ensure_future(put(entries)))
        if len(flights) == 3:
            await flights.pop(0)
        await asyncio.sleep(0)
    await asyncio.gather(*flights)
    return sent / (time.perf_counter() - begun)


async def naive(server, seconds):
    """The peer: a row and a commit an entry, over twenty connections; no tree, no signature, no proof."""
    owner = await postgres.connect(server, postgres.OWNER)
    await owner.execute("create table naive (seq bigint generated always as identity primary key, entry bytea)")
    await owner.execute("grant insert on naive to saqtau_app")
    await owner.close()
    entry = leaf_entries(1)[0].leaf
    async with postgres.pool(server, postgres.APP, 20, min_size=20) as pool:
        return await writers(lambda _: pool.execute("insert into naive (entry) values ($1)", entry), seconds)


def aics(seconds):
    """The peer that others wrote: aics-tlog's writer, which syncs a file a tile; None where it is not installed."""
    sys.path.append(str(Path(__file__).parents[1] / ".foreign" / "python"))
    try:
        from aics_tlog import DirectoryTileStore, IncrementalTileWriter
    except ImportError:
        return None
    leaves = [entry.leaf for entry in leaf_entries(1_000)]
    with tempfile.TemporaryDirectory() as folder:
        writer, written, begun = IncrementalTileWriter(DirectoryTileStore(folder), size=0), 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            writer.append(leaves)
            written += len(leaves)
        return written / (time.perf_counter() - begun)


async def prove(pool, size, seconds):
    """Inclusion proofs a second, of entries drawn from the whole log and of the last ones, their tiles in memory."""
    choose = random.Random(1)
    for what, lowest, tiles in (("whole log", 0, 5_000), ("last 65,536 entries", max(size - 65_536, 0), 512)):
        proofs = Proofs(pool, tiles)
        for index in range(lowest, size, 256):
            await proofs.inclusion(BIG, index, size)
        made, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < seconds:
            for _ in range(100):
                await proofs.inclusion(BIG, choose.randrange(lowest, size), size)
            made += 100
        print(f"inclusion proofs, {what + ':':24} {made / (time.perf_counter() - begun):10,.0f} /s")


async def grow(pool, lane, size):
    """Grow a log; print how long, how much disk, how much memory."""
    block = leaf_entries(25 * BATCH)
    begun, flights = time.perf_counter(), []
    for at in range(0, size, BATCH):
        start = at % len(block)
        flights.append(lane.put(block[start : start + min(BATCH, size - at)]))
        if len(flights) == 3:
            await flights.pop(0)
    await asyncio.gather(*flights)
    took = time.perf_counter() - begun
    print(f"a log of {size:,} leaves: grown in {took:.1f} s, {size / took:,.0f} leaves/s")
    for table in ("pack", "tile", "checkpoint"):
        found = await pool.fetchval("select pg_total_relation_size($1::text::regclass)", f"ledger_{table}")
        print(f"  {table:12} {found / 1e6:10,.1f} MB  {found / size:6.1f} bytes a leaf", flush=True)


async def audited(pool, size):
    """The audit that overseers run, over the tables: every entry read, every tile computed anew."""
    loop, policy = (
        asyncio.get_running_loop(),
        parse_policy(f"log {Signers('saqtau.bench', SEED).signer(BIG).vkey()}\nquorum none\n".encode()),
    )

    def read(path):
        wanted = (
            ledger_read.checkpoint(pool, BIG) if path == "checkpoint" else ledger_read.tile(pool, BIG, parse_path(path))
        )
        found = asyncio.run_coroutine_threadsafe(wanted, loop).result()
        return found.encode() if isinstance(found, str) else found

    begun = time.perf_counter()
    found = await asyncio.to_thread(lambda: audit(read, policy, lambda _: None, now=now()))
    took = time.perf_counter() - begun
    assert not found.findings, found.findings
    assert sum(found.classes.values()) == size
    print(f"  audited in {took:.1f} s, {size / took:,.0f} leaves/s: no finding")
    print(
        f"  memory of this process at its highest: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB"
    )


async def main(server, other, quick):
    seconds = 3 if quick else 10
    signers = Signers("saqtau.bench", SEED)
    ids = uuid7_source(now, secrets.token_bytes)
    with tempfile.TemporaryDirectory() as folder:
        async with postgres.pool(server, postgres.APP, 4) as pool:
            lane = Lane(pool, signers.signer("saqtau.bench/01/access/2026"), now, ids)
            ledger = Ledger(pool, signers, Keys(Path(folder) / "keys"), now, secrets.token_bytes)
            draft = Draft(ACCESS, 2, LeafClass.VIEW, "access_3y", RECORD, COUNT)
            entries = [(entry,) for entry in leaf_entries(WRITERS)]
            peer = await naive(server, seconds)
            told("naive: a row and a commit an entry", peer)
            ours = await writers(lambda n: lane.put(entries[n]), seconds)
            told("1,000 writers, leaves only", ours)
            sealed = await writers(lambda _: ledger.append(draft), seconds)
            told("1,000 writers, sealed records", sealed)
            await batched(lane, ledger, draft, ours, sealed, peer, seconds)
            await ledger.close()
        async with postgres.pool(other, postgres.APP, 4) as pool:
            size = 300_000 if quick else 10_000_000
            await grow(pool, Lane(pool, signers.signer(BIG), now, ids), size)
            async with pool.acquire() as pg:
                await audited(pg, size)
            await prove(pool, min(size, 1_000_000), seconds)


async def batched(lane, ledger, draft, ours, sealed, peer, seconds):
    block, drafts = leaf_entries(BATCH), [draft] * BATCH
    many = await batches(lane.put, lambda: block, seconds)
    print(f"{'batches of 4,096, leaves only:':36} {many:10,.0f} entries/s")
    many_sealed = await batches(ledger.append_all, lambda: drafts, seconds)
    print(f"{'batches of 4,096, sealed records:':36} {many_sealed:10,.0f} entries/s")
    foreign = aics(seconds)
    if foreign is None:
        print("aics-tlog is not installed here: make foreign")
    else:
        print(f"{'aics-tlog, batches of 1,000 in files:':36} {foreign:10,.0f} entries/s (leaves only, no checkpoint)")
        print(f"leaves in batches, ours / aics-tlog: {many / foreign:.1f}x")
    print(f"1,000 writers, ours / naive: leaves {ours[0] / peer[0]:.1f}x, sealed {sealed[0] / peer[0]:.1f}x")
    print("goals: >= 100,000 durable entries/s with 1,000 writers, >= 300,000/s in batches, >= 10,000 proofs/s")


def told(what, figures):
    rate, p50, p99 = figures
    print(f"{what + ':':36} {rate:10,.0f} entries/s   p50 {p50:6.2f} ms   p99 {p99:6.2f} ms", flush=True)


if __name__ == "__main__":
    running.QUICK.clear()  # the settings of the product, not those of the tests
    with running.running() as engine:
        uvloop.run(main(engine.fresh_database(), engine.fresh_database(), "--quick" in sys.argv))
