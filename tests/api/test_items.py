"""Items for persons: who may see one, who may move one, and what is left in the record of it."""

import os

import pytest
from tests.api.desks import CROP, open_hit

pytestmark = pytest.mark.anyio


async def test_an_operator_opens_an_item_of_his_region_and_sees_what_he_may_do(house):
    item, offer = await open_hit(house)
    client = await house.signed_in("operator")
    seen = (await client.get(f"/api/items/{item.id}")).json()
    assert seen["data"]["plate"] == "777AAA02"
    assert {edge["name"] for edge in seen["edges"]} == {"assign", "cancel"}
    assert seen["pictures"] == ["crop"]
    assert [child["id"] for child in seen["children"]] == [offer.id]
    assert seen["log"][0]["edge"] == "open"
    (entry,) = await house.entries(viewer="operator", action="item.read", object=item.id)
    assert (entry["purpose"], entry["case"], entry["decision"]) == ("incident", item.id, "allow")
    assert entry["delivered"] >= 2


async def test_an_item_of_another_region_is_denied_and_the_denial_is_an_entry(house):
    item, _ = await open_hit(house)
    client = await house.signed_in("operator7")
    answer = await client.get(f"/api/items/{item.id}")
    assert (answer.status_code, answer.json()["kind"]) == (403, "denied")
    (entry,) = await house.entries(viewer="operator7", object=item.id)
    assert (entry["decision"], entry["policy"], entry["delivered"]) == ("deny", "own-region", None)
    assert item.id not in (await client.get("/api/items")).text


async def test_an_administrator_sees_no_content(house):
    item, _ = await open_hit(house)
    client = await house.signed_in("administrator")
    refused = [
        f"/api/items/{item.id}", f"/api/items/{item.id}/pictures/crop", "/api/items", "/api/overview", "/api/live",
        "/api/units/nearest?lat=43.2&lon=76.9", "/api/registers/vehicles", "/api/tablet",
        "/api/oversight/entries?from=0&to=1",
    ]  # fmt: skip
    for path in refused:
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["kind"]) == (403, "denied"), path
    assert (await client.get("/api/registers/cameras")).status_code == 200


async def test_a_patrol_sees_its_own_offer_and_no_other_patrol_does(house):
    item, offer = await open_hit(house)
    own, other = await house.signed_in("patrol1"), await house.signed_in("patrol2")
    alert = (await own.get("/api/tablet")).json()["alert"]
    assert alert["id"] == offer.id
    assert {"accept", "refuse"} <= {edge["name"] for edge in alert["edges"]}
    assert alert["pictures"] == ["crop"]
    assert (await own.get(f"/api/items/{item.id}")).status_code == 200
    assert (await other.get("/api/tablet")).json()["alert"] is None
    for path in (f"/api/items/{offer.id}", f"/api/items/{item.id}", f"/api/items/{offer.id}/pictures/crop"):
        assert (await other.get(path)).status_code == 403, path
    assert await house.entries(viewer="patrol2", decision="deny", policy="patrol-sees-its-own")


async def test_a_tablet_that_asks_every_few_seconds_leaves_one_entry_a_quarter_of_an_hour(house):
    await open_hit(house)
    client = await house.signed_in("patrol1")
    before = len(await house.entries(viewer="patrol1"))
    for _ in range(5):
        assert (await client.get("/api/tablet")).status_code == 200
    assert len(await house.entries(viewer="patrol1")) == before + 2
    house.parts.clock.ahead += 16 * 60_000
    await client.get("/api/tablet")
    assert len(await house.entries(viewer="patrol1")) == before + 4


async def test_an_accepted_offer_is_the_units_and_the_outcome_follows(house):
    item, offer = await open_hit(house)
    client = await house.signed_in("patrol1")
    taken = await client.post(f"/api/items/{offer.id}/edges/accept", json={"rev": offer.rev, "data": {}})
    assert (taken.status_code, taken.json()["state"]) == (200, "accepted"), taken.text
    assert (await client.get("/api/tablet")).json()["status"] == "en_route"
    parent = (await client.get(f"/api/items/{item.id}")).json()
    assert {edge["name"] for edge in parent["edges"]} == {"stopped", "not_seen", "wrong_vehicle"}
    done = await client.post(f"/api/items/{item.id}/edges/not_seen", json={"rev": parent["rev"], "data": {}})
    assert done.json()["state"] == "not_seen"
    assert (await client.get("/api/tablet")).json()["alert"] is None


async def test_who_was_slower_gets_409_with_the_fresh_item(house):
    _, offer = await open_hit(house)
    client = await house.signed_in("patrol1")
    taken = await client.post(f"/api/items/{offer.id}/edges/accept", json={"rev": offer.rev, "data": {}})
    late = await client.post(f"/api/items/{offer.id}/edges/accept", json={"rev": offer.rev, "data": {}})
    assert (late.status_code, late.json()["kind"]) == (409, "stale")
    fresh = late.json()["fields"]["item"]
    assert (fresh["rev"], fresh["state"]) == (taken.json()["rev"], "accepted")
    assert fresh["log"][-1]["actor"] == "patrol1"


async def test_a_crew_that_hands_an_offer_on_is_told_so_without_its_facts(house):
    _, offer = await open_hit(house)
    client = await house.signed_in("patrol1")
    answer = await client.post(
        f"/api/items/{offer.id}/edges/refuse", json={"rev": offer.rev, "data": {"reason": "too_far"}}
    )
    seen = answer.json()
    assert (answer.status_code, seen["state"], seen["data"], seen["title"], seen["unit"]) == (
        200,
        "offered",
        {},
        {},
        None,
    )
    assert not await house.entries(viewer="patrol1", decision="deny", object=offer.id)
    other = await house.signed_in("patrol2")
    assert (await other.get("/api/tablet")).json()["alert"]["id"] == offer.id


async def test_a_patrol_cannot_answer_for_another(house):
    _, offer = await open_hit(house)
    client = await house.signed_in("patrol2")
    answer = await client.post(f"/api/items/{offer.id}/edges/accept", json={"rev": offer.rev, "data": {}})
    assert (answer.status_code, answer.json()["kind"]) == (403, "denied")


async def test_a_prosecutor_reads_everything_and_decides_nothing(house):
    item, _ = await open_hit(house, region=7)
    client = await house.signed_in("prosecutor")
    seen = (await client.get(f"/api/items/{item.id}")).json()
    assert seen["data"]["plate"] == "777AAA02"
    assert seen["edges"] == []
    answer = await client.post(
        f"/api/items/{item.id}/edges/cancel", json={"rev": seen["rev"], "data": {"reason": "other"}}
    )
    assert answer.status_code in {403, 404}


async def test_the_bytes_of_a_picture_that_were_served_are_the_bytes_that_were_logged(house):
    item, offer = await open_hit(house)
    client = await house.signed_in("operator")
    for path in (f"/api/items/{item.id}/pictures/crop", f"/api/items/{offer.id}/pictures/crop"):
        answer = await client.get(path)
        assert answer.content == CROP
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "no-store"
    entries = await house.closed(2, action="picture.read", object=item.id)
    assert [entry["delivered"] for entry in entries] == [len(CROP)] * 2


async def test_a_picture_that_is_not_there_leaves_a_closed_entry_of_nothing(house):
    item, _ = await open_hit(house, picture=False)
    client = await house.signed_in("operator")
    assert (await client.get(f"/api/items/{item.id}/pictures/crop")).status_code == 404
    (entry,) = await house.entries(action="picture.read", object=item.id)
    assert (entry["delivered"], entry["closed"] is not None) == (0, True)


async def test_the_overseer_sees_who_looked_and_his_look_is_an_entry_too(house):
    item, _ = await open_hit(house)
    await (await house.signed_in("operator")).get(f"/api/items/{item.id}")
    client = await house.signed_in("auditor")
    now = house.parts.clock()
    seen = (await client.get("/api/oversight/entries", params={"from": now - 3_600_000, "to": now + 60_000})).json()
    assert any(entry["viewer"] == "operator" and entry["object"] == item.id for entry in seen["entries"])
    assert await house.entries(viewer="auditor", action="access.read", decision="allow")


async def test_a_strange_purpose_is_refused_by_its_field_and_a_wrong_one_by_policy(house):
    item, _ = await open_hit(house)
    client = await house.signed_in("operator")
    strange = await client.get(f"/api/items/{item.id}", params={"purpose": "curiosity"})
    assert (strange.status_code, list(strange.json()["fields"])) == (400, ["purpose"])
    wrong = await client.get(f"/api/items/{item.id}", params={"purpose": "oversight"})
    assert (wrong.status_code, wrong.json()["fields"]) == (403, {"policy": "nothing-permits"})


async def test_an_item_that_is_not_there_is_not_found(house):
    client = await house.signed_in("operator")
    assert (await client.get("/api/items/01900000-0000-7000-8000-000000000000")).status_code == 404
    assert (await client.get("/api/items/not-an-id")).status_code == 400


async def test_an_edge_needs_its_form_in_strict_types(house):
    item, _ = await open_hit(house)
    client = await house.signed_in("operator")
    path = f"/api/items/{item.id}/edges/cancel"
    for body, field in (
        ({"rev": "1", "data": {}}, "rev"),
        ({"rev": 1.5, "data": {}}, "rev"),
        ({"data": {}}, "rev"),
        ({"rev": 1, "data": {}, "more": 1}, "more"),
        ({"rev": 1, "data": []}, "data"),
        ({"rev": 1, "data": {"reason": "a\0b"}}, "body"),
    ):
        answer = await client.post(path, json=body)
        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field]), (body, answer.text)
    deep = "[" * 40 + "]" * 40
    assert (await client.post(path, content=f'{{"rev":1,"data":{{"a":{deep}}}}}')).status_code == 400
    assert (await client.post(path, content=b"x" * 70_000)).status_code == 413
    assert (await client.post(path, content=b'{"rev":1,"data":{"a":"\\ud800"}}')).status_code == 400
    assert (await client.post(path, content=os.urandom(100))).status_code == 400
