"""Places of custody over HTTP: who may open an item there, who sees which lines, and each minute of each camera."""

import pytest
from tests.api.house import move_in
from tests.api.house import standing as standing_house

from saqtau.engine import video_watch
from saqtau.kernel.clock import HOUR, MINUTE, SECOND
from saqtau.kernel.desk import discover, gather

pytestmark = pytest.mark.anyio

DESKS = gather(*discover("saqtau.desks"))
_TABLES = "item, outbox, video_gap, video_segment, video_hour, video_hold, video_camera"


@pytest.fixture
async def colony(house, pg_owner):
    """A colony with two cameras and a square with one."""
    now = house.parts.clock()
    await pg_owner.execute(f"truncate {_TABLES} cascade; delete from site")
    for site, region in (("colony", 2), ("square", 2), ("colony7", 7)):
        await pg_owner.execute(
            "insert into site (id, name, region, lat, lon) values ($1, $1, $2, 43, 76)", site, region
        )
    for code, site, region, place, room in (
        ("c1", "colony", 2, "penal_colony", "corridor"),
        ("c2", "colony", 2, "penal_colony", "yard"),
        ("s1", "square", 2, "street", None),
        ("c7", "colony7", 7, "penal_colony", "hall"),
    ):
        await pg_owner.execute(
            """insert into video_camera (id, site, name, region, place, room, lat, lon, address, keep_days, added,
                   added_by) values ($1, $2, $1, $3, $4, $5, 43, 76, 'rtsp://camera.example/1', 90, $6, 'import')""",
            code, site, region, place, room, now,
        )  # fmt: skip
    return house


@pytest.fixture
async def house(engine, database, js, tmp_path):
    async with standing_house(engine, database, tmp_path, desks=DESKS) as made:
        await move_in(made.owner, made.parts.clock())
        yield made


def report(now, **more):
    form = {"site": "colony", "happened": "force", "began": now - 5 * MINUTE, "ended": now, "note": "a door was forced"}
    return {"data": form | more}


async def opened(house, who="supervisor", **more):
    client = await house.signed_in(who)
    now = house.parts.clock() - SECOND
    return client, await client.post("/api/desks/custody/openings/report_incident", json=report(now, **more))


async def test_an_incident_is_reported_and_what_was_recorded_around_it_is_held(colony):
    _, answer = await opened(colony)
    assert answer.status_code == 201, answer.text
    item = answer.json()
    assert (item["desk"], item["state"], item["owner"]) == ("custody", "reported", "custody_supervisor")
    assert {edge["name"] for edge in item["edges"]} == {"tie", "no_footage"}
    held = await colony.owner.fetch("select camera, by, case_number from video_hold order by camera")
    assert [tuple(row) for row in held] == [(code, "supervisor", item["id"]) for code in ("c1", "c2")]
    (entry,) = [one for one in await colony.entries(action="item.act") if one["told"].get("item") == item["id"]]
    assert (entry["viewer"], entry["told"]["edge"]) == ("supervisor", "report_incident")


async def test_a_field_that_does_not_hold_is_named_and_nothing_is_left(colony):
    _, answer = await opened(colony, note="x")
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["note"])
    _, answer = await opened(colony, site=7)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["site"])
    assert await colony.owner.fetchval("select count(*) from item") == 0
    assert await colony.owner.fetchval("select count(*) from video_hold") == 0


@pytest.mark.parametrize("who", ["operator", "school", "auditor", "administrator"])
async def test_who_has_no_business_there_opens_nothing_and_that_is_entered(colony, who):
    _, answer = await opened(colony, who)
    assert answer.status_code == 403, answer.text
    (entry,) = await colony.entries(action="item.act", viewer=who)
    assert entry["decision"] == "deny"


async def test_nobody_opens_an_item_in_another_region(colony):
    _, answer = await opened(colony, site="colony7")
    assert answer.status_code == 403


async def test_a_place_or_a_way_in_that_is_not_there_is_not_found(colony):
    _, answer = await opened(colony, site="nowhere")
    assert answer.status_code == 404
    client = await colony.signed_in("supervisor")
    answer = await client.post("/api/desks/custody/openings/nothing", json={"data": {"site": "colony"}})
    assert answer.status_code == 404


async def test_the_supervisor_sees_the_lines_of_his_desk_and_the_operator_none_of_it(colony):
    now = colony.parts.clock()
    for camera in ("c1", "s1"):
        await colony.owner.execute(
            "insert into video_gap (id, camera, began, kind) values ($1, $1, $2, 'source_silent')",
            camera, now - 2 * MINUTE,
        )  # fmt: skip
    await video_watch.look(colony.owner, DESKS, now, colony.parts.ids, colony.parts.calendar)
    seen = {}
    for who in ("supervisor", "operator", "duty", "school", "prosecutor"):
        answer = await (await colony.signed_in(who)).get("/api/items")
        assert answer.status_code == 200, answer.text
        seen[who] = sorted(line["desk"] for line in answer.json())
    both = ["custody", "street_cameras"]
    assert seen == {
        "supervisor": ["custody"], "operator": ["street_cameras"], "duty": both, "school": ["street_cameras"],
        "prosecutor": both,
    }  # fmt: skip


async def test_the_prosecutor_answers_an_outage_that_the_institution_explained(colony):
    now = colony.parts.clock()
    await colony.owner.execute(
        "insert into video_gap (id, camera, began, kind) values ('g', 'c1', $1, 'source_silent')", now - MINUTE
    )
    await video_watch.look(colony.owner, DESKS, now, colony.parts.ids, colony.parts.calendar)
    item = await colony.owner.fetchval("select id from item")
    supervisor = await colony.signed_in("supervisor")
    form = {"reason": "power", "note": "the breaker fell at night"}
    answer = await supervisor.post(f"/api/items/{item}/edges/explain", json={"rev": 0, "data": form})
    assert (answer.status_code, answer.json()["state"]) == (200, "explained"), answer.text
    prosecutor = await colony.signed_in("prosecutor")
    form = {"finding": "the substation says so too"}
    answer = await prosecutor.post(f"/api/items/{item}/edges/accept", json={"rev": 1, "data": form})
    assert (answer.status_code, answer.json()["state"]) == (200, "in_repair"), answer.text


async def test_each_minute_of_each_camera_of_a_place_is_told_without_a_picture(colony):
    hour = (colony.parts.clock() // HOUR - 24) * HOUR
    states = bytes([1] * 30 + [5] * 2 + [1] * 28)
    await colony.owner.execute("insert into video_hour (camera, hour, minutes) values ('c2', $1, $2)", hour, states)
    supervisor = await colony.signed_in("supervisor")
    answer = await supervisor.get(f"/api/custody/minutes?site=colony&from={hour}")
    assert answer.status_code == 200, answer.text
    day = answer.json()
    assert [(one["id"], len(one["minutes"]), one["minutes"].count("5")) for one in day["cameras"]] == [
        ("c1", 1440, 0), ("c2", 1440, 2),
    ]  # fmt: skip
    assert (day["sums"]["unexplained"], day["sums"]["recorded"]) == (2, 58)
    for query, status in (("site=square&from=0", 404), (f"site=colony7&from={hour}", 403), ("site=colony&from=1", 400)):
        assert (await supervisor.get(f"/api/custody/minutes?{query}")).status_code == status, query


async def test_places_are_told_with_the_rooms_in_which_the_law_lets_no_camera_be(colony):
    answer = (await (await colony.signed_in("prosecutor")).get("/api/custody")).json()
    assert {site["id"]: site["rooms"] for site in answer["sites"]} == {
        "colony": {"corridor": 1, "yard": 1}, "colony7": {"hall": 1},
    }  # fmt: skip
    assert set(answer["not_recorded"]) == {"lawyer", "medical", "toilet"}
    own = (await (await colony.signed_in("supervisor")).get("/api/custody")).json()
    assert [site["id"] for site in own["sites"]] == ["colony"]


async def test_the_figures_tell_what_became_of_what_was_asked(colony):
    await opened(colony)
    answer = (await (await colony.signed_in("prosecutor")).get("/api/custody/figures?site=colony")).json()
    assert answer["states"] == {"reported": 1}


@pytest.mark.parametrize("path", ["/api/custody", "/api/custody/figures"])
async def test_who_answers_for_no_place_of_custody_is_told_nothing_of_it(colony, path):
    assert (await (await colony.signed_in("school")).get(path)).status_code == 403
    assert (await (await colony.client()).get(path)).status_code == 401
