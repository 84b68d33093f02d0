"""Recorded cameras in the control room: on the map, in the command bar, watched from there; what they lack."""

import re

import msgspec
import pytest
from playwright.async_api import expect
from tests.e2e.conftest import barriers, log_in, visit
from tests.e2e.filming import filming

from saqtau.engine.video_decoding import Decoders
from saqtau.kernel.clock import MINUTE

pytestmark = pytest.mark.anyio


async def test_an_operator_finds_a_camera_in_the_command_bar_and_watches_it_on_the_map(browser, street, tmp_path):
    async with (
        filming(street.house, tmp_path, {"STREET": "street", "SCHOOL": "yard"}),
        visit(browser, street, "/#/room") as page,
    ):
        await log_in(page, "operator")
        layer = page.get_by_role("button", name=re.compile("^Cameras"))
        await expect(layer).to_have_attribute("aria-pressed", "true")
        await page.keyboard.press("/")
        await page.keyboard.type("camera STREET")
        await expect(page.get_by_role("option", name="Recorded camera Камера STREET (STREET)")).to_be_visible()
        await page.keyboard.press("Enter")
        card = page.get_by_role("region", name="Camera Камера STREET")
        await expect(card).to_be_focused()
        await expect(card.locator("[data-phase]")).to_have_attribute("data-phase", "playing")
        await expect(card).to_contain_text("Duty")  # the reason stands on the picture
        assert await barriers(page) == []
        await page.keyboard.press("Escape")
        await expect(card).to_have_count(0)
        await page.keyboard.press("c")
        await expect(layer).to_have_attribute("aria-pressed", "false")
        await page.keyboard.press("/")
        await page.keyboard.type("SCHOOL")
        await page.get_by_role("option", name="Recorded camera").click()
        card = page.get_by_role("region", name="Camera Камера SCHOOL")
        await expect(card.locator("[data-phase]")).to_have_attribute("data-phase", "unasked")
        await card.get_by_role("button", name="Say why", exact=True).click()
        await expect(page.get_by_role("dialog", name="Why do you look?").get_by_label("Purpose")).to_have_value(
            "incident"
        )
    (entry,) = await street.house.closed(1, viewer="operator", action="camera.watch")
    assert (entry["object"], entry["purpose"]) == ("STREET", "duty")


async def test_a_camera_that_the_browser_cannot_play_is_shown_by_its_key_pictures_and_says_so(
    browser, street, tmp_path, monkeypatch
):
    house = street.house
    decoders = Decoders(1)
    monkeypatch.setattr(house.app.state, "parts", msgspec.structs.replace(house.parts, decoders=decoders))
    try:
        async with (
            filming(house, tmp_path, {"STREET": "street265"}),
            visit(browser, street, "/#/wall") as page,
        ):
            await log_in(page, "operator")
            tile = page.get_by_role("region", name="Камера STREET", exact=True)
            await expect(tile).to_have_attribute("data-phase", "stills")
            await expect(tile).to_contain_text("Key pictures only")
            first = await tile.locator("img").get_attribute("src")
            await expect(tile.locator("img")).not_to_have_attribute("src", first)  # and a newer one comes
            assert await tile.locator("img").evaluate("(image) => image.naturalWidth") > 300
            assert await barriers(page) == []
    finally:
        await decoders.close()
    entries = await house.closed(2, viewer="operator", action="camera.watch")
    assert [entry["told"] for entry in entries][-1] == {"shown": "stills"}
    assert entries[-1]["delivered"] > 1_000


async def test_what_a_camera_lacks_is_on_its_page_and_in_a_list(browser, street, tmp_path):
    owner, now = street.house.owner, street.house.parts.clock()
    async with filming(street.house, tmp_path, {"STREET": "street"}):
        await owner.execute(
            """insert into video_health (camera, at, verdict, since, measures, drift_ms)
               values ('STREET', $1, 'ok', $2, '{"short_days": 2}', -61000)
               on conflict (camera) do update set at = $1, since = $2, measures = excluded.measures,
                   drift_ms = excluded.drift_ms""",
            now, now - 30 * MINUTE,
        )  # fmt: skip
        async with visit(browser, street, "/#/cameras") as page:
            await log_in(page, "administrator")
            await page.get_by_role("button", name=re.compile("^Lacking")).click()
            row = page.get_by_role("listitem").filter(has_text="Камера STREET")
            await expect(row.first).to_contain_text("2 of 30 days are missing")
            await row.first.get_by_role("button").click()
            health = page.get_by_role("region", name="Health")
            for words in ("Its clock is off by 61 s", "No reference yet", "61.0 s behind ours"):
                await expect(health).to_contain_text(words)
            assert await barriers(page) == []
