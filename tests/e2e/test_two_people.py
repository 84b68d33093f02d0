"""What takes two people, in a browser: an export from asking to the zip on the disk, a broken glass to its review."""

import io
import zipfile

import pytest
from playwright.async_api import expect
from tests.e2e.conftest import barriers, log_in, visit

from saqtau.bootstrap.web import watch_policies
from saqtau.ledger.verify import export as verifier

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ruled(street):
    """The street under policies that stand in the record, where no glass is broken."""
    parts, owner = street.house.parts, street.house.owner
    await owner.execute("alter table broken_glass disable trigger user")
    await owner.execute("delete from broken_glass")
    await owner.execute("alter table broken_glass enable trigger user")
    await watch_policies(parts.pg, parts.access)
    return street


async def test_an_export_is_asked_for_approved_by_another_and_fetched(browser, ruled, tmp_path):
    item, _ = await ruled.alert()
    async with (
        visit(browser, ruled, f"/#/room/{item.id}", accept_downloads=True) as inspector,
        visit(browser, ruled, "/#/two_people") as duty,
    ):
        await log_in(inspector, "inspector")
        await inspector.get_by_role("button", name="Ask for an export").click()
        dialog = inspector.get_by_role("dialog", name="Ask for an export")
        await dialog.get_by_label("Case number").fill("УД-12/2026")
        await dialog.get_by_label("Recipient").fill("Алматы қалалық соты")
        await dialog.get_by_label("Reason").fill("for the trial of 1 December")
        assert await barriers(inspector) == []
        await dialog.get_by_role("button", name="Ask", exact=True).click()
        await expect(dialog.get_by_role("status")).to_contain_text("waits for another person")
        await dialog.get_by_role("button", name="Close").click()
        await inspector.get_by_role("link", name="Approvals").click()
        own = inspector.get_by_role("article", name="Case number УД-12/2026").first
        await expect(own).to_contain_text("Waits for another person")
        await expect(own.get_by_role("button", name="Approve")).to_have_count(0)

        await log_in(duty, "duty")
        await expect(duty.get_by_role("link", name="Approvals")).to_contain_text("waiting for your decision")
        asked = duty.get_by_role("article", name="Case number УД-12/2026").first
        await expect(asked).to_contain_text("Алматы қалалық соты")
        await expect(asked).to_contain_text("Stolen vehicle · Абай 1")
        assert item.id not in await asked.inner_text(), "an item is told by what it is"
        assert await barriers(duty) == []
        await asked.get_by_role("button", name="Approve").click()
        await expect(asked).to_contain_text("Approved by")
        await expect(asked.get_by_role("button", name="Download the package")).to_have_count(0)

        await inspector.reload()
        fetch = inspector.get_by_role("button", name="Download the package").first
        async with inspector.expect_download() as coming:
            await fetch.click()
        download = await coming.value
        assert download.suggested_filename.endswith("-PROVISIONAL.zip")
        await expect(inspector.get_by_role("status").filter(has_text="No witness outside the police")).to_be_visible()
        place = tmp_path / "package.zip"
        await download.save_as(place)
        with zipfile.ZipFile(io.BytesIO(place.read_bytes())) as archive:
            assert "content/item.json" in archive.namelist()
        assert verifier.check(place, None, lambda _: None) == []


async def test_what_is_closed_is_opened_in_an_emergency_and_reviewed(browser, ruled):
    item, _ = await ruled.alert(region=7)
    async with (
        visit(browser, ruled, f"/#/room/{item.id}") as duty,
        visit(browser, ruled, "/#/room") as prosecutor,
    ):
        await log_in(prosecutor, "prosecutor")
        await log_in(duty, "duty")
        drawer = duty.locator(".drawer")
        await drawer.get_by_role("button", name="Open in an emergency").click()
        dialog = duty.get_by_role("dialog", name="Open in an emergency")
        await expect(dialog).to_contain_text("Supervisor and the prosecutor are told at once".replace("S", "s", 1))
        assert await barriers(duty) == []
        await dialog.get_by_label("Whose life is in danger").fill("a child is on the ice, no time to ask")
        await dialog.get_by_label("Whose life is in danger").press("Tab")
        await duty.keyboard.press("Enter")
        await expect(drawer.get_by_role("img", name="Number plate 777 AAA 02")).to_be_visible()
        await expect(drawer.get_by_role("timer")).to_contain_text("Emergency access ends in 14:")
        await expect(drawer.get_by_alt_text("Picture of the plate")).to_have_js_property("naturalWidth", 1)

        row = prosecutor.locator("ol button").filter(has_text="Review of emergency access")
        await row.click()
        review = prosecutor.locator(".drawer")
        await expect(review).to_contain_text("a child is on the ice")
        looked = review.get_by_role("region", name="What was looked at under this access")
        await expect(looked.get_by_role("link", name=item.id).first).to_be_visible()
        await expect(review.get_by_role("link", name=item.id).first).to_have_attribute("href", f"#/room/{item.id}")
        await expect(review.locator(".steps button.main")).to_have_count(0)
        await expect(duty.locator("ol button").filter(has_text="Review of emergency access")).to_have_count(0)
        await review.get_by_role("button", name="Find it not justified").click()
        await review.get_by_label("Why").first.select_option(index=1)
        await review.get_by_label("Finding").fill("Nobody was in danger, he might have asked")
        await review.locator("form").get_by_role("button", name="Find it not justified").click()
        await expect(review.locator(".log").get_by_text("Find it not justified")).to_be_visible()
        await expect(drawer.get_by_role("alert").first).to_contain_text("has ended at once", timeout=15_000)
        await expect(drawer.get_by_role("img", name="Number plate 777 AAA 02")).to_have_count(0)


async def test_the_prosecutor_reads_what_a_change_means_before_he_puts_it_in_force(browser, ruled):
    administrator = await ruled.house.signed_in("administrator")
    sets = (await administrator.get("/api/policies")).json()["sets"]
    base = next(one["hash"] for one in sets if one["in_force"])
    text = (
        '@id("clerks-watch")\n@sentence("Clerks watch the queue.")\n@sentence_ru("Делопроизводители видят очередь.")\n'
        'permit (principal in Role::"clerk", action == Action::"queue.watch", resource)\n'
        'when { context.purpose == "duty" };\n'
    )
    body = {"texts": {"clerks.cedar": text}, "base": base, "why": "clerks shall see the queue"}
    assert (await administrator.post("/api/policies", json=body)).status_code == 201
    async with visit(browser, ruled, "/#/two_people") as page:
        await log_in(page, "prosecutor")
        await page.get_by_role("button", name="See the change").first.click()
        dialog = page.get_by_role("dialog")
        await expect(dialog).to_contain_text("Clerks watch the queue.")
        await expect(dialog).to_contain_text("May now:")
        approve = dialog.get_by_role("button", name="Put in force")
        await expect(approve).to_be_disabled()
        assert await barriers(page) == []
        await dialog.get_by_label("I have read the change").check()
        await approve.click()
        await expect(dialog.get_by_role("status")).to_contain_text("in force everywhere")
        await dialog.get_by_role("button", name="Close").click()
        await expect(page.locator("li").filter(has_text="Was in force until").first).to_be_visible()
        await expect(page.locator("li").filter(has_text="clerks shall see the queue").first).to_contain_text("In force")
