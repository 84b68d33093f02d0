"""Logging in by keyboard: a passkey of Chromium's own authenticator, codes, and the account page."""

import contextlib
from secrets import token_hex

import msgspec
import pyotp
import pytest
from playwright.async_api import expect
from tests.api import house as building
from tests.api.house import ACCOUNTS, PASSWORD
from tests.e2e.conftest import DIST, barriers, log_in, visit
from tests.running import free_ports

from saqtau.kernel.clock import SECOND
from saqtau.web.people import Person, add_person

pytestmark = pytest.mark.anyio


class Place:
    """A house that browsers find by a name, as passkeys need it."""

    def __init__(self, house, port):
        self.house, self.url, self.bare = house, f"http://localhost:{port}", f"http://127.0.0.1:{port}"


@contextlib.asynccontextmanager
async def named(engine, database, folder, **more):
    """A house at localhost, on a port that its settings know."""
    [port] = free_ports(1)
    accounts = msgspec.structs.replace(ACCOUNTS, origins=(f"http://localhost:{port}",), **more)
    async with building.standing(engine, database, folder, dist=DIST, accounts=accounts, port=port) as house:
        await building.move_in(house.owner, house.parts.clock())
        yield Place(house, port)


async def newcomer(place, name):
    """The account's name: another one each time, for a test that is repeated."""
    person = Person(f"{name}.{token_hex(3)}", "Ключникова Алия", ("operator",), frozenset({2}), language="en")
    await add_person(place.house.owner, person, PASSWORD, place.house.parts.clock())
    return person.id


async def authenticator(page, **more):
    """Chromium's own: a key in the device, opened by a finger."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = await session.send("WebAuthn.addVirtualAuthenticator", {"options": options | more})
    return session, made["authenticatorId"]


async def open_account(page):
    await page.get_by_role("link", name="Ключникова Алия").click()
    await expect(page.get_by_role("heading", name="My account")).to_be_visible()


async def prove(page):
    dialog = page.get_by_role("dialog", name="Prove again that it is you")
    await dialog.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(dialog).to_have_count(0)


async def test_a_passkey_is_added_opens_the_console_proves_an_act_and_is_removed(
    engine, database, streams, tmp_path, browser
):
    async with named(engine, database, tmp_path) as place:
        who = await newcomer(place, "chrome.key")
        async with visit(browser, place) as page:
            session, device = await authenticator(page)
            await log_in(page, who)
            await open_account(page)
            assert await barriers(page) == []
            await page.get_by_label("Name of the key").fill("Service telephone")
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("Service telephone")).to_be_visible()
            [kept] = (await session.send("WebAuthn.getCredentials", {"authenticatorId": device}))["credentials"]
            assert kept["isResidentCredential"]
            assert kept["rpId"] == "localhost"

            await page.get_by_role("button", name="Log out").click()
            await page.get_by_role("button", name="Log in with a passkey").press("Enter")
            await expect(page.get_by_role("link", name="Ключникова Алия")).to_be_visible()
            me = await page.evaluate("fetch('/api/me').then((answer) => answer.json())")
            assert me["methods"] == ["passkey"]

            place.house.parts.clock.ahead += 6 * 60 * SECOND
            await open_account(page)
            await page.get_by_role("button", name="Remove the key Service telephone").click()
            dialog = page.get_by_role("dialog", name="Prove again that it is you")
            await dialog.get_by_role("button", name="Prove with a passkey").press("Enter")
            await expect(page.get_by_text("Service telephone")).to_have_count(0)  # the act went on by itself
            await page.get_by_role("button", name="Log out").click()
            await page.get_by_role("button", name="Log in with a passkey").click()
            await expect(page.get_by_role("alert")).to_contain_text("does not fit here")


async def test_an_authenticator_that_does_not_know_its_holder_does_not_open_the_console(
    engine, database, streams, tmp_path, browser
):
    async with named(engine, database, tmp_path) as place:
        who = await newcomer(place, "chrome.unverified")
        async with visit(browser, place) as page:
            session, device = await authenticator(page)
            await log_in(page, who)
            await open_account(page)
            await page.get_by_label("Name of the key").fill("Stick")
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("Stick")).to_be_visible()
            await page.get_by_role("button", name="Log out").click()
            await session.send("WebAuthn.setUserVerified", {"authenticatorId": device, "isUserVerified": False})
            await page.get_by_role("button", name="Log in with a passkey").click()
            await expect(page.get_by_role("alert")).to_contain_text("No passkey was shown")


async def test_where_a_second_proof_is_required_codes_are_set_up_before_anything_is_seen(
    engine, database, streams, tmp_path, browser
):
    async with named(engine, database, tmp_path, second_factor="required") as place:
        who = await newcomer(place, "chrome.codes")
        async with visit(browser, place) as page:
            await log_in(page, who)
            await expect(page.get_by_text("Set up a second proof to begin work")).to_be_visible()
            assert await barriers(page) == []
            await page.get_by_role("button", name="Set up codes").press("Enter")
            secret = (await page.locator("code").inner_text()).replace(" ", "")
            now = place.house.parts.clock()
            await page.get_by_label("The code it shows now").fill(pyotp.TOTP(secret).at(now // SECOND))
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("Recovery codes: each lets you in once")).to_be_visible()
            paper = await page.locator(".paper li").all_inner_texts()
            assert len(paper) == 10
            assert await barriers(page) == []
            await page.get_by_role("button", name="I have kept them").click()
            await expect(page.get_by_text("Connected, nothing open.")).to_be_visible()

            await page.get_by_role("button", name="Log out").click()
            place.house.parts.clock.ahead += 60 * SECOND
            await log_in(page, who)
            await expect(page.get_by_label("Code of the application")).to_be_focused()
            assert await barriers(page) == []
            await page.keyboard.type("000000")
            await page.keyboard.press("Enter")
            await expect(page.get_by_role("alert")).to_contain_text("The code is wrong or was used")
            await page.get_by_label("Code of the application").fill(paper[0])
            await page.keyboard.press("Enter")
            await expect(page.get_by_text("Connected, nothing open.")).to_be_visible()


async def test_a_session_is_ended_from_the_account_page_and_the_other_screen_logs_out(
    engine, database, streams, tmp_path, browser
):
    async with named(engine, database, tmp_path) as place:
        who = await newcomer(place, "chrome.two")
        async with visit(browser, place) as here, visit(browser, place) as there:
            for page in (there, here):
                await log_in(page, who)
                await expect(page.get_by_text("Connected, nothing open.")).to_be_visible()
            await open_account(here)
            await here.get_by_role("button", name="End the others").click()
            await expect(here.get_by_text("This session")).to_be_visible()
            await there.get_by_role("link", name="Ключникова Алия").click()
            await expect(there.locator("input[type=password]")).to_be_visible()


@pytest.mark.parametrize("language", ["kk", "ru", "en"])
async def test_at_an_address_without_a_name_the_page_says_where_passkeys_work(
    engine, database, streams, tmp_path, browser, language
):
    async with named(engine, database, tmp_path) as place:
        place.url, named_url = place.bare, place.url
        async with visit(browser, place, language=language) as page:
            await expect(page.get_by_role("link", name=named_url)).to_be_visible()
            assert await barriers(page) == []
