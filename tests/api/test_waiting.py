"""The figure in the menu: what waits for one's own yes, and nothing of what it is."""

import pytest
from tests.api.desks import open_hit
from tests.api.test_exports import asked

from saqtau.bootstrap.web import watch_policies
from saqtau.kernel.clock import DAY

pytestmark = pytest.mark.anyio


async def waits(house, who):
    return (await (await house.signed_in(who)).get("/api/waiting")).json()


async def test_a_wish_is_counted_for_who_is_asked_until_he_has_answered(house):
    await watch_policies(house.parts.pg, house.parts.access)
    before = {who: (await waits(house, who))["waiting"] for who in ("duty", "prosecutor", "inspector")}
    item, _ = await open_hit(house)
    _, answer = await asked(house, item.id)
    assert answer.status_code == 201, answer.text
    assert await waits(house, "duty") == {"waiting": before["duty"] + 1}
    assert await waits(house, "inspector") == {"waiting": 0}, "who asked is not asked"
    assert (await waits(house, "prosecutor"))["waiting"] == before["prosecutor"], "he is asked for minors and custody"
    duty = await house.signed_in("duty")
    done = await duty.post(f"/api/exports/{answer.json()['id']}/approve")
    assert done.status_code == 200, done.text
    assert (await waits(house, "duty"))["waiting"] == before["duty"]


async def test_what_lapsed_waits_for_nobody(house):
    await watch_policies(house.parts.pg, house.parts.access)
    item, _ = await open_hit(house)
    await asked(house, item.id)
    assert (await waits(house, "duty"))["waiting"] > 0
    house.parts.clock.ahead = 8 * DAY
    assert (await waits(house, "duty"))["waiting"] == 0
