"""Positions a second from the tablet's POST to the disk: verified, flagged, snapped to the road, durable.

10,000 units on the streets of Almaty, a fix a second each, sent as signed batches over loopback HTTP to the real intake
(uvicorn), packed into the journal, which is synced to disk; 200 only then. The load shares the machine's cores; bodies
are signed before the clock starts. Afterwards the journal is read back: every acknowledged position must be in it.

    python bench/positions.py [--units 10000] [--batch 10] [--rounds 4] [--connections 256] [--map FILE.osm.pbf]
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import platform
import resource
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import uvloop

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE.parent)]

from tests.running import running  # noqa: E402 - after the path is set

from saqtau.devices.http import serve  # noqa: E402
from saqtau.devices.off_road import off_road_of  # noqa: E402
from saqtau.devices.tablet.compose import compose, new_key  # noqa: E402
from saqtau.devices.tablet.device import DEVICE  # noqa: E402
from saqtau.devices.tablet.parse import Fix  # noqa: E402
from saqtau.devices.tablet.server import Enrolled, positions  # noqa: E402
from saqtau.engine import broker, journal  # noqa: E402
from saqtau.engine.pack import Packer  # noqa: E402
from saqtau.jurisdiction import load  # noqa: E402
from saqtau.kernel.clock import Instant  # noqa: E402
from saqtau.kernel.ids import uuid7_source  # noqa: E402
from saqtau.kernel.signal import Position  # noqa: E402
from saqtau.roads.graph import RoadGraph, decode_graph, encode_graph  # noqa: E402
from saqtau.roads.osm import import_osm  # noqa: E402
from saqtau.roads.snap import snapper  # noqa: E402

MAP = HERE.parent.parent / "shared" / "data" / "maps" / "almaty.osm.pbf"
NOISE = 5.0  # m
FLUSH = 0.1  # s; 64 partitions share a pack's 20 ms badly at this rate, and a tablet does not mind


def clock() -> Instant:
    return Instant(time.time_ns() // 1_000_000)


async def intake(plan: dict) -> None:
    """The tablet's input as the bootstrap runs it: one process."""
    import uvicorn
    from prometheus_client import CollectorRegistry

    roads = snapper(decode_graph(Path(plan["graph"]).read_bytes()))
    off_road = off_road_of(roads)
    off_road([Position("u", "d", 1, clock(), clock(), 43.25, 76.9)])  # compiled before the clock starts
    nc = await broker.connect(broker.Broker(tuple(plan["urls"]), plan["password"]), "intake")
    packer = Packer(
        broker.context(nc),
        clock,
        uuid7_source(clock, secrets.token_bytes),
        key=lambda p: p.unit,
        stream=journal.POSITIONS,
        flush=FLUSH,
    )
    shift = 0
    key = base64.b64decode(plan["key"])
    handler = positions(
        devices=lambda device: Enrolled(device, key, Instant(2**53)),
        take_positions=packer.put_all,
        clock=lambda: Instant(clock() + shift),
        registry=CollectorRegistry(),
        off_road=off_road,
    )
    config = uvicorn.Config(
        serve({DEVICE.path: handler}),
        port=0,
        access_log=False,
        proxy_headers=False,
        log_level="warning",
        http="httptools",
    )
    server = uvicorn.Server(config)
    running_ = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    shift = int(await asyncio.to_thread(sys.stdin.readline))
    await asyncio.to_thread(sys.stdin.read)  # until the bench closes it: a signal would end us before the figures
    server.should_exit = True
    await running_
    await packer.close()
    await nc.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024}), flush=True)


def drives(graph: RoadGraph, units: int, fixes: int, start: int, dice: np.random.Generator) -> list[list[Fix]]:
    """Tracks along edges of the map: a fix a second at 40 km/h with 5 m of noise, to and fro on one street."""
    tracks = []
    for edge in dice.choice(np.flatnonzero(graph.length > 120), units):
        line = graph.points(int(edge)).astype(np.float64)
        run = np.concatenate(([0.0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))))
        gone = dice.uniform(0, run[-1]) + np.arange(fixes) * (40 / 3.6)
        along = np.abs((gone + run[-1]) % (2 * run[-1]) - run[-1])
        xy = np.stack([np.interp(along, run, line[:, axis]) for axis in (0, 1)], axis=1)
        lat, lon = graph.degrees(xy + dice.normal(0, NOISE, xy.shape))
        tracks.append(
            [
                Fix(n + 1, start + n * 1000, round(float(lat[n]), 7), round(float(lon[n]), 7), 5.0, 40.0, None, 0.83)
                for n in range(fixes)
            ]
        )
    return tracks


async def drive(port: int, queues: list[list[tuple[bytes, int]]], took: list[float]) -> int:
    """Positions acknowledged. A connection posts its batches one after the other, each when the last was answered."""

    async def one(queue: list[tuple[bytes, int]]) -> int:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        taken = 0
        for request, count in queue:
            begun = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            body = await reader.readexactly(length)
            took.append(time.perf_counter() - begun)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(head + body)
            taken += count
        writer.close()
        return taken

    return sum(await asyncio.gather(*(one(queue) for queue in queues)))


async def stored(engine_broker: broker.Broker) -> tuple[set[tuple[str, int]], int, Counter]:
    """What the journal holds, read back: distinct (device, seq), positions, flags."""
    nc = await broker.connect(engine_broker, "reader")
    js = broker.context(nc)
    last = await journal.last_sequence(js, journal.POSITIONS)
    seen: set[tuple[str, int]] = set()
    total, flags = 0, Counter()
    decode = msgspec.msgpack.Decoder(list[Position]).decode
    async with contextlib.aclosing(journal.replay(js, journal.POSITIONS, "*", 0)) as batches:
        async for batch in batches:
            for message in batch:
                for position in decode(message.data):
                    seen.add((position.device, position.seq))
                    total += 1
                    flags.update(flag.value for flag in position.flags)
            if not batch or batch[-1].sequence >= last:
                break
    await nc.close()
    return seen, total, flags


def request_of(port: int, body: bytes) -> bytes:
    head = f"POST {DEVICE.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--units", type=int, default=10_000)
    words.add_argument("--batch", type=int, default=10, help="fixes a request")
    words.add_argument("--rounds", type=int, default=4, help="requests a unit")
    words.add_argument("--connections", type=int, default=256)
    words.add_argument("--map", type=Path, default=MAP)
    words.add_argument("--intake", help=argparse.SUPPRESS)
    asked = words.parse_args()
    if asked.intake:
        uvloop.run(intake(json.loads(Path(asked.intake).read_text())))
        return
    law = load()
    graph = import_osm(asked.map, law.speeds, law.limits)
    key, public = new_key()
    with running(cluster=False) as engine, tempfile.TemporaryDirectory() as folder:
        asyncio.run(_streams(engine.broker))
        (Path(folder) / "graph").write_bytes(encode_graph(graph))
        plan = {
            "graph": str(Path(folder) / "graph"),
            "urls": engine.broker.urls,
            "password": engine.broker.password,
            "key": base64.b64encode(public).decode(),
        }
        (Path(folder) / "plan").write_text(json.dumps(plan))
        child = subprocess.Popen(
            [sys.executable, __file__, "--intake", str(Path(folder) / "plan")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert child.stdin is not None
            assert child.stdout is not None
            port = int(child.stdout.readline())
            fixes = asked.batch * asked.rounds
            start = clock()
            tracks = drives(graph, asked.units, fixes, start, np.random.default_rng(1))
            queues: list[list[tuple[bytes, int]]] = [[] for _ in range(asked.connections)]
            for turn in range(asked.rounds):
                for unit, track in enumerate(tracks):
                    part = track[turn * asked.batch : (turn + 1) * asked.batch]
                    body = compose(key, f"tab-{unit}", part)
                    queues[unit % asked.connections].append((request_of(port, body), len(part)))
            took: list[float] = []
            # signing took its time: the intake's clock is set to the moment the first batch is full
            child.stdin.write(f"{start + asked.batch * 1000 - clock()}\n")
            child.stdin.flush()
            begun = time.perf_counter()
            acknowledged = uvloop.run(drive(port, queues, took))
            seconds = time.perf_counter() - begun
            child.stdin.close()
            used = json.loads(child.stdout.readline())
        finally:
            child.kill()
            child.wait()
        seen, total, flags = asyncio.run(stored(engine.broker))
    p50, p99 = np.percentile(np.array(took) * 1000, (50, 99))
    print(f"{datetime.now(UTC):%Y-%m-%d} {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{asked.units} units, {asked.batch} fixes a request, {asked.connections} connections, {graph.edges} edges")
    print(f"acknowledged {acknowledged} positions in {seconds:.1f} s = {acknowledged / seconds:,.0f}/s")
    print(
        f"request p50 {p50:.0f} ms, p99 {p99:.0f} ms; intake {used['cpu'] / seconds:.2f} cores, {used['rss']:.0f} MiB"
    )
    print(f"journal read back: {total} positions, {acknowledged - len(seen)} lost; flags {dict(flags)}")
    if len(seen) != acknowledged:
        sys.exit("acknowledged positions are missing")


async def _streams(engine_broker: broker.Broker) -> None:
    nc = await broker.connect(engine_broker, "setup")
    await journal.ensure_streams(broker.context(nc))
    await nc.close()


if __name__ == "__main__":
    main()
