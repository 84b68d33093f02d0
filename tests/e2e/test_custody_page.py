"""The page of places of custody in a browser: a dark camera is answered for, every minute has its colour and word."""

import os
from pathlib import Path

import pytest
from playwright.async_api import expect
from tests.api import house as building
from tests.api.cameras import put_up
from tests.api.desks import furnish
from tests.e2e.conftest import DIST, Street, barriers, log_in, visit

from saqtau.engine import outbox, postgres, video_watch
from saqtau.kernel.clock import HOUR, MINUTE
from saqtau.kernel.desk import discover, gather
from saqtau.kernel.register import PlaceKind, Room, VideoCamera
from saqtau.video.account import MinuteState

pytestmark = pytest.mark.anyio
DESKS = gather(*discover("saqtau.desks"))
PICTURES = os.environ.get("SAQTAU_PICTURES")
ROOMS = (Room.CORRIDOR, Room.CELL, Room.YARD, Room.DUTY_DESK)


def camera(number, room):
    return VideoCamera(
        id=f"K{number}", site="S1", name=f"{room.value.replace('_', ' ').title()} {number}", region=2,
        lat=43.24 + 0.0002 * (number % 2), lon=76.95 + 0.0003 * number, heading=90.0 * number, place=PlaceKind.COLONY,
        room=room, address=f"rtsp://127.0.0.1:8554/{number}", keep_days=90,
    )  # fmt: skip


SQUARE = VideoCamera(
    id="SQUARE", site="S7", name="Алаң", region=7, lat=43.24, lon=76.95, heading=40.0, place=PlaceKind.STREET,
    address="rtsp://127.0.0.1:8554/square", keep_days=30,
)  # fmt: skip


class Colony(Street):
    """A colony with four cameras, one of them dark for two minutes."""

    async def look(self):
        """What a worker does every five seconds."""
        parts = self.house.parts
        await video_watch.look(self.house.owner, DESKS, parts.clock(), parts.ids, parts.calendar)
        await outbox.sweep(self.workers, parts.js, parts.clock() + 2 * outbox.SWEPT_AFTER)


@pytest.fixture
async def colony(engine, database, streams, tmp_path, pg_owner):
    async with (
        postgres.pool(database, postgres.WORKER, 2) as workers,
        building.standing(engine, database, tmp_path, desks=DESKS, dist=DIST) as house,
    ):
        now = house.parts.clock()
        await building.move_in(house.owner, now)
        await furnish(house.owner, now)
        await pg_owner.execute("truncate item, outbox, video_gap, video_hour, video_segment, video_camera cascade")
        await put_up(house.owner, now - HOUR, *(camera(number, room) for number, room in enumerate(ROOMS)), SQUARE)
        await pg_owner.execute("update site set name = 'ЛА-155/12 мекемесі' where id = 'S1'")
        for code in (*(f"K{number}" for number in range(len(ROOMS))), "SQUARE"):
            await pg_owner.execute(
                """insert into video_volume values ('volume', 'volume', 0, null, null, null, null, 0)
                   on conflict do nothing"""
            )
            await pg_owner.execute(
                """insert into video_segment (camera, first, last, began, ended, volume, path, bytes, frames,
                       recorded_ms, previous, chain)
                   values ($1, 1, 9, $2, $3, 'volume', $1, 1, 1, 1, $4, $4)""",
                code, now - 5 * MINUTE, now + HOUR, bytes(32),
            )  # fmt: skip
        await pg_owner.execute(
            "insert into video_gap (id, camera, began, kind) values ('g', 'K1', $1, 'source_silent')", now - 2 * MINUTE
        )
        for number in range(len(ROOMS)):
            for back in range(6):
                states = bytearray([MinuteState.RECORDED] * 60)
                if number == 1 and back == 2:
                    states[10:24] = bytes([MinuteState.EXPLAINED] * 14)
                if number == 2 and back == 3:
                    states[30:50] = bytes([MinuteState.MAINTENANCE] * 20)
                hour = (now // HOUR - back) * HOUR
                await pg_owner.execute(
                    "insert into video_hour (camera, hour, minutes) values ($1, $2, $3)",
                    f"K{number}", hour, bytes(states),
                )  # fmt: skip
        standing = Colony(house, workers, {}, [])
        await standing.look()
        yield standing


async def keep(page, name):
    """A picture for whoever wants to look at it."""
    if PICTURES:
        await page.wait_for_timeout(600)
        await page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=False)


async def test_a_dark_camera_is_explained_by_the_institution_and_judged_by_the_prosecutor(browser, colony):
    size = {"width": 1600, "height": 1000}
    async with visit(browser, colony, "/#/custody", viewport=size) as page:
        await log_in(page, "supervisor")
        outage = page.get_by_role("button", name="Source silent").or_(
            page.get_by_text("No picture, nobody has said why")
        )
        await expect(outage.first).to_be_visible()
        await expect(page.get_by_role("heading", name="Every minute")).to_be_visible()
        await expect(page.get_by_text("Human dignity is inviolable")).to_be_visible()
        assert await barriers(page) == []
        await keep(page, "custody-supervisor")
        await page.get_by_text("No picture, nobody has said why").first.click()
        drawer = page.get_by_role("complementary", name="Incident")
        await drawer.get_by_role("button", name="Say why").first.click()
        await drawer.get_by_label("Reason").select_option("power")
        await drawer.get_by_label("Note").fill("The breaker of block 2 fell at night")
        assert await barriers(page) == []
        await keep(page, "custody-explain")
        await drawer.locator("form button.main").click()
        await expect(drawer.get_by_text("Explained, waits for the prosecutor").first).to_be_visible()
    assert await colony.house.owner.fetchval("select state from item") == "explained"
    async with visit(browser, colony, "/#/custody", viewport=size, language="kk") as page:
        await log_in(page, "prosecutor")
        await page.get_by_text("Түсіндірілді, прокурорды күтуде").first.click()
        drawer = page.get_by_role("complementary")
        await expect(drawer.get_by_text("The breaker of block 2 fell at night").first).to_be_visible()
        assert await barriers(page) == []
        await keep(page, "custody-prosecutor-kk")
        await drawer.get_by_role("button", name="Түсінікті қабылдау").click()
        await drawer.get_by_role("textbox").first.fill("Қосалқы станция растады")
        await drawer.locator("form button.main").click()
        await expect(drawer.get_by_text("Жөнделуде").first).to_be_visible()


async def test_an_incident_is_reported_by_keyboard_and_what_was_recorded_is_held(browser, colony):
    async with visit(browser, colony, "/#/custody", language="ru", viewport={"width": 1600, "height": 1000}) as page:
        await log_in(page, "supervisor")
        await page.get_by_role("button", name="Сообщить о происшествии").focus()
        await page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Что произошло").select_option("force")
        await dialog.get_by_label("Примечание").fill("Дверь камеры открыта силой")
        assert await barriers(page) == []
        await keep(page, "custody-report-ru")
        await dialog.locator("form button.main").focus()
        await page.keyboard.press("Enter")
        await expect(
            page.get_by_role("complementary").get_by_text("Сообщено, нужна привязка к записи").first
        ).to_be_visible()
        await keep(page, "custody-reported-ru")
    held = await colony.house.owner.fetch("select camera from video_hold order by camera")
    assert [row[0] for row in held] == ["K0", "K1", "K2", "K3"]


async def test_a_field_that_is_refused_is_said_and_nothing_is_lost(browser, colony):
    async with visit(browser, colony, "/#/custody") as page:
        await log_in(page, "supervisor")
        await page.get_by_role("button", name="Report an incident").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("What happened").select_option("injury")
        await dialog.get_by_label("Note").fill("too short")
        await dialog.locator("form button.main").click()
        await expect(dialog.get_by_role("alert")).to_contain_text("In words")
        await expect(dialog.get_by_label("Note")).to_have_value("too short")


async def test_an_operator_marks_an_offence_on_the_picture_and_declares_what_no_camera_sees(browser, colony):
    await colony.house.owner.execute("update people set regions = '{2,7}' where id = 'operator'")
    async with visit(browser, colony, "/#/cameras/SQUARE", viewport={"width": 1600, "height": 1000}) as page:
        await log_in(page, "operator")
        await expect(page.get_by_role("button", name="Mark an offence")).to_be_visible()
        await page.locator("body").press("m")
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Offence", exact=True).select_option("fight")
        await dialog.get_by_label("Note").fill("two men at the fountain")
        assert await barriers(page) == []
        await dialog.locator("form button.main").click()
        await expect(page.get_by_text("Offence marked, to be reviewed").first).to_be_visible()
        await page.goto(colony.url + "/#/cameras/SQUARE")
        await page.get_by_role("button", name="Declare a blind spot").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Place, in words").fill("under the trees")
        await dialog.get_by_label("Reason").select_option("trees")
        await dialog.locator("form button.main").click()
        await expect(dialog).to_be_hidden()
        await page.goto(colony.url + "/#/cameras/SQUARE")
        await expect(page.get_by_role("button", name="under the trees")).to_be_visible()
        assert await barriers(page) == []
        await keep(page, "street-coverage")
    mark = await colony.house.owner.fetchrow("select camera, ended - began as long from video_hold")
    assert (mark["camera"], mark["long"]) == ("SQUARE", 150_000)
