"""A recording leaves the house, in a browser: asked for on the camera's page, approved by another, checked offline."""

import asyncio
import os
import zipfile
from datetime import datetime, timedelta

import pytest
from playwright.async_api import expect
from tests.api.recordings import recorded
from tests.e2e.conftest import barriers, log_in, visit

from saqtau.bootstrap.web import watch_policies
from saqtau.ledger.verify import export as verifier

pytestmark = pytest.mark.anyio


@pytest.fixture
async def camera(street, tmp_path):
    await watch_policies(street.house.parts.pg, street.house.parts.access)
    return await recorded(street.house, tmp_path / "volume", 40)


async def ask(inspector, more=None):
    """Ask on the page of the camera; `more`: what is done in the dialog before it is sent."""
    await inspector.get_by_role("button", name="Export a recording").click()
    dialog = inspector.get_by_role("dialog", name="Export a recording")
    await dialog.get_by_label("Case number").fill("УД-12/2026")
    await dialog.get_by_label("Recipient").fill("Алматы қалалық соты")
    await dialog.get_by_label("Reason").fill("for the trial of 1 December")
    if more is not None:
        await more(dialog)
    if shown := os.environ.get("SAQTAU_PICTURES"):
        await inspector.screenshot(path=f"{shown}/ask{'-redacted' if more else ''}.png")
    assert await barriers(inspector) == []
    await dialog.get_by_role("button", name="Ask", exact=True).click()
    await expect(dialog.get_by_role("status")).to_contain_text("Asked.")
    await dialog.get_by_role("link", name="Exports").click()


async def shorten(dialog):
    """Three seconds from the moment that was shown; the dialog offers a minute before and after it."""
    groups = [dialog.get_by_role("group", name=name) for name in ("From", "To")]
    fields = [(group.get_by_label("Day"), group.get_by_label("Time")) for group in groups]
    text = " ".join([await field.input_value() for field in fields[0]])
    begun = datetime.strptime(text, "%d.%m.%Y %H:%M:%S") + timedelta(seconds=60)  # noqa: DTZ007 - of the page's zone
    for (day, time), at in zip(fields, (begun, begun + timedelta(seconds=3)), strict=True):
        await day.fill(at.strftime("%d.%m.%Y"))
        await time.fill(at.strftime("%H:%M:%S"))


async def test_a_recording_is_asked_for_approved_by_another_fetched_and_checked(browser, street, camera, tmp_path):
    page = f"/#/cameras/{camera.camera}/{camera.began + 20_000}"
    async with (
        visit(browser, street, page, accept_downloads=True) as inspector,
        visit(browser, street, "/#/two_people") as duty,
    ):
        await log_in(inspector, "inspector")
        await ask(inspector)
        own = inspector.get_by_role("article").filter(has_text=camera.camera)
        await expect(own).to_contain_text("Waits for another person")

        await log_in(duty, "duty")
        asked = duty.get_by_role("article").filter(has_text=camera.camera)
        await expect(asked).to_contain_text("Алматы қалалық соты")
        assert await barriers(duty) == []
        if shown := os.environ.get("SAQTAU_PICTURES"):
            await duty.screenshot(path=f"{shown}/decide.png")
        await asked.get_by_role("button", name="Approve").click()
        await expect(asked).to_contain_text("Approved by")
        await expect(asked.get_by_role("link", name="Download the package")).to_have_count(0)

        await inspector.reload()
        async with inspector.expect_download() as coming:
            await own.get_by_role("link", name="Download the package").click()
        download = await coming.value
        place = tmp_path / "package.zip"
        await download.save_as(place)
    assert download.suggested_filename.endswith("-PROVISIONAL.zip")
    said = []
    assert verifier.check(place, None, said.append) == []
    assert any(line.startswith(f"video/{camera.camera}: links") for line in said)


async def test_a_redacted_copy_is_made_looked_at_and_approved(browser, street, camera, tmp_path):
    page = f"/#/cameras/{camera.camera}/{camera.began + 20_000}"
    async with (
        visit(browser, street, page, accept_downloads=True) as inspector,
        visit(browser, street, "/#/two_people") as duty,
    ):
        await log_in(inspector, "inspector")

        async def redacted(dialog):
            await shorten(dialog)
            await dialog.get_by_label("Redacted copy").check()
            await expect(dialog.get_by_text("Mark whoever stays visible")).to_be_visible()

        await ask(inspector, redacted)
        own = inspector.get_by_role("article").filter(has_text=camera.camera)
        await own.get_by_role("button", name="Make the redacted copy").click()
        await expect(own.get_by_role("button", name="Look at the redacted copy")).to_be_visible(timeout=60_000)

        await log_in(duty, "duty")
        asked = duty.get_by_role("article").filter(has_text=camera.camera)
        await asked.get_by_role("button", name="Approve").click()
        await expect(duty.get_by_role("status").filter(has_text="look at all of it first")).to_be_visible()
        await asked.get_by_role("button", name="Look at the redacted copy").click()
        copy = duty.get_by_role("dialog", name="Look at the redacted copy")
        await expect(copy.locator("video")).to_be_visible()
        async with asyncio.timeout(20):
            while not await copy.locator("video").evaluate("one => one.videoWidth"):
                await asyncio.sleep(0.05)
        if shown := os.environ.get("SAQTAU_PICTURES"):
            await duty.screenshot(path=f"{shown}/redacted.png")
        assert await barriers(duty) == []
        await copy.get_by_role("button", name="Close").click()
        await asked.get_by_role("button", name="Approve").click()
        await expect(asked).to_contain_text("Approved by")

        await inspector.reload()
        async with inspector.expect_download() as coming:
            await own.get_by_role("link", name="Download the package").click()
        place = tmp_path / "package.zip"
        await (await coming.value).save_as(place)
    with zipfile.ZipFile(place) as archive:
        assert "content/redacted.webm" in archive.namelist()
        assert not any(name.startswith("video/") for name in archive.namelist())
    assert verifier.check(place, None, lambda _: None) == []
