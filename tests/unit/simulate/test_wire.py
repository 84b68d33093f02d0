"""A device's line and the load over many of them, against a real socket."""

import asyncio
import contextlib
import time

import pytest

from saqtau.simulate.load import Push, load, percentile
from saqtau.simulate.wire import Line

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def server(answer):
    """A server whose `answer(number of the connection, request head, body)` is written back; its address."""
    connections, talks = 0, set()

    async def talk(reader, writer):
        nonlocal connections
        talks.add(asyncio.current_task())
        connections += 1
        mine = connections
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
                said = answer(mine, head, await reader.readexactly(length))
                if said is None:
                    break
                writer.write(said)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    listening = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with listening:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    await asyncio.gather(*talks)


def plain(body, status=200):
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nX-Word: Salem\r\n\r\n".encode() + body


async def test_an_answer_by_length_and_one_in_chunks_are_read_over_one_connection():
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    async with server(
        lambda mine, head, _body: chunked if b"/chunks" in head else plain(str(mine).encode())
    ) as address:
        line = Line(address)
        assert (await line.ask("POST", "/plain", b"x")).body == b"1"
        reply = await line.ask("GET", "/chunks")
        assert (reply.status, reply.body) == (200, b"abcde")
        assert (await line.ask("POST", "/plain", b"x")).headers["x-word"] == "Salem"
        line.close()


async def test_a_kept_connection_that_the_server_closed_is_opened_again():
    served = []

    def answer(mine, _head, _body):
        served.append(mine)
        return None if served == [1, 1] else plain(b"")

    async with server(answer) as address:
        line = Line(address)
        await line.ask("POST", "/", b"1")
        assert (await line.ask("POST", "/", b"2")).status == 200
        assert served == [1, 1, 2]
        line.close()


async def test_nobody_there_is_an_error_and_not_a_wait():
    async with server(lambda *_: plain(b"")) as address:
        pass
    with pytest.raises(OSError):
        await Line(address).ask("GET", "/")


async def test_load_sends_every_push_once_and_counts_from_its_time_in_the_schedule():
    bodies = []

    def answer(_mine, _head, body):
        bodies.append(body)
        return plain(b"", 503 if body == b"7" else 200)

    async with server(answer) as address:
        figures = await load(
            address,
            lambda number: Push("/push", {}, str(number).encode(), f"k{number}"),
            rate=500.0,
            seconds=0.2,
            timer=time.perf_counter,
            connections=5,
        )
    assert sorted(bodies, key=int) == [str(number).encode() for number in range(100)]
    assert figures.statuses == {200: 99, 503: 1}
    assert figures.taken == len(figures.latencies) == 99
    assert list(figures.latencies) == sorted(figures.latencies)
    dues = [figures.sent_at[f"k{number}"] for number in range(100)]
    assert dues[99] - dues[0] == pytest.approx(99 / 500)


def test_percentiles_are_those_of_the_values():
    assert [percentile(range(100), share) for share in (0.0, 0.5, 0.99, 1.0)] == [0, 50, 99, 99]
    assert percentile((), 0.5) != percentile((), 0.5)
