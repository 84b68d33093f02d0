"""The control room: what needs me now, and how long have I got."""

import re

import pytest
from playwright.async_api import expect
from tests.e2e.conftest import barriers, log_in, visit

pytestmark = pytest.mark.anyio


async def test_a_quiet_room_says_that_it_is_connected_and_that_nothing_is_open(browser, street):
    async with visit(browser, street) as page:
        await log_in(page, "operator")
        await expect(page.get_by_text("Connected, nothing open.")).to_be_visible()


async def test_an_alert_is_found_opened_and_given_to_another_unit_without_a_mouse(browser, street):
    async with visit(browser, street) as page:
        await log_in(page, "operator")
        await expect(page.get_by_text("Connected, nothing open.")).to_be_visible()
        item, _ = await street.alert()
        row = page.locator("ol button")
        await expect(row).to_contain_text("Stolen vehicle")
        await expect(row).not_to_contain_text("777")  # the queue shows no plate
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        drawer = page.locator(".drawer")
        await expect(drawer.get_by_role("img", name="Number plate 777 AAA 02")).to_be_visible()
        await expect(drawer.get_by_alt_text("Picture of the plate")).to_have_js_property("naturalWidth", 1)
        await expect(drawer.get_by_text("the vehicle is here in 60 s")).to_be_visible()
        await page.keyboard.press("o")
        await page.keyboard.type("U2")
        await page.keyboard.press("Tab")
        await drawer.get_by_label("Reason").select_option("agreed_by_radio")
        await drawer.get_by_label("Reason").press("Enter")
        await drawer.get_by_role("button", name=re.compile("^Name a unit Enter")).press("Enter")
        await expect(drawer.locator(".log").get_by_text("Agreed by radio")).to_be_visible()
        holder = "select unit from item where parent = $1 and ended is null"
        assert await street.house.owner.fetchval(holder, item.id) == "U2"


async def test_who_was_slower_sees_the_fresh_item_and_why(browser, street):
    item, _ = await street.alert(state="to_confirm", data={"doubts": ["doubtful_read"]})
    async with visit(browser, street, f"/#/room/{item.id}") as page:
        await log_in(page, "operator")
        confirm = page.get_by_role("button", name="The plate is right")
        await expect(confirm).to_be_visible()
        other = await street.house.signed_in("operator")

        async def beaten(route):
            """The other one's step arrives just before."""
            taken = await other.post(f"/api/items/{item.id}/edges/confirm", json={"rev": item.rev, "data": {}})
            assert taken.status_code == 200
            await route.continue_()

        await page.route("**/edges/confirm", beaten, times=1)
        await confirm.click()
        await expect(page.locator(".drawer [role=alert]")).to_contain_text("Somebody was faster")
        await expect(confirm).to_have_count(0)


async def test_data_that_grows_old_says_since_when(browser, street):
    async with visit(browser, street) as page:
        await log_in(page, "operator")
        await expect(page.get_by_text("Connected, nothing open.")).to_be_visible()
        # a map whose worker has not come yet cannot come without a network: that is not what is asked here
        await expect(page.locator(".map[aria-busy=false]")).to_be_visible(timeout=30_000)
        await page.context.set_offline(True)
        hub = street.house.app.state.hub
        hub.end_sessions(hub.sessions())  # a browser keeps an open stream though it is offline
        await expect(page.get_by_text(re.compile(r"Data is old since \d\d:\d\d:\d\d$"))).to_be_visible(timeout=20_000)
        await expect(page.get_by_text("Connected, nothing open.")).to_have_count(0)
        await page.context.set_offline(False)
        await expect(page.get_by_text("Connected, nothing open.")).to_be_visible(timeout=30_000)


@pytest.mark.parametrize(("language", "theme"), [("kk", "dark"), ("ru", "light"), ("en", "dark")])
async def test_no_page_of_the_console_has_a_barrier(browser, street, language, theme):
    item, _ = await street.alert()
    async with visit(browser, street, language=language) as page:
        await page.evaluate("(theme) => localStorage.setItem('saqtau.theme', theme)", theme)
        await page.reload()
        await page.wait_for_selector("input[type=password]")
        assert await barriers(page) == []
        await log_in(page, "duty")
        await page.wait_for_selector("ol button")
        assert await barriers(page) == []
        await page.goto(f"{street.url}/#/room/{item.id}")
        await page.wait_for_selector(".drawer .log li")
        assert await barriers(page) == []
        for name in ("cameras", "vehicles"):
            await page.goto(f"{street.url}/#/registers/{name}")
            await page.wait_for_selector("table")
            assert await barriers(page) == []
        await page.goto(f"{street.url}/#/plates")
        await page.wait_for_selector("form")
        assert await barriers(page) == []


async def test_a_role_sees_only_the_doors_that_open_for_it(browser, street):
    doors = {
        "operator": ["Control room", "Wall", "Cameras", "Registers", "Approvals"],
        "prosecutor": [
            "Control room", "Custody", "Wall", "Cameras", "Registers", "Plate history", "Oversight", "Approvals",
        ],
        "school": ["Schools", "Wall", "Cameras"],
        "administrator": ["Cameras", "Registers", "Approvals"],
    }  # fmt: skip
    for name, pages in doors.items():
        async with visit(browser, street) as page:
            await log_in(page, name)
            await expect(page.locator("header nav a")).to_have_text(pages)
