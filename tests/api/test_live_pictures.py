"""Many live pictures over one socket: each let in and entered by itself, what ends one leaves the others alone."""

import asyncio
import json
from urllib.parse import quote

import cv2
import msgspec
import numpy as np
import pytest
import websockets
from tests.api.cameras import closed_with, hear, put_up, recording

from saqtau.engine.video_decoding import Decoders
from saqtau.simulate.clip import scene
from saqtau.video.access_unit import AccessUnit
from saqtau.video.boxes import init_segment
from saqtau.video.fragment import Fragment, Fragmenter
from saqtau.web import view
from saqtau.web.sessions import COOKIE

pytestmark = pytest.mark.anyio


@pytest.fixture
async def watched(house, tmp_path):
    """A house with cameras, and recorders that have the one of the street and the one of the school."""
    await put_up(house.owner, house.parts.clock())
    async with recording(house, tmp_path) as street, recording(house, tmp_path, "SCHOOL") as school:
        yield house, street, school


def wall(house, client, origin=None):
    """The socket of a wall, as a browser opens it."""
    return websockets.connect(
        f"ws://{house.url.removeprefix('http://')}/api/live-pictures", origin=origin or house.url, compression=None,
        additional_headers={"Cookie": f"{COOKIE}={quote(client.cookies.get(COOKIE, ''))}"}, max_size=None,
    )  # fmt: skip


async def ask(socket, number, camera, **more):
    """Want this camera under this number."""
    await socket.send(json.dumps({"view": number, "camera": camera, "purpose": "duty", **more}))


def mark(number):
    """What stands before the bytes of a view."""
    return number.to_bytes(4, "big")


def hand_on(recorder, link):
    """A fragment of a real stream, written and told as a recorder does."""
    offset = recorder._path.stat().st_size
    with recorder._path.open("ab") as file:
        file.write(link.data)
    recorder._sender.written(recorder.name, link.seq, link.at, link.key, offset, link.data)


async def test_two_cameras_come_over_one_socket_and_each_has_its_entry(watched):
    house, street, _ = watched
    now = house.parts.clock()
    began = street.write(now, key=True)
    async with wall(house, await house.signed_in("operator")) as socket:
        await ask(socket, 7, "STREET")
        word, init, piece = await hear(socket, 3)
        assert (word["view"], word["init"]["codec"]) == (7, "avc1.4d401f")
        assert (init, piece) == (mark(7) + b"init", mark(7) + began)
        await ask(socket, 2**32 - 1, "STREET")
        again = await hear(socket, 3)
        assert again[2] == mark(2**32 - 1) + began
        await socket.send(json.dumps({"view": 7, "leave": True}))
        async with asyncio.timeout(30):
            while await house.owner.fetchval("select count(*) from video_watch where until is null") > 1:
                await asyncio.sleep(0.02)
        more = street.write(now + 200)
        assert await hear(socket) == [mark(2**32 - 1) + more]
    entries = await house.closed(2, viewer="operator", action="camera.watch")
    assert sorted(entry["delivered"] for entry in entries) == [4 + 1000, 4 + 2000]
    assert await house.owner.fetchval("select count(*) from video_watch where until is null") == 0


async def test_what_is_refused_ends_its_view_and_no_other(watched):
    house, street, _ = watched
    began = street.write(house.parts.clock(), key=True)
    async with wall(house, await house.signed_in("operator")) as socket:
        for number, camera, more, code in (
            (1, "SCHOOL", {}, 4403), (2, "NOWHERE", {}, 4403), (3, "a'b", {}, 4400),
            (4, "STREET", {"case": "a b"}, 4400),
        ):  # fmt: skip
            await ask(socket, number, camera, **more)
            (end,) = await hear(socket)
            assert (end["view"], end["closed"]) == (number, code)
            assert end["kind"]
        await ask(socket, 5, "STREET")
        assert (await hear(socket, 3))[2] == mark(5) + began
    assert [
        one["decision"] for one in await house.entries(viewer="operator", object="SCHOOL", action="camera.watch")
    ] == ["deny"]


async def test_a_session_that_ends_ends_every_view_of_its_wall(watched):
    house, street, _ = watched
    street.write(house.parts.clock(), key=True)
    client = await house.signed_in("operator")
    async with wall(house, client) as socket:
        for number in (1, 2):
            await ask(socket, number, "STREET")
            await hear(socket, 3)
        assert (await client.post("/api/logout")).status_code in {200, 201, 204}
        ends = await hear(socket, 2)
        assert {(end["view"], end["closed"]) for end in ends} == {(1, 4401), (2, 4401)}
        await ask(socket, 3, "STREET")
        (end,) = await hear(socket)
        assert end["closed"] == 4401, "who has logged out opens nothing more over a socket that is still open"


async def test_a_wall_opens_only_so_many_and_nonsense_ends_it(watched, monkeypatch):
    house, street, _ = watched
    street.write(house.parts.clock(), key=True)
    client = await house.signed_in("operator")
    views = house.app.state.views
    monkeypatch.setattr(views, "_limits", type(views._limits)(views_per_session=1))
    async with wall(house, client) as socket:
        await ask(socket, 1, "STREET")
        await hear(socket, 3)
        await ask(socket, 2, "STREET")
        (end,) = await hear(socket)
        assert (end["view"], end["closed"]) == (2, 4429)
    for nonsense in ("hello", json.dumps({"view": -1}), json.dumps({"view": 1, "camera": "x" * 65}), "[]"):
        async with wall(house, client) as socket:
            await socket.send(nonsense)
            assert (await closed_with(socket))[0] == 4400
    async with wall(house, client) as socket:
        for _ in range(view.TALKATIVE + 1):
            await socket.send(json.dumps({"view": 9, "leave": True}))
        assert (await closed_with(socket))[0] == 4400


async def test_a_stranger_keeps_no_socket_open(watched):
    house, *_ = watched
    client = await house.signed_in("operator")
    async with wall(house, client) as socket:
        await ask(socket, 1, "STREET")
        await hear(socket)
        client.cookies.clear()
        for _ in range(3):
            async with wall(house, client) as strange:
                assert (await closed_with(strange))[0] == 4401, "before it has said a word"


async def test_who_asks_for_the_same_picture_again_and_again_talks_too_much(watched):
    house, street, _ = watched
    street.write(house.parts.clock(), key=True)
    async with wall(house, await house.signed_in("operator")) as socket:
        for _ in range(view.TALKATIVE + 4):
            await ask(socket, 1, "STREET")
        assert (await closed_with(socket))[0] == 4400


async def test_another_sites_page_opens_no_wall(watched):
    house, *_ = watched
    with pytest.raises(websockets.InvalidStatus, match="403"):
        async with wall(house, await house.signed_in("operator"), origin="http://elsewhere.example"):
            pass


@pytest.fixture
async def decoders():
    """A decoder in its process."""
    made = Decoders(1)
    yield made
    await made.close()


async def test_a_browser_that_plays_no_such_stream_is_shown_key_pictures_and_they_are_counted(
    watched, decoders, monkeypatch
):
    house, street, _ = watched
    clip = scene("street265")
    monkeypatch.setattr(house.app.state, "parts", msgspec.structs.replace(house.parts, decoders=decoders))
    cutter = Fragmenter("STREET", 1)
    cutter.take(clip.parameters)
    units = [
        AccessUnit(int(at * 90_000 / clip.fps), clip.keys[at], clip.pictures[at], house.parts.clock())
        for at in range(len(clip.pictures))
    ]
    cut = [link for unit in units for link in cutter.take(unit) if isinstance(link, Fragment)]
    street.begin("hvc1.1.6.L93.B0", init_segment(clip.parameters))
    async with wall(house, await house.signed_in("operator")) as socket:
        await ask(socket, 1, "STREET", stills=True)
        (word,) = await hear(socket)
        assert word["init"]["codec"].startswith("hvc1")
        for link in cut[:8]:
            hand_on(street, link)
        (word, picture) = await hear(socket, 2)
        assert word == {"view": 1, "still": cut[0].at}
        assert picture[:4] == mark(1)
        height, width, _ = cv2.imdecode(np.frombuffer(picture[4:], np.uint8), cv2.IMREAD_COLOR).shape
        assert (width, height) == (clip.parameters.width, clip.parameters.height)
    (entry,) = await house.closed(1, viewer="operator", action="camera.watch")
    assert entry["delivered"] == len(picture) - 4
    assert entry["told"] == {"shown": "stills"}


async def test_without_a_decoder_key_pictures_are_refused_and_nothing_is_entered_as_shown(watched):
    house, *_ = watched
    async with wall(house, await house.signed_in("operator")) as socket:
        await ask(socket, 1, "STREET", stills=True)
        (end,) = await hear(socket)
        assert (end["closed"], end["fields"]) == (4503, {"decoder": "missing"})
    assert await house.entries(viewer="operator", action="camera.watch", decision="allow") == []
