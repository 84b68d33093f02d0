"""The wall in a browser: what is seen is alive or says why not, who looks has said why, and the log says what left."""

import re

import pytest
from playwright.async_api import expect
from tests.e2e.conftest import barriers, log_in, visit
from tests.e2e.filming import darkened, filming, keep

from saqtau.kernel.clock import MINUTE, Instant

pytestmark = pytest.mark.anyio
CLIPS = {"STREET": "street", "SCHOOL": "yard", "OFFICE": "corridor", "COLONY": "cell"}
STREET, SCHOOL, OFFICE = "Камера STREET", "Камера SCHOOL", "Камера OFFICE"


@pytest.fixture
async def filmed(street, tmp_path):
    """The street with cameras that film."""
    async with filming(street.house, tmp_path, CLIPS) as films:
        street.films = films
        yield street


def tile(page, name):
    """A camera on the wall."""
    return page.get_by_role("region", name=name, exact=True)


async def shown_time(page, name):
    """Seconds of the picture that is on the screen."""
    return await tile(page, name).locator("video").evaluate("(video) => video.currentTime")


async def plays(page, name):
    """Wait until this camera's picture is there and goes on."""
    await expect(tile(page, name)).to_have_attribute("data-phase", "playing")
    before = await shown_time(page, name)
    await page.wait_for_function(
        "([name, before]) => document.querySelector(`section[aria-label='${name}'] video`).currentTime > before + 0.4",
        arg=[name, before],
    )


async def test_an_operator_watches_his_street_and_the_log_says_how_much_of_it(browser, filmed):
    async with visit(browser, filmed, "/#/wall") as page:
        await log_in(page, "operator")
        await plays(page, STREET)
        await expect(page.locator("section[data-phase]")).to_have_count(1)  # his region's street and nothing else open
        await expect(tile(page, STREET)).to_contain_text("operator · ")  # the watermark: who and when
        await expect(tile(page, STREET)).to_contain_text("Duty")
        assert await barriers(page) == []
        assert await tile(page, STREET).locator("video").evaluate("(video) => [video.videoWidth, video.muted]") == [
            640, True,
        ]  # fmt: skip
        await page.get_by_role("link", name="Registers").click()
    (entry,) = await filmed.house.closed(1, viewer="operator", action="camera.watch")
    assert (entry["purpose"], entry["object"]) == ("duty", "STREET")
    assert entry["delivered"] > 50_000


async def test_the_wall_is_worked_with_keys_alone(browser, filmed):
    async with visit(browser, filmed, "/#/wall/all") as page:
        await log_in(page, "prosecutor")
        for name in (STREET, SCHOOL, OFFICE, "Камера COLONY"):
            await plays(page, name)
        first = page.locator("[data-tile]").first
        await first.focus()
        await page.keyboard.press("ArrowRight")
        second = page.locator("[data-tile]").nth(1)
        await expect(second).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.locator("section[data-phase]")).to_have_count(1)
        await expect(page.locator("[data-tile]")).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.locator("section[data-phase]")).to_have_count(5)
        await page.keyboard.press("x")
        await expect(page.locator("section[data-phase]")).to_have_count(4)
        await page.keyboard.press("/")
        await page.keyboard.type("OFFICE" if await tile(page, OFFICE).count() == 0 else "COLONY")
        await page.keyboard.press("Enter")
        await expect(page.locator("section[data-phase]")).to_have_count(5)
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Whole screen")
        assert await barriers(page) == []
        await page.keyboard.press("Escape")
        await page.keyboard.press("2")
        await expect(page.locator("section[data-phase]")).to_have_count(4)
        await page.keyboard.press("]")
        await expect(page.locator("section[data-phase]")).to_have_count(1)


async def test_a_school_is_closed_until_an_incident_there_is_named(browser, filmed):
    item, _ = await filmed.alert()
    async with visit(browser, filmed, "/#/wall/school") as page:
        await log_in(page, "operator")
        await expect(tile(page, SCHOOL)).to_have_attribute("data-phase", "unasked")
        assert await barriers(page) == []
        await tile(page, SCHOOL).get_by_role("button", name="Say why", exact=True).click()
        dialog = page.get_by_role("dialog", name="Why do you look?")
        await expect(dialog.get_by_label("Purpose")).to_have_value("incident")
        await dialog.get_by_label("Which incident").select_option(item.id)
        assert await barriers(page) == []
        await dialog.get_by_role("button", name="Look").click()
        await plays(page, SCHOOL)
        await page.get_by_role("link", name="Registers").click()
    entries = await filmed.house.closed(1, viewer="operator", action="camera.watch", object="SCHOOL")
    assert (entries[-1]["purpose"], entries[-1]["case"]) == ("incident", item.id)


async def test_a_camera_that_goes_dark_says_so_at_once_and_comes_back_by_itself(browser, filmed):
    async with visit(browser, filmed, "/#/wall") as page:
        await log_in(page, "operator")
        await plays(page, STREET)
        filmed.films["STREET"].unplug()
        await expect(tile(page, STREET)).to_have_attribute("data-phase", "dark")
        await expect(tile(page, STREET).get_by_role("status")).to_contain_text("Camera silent")
        await page.reload()  # whoever comes later is told the same, though the last pictures are still there
        await expect(tile(page, STREET)).to_have_attribute("data-phase", "dark")
        await expect(tile(page, STREET).get_by_role("status")).to_contain_text("Camera silent")
        filmed.films["STREET"].plug()
        await plays(page, STREET)


async def test_the_wall_follows_the_incident_that_is_opened_in_the_other_window(browser, filmed):
    item, _ = await filmed.alert()
    async with visit(browser, filmed, "/#/room") as room:
        await log_in(room, "operator")
        await expect(room.locator(f"[data-item='{item.id}']")).to_be_visible()
        async with room.context.expect_page() as opening:
            await room.get_by_role("button", name=re.compile("^Wall")).click()
        wall = await opening.value
        await plays(wall, STREET)
        await expect(wall.get_by_role("navigation")).to_have_count(0)  # all of the window is pictures
        assert await barriers(wall) == []
        await room.bring_to_front()
        await room.locator(f"[data-item='{item.id}']").click()
        await wall.bring_to_front()
        await expect(wall).to_have_url(re.compile(f"/wall/incident/{item.id}$"))
        await expect(tile(wall, STREET)).to_contain_text("This incident")
        await plays(wall, STREET)
    found = await filmed.house.closed(1, viewer="operator", action="camera.watch", purpose="incident")
    assert {entry["case"] for entry in found} == {item.id}


async def test_who_watches_is_seen_by_the_overseer_and_closed_to_the_operator(browser, filmed):
    async with visit(browser, filmed, "/#/wall") as page, visit(browser, filmed, "/#/wall") as other:
        await log_in(page, "operator")
        await plays(page, STREET)
        await tile(page, STREET).get_by_role("button", name="Who watches now").click()
        await expect(tile(page, STREET)).to_contain_text("Only who answers for this place")
        await log_in(other, "prosecutor")
        await plays(other, STREET)
        await tile(other, STREET).get_by_role("button", name=re.compile("watch")).first.click()
        await expect(tile(other, STREET)).to_contain_text("operator · Operator · Duty")


async def test_an_inspector_plays_what_was_recorded_for_a_case_and_is_told_what_is_missing(browser, filmed, tmp_path):
    began = Instant(filmed.house.parts.clock() - 10 * MINUTE)
    files, silent = darkened(tmp_path / "volume", "SCHOOL", began, 8, 60)
    await keep(filmed.house.owner, "SCHOOL", files, silent, 60)
    async with visit(browser, filmed, f"/#/cameras/SCHOOL/{began + 4_000}") as page:
        await log_in(page, "inspector")
        await page.get_by_role("button", name="Say why", exact=True).click()
        dialog = page.get_by_role("dialog", name="Why do you look?")
        await dialog.get_by_label("Purpose").select_option("case")
        await dialog.get_by_label("Case number").fill("УД-12/2026")
        await dialog.get_by_role("button", name="Look").click()
        player = page.get_by_role("region", name=f"Recording of {SCHOOL}")
        await expect(player).to_have_attribute("data-phase", "playing")
        await expect(player.get_by_role("status")).to_contain_text("No picture from")  # it jumped over the silence
        await expect(player.get_by_role("status")).to_contain_text("1:00")
        row = page.get_by_role("row").filter(has_text="Camera silent")
        await expect(row).to_contain_text("1:00")
        await expect(page.get_by_role("slider", name="Time: recorded and missing")).to_be_visible()
        assert await barriers(page) == []
        await page.get_by_role("slider").focus()
        await page.keyboard.press("ArrowLeft")
        await expect(player).to_have_attribute("data-phase", "playing")
        await page.get_by_role("link", name="Registers").click()
    found = await filmed.house.closed(2, viewer="inspector", action="recording.play")
    assert {(entry["case"], entry["object"]) for entry in found} == {("УД-12/2026", "SCHOOL")}
    assert sum(entry["delivered"] for entry in found) > 50_000


async def test_an_administrator_adds_a_camera_by_its_address_and_switches_it_off_and_sees_no_picture(browser, filmed):
    async with visit(browser, filmed, "/#/cameras") as page:
        await log_in(page, "administrator")
        await page.get_by_role("button", name="Add a camera").click()
        dialog = page.get_by_role("dialog", name="Add a camera")
        await dialog.get_by_label("Address of the stream").fill("rtsp://127.0.0.1:8554/yard/new")
        name = f"N{filmed.house.parts.clock() % 10**9}"
        await dialog.get_by_label("Number").fill(name)
        await dialog.get_by_label("Name", exact=True).fill("Жаңа камера")
        await dialog.get_by_label("Site").fill("S1")
        await dialog.get_by_label("Place").select_option("school")
        assert await dialog.get_by_label("Room").locator("option").all_inner_texts() == [
            "None", "Hall", "Corridor", "Cell", "Interview room", "Duty desk", "Yard",
        ]  # fmt: skip
        await dialog.get_by_label("Region").fill("2")
        await dialog.get_by_label("Days kept").fill("3")
        await dialog.get_by_label("Reason").fill("ordered by the department, letter 12 of 24 November")
        assert await barriers(page) == []
        await dialog.get_by_role("button", name="Add and record").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("Days kept: 30-90")
        await dialog.get_by_label("Days kept").fill("30")
        await dialog.get_by_role("button", name="Add and record").click()
        await expect(page.get_by_role("heading", name="Жаңа камера")).to_be_visible()
        assert await page.locator("video").count() == 0
        await page.get_by_role("button", name="Switch off").click()
        dialog = page.get_by_role("dialog", name=re.compile("^Switch off"))
        await dialog.get_by_label("Reason").fill("the roof below it is repaired until Friday")
        assert await barriers(page) == []
        await dialog.get_by_role("button", name="Switch off").click()
        await expect(page.get_by_role("article")).to_contain_text("Switched off")
        assert await barriers(page) == []
    row = await filmed.house.owner.fetchrow("select by, why, ended from video_disable where camera = $1", name)
    assert (row["by"], row["why"], row["ended"]) == (
        "administrator",
        "the roof below it is repaired until Friday",
        None,
    )
    (added, off) = (await filmed.house.closed(2, viewer="administrator", action="camera.manage", object=name))[-2:]
    assert [entry["told"]["done"] for entry in (added, off)] == ["added", "disabled"]
