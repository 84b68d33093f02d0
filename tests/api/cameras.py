"""Cameras for the tests of the API: rows of the register, and a recorder that tells what it wrote."""

import asyncio
import contextlib
import json
from pathlib import Path
from urllib.parse import quote, urlencode

import websockets
from tests.api.house import PASSWORD  # noqa: F401 - one import for the tests

from saqtau.engine.live_video import Sender
from saqtau.engine.video_camera import write_cameras
from saqtau.kernel.clock import Instant
from saqtau.kernel.register import PlaceKind, VideoCamera
from saqtau.web.sessions import COOKIE

CODEC = "avc1.4d401f"


def camera(name, place=PlaceKind.STREET, region=2, **more):
    site = {2: "S1", 7: "S7"}[region]
    return VideoCamera(
        id=name, site=site, name=f"Камера {name}", region=region, lat=43.24, lon=76.95, place=place,
        address=f"rtsp://127.0.0.1:8554/{name}", keep_days=30, **more,
    )  # fmt: skip


CAMERAS = (
    camera("STREET"), camera("STREET7", region=7), camera("SCHOOL", PlaceKind.SCHOOL),
    camera("OFFICE", PlaceKind.OFFICE), camera("COLONY", PlaceKind.COLONY),
)  # fmt: skip


async def put_up(owner, now, *cameras):
    """The cameras in the register, once a database."""
    await owner.execute("insert into site values ('S7', 'Ақтөбе', 7, 50.3, 57.2) on conflict do nothing")
    await write_cameras(owner, cameras or CAMERAS, "administrator", now)


async def written(owner, name, began, ended, *, first=1, last=100, path=None, closed=True):
    """A row of a file that a recorder wrote."""
    await owner.execute(
        "insert into video_volume values ('volume', 'volume', 0, null, null, null, null, 0) on conflict do nothing"
    )
    await owner.execute(
        """insert into video_segment (camera, first, last, began, ended, volume, path, bytes, frames, recorded_ms,
               previous, chain, closed)
           values ($1, $2, $3, $4, $5, 'volume', $6, 1000, 10, $5::bigint - $4::bigint, $7, $7, $8)""",
        name, first, last, began, ended, str(path or f"/{name}/{first}"), bytes(32), closed,
    )  # fmt: skip


class Recorder:
    """A recorder's end of the live picture: what it writes, it hands on."""

    def __init__(self, sender, folder: Path, name: str):
        self._sender, self.name, self._path = sender, name, folder / f"{name}.cmf"
        self._path.write_bytes(b"")
        self.seq = 0

    def begin(self, codec=CODEC, init=b"init"):
        self._sender.begin(self.name, codec, init, self._path, self.seq + 1)

    def write(self, now, *, key=False, size=1000):
        """A fragment; its bytes."""
        self.seq += 1
        data = bytes([self.seq % 256]) * size
        offset = self._path.stat().st_size
        with self._path.open("ab") as file:
            file.write(data)
        self._sender.written(self.name, self.seq, Instant(now), key, offset, data)
        return data

    def go_dark(self, kind, since):
        self._sender.dark(self.name, kind, since)


@contextlib.asynccontextmanager
async def recording(house, folder, name="STREET"):
    """A recorder that has a camera, with an init segment and nothing more."""
    sender = Sender(house.parts.pictures, house.parts.clock)
    await sender.start()
    try:
        recorder = Recorder(sender, folder, name)
        recorder.begin()
        yield recorder
    finally:
        await sender.stop()


def connect(house, client, name="STREET", *, origin=None, **query):
    """A socket as a browser opens it: with the session's cookie and the page's origin."""
    token = client.cookies.get(COOKIE, "")
    asked, name = urlencode(query), quote(name)
    host = house.url.removeprefix("http://")
    return websockets.connect(
        f"ws://{host}/api/cameras/{name}/live?{asked}", origin=origin or house.url, compression=None,
        additional_headers={"Cookie": f"{COOKIE}={token}"} if token else {}, max_size=None,
    )  # fmt: skip


async def hear(socket, count=1, *, beats=False):
    """So many messages: text as JSON, bytes as they are. Signs of life are passed over unless they are wanted."""
    found = []
    async with asyncio.timeout(30):
        while len(found) < count:
            message = await socket.recv()
            message = json.loads(message) if isinstance(message, str) else message
            if beats or not (isinstance(message, dict) and "beat" in message):
                found.append(message)
    return found


async def closed_with(socket):
    """Code and reason of a socket that the server closes."""
    async with asyncio.timeout(30):
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code, json.loads(socket.close_reason or "null")
