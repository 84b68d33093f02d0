"""Cameras over the API: each sees those of his places and how they are, who looks, and an act on one is entered."""

from contextlib import AsyncExitStack

import pytest
from tests.api.cameras import camera, closed_with, connect, hear, put_up, recording, written
from tests.api.desks import open_hit

from saqtau.engine.video_reading import SEEN, UNHEARD, States
from saqtau.engine.video_watch import COMING
from saqtau.kernel.clock import DAY, HOUR, MINUTE, SECOND

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cameras(house):
    """The cameras, each with a file that is being written; nothing that earlier tests left."""
    now = house.parts.clock()
    await put_up(house.owner, now)
    tables = (
        "video_segment", "video_gap", "video_disable", "video_hold", "video_watch", "video_health", "video_told",
    )  # fmt: skip
    for table in tables:
        await house.owner.execute(f"alter table {table} disable trigger user")
        await house.owner.execute(f"delete from {table}")
        await house.owner.execute(f"alter table {table} enable trigger user")
    for name in ("STREET", "STREET7", "SCHOOL", "OFFICE", "COLONY"):
        await written(house.owner, name, now - HOUR, now, closed=False)
    return house


async def seen(house, who, *more):
    """The cameras a person sees, by their code; of others than `NAMES` those of `more`."""
    house.app.state.states = States(house.parts.pg, house.parts.clock)  # what was read a moment ago is asked anew
    answer = await (await house.signed_in(who)).get("/api/cameras")
    assert answer.status_code == 200, answer.text
    return {one["id"]: one for one in answer.json()["cameras"] if one["id"] in NAMES.union(more)}


NAMES = {"STREET", "STREET7", "SCHOOL", "OFFICE", "COLONY"}
SEES = {
    "operator": {"STREET", "SCHOOL", "OFFICE", "COLONY"},
    "operator7": {"STREET7"},
    "school": {"SCHOOL"},
    "supervisor": {"OFFICE", "COLONY"},
    "administrator": NAMES,
    "prosecutor": NAMES,
}


@pytest.mark.parametrize("who", SEES)
async def test_each_sees_the_cameras_of_his_regions_and_places(cameras, who):
    assert (await seen(cameras, who)).keys() == SEES[who]


async def test_a_first_file_that_holds_only_the_wait_for_the_camera_hides_no_file_of_the_same_beginning(cameras):
    now = cameras.parts.clock()
    began = now - 4 * MINUTE
    await written(cameras.owner, "COLONY", began, now, first=202, last=300, closed=False)
    await written(cameras.owner, "COLONY", began, began, first=201, last=201)
    assert (await seen(cameras, "prosecutor"))["COLONY"]["state"] == "well"


async def test_who_has_no_business_with_cameras_is_refused_and_it_is_entered(cameras):
    answer = await (await cameras.signed_in("patrol1")).get("/api/cameras")
    assert answer.status_code == 403
    assert [one["decision"] for one in await cameras.entries(viewer="patrol1", action="camera.read")] == ["deny"]


async def test_a_screen_that_asks_again_and_again_leaves_one_entry_for_each_kind_of_place(cameras):
    client = await cameras.signed_in("operator")
    for _ in range(4):
        assert (await client.get("/api/cameras")).status_code == 200
    await cameras.app.state.standing.end()
    entries = await cameras.closed(3, viewer="operator", action="camera.read")
    assert len(entries) == 3
    assert sum(entry["delivered"] for entry in entries) == 4 * len(await seen(cameras, "operator"))


async def test_a_camera_is_well_dark_tampered_or_disabled_and_says_since_when(cameras):
    owner, now = cameras.owner, cameras.parts.clock()
    assert {one["state"] for one in (await seen(cameras, "operator")).values()} == {"well"}
    (oldest,) = {one["oldest"] for one in (await seen(cameras, "operator")).values()}
    assert oldest == await owner.fetchval("select min(began) from video_segment")
    await owner.execute(
        "insert into video_gap values ('STREET/7', 'STREET', $1, null, 'source_silent', null, null, null, 'item1')",
        now - 5000,
    )
    await owner.execute(
        "insert into video_health (camera, at, verdict, since, measures) values ('SCHOOL', $1, 'covered', $2, '{}')",
        now, now - 7000,
    )  # fmt: skip
    await owner.execute(
        """insert into video_disable (id, camera, kind, began, by, role, why, entry)
           values ('d', 'OFFICE', 'disabled', $1, 'administrator', 'administrator', 'painting the walls', 'e')""",
        now - 9000,
    )
    found = await seen(cameras, "prosecutor")
    told = {name: tuple(one[key] for key in ("state", "kind", "since", "item")) for name, one in found.items()}
    assert told == {
        "STREET": ("dark", "source_silent", now - 5000, "item1"),
        "STREET7": ("well", None, None, None),
        "SCHOOL": ("tampered", "covered", now - 7000, None),
        "OFFICE": ("disabled", "disabled", now - 9000, None),
        "COLONY": ("well", None, None, None),
    }


async def test_a_camera_that_says_somebody_is_at_it_is_tampered_with_until_it_says_that_it_is_over(cameras):
    owner, now = cameras.owner, cameras.parts.clock()
    await owner.execute("update video_camera set back_fill = 'http://camera.example/' where id in ('SCHOOL', 'COLONY')")
    await owner.execute(
        """insert into video_told (id, camera, word, source, began, entry) values
           ('t1', 'SCHOOL', 'told_tamper', '', $1, 'e'), ('t2', 'COLONY', 'told_input', 'door', $1, 'e')""",
        now - 7000,
    )
    found = await seen(cameras, "prosecutor")
    assert [found["SCHOOL"][key] for key in ("state", "kind", "since")] == ["tampered", "told_tamper", now - 7000]
    assert found["COLONY"]["state"] == "well", "what hangs on a contact the house knows"
    await owner.execute("update video_told set ended = $1, confirmed = true, ended_entry = 'e' where id = 't1'", now)
    assert (await seen(cameras, "prosecutor"))["SCHOOL"]["state"] == "well"


async def test_a_camera_of_which_nothing_was_written_for_long_is_dark_whatever_its_last_word_was(cameras):
    now = cameras.parts.clock()
    await cameras.owner.execute("update video_segment set ended = $1 where camera = 'COLONY'", now - UNHEARD - SECOND)
    found = (await seen(cameras, "prosecutor"))["COLONY"]
    assert (found["state"], found["kind"], found["since"]) == ("dark", "recorder_down", now - UNHEARD - SECOND)


async def test_a_fresh_camera_waits_for_its_first_picture_and_does_not_say_that_it_records(cameras):
    owner, now = cameras.owner, cameras.parts.clock()
    await put_up(owner, now, camera("FRESH"))

    async def told():
        found = (await seen(cameras, "operator", "FRESH"))["FRESH"]
        return [found[key] for key in ("state", "kind", "since", "oldest")]

    assert await told() == ["waiting", None, now, None]
    await written(owner, "FRESH", now, now, closed=False)  # a file that holds the wait and no picture
    await owner.execute("update video_segment set frames = 0 where camera = 'FRESH'")
    await owner.execute(
        "insert into video_gap values ('FRESH/1', 'FRESH', $1, null, 'reconnect', null, null, null, null)", now
    )
    assert await told() == ["waiting", "reconnect", now, None]
    await owner.execute("update video_camera set added = added - $1 where id = 'FRESH'", COMING + SECOND)
    assert await told() == ["dark", "reconnect", now, None], "nobody waits for ever"
    await owner.execute("update video_gap set ended = $1 where camera = 'FRESH'", now)
    await owner.execute("update video_segment set frames = 1 where camera = 'FRESH'")
    assert await told() == ["well", None, None, now]
    await owner.execute("update video_camera set retired = $1 where id = 'FRESH'", now)


async def test_the_timeline_tells_what_is_recorded_its_gaps_and_its_holds(cameras):
    owner = cameras.owner
    began = await owner.fetchval("select began from video_segment where camera = 'STREET'")
    now = began + HOUR
    await owner.execute(
        """insert into video_gap (id, camera, began, ended, kind, packets, by, why) values
           ('STREET/1', 'STREET', $1, $2, 'packet_loss', 12, null, null),
           ('STREET/2', 'STREET', $3, null, 'disabled', null, 'administrator', 'painting the walls')""",
        began + 10 * MINUTE, began + 10 * MINUTE + SECOND, now - MINUTE,
    )  # fmt: skip
    await owner.execute(
        """insert into video_hold (id, camera, began, ended, case_number, by, role, why, asked, entry)
           values ('h', 'STREET', $1, $2, 'УД-12/2026', 'inspector', 'inspector', 'a fight at the stop', $2, 'e')""",
        began, began + MINUTE,
    )  # fmt: skip
    client = await cameras.signed_in("operator")
    told = (await client.get("/api/cameras/STREET/timeline", params={"from": began + MINUTE, "to": now + HOUR})).json()
    gap = began + 10 * MINUTE
    assert told["recorded"] == [[began + MINUTE, gap], [gap + SECOND, now - MINUTE]]
    assert [(one["kind"], one["began"], one["ended"], one["packets"], one["by"]) for one in told["gaps"]] == [
        ("packet_loss", gap, gap + SECOND, 12, None), ("disabled", now - MINUTE, None, None, "administrator"),
    ]  # fmt: skip
    assert told["holds"] == []
    assert told["oldest"] == began
    held = (await client.get("/api/cameras/STREET/timeline", params={"from": began, "to": now})).json()["holds"]
    assert [(one["case"], one["acknowledged"]) for one in held] == [("УД-12/2026", None)]


@pytest.mark.parametrize(
    ("query", "field"),
    [({"from": 10, "to": 10}, "to"), ({"from": 0, "to": 32 * DAY}, "to"), ({"from": -1, "to": 5}, "from")],
)
async def test_a_time_that_is_none_is_refused_by_name(cameras, query, field):
    answer = await (await cameras.signed_in("operator")).get("/api/cameras/STREET/timeline", params=query)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


async def test_a_timeline_of_another_region_is_refused(cameras):
    client = await cameras.signed_in("operator")
    answer = await client.get("/api/cameras/STREET7/timeline", params={"from": 0, "to": DAY})
    assert (answer.status_code, answer.json()["fields"]) == (403, {"camera": "not_yours"})
    assert (await client.get("/api/cameras/NOWHERE/timeline", params={"from": 0, "to": DAY})).status_code == 403


async def test_who_looks_is_seen_by_the_owner_and_the_overseer_but_the_overseer_only_by_overseers(cameras, tmp_path):
    async with recording(cameras, tmp_path) as recorder:
        recorder.write(cameras.parts.clock(), key=True)
        operator, prosecutor = await cameras.signed_in("operator"), await cameras.signed_in("prosecutor")
        async with AsyncExitStack() as looking:
            # one after the other: who came first is told first
            for client, purpose in ((operator, "duty"), (prosecutor, "oversight")):
                await hear(await looking.enter_async_context(connect(cameras, client, purpose=purpose)), 3)
            told = {
                who: [
                    (line["viewer"], line["role"], line["purpose"], line["kind"])
                    for line in (await (await cameras.signed_in(who)).get("/api/cameras/STREET/watchers")).json()
                ]
                for who in ("duty", "auditor")
            }
            counts = {who: (await seen(cameras, who))["STREET"]["watchers"] for who in ("duty", "operator", "auditor")}
    there = ("operator", "operator", "duty", "live")
    assert told == {"duty": [there], "auditor": [there, ("prosecutor", "prosecutor", "oversight", "live")]}
    assert counts == {"duty": 1, "operator": None, "auditor": 2}
    after = await (await cameras.signed_in("auditor")).get("/api/cameras/STREET/watchers")
    assert after.json() == []


async def test_a_viewer_whose_process_was_killed_is_not_seen_for_long(cameras):
    now = cameras.parts.clock()
    await cameras.owner.execute(
        """insert into video_watch (id, camera, viewer, role, purpose, session, since, seen, entry)
           values ('w', 'STREET', 'operator', 'operator', 'duty', 's', $1, $1, 'e')""",
        now - SEEN - 1,
    )
    answer = await (await cameras.signed_in("duty")).get("/api/cameras/STREET/watchers")
    assert answer.json() == []


NEW = {
    "id": "NEW", "site": "S1", "name": "Жаңа", "region": 2, "lat": 43.2, "lon": 76.9, "place": "street",
    "address": "rtsp://127.0.0.1:8554/new", "keep_days": 30, "reason": "the crossing had none",
}  # fmt: skip


async def test_an_administrator_adds_a_camera_and_it_is_entered_with_its_reason(cameras):
    client = await cameras.signed_in("administrator")
    answer = await client.post("/api/cameras", json=NEW)
    assert answer.status_code == 201, answer.text
    (entry,) = await cameras.closed(1, viewer="administrator", action="camera.manage")
    assert (entry["entry"], entry["object"], entry["purpose"]) == (answer.json()["entry"], "NEW", "maintenance")
    row = await cameras.owner.fetchrow("select * from video_camera where id = 'NEW'")
    assert (row["added_by"], row["keep_days"]) == ("administrator", 30)
    assert (await client.post("/api/cameras", json=NEW)).status_code == 409


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"room": "toilet", "place": "police_office"}, 400, "room"),
        ({"keep_days": 5000}, 400, "keep_days"),
        ({"address": "rtsp://admin:secret@10.0.0.1/"}, 400, "address"),
        ({"address": "file:///etc/passwd"}, 400, "address"),
        ({"address": "http://169.254.169.254/latest/meta-data/"}, 400, "address"),
        ({"address": "rtsp://[fe80::1]/live"}, 400, "address"),
        ({"address": "RTSP://127.0.0.1:8554/COLONY?x=1"}, 400, "address"),
        ({"address": "rtsp://127.0.0.1:8554/COLONY?x=1"}, 409, "address"),
        ({"credentials": "COLONY"}, 400, "credentials"),
        ({"site": "NOWHERE"}, 404, "site"),
        ({"region": 7}, 400, "region"),
        ({"reason": "why not"}, 400, "reason"),
        ({"id": "a/b"}, 400, "id"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
async def test_a_camera_that_may_not_be_is_refused_by_name(cameras, change, status, field):
    client = await cameras.signed_in("administrator")
    answer = await client.post("/api/cameras", json=NEW | {"id": "OTHER"} | change)
    assert (answer.status_code, next(iter(answer.json()["fields"]))) == (status, field)
    assert not await cameras.owner.fetchval("select count(*) from video_camera where id = 'OTHER'")


@pytest.mark.parametrize("who", ["operator", "duty", "supervisor", "prosecutor"])
async def test_nobody_but_who_keeps_the_machine_adds_or_switches_off(cameras, who):
    client = await cameras.signed_in(who)
    assert (await client.post("/api/cameras", json=NEW | {"id": "OTHER"})).status_code == 403
    assert (await client.post("/api/cameras/OFFICE/disable", json={"reason": "for an hour only"})).status_code == 403
    denied = await cameras.entries(viewer=who, action="camera.manage")
    assert [one["decision"] for one in denied] == ["deny", "deny"]


async def test_a_camera_is_switched_off_and_on_by_name_with_a_reason(cameras):
    client = await cameras.signed_in("administrator")
    off = await client.post("/api/cameras/STREET/disable", json={"reason": "the pole is replaced"})
    assert off.status_code == 200, off.text
    row = await cameras.owner.fetchrow("select * from video_disable where camera = 'STREET'")
    assert (row["by"], row["why"], row["entry"], row["ended"]) == (
        "administrator", "the pole is replaced", off.json()["entry"], None
    )  # fmt: skip
    assert (await seen(cameras, "operator"))["STREET"]["state"] == "disabled"
    assert (await client.post("/api/cameras/STREET/disable", json={"reason": "once more please"})).status_code == 409
    on = await client.post("/api/cameras/STREET/enable", json={"reason": "the pole stands again"})
    assert on.status_code == 200
    assert (await seen(cameras, "operator"))["STREET"]["state"] == "well"
    entries = await cameras.closed(3, viewer="administrator", action="camera.manage")
    assert [one["delivered"] for one in entries] == [1, 0, 1]


async def test_a_camera_that_was_moved_on_purpose_is_learned_anew_by_name_with_a_reason(cameras):
    client = await cameras.signed_in("administrator")
    done = await client.post("/api/cameras/STREET/learn", json={"reason": "it hangs on the new pole"})
    assert done.status_code == 200, done.text
    row = await cameras.owner.fetchrow("select * from video_relearn where camera = 'STREET'")
    assert (row["by"], row["why"], row["entry"]) == (
        "administrator", "it hangs on the new pole", done.json()["entry"],
    )  # fmt: skip
    assert (await client.post("/api/cameras/STREET/learn", json={"reason": "short"})).status_code == 400
    assert (
        await client.post("/api/cameras/NONE/learn", json={"reason": "it hangs on the new pole"})
    ).status_code == 404
    operator = await cameras.signed_in("operator")
    answer = await operator.post("/api/cameras/STREET/learn", json={"reason": "it hangs on the new pole"})
    assert answer.status_code == 403


async def test_an_incident_elsewhere_opens_no_camera_of_a_school(cameras, tmp_path):
    item, _ = await open_hit(cameras)
    client = await cameras.signed_in("operator")
    await cameras.owner.execute("insert into site values ('S9', 'Мектеп 9', 2, 43.4, 76.95) on conflict do nothing")
    await cameras.owner.execute("update video_camera set site = 'S9', lat = 43.4 where id = 'SCHOOL'")
    try:
        async with connect(cameras, client, "SCHOOL", purpose="incident", case=item.id) as socket:
            code, reason = await closed_with(socket)
    finally:
        await cameras.owner.execute("update video_camera set site = 'S1', lat = 43.24 where id = 'SCHOOL'")
    assert (code, reason["fields"]) == (4403, {"case": "elsewhere"})
    (denied,) = await cameras.entries(viewer="operator", action="camera.watch")
    assert (denied["decision"], denied["case"]) == ("deny", item.id)
    async with recording(cameras, tmp_path, "SCHOOL") as recorder:
        piece = recorder.write(cameras.parts.clock(), key=True)
        async with connect(cameras, client, "SCHOOL", purpose="incident", case=item.id) as socket:
            assert (await hear(socket, 3))[2] == piece
