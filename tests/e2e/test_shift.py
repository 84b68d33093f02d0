"""Whoever is not on shift is told so where he works, and works."""

import os
from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.e2e.conftest import barriers, log_in, visit

from saqtau.kernel.clock import DAY

pytestmark = pytest.mark.anyio

TOLD = {"en": "You are not on shift", "ru": "вы не на смене", "kk": "сіз ауысымда емессіз"}


@pytest.mark.parametrize("language", TOLD)
async def test_who_is_off_shift_is_told_and_dispatches_all_the_same(browser, street, language):
    await street.house.owner.execute("update shifts set since = since - $1, until = until - $1", 400 * DAY)
    try:
        await street.alert()
        async with visit(browser, street, language=language, viewport={"width": 1440, "height": 900}) as page:
            await log_in(page, "operator")
            await expect(page.get_by_role("status").filter(has_text=TOLD[language])).to_be_visible()
            await expect(page.locator("ol button").first).to_be_visible()
            if pictures := os.environ.get("SAQTAU_PICTURES"):
                await page.screenshot(path=Path(pictures) / f"off-shift-{language}.png")
            assert await barriers(page) == []
    finally:
        await street.house.owner.execute("update shifts set since = since + $1, until = until + $1", 400 * DAY)
