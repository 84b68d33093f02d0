"""A silence that the camera's own memory filled, in a browser: dots on the bar, a word on the picture, and played."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.async_api import expect
from tests.api.test_playback import index
from tests.api.test_recording_card import fetched
from tests.e2e.conftest import barriers, log_in, visit
from tests.e2e.filming import darkened, filming

from saqtau.kernel.clock import MINUTE, SECOND, Instant

pytestmark = pytest.mark.anyio
PICTURES = os.environ.get("SAQTAU_PICTURES")


async def test_what_came_from_the_card_is_played_in_the_gap_and_told_apart_by_dots_and_by_word(
    browser, street, tmp_path
):
    async with filming(street.house, tmp_path, {"STREET": "street"}):
        began = Instant(street.house.parts.clock() - 5 * MINUTE)
        files, _ = darkened(tmp_path / "volume", "STREET", began, 30, 10)
        await index(street.house.owner, *files)
        await street.house.owner.execute(
            "insert into video_volume values ($1, $1, 0, null, null, null, null, 0)", str(tmp_path / "volume")
        )
        gap, over, _ = await fetched(
            SimpleNamespace(house=street.house, camera="STREET", began=began), tmp_path / "volume"
        )
        size = {"width": 1280, "height": 1000}
        async with visit(browser, street, f"/#/cameras/STREET/{gap - 3 * SECOND}", viewport=size) as page:
            await log_in(page, "inspector")
            await page.get_by_label("Shown").select_option(index=0)
            await page.get_by_role("button", name="Say why", exact=True).click()
            dialog = page.get_by_role("dialog", name="Why do you look?")
            await dialog.get_by_label("Purpose").select_option("case")
            await dialog.get_by_label("Case number").fill("УД-12/2026")
            await dialog.get_by_role("button", name="Look").click()
            player = page.get_by_role("region", name="Recording of Камера STREET")
            await expect(player).to_have_attribute("data-phase", "playing")
            await expect(player.get_by_role("status")).to_contain_text("camera's own memory")
            dots = page.locator(".strip i.fetched")
            await expect(dots).to_have_count(1)
            assert "radial-gradient" in await dots.evaluate("(bar) => getComputedStyle(bar).backgroundImage")
            await expect(page.locator(".legend i.fetched")).to_be_visible()
            assert await barriers(page) == []
            if PICTURES:
                await page.screenshot(path=Path(PICTURES) / "card-played.png")
        assert over > gap
