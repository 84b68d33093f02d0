"""The insider: whoever has an account and wants to look where he has no business, or without being seen."""

import pytest
from tests.api.desks import CROP, open_hit

from saqtau.kernel.clock import DAY, HOUR, MINUTE
from saqtau.web.operations import ACTIONS

pytestmark = pytest.mark.anyio


def plate(house, **asked):
    now = house.parts.clock()
    return "/api/plates/777AAA02/reads", {"from": now - 2 * DAY, "to": now, **asked}


@pytest.mark.parametrize("case", ["УД-13/2026", "УД-1/2025", "УД-7/2026", "уд-12/2026", "УД-12/2026 "])
async def test_a_case_that_is_invented_closed_elsewhere_or_nearly_right_opens_nothing(house, case):
    client = await house.signed_in("inspector")
    path, asked = plate(house, purpose="case", case=case)
    answer = await client.get(path, params=asked)
    if case.endswith(" "):
        assert answer.status_code == 400  # not even the form of a number
        return
    assert (answer.status_code, answer.json()["fields"]) == (403, {"policy": "case-exists"})
    (entry,) = await house.entries(viewer="inspector", action="history.read", decision="deny")
    assert (entry["case"], entry["policy"]) == (case, "case-exists")


@pytest.mark.parametrize("purpose", ["duty", "oversight", "maintenance", "emergency", "own"])
async def test_a_purpose_that_is_not_his_opens_nothing_and_the_try_is_entered(house, purpose):
    item, _ = await open_hit(house)
    client = await house.signed_in("inspector")
    path, asked = plate(house, purpose=purpose, case="УД-12/2026")
    for where, params in (
        (path, asked),
        (f"/api/items/{item.id}", {"purpose": purpose}),
        (f"/api/items/{item.id}/pictures/crop", {"purpose": purpose}),
    ):
        answer = await client.get(where, params=params)
        assert answer.status_code == 403, (where, answer.text)
    denied = await house.entries(viewer="inspector", decision="deny")
    assert [(entry["action"], entry["purpose"]) for entry in denied] == [
        ("history.read", purpose), ("item.read", purpose), ("picture.read", purpose),
    ]  # fmt: skip


async def test_an_incident_of_another_region_is_no_reason_to_look(house):
    item, _ = await open_hit(house, region=7)
    client = await house.signed_in("inspector")
    for path in (f"/api/items/{item.id}", f"/api/items/{item.id}/pictures/crop"):
        assert (await client.get(path)).json()["fields"] == {"policy": "own-region"}
    path, asked = plate(house, purpose="incident", case=item.id)
    assert (await client.get(path, params=asked)).status_code == 403


async def test_off_shift_help_goes_on_and_pictures_and_the_past_are_closed(house):
    item, _ = await open_hit(house)
    await house.owner.execute("update shifts set since = since - $1, until = until - $1", 400 * DAY)
    try:
        client = await house.signed_in("inspector")
        assert (await client.get(f"/api/items/{item.id}")).status_code == 200
        assert (await client.get("/api/items")).status_code == 200
        assert (await client.get("/api/overview")).json()["on_shift"] is False  # he is warned, not locked out
        crop = await client.get(f"/api/items/{item.id}/pictures/crop")
        assert (crop.status_code, crop.json()["fields"]) == (403, {"policy": "evidence-on-shift"})
        path, asked = plate(house, purpose="case", case="УД-12/2026")
        assert (await client.get(path, params=asked)).json()["fields"] == {"policy": "evidence-on-shift"}
        overseer = await house.signed_in("prosecutor")
        assert (await overseer.get(f"/api/items/{item.id}/pictures/crop")).content == CROP
        assert (await overseer.get("/api/overview")).json()["on_shift"] is True
    finally:
        await house.owner.execute("update shifts set since = since + $1, until = until + $1", 400 * DAY)


async def test_the_past_is_as_long_as_the_purpose_allows(house):
    client = await house.signed_in("inspector")
    now = house.parts.clock()
    for days, status in ((399, 200), (402, 403)):
        asked = {"from": now - days * DAY, "to": now - (days - 2) * DAY, "purpose": "case", "case": "УД-12/2026"}
        assert (await client.get("/api/plates/777AAA02/reads", params=asked)).status_code == status, days


async def test_a_day_that_has_begun_counts(house):
    item, _ = await open_hit(house)
    client = await house.signed_in("inspector")
    now = house.parts.clock()
    for back, status in ((31 * DAY, 200), (31 * DAY + 23 * HOUR, 403), (32 * DAY, 403)):
        asked = {"from": now - back, "to": now, "purpose": "incident", "case": item.id}
        assert (await client.get("/api/plates/777AAA02/reads", params=asked)).status_code == status, back


async def test_whoever_has_two_roles_uses_the_one_that_is_allowed_and_it_stands_in_the_entry(house):
    await house.owner.execute("update people set roles = '{inspector,operator}' where id = 'inspector'")
    try:
        client = await house.signed_in("inspector")
        assert (await client.get("/api/units/nearest?lat=43&lon=77")).status_code in {200, 400, 503}
        (entry,) = await house.entries(viewer="inspector", action="units.watch")
        assert (entry["role"], entry["decision"]) == ("operator", "allow")
    finally:
        await house.owner.execute("update people set roles = '{inspector}' where id = 'inspector'")


async def test_a_denied_edge_leaves_an_entry_and_so_does_a_taken_one(house):
    _, offer = await open_hit(house)
    other, own = await house.signed_in("patrol2"), await house.signed_in("patrol1")
    seen = (await own.get(f"/api/items/{offer.id}")).json()
    path = f"/api/items/{offer.id}/edges/accept"
    assert (await other.post(path, json={"rev": seen["rev"], "data": {}})).status_code in {403, 404}
    assert (await own.post(path, json={"rev": seen["rev"], "data": {}})).status_code == 200
    acts = await house.entries(action="item.act", object=offer.id)
    assert [(entry["viewer"], entry["decision"]) for entry in acts][-1] == ("patrol1", "allow")
    overseer = await house.signed_in("auditor")
    assert (await overseer.post(path, json={"rev": 9, "data": {}})).status_code == 403
    (refused,) = await house.entries(action="item.act", viewer="auditor")
    assert (refused["decision"], refused["policy"]) == ("deny", "nothing-permits")


async def test_a_log_in_that_fails_and_one_that_holds_are_entered_and_what_was_typed_is_not(house):
    client = await house.client()
    for name in ("operator", "my-secret-pass"):
        wrong = {"name": name, "password": "wrong-wrong-wrong"}
        assert (await client.post("/api/login", json=wrong)).status_code == 401
    signed = await house.signed_in("operator")
    await signed.post("/api/logout")
    told = [entry["action"] for entry in await house.entries()]
    assert told == ["login.failed", "login.failed", "login", "logout"]


async def test_nobody_looks_without_an_entry(house):
    """Every call that shows something: its answer is there only together with an entry of one of its actions."""
    item, _ = await open_hit(house)
    now = house.parts.clock()
    history, asked = plate(house, purpose="case", case="УД-12/2026")
    calls = {
        "readOverview": ("operator", "/api/overview", {}),
        "readItems": ("operator", "/api/items", {}),
        "readItem": ("operator", f"/api/items/{item.id}", {}),
        "readPicture": ("operator", f"/api/items/{item.id}/pictures/crop", {}),
        "readRegister": ("operator", "/api/registers/officers", {}),
        "readPlate": ("inspector", history, asked),
        "readTablet": ("patrol1", "/api/tablet", {}),
        "readEntries": ("auditor", "/api/oversight/entries", {"from": now - MINUTE, "to": now + MINUTE}),
        "readExports": ("inspector", "/api/exports", {}),
        "readPolicies": ("prosecutor", "/api/policies", {}),
        "readBrokenGlass": ("prosecutor", "/api/break-glass", {}),
        "readHolds": ("inspector", "/api/holds", {}),
    }
    for name, (who, path, params) in calls.items():
        client = await house.signed_in(who)
        before = {entry["id"] for entry in await house.entries()}
        answer = await client.get(path, params=params)
        assert answer.status_code == 200, (name, answer.text)
        fresh = [entry for entry in await house.entries() if entry["id"] not in before]
        assert {entry["action"] for entry in fresh} & {action.value for action in ACTIONS[name]}, name
        assert {entry["viewer"] for entry in fresh} == {who}, name


async def test_what_was_served_is_what_was_logged(house):
    """Pictures by bytes, lists by rows, an item by what hangs on it: summed over many looks."""
    item, offer = await open_hit(house)
    client, inspector = await house.signed_in("operator"), await house.signed_in("inspector")
    served = {"picture.read": 0, "item.read": 0, "queue.watch": 0, "register.read": 0}
    for _ in range(5):
        for path in (f"/api/items/{item.id}/pictures/crop", f"/api/items/{offer.id}/pictures/crop"):
            served["picture.read"] += len((await client.get(path)).content)
        seen = (await client.get(f"/api/items/{item.id}")).json()
        served["item.read"] += 1 + len(seen["log"]) + len(seen["children"])
        served["queue.watch"] += len((await client.get("/api/items")).json())
        served["register.read"] += len((await inspector.get("/api/registers/cameras")).json())
    logged = dict.fromkeys(served, 0)
    for action in served:
        for entry in await house.closed(1, action=action):
            logged[action] += entry["delivered"]
    assert logged == served
