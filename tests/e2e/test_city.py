"""The whole house as its people use it: the demonstration, started by its command, in a real browser."""

import asyncio
import io
import os
import re
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import expect
from tests.e2e.city import ROOT, eventually
from tests.e2e.conftest import barriers, log_in, visit

from saqtau.simulate.officers import plate_of

pytestmark = pytest.mark.anyio

GROUNDS = re.compile("Stolen vehicle|Wanted|Forged plates|Persistent violator|Dangerous speed|Dangerous average speed")
CAR = {"viewport": {"width": 820, "height": 1180}}
GREEN, WHITE = (0x5F, 0xC2, 0x8A), (0xF4, 0xF8, 0xFB)  # a unit that is free, an urgent alert
HERE = "window.stillHere"


async def enter(page, city, name):
    """Log in with the password that the terminal shows."""
    await log_in(page, name, city.password(name))


async def drawn(page, colour, pixels):
    """Whether the map comes to show this colour on so many pixels."""
    for _ in range(40):
        if await painted(page, colour) > pixels:
            return True
        await page.wait_for_timeout(300)
    return False


async def painted(page, colour):
    """How many pixels of the map have this colour."""
    picture = Image.open(io.BytesIO(await page.locator(".map canvas").screenshot())).convert("RGB")
    far = np.abs(np.asarray(picture, np.int16) - np.array(colour, np.int16))
    return int((far < 12).all(axis=2).sum())


async def test_a_newcomer_finds_a_dangerous_driver_within_three_minutes_by_keyboard_alone(browser, city):
    async with visit(browser, city, viewport={"width": 1440, "height": 900}) as page:
        await enter(page, city, "operator")
        rows = page.locator("ol button")
        await expect(rows.filter(has_text=GROUNDS).first).to_be_visible(timeout=180_000)
        await expect(page.locator(".map canvas")).to_be_visible()
        assert await drawn(page, GREEN, 200)
        assert await drawn(page, WHITE, 100)
        for _ in range(await rows.count()):
            await page.keyboard.press("j")
            if GROUNDS.search(await page.locator("ol button[aria-current=true]").inner_text()):
                break
        await page.keyboard.press("Enter")
        drawer = page.locator(".drawer")
        await expect(drawer.get_by_role("heading", name="Dangerous driver")).to_be_visible()
        await expect(drawer.get_by_role("heading", name="Why this unit")).to_be_visible()
        await expect(drawer.get_by_role("img", name=re.compile("Number plate .+"))).to_be_visible()
        await expect(drawer.locator(".purpose")).to_contain_text("This incident")
        crop = drawer.get_by_alt_text("Picture of the plate")
        await expect(crop).to_have_attribute("src", re.compile("purpose=incident"))
        await expect(crop).not_to_have_js_property("naturalWidth", 0)
        await expect(drawer.locator(".log li").last).to_contain_text(re.compile(r"\d\d:\d\d:\d\d"))
        await page.keyboard.press("Escape")
        await expect(drawer).to_have_count(0)


async def test_the_map_shows_this_city_also_when_the_facts_come_later_than_the_page(browser, city):
    async def late(route):
        await asyncio.sleep(2)
        await route.continue_()

    async with visit(browser, city, session=city.signed_in("operator")) as page:
        await page.route("**/api/overview", late)
        await page.reload()
        assert await drawn(page, GREEN, 200)


async def test_a_wrong_password_is_told_and_nothing_else(browser, city):
    async with visit(browser, city) as page:
        await log_in(page, "operator", "not-my-password")
        await expect(page.get_by_role("alert")).to_have_text(re.compile("^Wrong name or password"))
        await expect(page.locator("input[type=password]")).to_have_value("")


async def test_the_patrol_accepts_loses_the_network_and_the_console_still_learns_how_it_ended(browser, city):
    async with (
        visit(browser, city, "/tablet", **CAR) as tablet,
        visit(browser, city, session=city.signed_in("operator")) as console,
    ):
        await enter(tablet, city, "patrol")
        await tablet.get_by_label("One-time code").fill(city.tablet_code())
        await tablet.keyboard.press("Enter")
        await expect(tablet.get_by_role("button", name="Log out").or_(tablet.locator("article"))).to_be_visible()
        alert = city.alert()
        plate = tablet.get_by_role("img", name=re.compile("^Number plate"))
        await expect(plate).to_be_visible()
        assert (await plate.get_attribute("aria-label")).replace(" ", "").endswith(plate_of(alert))
        await expect(tablet.get_by_alt_text("Picture of the plate")).not_to_have_js_property("naturalWidth", 0)
        whole = await tablet.locator("main.full").bounding_box()
        assert (whole["width"], whole["height"]) == (820, 1180)
        await tablet.set_viewport_size({"width": 412, "height": 915})
        for button in await tablet.locator("article footer button").all():
            await expect(button).to_be_in_viewport(ratio=1)
        assert await tablet.evaluate("document.documentElement.scrollWidth") <= 412

        await console.goto(f"{city.url}/#/room/{alert['parent']}")
        lead = console.locator(".drawer .lead")
        await console.evaluate(f"{HERE} = true")
        await tablet.get_by_role("button", name="Accept").click()
        await expect(lead).to_contain_text("Taken by the unit")
        stopped = tablet.get_by_role("button", name="Stopped")
        await expect(stopped).to_be_visible()
        await tablet.context.set_offline(True)
        await stopped.click()
        await expect(tablet.get_by_text("“Stopped” is kept and being sent.")).to_be_visible()
        await expect(tablet.locator(".strip")).to_contain_text("wait")
        await expect(tablet.get_by_role("dialog")).to_have_count(0)
        assert city.item(alert["parent"])["state"] == "accepted"
        await tablet.context.set_offline(False)
        await expect(lead).to_contain_text("Stopped", timeout=20_000)
        assert await console.evaluate(HERE)
        await expect(tablet.locator(".strip")).to_have_count(0, timeout=20_000)


async def test_an_operator_with_nobody_ahead_sees_so_and_names_a_unit_with_one_word_of_reason(browser, city):
    line = city.nobody_ahead()
    free = next(unit for unit in city.overview()["units"] if unit["status"] == "available" and unit["id"] != "P-01")[
        "id"
    ]
    async with visit(browser, city, f"/#/room/{line['id']}", session=city.signed_in("operator")) as page:
        drawer = page.locator(".drawer")
        await expect(drawer.locator(".lead")).to_contain_text("No unit lies ahead")
        await expect(drawer.get_by_text("No unit ahead")).to_be_visible()
        await page.keyboard.press("o")
        await page.keyboard.type(free)
        await page.keyboard.press("Tab")
        await drawer.get_by_label("Reason").select_option("closer")
        await drawer.get_by_role("button", name=re.compile("^Name a unit Enter")).press("Enter")
        await expect(drawer.locator(".lead")).not_to_contain_text("No unit lies ahead")
    item = city.item(line["id"])
    assert [child["unit"] for child in item["children"]] == [free]
    assert {"unit": free, "reason": "closer"}.items() <= item["log"][-1]["data"].items()


async def test_the_prosecutor_finds_who_looked_at_the_crop_and_checks_the_entry_himself(browser, city, tmp_path):
    line = city.hit()
    seen = city.signed_in("operator").get(f"/api/items/{line['id']}/pictures/crop", params={"purpose": "incident"})
    assert seen.status_code == 200, seen.text
    async with visit(browser, city, "/#/oversight", session=city.signed_in("prosecutor")) as page:
        await page.get_by_label("Object").fill(line["id"])
        await page.keyboard.press("Enter")
        row = page.get_by_role("row").filter(has_text="Looked at a picture").first
        await expect(row).to_contain_text("operator")
        await expect(row).to_contain_text("This incident")
        await expect(row).to_contain_text("Picture of the plate")
        size = len(seen.content)
        await expect(row).to_contain_text(f"{size} bytes" if size < 1024 else f"{int(size / 1024 + 0.5)} KB")
        await expect(row.get_by_role("link", name=line["id"])).to_have_attribute("href", f"#/room/{line['id']}")
        assert await barriers(page) == []
        button = row.get_by_role("button", name=re.compile("Verify entry"))
        await button.focus()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("status")).to_contain_text("The entry holds")
        await expect(dialog.locator(".steps li.done")).to_have_count(5)
        await expect(dialog.locator(".record")).to_contain_text(line["id"])
        assert await barriers(page) == []
        for button in ("Download the entry", "Download the keys"):
            async with page.expect_download() as coming:
                await dialog.get_by_role("button", name=button).click()
            await (await coming.value).save_as(tmp_path / (await coming.value).suggested_filename)
        words = shlex.split(await dialog.locator("pre").first.inner_text())
        assert words[0] == "saqtau"
        done = subprocess.run(
            [sys.executable, "-m", "saqtau.cli", *words[1:]],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        assert "its record is the one the log committed to" in done.stdout
        await page.keyboard.press("Escape")
        await expect(dialog).to_have_count(0)


async def test_a_changed_record_is_found_in_the_browser_and_the_page_speaks_three_languages(browser, city):
    async with visit(browser, city, "/#/oversight", session=city.signed_in("auditor")) as page:

        async def forge(route):
            answer = await route.fetch()
            text = await answer.text()
            await route.fulfill(response=answer, body=text.replace("auditor", "nobody"))

        await page.route("**/api/oversight/entry?*", forge)
        await page.get_by_label("Person").fill("auditor")
        await page.keyboard.press("Enter")
        await page.get_by_role("button", name=re.compile("Verify entry")).first.click()
        dialog = page.get_by_role("dialog")
        await expect(dialog.get_by_role("status")).to_contain_text("does not hold")
        await expect(dialog.locator(".steps li.failed")).to_have_count(1)
        await page.keyboard.press("Escape")
        for language, title in (("ru", "Надзор"), ("kk", "Қадағалау"), ("en", "Oversight")):
            await page.locator("header select").select_option(language)
            await expect(page.locator("h2").first).to_have_text(title)
            await expect(page.locator("html")).to_have_attribute("lang", language)
            assert await barriers(page) == []


async def test_the_administrator_sees_no_content(browser, city):
    line = city.hit()
    admin = city.signed_in("admin")
    for path in (f"/api/items/{line['id']}", f"/api/items/{line['id']}/pictures/crop"):
        assert admin.get(path, params={"purpose": "incident"}).status_code == 403
    async with visit(browser, city, session=city.signed_in("admin")) as page:
        await expect(page.locator("header nav a")).to_have_text(["Cameras", "Registers", "Approvals"])
        for name in ("cameras", "units", "officers"):
            await page.goto(f"{city.url}/#/registers/{name}")
            await expect(page.locator("tbody tr").first).to_be_visible()
        await page.goto(f"{city.url}/#/room/{line['id']}")
        await expect(page.locator(".drawer .lead")).to_have_count(0)
        await expect(page.locator("[data-item]")).to_have_count(0)


async def test_a_killed_web_is_told_comes_back_by_itself_and_the_console_misses_nothing(browser, city):
    async with visit(browser, city, session=city.signed_in("operator")) as page:
        await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
        await page.evaluate(f"{HERE} = true")
        old = page.get_by_text(re.compile(r"Data is old since \d\d:\d\d:\d\d$"))
        (web,) = city.processes("web")
        os.kill(web, signal.SIGSTOP)  # killed at once it would be back before anybody noticed
        await expect(old).to_be_visible()
        at = city.pass_camera(0)  # cameras do not wait for screens
        os.kill(web, signal.SIGKILL)
        await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible(timeout=60_000)
        line = eventually(lambda: next((one for one in city.overview()["items"] if one["title"].get("at") == at), None))
        await expect(page.locator(f"[data-item='{line['id']}']")).to_be_visible()
        assert await page.evaluate(HERE)


def test_ctrl_c_stops_everything_and_leaves_nobody_behind(city):
    assert len(city.processes()) > 6
    assert city.stop() < 10
    assert city.process.returncode == 0, city.said()
    assert city.processes() == []
