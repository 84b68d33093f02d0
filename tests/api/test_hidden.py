"""Whoever has no business with a thing is not told by the answer whether it is there."""

import pytest
from tests.api.cameras import closed_with, connect, put_up, written
from tests.api.desks import open_hit

pytestmark = pytest.mark.anyio

LOOKS = (
    ("timeline", {"from": 1, "to": 2}), ("watchers", {}), ("recording", {"from": 1, "to": 2}),
    ("recording.m3u8", {"from": 1, "to": 2}), ("thumbnail", {"at": 1}), ("files/1.mp4", {}),
)  # fmt: skip
NOT_YOURS = (403, {"camera": "not_yours"})


@pytest.fixture
async def cameras(house):
    await put_up(house.owner, house.parts.clock())
    return house


@pytest.mark.parametrize(("who", "his"), [("operator7", "STREET"), ("school", "COLONY"), ("patrol1", "STREET")])
async def test_what_is_not_there_and_what_is_not_his_are_one_answer(cameras, who, his):
    client = await cameras.signed_in(who)
    for named in (his, "NOWHERE"):
        for path, query in LOOKS:
            answer = await client.get(f"/api/cameras/{named}/{path}", params=query)
            assert (answer.status_code, answer.json()["fields"]) == NOT_YOURS, (named, path)
        for act in ("disable", "enable", "learn"):
            answer = await client.post(f"/api/cameras/{named}/{act}", json={"reason": "painting the walls"})
            assert (answer.status_code, answer.json()["fields"]) == NOT_YOURS, (named, act)
        async with connect(cameras, client, named) as socket:
            code, reason = await closed_with(socket)
        assert (code, reason["fields"]) == (4403, {"camera": "not_yours"})
        denied = await cameras.entries(viewer=who, object=named)
        assert len(denied) == len(LOOKS) + 4
        assert {one["decision"] for one in denied} == {"deny"}, "what he tried stands in the log"


async def test_who_is_shown_all_cameras_is_told_which_are_missing_and_who_is_shown_some_why_one_is_not_for_him(cameras):
    for who in ("prosecutor", "administrator"):
        client = await cameras.signed_in(who)
        answer = await client.get("/api/cameras/NOWHERE/timeline", params={"from": 1, "to": 2})
        assert (answer.status_code, answer.json()["fields"]) == (404, {"camera": "unknown"})
    operator = await cameras.signed_in("operator")
    answer = await operator.get("/api/cameras/SCHOOL/recording", params={"from": 1, "to": 2})
    assert answer.status_code == 403
    assert "policy" in answer.json()["fields"]
    answer = await operator.get("/api/cameras/NOWHERE/recording", params={"from": 1, "to": 2})
    assert (answer.status_code, answer.json()["fields"]) == NOT_YOURS


@pytest.mark.parametrize("kind", ["exports", "recording-exports"])
async def test_so_it_is_with_exports(cameras, kind):
    item, _ = await open_hit(cameras)
    inspector = await cameras.signed_in("inspector")
    told = {"case": "УД-12/2026", "recipient": "the court", "reason": "for the trial of May"}
    now = cameras.parts.clock()
    of = {"item": item.id} if kind == "exports" else {"camera": "STREET", "from": now - 9_000, "to": now - 8_000}
    if kind == "recording-exports":
        await written(cameras.owner, "STREET", now - 60_000, now, first=9_000_000, last=9_000_100)
    asked = await inspector.post(f"/api/{kind}", json=told | of)
    assert asked.status_code == 201, asked.text
    stranger, missing = await cameras.signed_in("operator7"), "0" * 36
    for name in (asked.json()["id"], missing):
        tries = [await stranger.get(f"/api/{kind}/{name}/package")]
        tries.append(await stranger.post(f"/api/{kind}/{name}/refuse", json={"why": "it is not needed"}))
        for answer in tries:
            assert (answer.status_code, answer.json()["fields"]) == (403, {"export": "not_yours"})
    prosecutor = await cameras.signed_in("prosecutor")
    assert (await prosecutor.get(f"/api/{kind}/{missing}/package")).status_code == 404
