"""The live picture over the wire: who may see it, what comes, what the log says left, what a slow viewer is told."""

import asyncio
import contextlib

import pytest
import websockets
from tests.api.cameras import CODEC, closed_with, connect, hear, put_up, recording

from saqtau.kernel.access import LIFETIME
from saqtau.web import protocol, view

pytestmark = pytest.mark.anyio


@pytest.fixture
async def watched(house, tmp_path):
    """A house with cameras, and a recorder that has the one of the street."""
    await put_up(house.owner, house.parts.clock())
    async with recording(house, tmp_path) as recorder:
        yield house, recorder


async def test_an_operator_sees_the_street_from_the_last_key_frame_on_and_the_log_says_what_left(watched):
    house, recorder = watched
    now = house.parts.clock()
    began = [recorder.write(now, key=True), recorder.write(now + 200)]
    client = await house.signed_in("operator")
    async with connect(house, client, purpose="duty") as socket:
        (word, *binary) = await hear(socket, 4)
        assert word["init"]["codec"] == CODEC
        assert binary == [b"init", *began]
        more = recorder.write(now + 400)
        assert await hear(socket) == [more]
    (entry,) = await house.closed(1, viewer="operator", action="camera.watch")
    assert (entry["purpose"], entry["object"], entry["delivered"]) == ("duty", "STREET", 4 + 3000)
    ended = await house.owner.fetchrow("select * from video_watch where entry = $1", entry["entry"])
    assert (ended["camera"], ended["purpose"], ended["kind"], ended["entry"]) == (
        "STREET", "duty", "live", entry["entry"]
    )  # fmt: skip
    assert ended["until"] is not None


@pytest.mark.parametrize(
    ("who", "name", "query", "code", "kind"),
    [
        ("operator", "STREET7", {}, 4403, "denied"),  # not his region
        ("operator", "SCHOOL", {"purpose": "duty"}, 4403, "denied"),  # not his place
        ("operator", "STREET", {"purpose": "incident"}, 4403, "denied"),  # he names none
        ("operator", "STREET", {"purpose": "incident", "case": "invented"}, 4403, "denied"),
        ("operator", "STREET", {"purpose": "curiosity"}, 4400, "invalid"),
        ("operator", "STREET", {"purpose": "incident", "case": "a b"}, 4400, "invalid"),
        ("operator", "NOWHERE", {}, 4403, "denied"),
        ("operator", "a'b", {}, 4400, "invalid"),
        ("administrator", "STREET", {"purpose": "maintenance"}, 4403, "denied"),
        ("patrol1", "STREET", {"purpose": "duty"}, 4403, "denied"),
        ("duty", "COLONY", {"purpose": "case", "case": "УД-12/2026"}, 4403, "denied"),
    ],
)
async def test_who_may_not_look_is_told_why_by_the_socket(watched, who, name, query, code, kind):
    house, _ = watched
    async with connect(house, await house.signed_in(who), name, **query) as socket:
        closed, reason = await closed_with(socket)
    assert (closed, reason["kind"]) == (code, kind)
    if code == 4403:
        assert [entry["decision"] for entry in await house.entries(viewer=who, action="camera.watch")] == ["deny"]


async def test_the_prosecutor_sees_a_colony_and_the_inspector_for_his_case(house, tmp_path):
    await put_up(house.owner, house.parts.clock())
    async with recording(house, tmp_path, "COLONY") as recorder:
        began = recorder.write(house.parts.clock(), key=True)
        for who, query in (
            ("prosecutor", {"purpose": "oversight"}),
            ("inspector", {"purpose": "case", "case": "УД-12/2026"}),
        ):
            async with connect(house, await house.signed_in(who), "COLONY", **query) as socket:
                assert (await hear(socket, 3))[2] == began


async def test_without_a_session_or_from_another_page_nothing_is_shown(watched):
    house, _ = watched
    async with connect(house, await house.client()) as socket:
        assert (await closed_with(socket))[0] == 4401
    client = await house.signed_in("operator")
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with connect(house, client, origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    assert await house.entries(viewer="operator", action="camera.watch") == []


async def test_a_session_that_ends_takes_its_pictures_with_it(watched):
    house, recorder = watched
    recorder.write(house.parts.clock(), key=True)
    client = await house.signed_in("operator")
    async with connect(house, client) as socket:
        await hear(socket, 3)
        assert (await client.post("/api/logout")).is_success
        assert (await closed_with(socket))[0] == 4401


async def test_a_process_that_stops_ends_its_pictures_at_once(watched):
    house, recorder = watched
    recorder.write(house.parts.clock(), key=True)
    client = await house.signed_in("operator")
    async with connect(house, client) as socket:
        await hear(socket, 3)
        house.app.state.views.stop()
        assert (await closed_with(socket))[0] == view.STOPPING
    async with connect(house, client) as socket:
        assert (await closed_with(socket))[0] == 4503
    assert len(await house.closed(1, viewer="operator", action="camera.watch")) == 1


async def test_a_dark_camera_says_why_and_a_recorder_that_is_away_too(watched):
    house, recorder = watched
    now = house.parts.clock()
    client = await house.signed_in("operator")
    recorder.write(now, key=True)
    async with connect(house, client) as socket:
        await hear(socket, 3)
        recorder.go_dark("source_silent", now)
        assert await hear(socket) == [{"dark": "source_silent", "since": now}]
        back = recorder.write(now + 9, key=True)
        assert await hear(socket) == [back]
    async with connect(house, await house.signed_in("prosecutor"), "OFFICE", purpose="oversight") as socket:
        (word,) = await hear(socket)
        assert word["dark"] == "recorder_down"


async def test_without_fragments_a_sign_of_life_comes(watched, monkeypatch):
    monkeypatch.setattr(view, "BEAT", 0.05)
    house, _ = watched
    async with connect(house, await house.signed_in("operator")) as socket:
        words = await hear(socket, 4, beats=True)
    assert any("beat" in word for word in words if isinstance(word, dict))


async def test_a_socket_lives_longer_than_a_request_may_take(watched, monkeypatch):
    monkeypatch.setattr(protocol, "SLOWEST", 0.2)
    monkeypatch.setattr(view, "BEAT", 0.05)
    house, _ = watched
    async with connect(house, await house.signed_in("operator")) as socket:
        assert len(await hear(socket, 16, beats=True)) == 16


async def test_a_grant_is_renewed_with_an_entry_of_its_own_and_not_for_who_may_look_no_more(watched, monkeypatch):
    house, recorder = watched
    monkeypatch.setattr(view, "RENEWED_BEFORE", LIFETIME - 1)  # at each fragment but the first
    client = await house.signed_in("operator")
    recorder.write(house.parts.clock(), key=True)
    async with connect(house, client) as socket:
        await hear(socket, 3)
        await asyncio.sleep(0.005)
        recorder.write(house.parts.clock())
        await hear(socket)
        assert len(await house.entries(viewer="operator", action="camera.watch")) >= 2
        shifts = await house.owner.fetch("delete from shifts where person = 'operator' returning *")
        try:
            while not socket.close_code:
                recorder.write(house.parts.clock())
                try:
                    await hear(socket)
                except websockets.ConnectionClosed:
                    break
        finally:
            await house.owner.executemany("insert into shifts values ($1, $2, $3)", [tuple(row) for row in shifts])
        assert socket.close_code == 4403


async def test_who_talks_into_the_socket_is_cut_off(watched):
    house, _ = watched
    async with connect(house, await house.signed_in("operator")) as socket:
        with contextlib.suppress(websockets.ConnectionClosed):
            for _ in range(view.TALKATIVE + 1):
                await socket.send("hello")
        assert (await closed_with(socket))[0] == 4400


async def test_one_session_opens_only_so_many(watched, monkeypatch):
    house, _ = watched
    client = await house.signed_in("operator")
    views = house.app.state.views
    monkeypatch.setattr(views, "_limits", type(views._limits)(views_per_session=1))
    async with connect(house, client) as first:
        await hear(first)
        async with connect(house, client) as second:
            code, reason = await closed_with(second)
    assert (code, reason["kind"]) == (4429, "too_many")
    assert len(await house.entries(viewer="operator", action="camera.watch", decision="allow")) == 1


async def test_a_viewer_who_does_not_read_never_delays_another_and_goes_on_at_a_key_frame(watched):
    house, recorder = watched
    client = await house.signed_in("operator")
    now = house.parts.clock()
    recorder.write(now, key=True)
    async with connect(house, client) as slow, connect(house, client) as quick:
        await hear(quick, 3)
        for number in range(1, 60):  # far more than the buffers between hold
            piece = recorder.write(now + 200 * number, key=number % 10 == 0, size=400_000)
            assert await hear(quick) == [piece]
        heard = await hear(slow, 3)
        while not (isinstance(heard[-1], dict) and "skipped" in heard[-1]):
            heard += await hear(slow)
        assert heard[-1]["skipped"] > 0
        (key,) = await hear(slow)
        assert len(key) == 400_000
