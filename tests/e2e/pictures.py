"""The pictures of docs/pictures, taken from a fresh demonstration at the moment of an alert.

From the root of the tree: `PYTHONPATH=src:. .venv/bin/python tests/e2e/pictures.py [oversight|cameras] [kk] [ru] [en]`;
with `oversight` those of the overseer's page only, with `cameras` those of the wall and of a camera that is dark.
"""

import contextlib
import re
import shutil
import subprocess
import sys
import time

from playwright.sync_api import Browser, Page, sync_playwright
from tests.e2e.city import ROOT, City, eventually, fresh
from tests.e2e.conftest import CHROMIUM, SWITCHES
from tests.running import short_folder

WHERE = ROOT / "docs/pictures"
LANGUAGES = ("en", "kk", "ru")
DESK = {"width": 1440, "height": 900}
CAR = {"width": 820, "height": 1180}
DRAWN = 4_000  # ms until the map has its streets
PATIENCE = 60.0  # s that the city has to make an alert by itself, after the first
FRESH = 11.0  # s that an offer must still have, so that it is there when both pictures are taken


def visit(browser: Browser, city: City, name: str, path: str, viewport: dict[str, int]) -> Page:
    """A page of this account."""
    context = browser.new_context(viewport=viewport, timezone_id="Asia/Almaty")
    jar = city.signed_in(name).cookies.jar
    context.add_cookies([{"name": one.name, "value": one.value, "url": city.url} for one in jar])
    page = context.new_page()
    page.goto(city.url + path)
    return page


def enrol(tablet: Page, city: City) -> None:
    """With the code that the terminal shows; unless an alert is quicker."""
    tablet.wait_for_selector("input[autocomplete=one-time-code]").fill(city.tablet_code())
    tablet.keyboard.press("Enter")
    tablet.wait_for_selector(".calm, article")


def speak(page: Page, language: str) -> None:
    """Open the page anew in this language."""
    page.evaluate("(language) => localStorage.setItem('saqtau.language', language)", language)
    page.reload()


def fresh_alert(city: City) -> dict | None:
    """An offer that the city itself made to the tablet left to a person, just now."""
    alert = city.alert_of()
    return alert if alert is not None and fresh(alert, FRESH) else None


def provoke(city: City, watched: list[int]) -> dict | None:
    """A fresh alert; when the city makes none, a listed vehicle passes the camera before the first patrol once more."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end or not watched:
        if (alert := fresh_alert(city)) is not None:
            return alert
        time.sleep(0.2)
    city.hit(watched[-1])
    return None


def take(console: Page, tablet: Page, city: City, language: str, watched: list[int]) -> None:
    """Console and tablet in one language. watched: cameras that led to the first patrol."""
    for page in (console, tablet):
        speak(page, language)
    console.wait_for_timeout(DRAWN)
    alert = eventually(lambda: provoke(city, watched), 600, "an alert for the first patrol")
    camera = city.item(alert["parent"])["data"]["camera"]
    watched.append(next(place for place, one in enumerate(city.registers.cameras) if one.id == camera))
    console.goto(f"{city.url}/#/room/{alert['parent']}")
    tablet.wait_for_selector("article footer button")
    eventually(lambda: tablet.evaluate("[...document.images].every((one) => one.naturalWidth > 0)"))
    end = "" if language == "en" else f"-{language}"
    tablet.screenshot(path=WHERE / f"tablet{end}.png")
    console.wait_for_selector(".drawer .log li")
    console.wait_for_timeout(DRAWN // 2)
    console.screenshot(path=WHERE / f"console{end}.png")
    print(f"{language}: taken, camera {camera}")
    console.goto(f"{city.url}/#/room")
    city.take(alert["id"], "refuse", "patrol", reason="other_work")


def oversee(page: Page, language: str, looked_at: str) -> None:
    """The overseer's page, and an entry about this item that holds."""
    speak(page, language)
    page.wait_for_selector("#looks-title")
    page.locator(".sums button").nth(1).click()
    page.wait_for_selector("#lines table")
    end = "" if language == "en" else f"-{language}"
    page.screenshot(path=WHERE / f"oversight{end}.png")
    page.locator("section[aria-labelledby=looks-title] form input").nth(1).fill(looked_at)
    with page.expect_response(lambda answer: looked_at in answer.url):  # else a row of the list before it is opened
        page.keyboard.press("Enter")
    page.wait_for_timeout(DRAWN // 8)
    page.locator("tbody tr", has_text="operator").last.get_by_role("button").click()
    page.wait_for_selector("dialog .verdict.held")
    page.locator("dialog").screenshot(path=WHERE / f"oversight-entry{end}.png")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")


def move_plug(city: City, verb: str) -> None:
    """Of the camera that the terminal names: `unplug` or `plug`."""
    address = re.search(r"camera unplug (\S+)", city.said())
    assert address, city.said()
    command = [sys.executable, "-m", "saqtau.cli", "camera", verb, address[1]]
    subprocess.run(command, check=True, env={"PYTHONPATH": str(ROOT / "src")}, stdout=subprocess.DEVNULL)


def film(page: Page, city: City, languages: list[str]) -> None:
    """The wall; then a camera whose plug was pulled, with the item that it opened."""
    for language in languages:
        end = "" if language == "en" else f"-{language}"
        page.goto(f"{city.url}/#/wall/all")
        speak(page, language)
        page.wait_for_selector("section[data-phase=playing] >> nth=10")
        page.wait_for_timeout(DRAWN)
        page.screenshot(path=WHERE / f"wall{end}.png")
    move_plug(city, "unplug")
    try:
        page.goto(f"{city.url}/#/cameras")
        page.locator("nav ol button.dark").click(timeout=60_000)
        page.wait_for_selector("article > .notice a", timeout=120_000)
        for language in languages:
            speak(page, language)
            page.wait_for_selector("article > .notice a")
            page.wait_for_timeout(DRAWN // 2)
            page.screenshot(path=WHERE / f"camera{'' if language == 'en' else f'-{language}'}.png")
    finally:
        move_plug(city, "plug")
    print("cameras: taken")


def main(words: list[str]) -> None:
    """Start a city, take the pictures, stop it."""
    languages = [word for word in words if word in LANGUAGES] or list(LANGUAGES)
    if CHROMIUM is None or shutil.which("ps") is None:
        sys.exit("pictures need Chromium and ps on PATH; on Debian: apt-get install chromium procps")
    WHERE.mkdir(parents=True, exist_ok=True)
    with short_folder() as folder, contextlib.closing(City(folder)) as city:
        city.wait_until_it_drives()
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
            if not {"oversight", "cameras"} & set(words):
                console = visit(browser, city, "operator", "/", DESK)
                tablet = visit(browser, city, "patrol", "/tablet", CAR)
                enrol(tablet, city)
                watched: list[int] = []
                for language in languages:
                    take(console, tablet, city, language, watched)
            if "oversight" not in words:
                film(visit(browser, city, "prosecutor", "/#/wall/all", DESK), city, languages)
            if "cameras" in words:
                browser.close()
                return
            item = city.hit()["id"]
            city.signed_in("operator").get(f"/api/items/{item}/pictures/crop", params={"purpose": "incident"})
            page = visit(browser, city, "prosecutor", "/#/oversight", DESK)
            for language in languages:
                oversee(page, language, item)
            browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
