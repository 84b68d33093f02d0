"""Who hangs up in the middle: the entry says what he took, and a copy that was broken off was not looked through."""

import asyncio
import socket

import pytest
from tests.api.recordings import approved, asked, recorded

from saqtau.bootstrap.web import watch_policies
from saqtau.engine import recording_draft

pytestmark = pytest.mark.anyio


@pytest.fixture
async def street(house, tmp_path):
    await watch_policies(house.parts.pg, house.parts.access)
    return await recorded(house, tmp_path / "volume")


async def broken_off(house, client, path, after):
    """Ask for something over a connection that takes little ahead, read so many bytes of the answer, and hang up."""
    host, port = house.url.removeprefix("http://").split(":")
    line = socket.create_connection((host, int(port)))
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=line, limit=4096)
    cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookies}\r\n\r\n".encode())
    try:
        async with asyncio.timeout(20):
            return await reader.readexactly(after)
    finally:
        writer.transport.abort()


async def drafted(street, monkeypatch, size):
    """A redacted copy of so many bytes, which only its length matters of here."""
    inspector, answer = await asked(street, since=20_000, until=22_000, keep=[])
    path = f"/api/recording-exports/{answer.json()['id']}"
    assert (await inspector.post(f"{path}/redact")).status_code == 200
    found = recording_draft.open_draft

    async def longer(*given):
        copy = await found(*given)
        return recording_draft.RedactedCopy(copy.data.ljust(size, b"\0"), copy.sha256, copy.frames, copy.parent)

    monkeypatch.setattr(recording_draft, "open_draft", longer)
    return path, answer.json()["id"]


async def seen(street, name):
    return await street.house.owner.fetchval("select count(*) from recording_draft_seen where wish = $1", name)


async def test_a_copy_that_was_broken_off_was_not_looked_through(street, monkeypatch):
    size = 6 << 20
    path, name = await drafted(street, monkeypatch, size)
    duty = await street.house.signed_in("duty")
    head = await broken_off(street.house, duty, f"{path}/draft", 100_000)
    assert head.startswith(b"HTTP/1.1 200")
    (entry,) = await street.house.closed(1, viewer="duty", action="export.approve", object=name)
    assert entry["delivered"] < size / 2
    assert await seen(street, name) == 0
    assert (await duty.post(f"{path}/approve")).json()["fields"] == {"draft": "not_seen"}


async def test_not_even_one_that_fits_into_the_buffers_of_the_line(street, monkeypatch):
    """What lies in our own system is not with him: he took the head of the answer, and left."""
    path, name = await drafted(street, monkeypatch, 300_000)
    duty = await street.house.signed_in("duty")
    await broken_off(street.house, duty, f"{path}/draft", 20)
    await street.house.closed(1, viewer="duty", action="export.approve", object=name)
    assert await seen(street, name) == 0


async def test_a_copy_that_was_taken_to_its_end_is_looked_through_before_its_end_is_said(street, monkeypatch):
    path, name = await drafted(street, monkeypatch, 700_000)
    duty = await street.house.signed_in("duty")
    copy = await duty.get(f"{path}/draft")
    assert (copy.status_code, len(copy.content)) == (200, 700_000)
    assert await seen(street, name) == 1
    assert (await duty.post(f"{path}/approve")).json()["standing"] == "approved"
    (entry,) = await street.house.closed(1, viewer="duty", action="export.approve", object=name, delivered=700_000)
    assert entry["delivered"] == 700_000


async def test_of_a_package_that_was_broken_off_the_log_tells_what_was_taken(street):
    inspector, name = await approved(street)
    whole = await inspector.get(f"/api/recording-exports/{name}/package")
    await broken_off(street.house, inspector, f"/api/recording-exports/{name}/package", 60_000)
    first, second = await street.house.closed(2, viewer="inspector", action="export.receive", object=name)
    assert first["delivered"] == len(whole.content) > 1_000_000
    assert second["delivered"] < 600_000
