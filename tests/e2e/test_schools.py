"""The page of a school officer in a browser: he opens what he is told about, as an operator opens an incident."""

import os
from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.api import house as building
from tests.api.cameras import camera, put_up
from tests.api.desks import furnish
from tests.e2e.conftest import DIST, Street, barriers, log_in, visit

from saqtau.engine import outbox, postgres, video_watch
from saqtau.kernel.clock import HOUR, MINUTE
from saqtau.kernel.desk import discover, gather
from saqtau.kernel.register import PlaceKind

pytestmark = pytest.mark.anyio
DESKS = gather(*discover("saqtau.desks"))
PICTURES = os.environ.get("SAQTAU_PICTURES")


@pytest.fixture
async def school(engine, database, streams, tmp_path, pg_owner):
    """A school one of whose cameras has gone dark, and an item that says so."""
    async with (
        postgres.pool(database, postgres.WORKER, 2) as workers,
        building.standing(engine, database, tmp_path, desks=DESKS, dist=DIST) as house,
    ):
        parts, now = house.parts, house.parts.clock()
        await building.move_in(house.owner, now)
        await furnish(house.owner, now)
        await pg_owner.execute("truncate item, outbox, video_gap, video_hour, video_segment, video_camera cascade")
        await put_up(house.owner, now - HOUR, camera("SCHOOL", PlaceKind.SCHOOL))
        await pg_owner.execute(
            "insert into video_gap (id, camera, began, kind) values ('g', 'SCHOOL', $1, 'source_silent')",
            now - 5 * MINUTE,
        )
        await video_watch.look(house.owner, DESKS, now, parts.ids, parts.calendar)
        await outbox.sweep(workers, parts.js, now + 2 * outbox.SWEPT_AFTER)
        yield Street(house, workers, {}, [])


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
async def test_a_school_officer_opens_what_he_is_told_about_by_the_keyboard(browser, school, language):
    async with visit(browser, school, language=language, viewport={"width": 1280, "height": 800}) as page:
        await log_in(page, "school")
        lines = page.locator("[data-item]")
        await expect(lines).to_have_count(1)
        assert page.url.endswith("#/schools")
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        drawer = page.locator("aside")
        await expect(drawer).to_contain_text("SCHOOL")
        assert await barriers(page) == []
        if PICTURES:
            await page.wait_for_timeout(500)
            await page.screenshot(path=Path(PICTURES) / f"schools-{language}.png")
        await page.keyboard.press("Escape")
        await expect(drawer).to_have_count(0)
        await expect(lines.first).to_be_focused()
        assert page.faults == []
    item = await school.house.owner.fetchval("select id from item where desk = 'street_cameras'")
    (entry,) = await school.house.closed(1, viewer="school", action="item.read")
    assert (entry["object"], entry["purpose"]) == (item, "incident")
