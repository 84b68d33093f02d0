"""The server itself: what it bounds before a request is one, and how it stops."""

import asyncio
import json
import os
import signal
import sys

import httpx
import pytest
from tests.api import house as building
from tests.api.house import PASSWORD

from saqtau.web import protocol

pytestmark = pytest.mark.anyio

CHILD = """
import asyncio, json, sys
from pathlib import Path
from tests.api import house as building
from saqtau.engine import broker, postgres
from saqtau.engine.blobs import Blobs
from saqtau.kernel.desk import gather
from saqtau.kernel.ids import uuid7_source
from saqtau.web.app import create_app
from saqtau.web.parts import Parts
from saqtau.web.serve import server
import os, socket

async def main(given):
    pool = await postgres.pool(postgres.Server(given["dsn"], given["passwords"]), postgres.APP, 4)
    nc = await broker.connect(broker.Broker(tuple(given["urls"]), given["secret"]), "child")
    clock = building.Time()
    access, keys = building.door(pool, pool, broker.context(nc), Path(given["blobs"]), clock)
    parts = Parts(pg=pool, nc=nc, js=broker.context(nc), pictures=nc, desks=gather(), clock=clock,
                  ids=uuid7_source(clock, os.urandom), blobs=Blobs(Path(given["blobs"])), access=access, keys=keys)
    await server(create_app(parts), "127.0.0.1", given["port"]).serve()
    print("stopped by itself", flush=True)
    await nc.close()
    await pool.close()

asyncio.run(main(json.loads(sys.stdin.readline())))
"""


async def raw(house, *chunks, pause=0.0):
    """What comes back for these bytes, until the server closes."""
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        for chunk in chunks:
            writer.write(chunk)
            await asyncio.sleep(pause)
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_head_that_does_not_end_is_refused(house):
    chunks = [b"GET /healthz HTTP/1.1\r\nHost: x\r\n", *(b"X-%d: %b\r\n" % (n, b"y" * 4000) for n in range(10))]
    assert (await raw(house, *chunks, pause=0.02)).startswith(b"HTTP/1.1 431 ")
    assert (await raw(house, b"GET /" + b"a" * 40_000)).startswith(b"HTTP/1.1 431 ")


async def test_a_long_body_beside_a_short_head_is_judged_by_the_body(house):
    client = await house.client()
    answer = await client.post("/api/login", content=b'{"name":"' + b"x" * 60_000 + b'"}')
    assert (answer.status_code, answer.json()["fields"]) == (400, {"name": "invalid"})
    assert (await client.post("/api/login", content=b"x" * 66_000)).status_code == 413


async def test_a_sender_that_does_not_get_done_is_let_go(house, monkeypatch):
    monkeypatch.setattr(protocol, "SLOWEST", 0.2)
    assert await raw(house) == b""
    assert await raw(house, b"GET /healthz HTTP/1.1\r\nHost:") == b""
    assert await raw(house, b"POST /api/login HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{") == b""
    client = await house.client()
    assert (await client.get("/healthz")).status_code == 200


async def test_what_is_not_http_is_refused(house):
    assert (await raw(house, b"\x16\x03\x01 hello\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


async def test_sigterm_ends_open_streams_and_the_process(house, engine, database, tmp_path):
    (port,) = building.free_ports(1)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
    )  # fmt: skip
    given = {
        "dsn": database.dsn, "passwords": dict(database.passwords), "urls": engine.broker.urls,
        "secret": engine.broker.password, "port": port, "blobs": str(tmp_path / "blobs2"),
    }  # fmt: skip
    child.stdin.write(json.dumps(given).encode() + b"\n")
    await child.stdin.drain()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
            async with asyncio.timeout(30):
                while True:
                    try:
                        answer = await client.post("/api/login", json={"name": "operator", "password": PASSWORD})
                        break
                    except httpx.ConnectError:
                        await asyncio.sleep(0.05)
            assert answer.status_code == 200
            async with client.stream("GET", "/api/live") as stream:
                assert stream.status_code == 200
                lines = stream.aiter_lines()
                await anext(lines)
                child.send_signal(signal.SIGTERM)
                async with asyncio.timeout(2):
                    assert [line async for line in lines if line.startswith("event: beat")] == []
        async with asyncio.timeout(5):
            out, _ = await child.communicate()
        assert b"stopped by itself" in out
        assert child.returncode == 0
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
