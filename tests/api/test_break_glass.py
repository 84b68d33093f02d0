"""Fifteen minutes, one object, told at once, reviewed within 72 hours or the account is locked."""

import pytest
from structlog.testing import capture_logs
from tests.api.desks import CROP, open_hit
from tests.api.house import PASSWORD
from tests.api.test_ledger_away import WRITING

from saqtau.bootstrap.web import watch_policies
from saqtau.kernel.clock import HOUR, MINUTE

pytestmark = pytest.mark.anyio

REASON = "a child is on the ice, no time to ask"


@pytest.fixture
async def ruled(house):
    """A house whose policies stand in the record; no glass is broken in it."""
    await house.owner.execute("alter table broken_glass disable trigger user")
    await house.owner.execute("delete from broken_glass")
    await house.owner.execute("alter table broken_glass enable trigger user")
    await watch_policies(house.parts.pg, house.parts.access)
    return house


async def broken(house, item, who="duty"):
    officer = await house.signed_in(who)
    return officer, await officer.post("/api/break-glass", json={"item": item, "reason": REASON})


def emergency(item):
    return f"/api/items/{item}?purpose=emergency"


async def test_what_is_not_his_opens_for_a_quarter_of_an_hour_and_no_longer(ruled):
    item, _ = await open_hit(ruled, region=7)
    duty = await ruled.signed_in("duty")
    assert (await duty.get(emergency(item.id))).status_code == 403
    duty, answer = await broken(ruled, item.id)
    line = answer.json()
    assert (answer.status_code, line["until"] - line["at"], line["state"]) == (201, 15 * MINUTE, "broken"), answer.text
    seen = await duty.get(emergency(item.id))
    assert (seen.status_code, seen.json()["data"]["plate"]) == (200, "777AAA02"), seen.text
    assert (await duty.get(f"/api/items/{item.id}/pictures/crop?purpose=emergency")).content == CROP
    assert (await duty.get(f"/api/items/{item.id}")).status_code == 403, "for no other purpose"
    other, _ = await open_hit(ruled, region=7)
    assert (await duty.get(emergency(other.id))).status_code == 403, "one object"
    second = await ruled.signed_in("operator")
    assert (await second.get(emergency(item.id))).status_code == 403, "for him alone"
    ruled.parts.clock.ahead = 15 * MINUTE
    assert (await duty.get(emergency(item.id))).status_code == 403
    (entry,) = await ruled.entries(viewer="duty", action="break_glass.open")
    assert (entry["object"], entry["decision"], entry["purpose"]) == (item.id, "allow", "emergency")


async def test_the_review_is_in_both_queues_before_the_officer_has_his_answer(ruled):
    item, _ = await open_hit(ruled, region=7)
    _, answer = await broken(ruled, item.id)
    review = answer.json()["review"]
    for who in ("prosecutor", "inspector"):
        client = await ruled.signed_in(who)
        queue = (await client.get("/api/items")).json()
        (line,) = [one for one in queue if one["id"] == review]
        assert (line["desk"], line["state"], line["owner"]) == ("oversight", "broken", "prosecutor")
        assert line["title"]["officer"] == "duty"
        assert REASON not in str(line)
        assert item.id not in str(line)
    listed = (await (await ruled.signed_in("prosecutor")).get("/api/break-glass")).json()["broken"]
    assert [(one["officer"], one["object"], one["reason"]) for one in listed] == [("duty", item.id, REASON)]


async def test_the_prosecutor_reviews_it_and_nobody_else(ruled):
    item, _ = await open_hit(ruled, region=7)
    _, answer = await broken(ruled, item.id)
    edge = f"/api/items/{answer.json()['review']}/edges/reviewed_justified"
    finding = {"rev": 0, "data": {"finding": "a life was in danger"}}
    for who in ("duty", "inspector"):
        refused = await (await ruled.signed_in(who)).post(edge, json=finding)
        assert refused.status_code == 403, who
    prosecutor = await ruled.signed_in("prosecutor")
    seen = (await prosecutor.get(f"/api/items/{answer.json()['review']}")).json()
    assert {one["name"] for one in seen["edges"]} == {"reviewed_justified", "reviewed_not_justified"}
    done = await prosecutor.post(edge, json=finding)
    assert (done.status_code, done.json()["state"]) == (200, "justified"), done.text
    assert await ruled.entries(viewer="prosecutor", action="break_glass.review", decision="allow")
    assert [one["purpose"] for one in done.json()["log"] if one["edge"] == "reviewed_justified"] == ["oversight"]


async def test_no_review_without_its_entry(ruled):
    item, _ = await open_hit(ruled, region=7)
    _, answer = await broken(ruled, item.id)
    review = answer.json()["review"]
    edge = f"/api/items/{review}/edges/reviewed_justified"
    finding = {"rev": 0, "data": {"finding": "a life hung on it"}}
    prosecutor = await ruled.signed_in("prosecutor")
    await ruled.parts.access.settle()
    await ruled.owner.execute(f"revoke execute on function {WRITING} from saqtau_app")
    try:
        with capture_logs():
            refused = await prosecutor.post(edge, json=finding)
            await ruled.parts.access.settle()
    finally:
        await ruled.owner.execute(f"grant execute on function {WRITING} to saqtau_app")
    assert (refused.status_code, refused.json()["fields"]) == (503, {"ledger": "unavailable"})
    assert await ruled.owner.fetchval("select state from item where id = $1", review) == "broken"
    done = await prosecutor.post(edge, json=finding)
    assert (done.status_code, done.json()["state"]) == (200, "justified"), done.text
    (entry,) = await ruled.entries(action="break_glass.review", object=review)
    assert (entry["decision"], entry["late"]) == ("allow", False)


async def test_who_reviewed_it_is_told_where_it_stands_when_the_ledger_goes_meanwhile(ruled):
    item, _ = await open_hit(ruled, region=7)
    _, answer = await broken(ruled, item.id)
    prosecutor = await ruled.signed_in("prosecutor")
    real, access = ruled.parts.access.open, ruled.parts.access

    async def once(viewer, wish, told=None):
        grant = await real(viewer, wish, told)
        await access.settle()
        await ruled.owner.execute(f"revoke execute on function {WRITING} from saqtau_app")
        return grant

    access.open = once
    try:
        with capture_logs():
            edge = f"/api/items/{answer.json()['review']}/edges/reviewed_justified"
            done = await prosecutor.post(edge, json={"rev": 0, "data": {"finding": "a life hung on it"}})
    finally:
        await ruled.owner.execute(f"grant execute on function {WRITING} to saqtau_app")
        del access.open
    assert (done.status_code, done.json()["state"]) == (200, "justified"), done.text


async def test_the_wish_to_review_says_whose_glass_it_is_so_that_the_policies_refuse_his_own(ruled):
    item, _ = await open_hit(ruled, region=7)
    _, answer = await broken(ruled, item.id)
    edge = f"/api/items/{answer.json()['review']}/edges/reviewed_justified"
    refused = await (await ruled.signed_in("duty")).post(edge, json={"rev": 0, "data": {"finding": "it was my right"}})
    assert (refused.status_code, refused.json()["fields"]) == (403, {"policy": "nobody-decides-his-own"})
    unknown = f"/api/items/{item.id}/edges/reviewed_justified"
    answer = await (await ruled.signed_in("prosecutor")).post(unknown, json={"rev": 0, "data": {}})
    assert answer.status_code == 404, "what reviews nothing"


async def test_unreviewed_for_72_hours_the_account_is_locked_until_the_review(ruled):
    item, _ = await open_hit(ruled, region=7)
    duty, answer = await broken(ruled, item.id)
    review = answer.json()["review"]
    ruled.parts.clock.ahead = 72 * HOUR - MINUTE
    duty = await ruled.signed_in("duty")
    assert (await duty.get("/api/me")).status_code == 200
    ruled.parts.clock.ahead = 72 * HOUR + MINUTE
    assert (await duty.get("/api/me")).status_code == 401, "the session is dead though nothing was fired"
    locked = await (await ruled.client()).post("/api/login", json={"name": "duty", "password": PASSWORD})
    assert (locked.status_code, locked.json()["fields"]) == (403, {"account": "locked_until_reviewed"})
    prosecutor = await ruled.signed_in("prosecutor")
    assert [one["locked"] for one in (await prosecutor.get("/api/break-glass")).json()["broken"]] == [True]
    wrong = {"rev": 0, "data": {"wrong": "no_danger", "finding": "nobody was in danger"}}
    done = await prosecutor.post(f"/api/items/{review}/edges/reviewed_not_justified", json=wrong)
    assert done.status_code == 200, done.text
    assert (await (await ruled.signed_in("duty")).get("/api/me")).status_code == 200


async def test_custody_is_never_opened_this_way_and_the_attempt_is_an_entry(ruled):
    item, _ = await open_hit(ruled, region=7, data={"custody": True})
    _, answer = await broken(ruled, item.id)
    assert answer.status_code == 403
    assert await ruled.entries(viewer="duty", action="break_glass.open", decision="deny")
    assert await ruled.owner.fetchval("select count(*) from broken_glass") == 0


async def test_a_sixth_glass_waits_for_the_reviews_of_five(ruled):
    item, _ = await open_hit(ruled, region=7)
    for _ in range(5):
        _, answer = await broken(ruled, item.id)
        assert answer.status_code == 201
    _, answer = await broken(ruled, item.id)
    assert (answer.status_code, answer.json()["fields"]["unreviewed"]) == (429, "5")


async def test_a_wish_without_its_words_is_refused(ruled):
    item, _ = await open_hit(ruled, region=7)
    duty = await ruled.signed_in("duty")
    for body, field in (({"reason": "short"}, "reason"), ({"item": "x"}, "item"), ({"for": "ever"}, "for")):
        answer = await duty.post("/api/break-glass", json={"item": item.id, "reason": REASON, **body})
        assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])


async def test_patrol_and_administrator_break_no_glass(ruled):
    item, _ = await open_hit(ruled, region=7)
    for who in ("patrol1", "administrator", "prosecutor"):
        assert (await broken(ruled, item.id, who))[1].status_code == 403, who


async def test_what_he_reads_anyway_is_not_opened_by_breaking_glass(ruled):
    item, _ = await open_hit(ruled, region=2)
    duty, answer = await broken(ruled, item.id)
    assert (answer.status_code, answer.json()["fields"]) == (409, {"glass": "ordinary_way"})
    assert (await duty.get(f"/api/items/{item.id}")).status_code == 200
    assert await ruled.owner.fetchval("select count(*) from broken_glass") == 0
    assert await ruled.entries(viewer="duty", action="break_glass.open", decision="deny", object=item.id)


async def test_a_review_that_finds_it_wrong_closes_the_item_at_once(ruled):
    item, _ = await open_hit(ruled, region=7)
    duty, answer = await broken(ruled, item.id)
    assert (await duty.get(emergency(item.id))).status_code == 200
    still = (await duty.get("/api/break-glass/open")).json()["open"]
    assert still == [{"object": item.id, "until": answer.json()["until"]}]
    prosecutor = await ruled.signed_in("prosecutor")
    wrong = {"rev": 0, "data": {"wrong": "no_danger", "finding": "nobody was in danger"}}
    await prosecutor.post(f"/api/items/{answer.json()['review']}/edges/reviewed_not_justified", json=wrong)
    assert (await duty.get(emergency(item.id))).status_code == 403
    assert (await duty.get(f"/api/items/{item.id}/pictures/crop?purpose=emergency")).status_code == 403
    assert (await duty.get("/api/break-glass/open")).json()["open"] == []


async def test_a_review_that_finds_it_right_takes_nothing_away(ruled):
    item, _ = await open_hit(ruled, region=7)
    duty, answer = await broken(ruled, item.id)
    prosecutor = await ruled.signed_in("prosecutor")
    right = {"rev": 0, "data": {"finding": "a life was in danger"}}
    await prosecutor.post(f"/api/items/{answer.json()['review']}/edges/reviewed_justified", json=right)
    assert (await duty.get(emergency(item.id))).status_code == 200


async def test_nobody_is_shown_the_review_of_himself(ruled):
    item, _ = await open_hit(ruled, region=7)
    duty, answer = await broken(ruled, item.id)
    review = answer.json()["review"]
    for path in ("/api/items", "/api/items?desk=oversight"):
        assert review not in str((await duty.get(path)).json())
    assert review not in str((await duty.get("/api/overview")).json())
    refused = await duty.get(f"/api/items/{review}")
    assert (refused.status_code, refused.json()["fields"]) == (403, {"review": "own_glass"})
    inspector = await ruled.signed_in("inspector")
    assert review in str((await inspector.get("/api/items")).json())
