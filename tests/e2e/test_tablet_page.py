"""The patrol's tablet: where, who, why, how soon, what do I press; with and without a network."""

import pytest
from playwright.async_api import expect
from tests.e2e.conftest import barriers, known_devices, log_in, visit

pytestmark = pytest.mark.anyio

CAR = {
    "viewport": {"width": 820, "height": 1180},
    "geolocation": {"latitude": 43.2401, "longitude": 76.9402, "accuracy": 5},
    "permissions": ["geolocation"],
}


async def enrol(street, page, unit="U1", officer="patrol1"):
    """The duty officer makes a code, the crew types it and comes on duty."""
    duty = await street.house.signed_in("duty")
    made = await duty.post("/api/tablet/codes", json={"unit": unit, "officer": officer})
    assert made.status_code == 201, made.text
    await page.get_by_label("One-time code").fill(made.json()["code"])
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Available", exact=True)).to_be_visible()
    await known_devices(street)


async def test_an_alert_takes_the_screen_is_accepted_and_ends_as_the_crew_says(browser, street):
    async with visit(browser, street, "/tablet", **CAR) as page:
        await log_in(page, "patrol1")
        await enrol(street, page)
        item, offer = await street.alert()
        await expect(page.get_by_role("heading", name="Stolen vehicle")).to_be_visible()
        await expect(page.get_by_role("img", name="Number plate 777 AAA 02")).to_be_visible()
        await expect(page.get_by_alt_text("Picture of the plate")).to_have_js_property("naturalWidth", 1)
        await expect(page.get_by_text("from Абай 1")).to_be_visible()
        await page.get_by_role("button", name="Accept").click()
        await expect(page.get_by_role("button")).to_have_text(["Stopped", "Not seen", "Wrong vehicle"])
        assert await street.state(offer) == "accepted"
        await page.get_by_role("button", name="Stopped").click()
        await expect(page.get_by_text("No alert.")).to_be_visible(timeout=15_000)
        assert await street.state(item) == "stopped"


async def test_cannot_asks_for_its_reason_and_the_next_unit_is_asked(browser, street):
    async with visit(browser, street, "/tablet", **CAR) as page:
        await log_in(page, "patrol1")
        await enrol(street, page)
        _, offer = await street.alert()
        await page.get_by_role("button", name="Cannot").click()
        await page.get_by_role("button", name="Too far").click()
        await expect(page.get_by_text("No alert.")).to_be_visible(timeout=15_000)
        assert await street.house.owner.fetchval("select unit from item where id = $1", offer.id) == "U2"


async def test_an_answer_given_without_a_network_is_kept_told_and_sent_once(browser, street):
    async with visit(browser, street, "/tablet", **CAR) as page:
        await log_in(page, "patrol1")
        await enrol(street, page)
        _, offer = await street.alert()
        accept = page.get_by_role("button", name="Accept")
        await expect(accept).to_be_visible()
        await page.context.set_offline(True)
        await accept.click()
        await expect(page.get_by_text("“Accept” is kept and being sent.")).to_be_visible()
        await expect(page.locator(".strip")).to_contain_text("wait")
        assert await street.state(offer) == "offered"
        await page.context.set_offline(False)
        await expect(page.get_by_role("button", name="Stopped")).to_be_visible(timeout=20_000)
        steps = "select count(*) from entry where item = $1 and edge = 'accept'"
        assert await street.house.owner.fetchval(steps, offer.id) == 1


async def test_an_answer_whose_receipt_was_lost_is_not_given_twice(browser, street):
    async with visit(browser, street, "/tablet", **CAR) as page:
        await log_in(page, "patrol1")
        await enrol(street, page)
        _, offer = await street.alert()

        async def lose(route):
            await route.fetch()  # the server has it
            await route.abort()  # the tablet hears nothing

        await page.route("**/edges/accept", lose, times=1)
        await page.get_by_role("button", name="Accept").click()
        await expect(page.get_by_role("button", name="Stopped")).to_be_visible(timeout=20_000)
        await expect(page.get_by_role("alert")).to_have_count(0)
        steps = "select count(*) from entry where item = $1 and edge = 'accept'"
        assert await street.house.owner.fetchval(steps, offer.id) == 1


async def test_positions_are_signed_numbered_and_none_is_lost_in_a_network_loss(browser, street):
    async with visit(browser, street, "/tablet", **CAR) as page:
        await log_in(page, "patrol1")
        await enrol(street, page)

        async def drive(steps):
            for step in steps:
                await page.wait_for_timeout(2_200)
                spot = {"latitude": 43.2401 + step * 1e-4, "longitude": 76.9402, "accuracy": 5}
                await page.context.set_geolocation(spot)

        await drive(range(2))
        await page.context.set_offline(True)
        await drive(range(2, 4))
        await page.context.set_offline(False)
        await drive(range(4, 5))
        for _ in range(100):
            if any(position.lat > 43.24048 for position in street.taken):
                break
            await page.wait_for_timeout(200)
        numbers = [position.seq for position in street.taken]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= 5
        assert {position.unit for position in street.taken} == {"U1"}


async def test_a_car_that_stands_still_is_not_silent(browser, street):
    async with visit(browser, street, "/tablet", **CAR) as page:
        await log_in(page, "patrol1")
        await enrol(street, page)
        for _ in range(150):
            if len(street.taken) >= 2:
                break
            await page.wait_for_timeout(200)
        first, again = street.taken[:2]
        assert again.seq == first.seq + 1
        assert (again.lat, again.lon) == (first.lat, first.lon)
        assert again.at > first.at


async def test_the_page_opens_without_a_network(browser, street):
    async with visit(browser, street, "/tablet", **CAR) as page:
        await log_in(page, "patrol1")
        await expect(page.get_by_label("One-time code")).to_be_visible()
        await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        kept = "caches.keys().then(async (names) => (await (await caches.open(names[0])).keys()).map((one) => one.url))"
        urls = await page.evaluate(kept)
        assert any(url.endswith("/tablet") for url in urls)
        assert not any("/api/" in url for url in urls)
        await page.context.set_offline(True)
        await page.reload()
        await expect(page.get_by_role("heading", name="U1")).to_be_visible()
        await expect(page.locator(".strip")).to_contain_text("No network")
        await page.context.set_offline(False)
        await enrol(street, page)  # and it works again when the network is back


@pytest.mark.parametrize(("language", "theme"), [("kk", "dark"), ("ru", "light"), ("en", "dark")])
async def test_no_screen_of_the_tablet_has_a_barrier_or_a_small_target(browser, street, language, theme):
    async with visit(browser, street, "/tablet", language=language, **CAR) as page:
        await page.evaluate("(theme) => localStorage.setItem('saqtau.theme', theme)", theme)
        await page.reload()
        await log_in(page, "patrol1")
        await page.wait_for_selector("input[autocomplete=one-time-code]")
        assert await barriers(page) == []
        await street.alert()
        await page.wait_for_selector("article footer button")
        assert await barriers(page) == []
        heights = (
            "[...document.querySelectorAll('button, select, input')].map((one) => one.getBoundingClientRect().height)"
        )
        assert min(await page.evaluate(heights)) >= 56
