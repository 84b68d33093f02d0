"""A real browser before the real web over the real engine. Without Chromium the tests say so and how to get one."""

import base64
import contextlib
import shutil
from pathlib import Path

import pytest
from playwright.async_api import async_playwright, expect
from prometheus_client import CollectorRegistry
from tests.api import house as building
from tests.api.conftest import streams
from tests.api.desks import DESKS, furnish, open_hit
from tests.e2e.city import City
from tests.running import short_folder

from saqtau.devices.http import serve
from saqtau.devices.tablet.server import positions
from saqtau.engine import outbox, postgres
from saqtau.engine.blobs import keep_pictures
from saqtau.kernel.signal import Picture
from saqtau.web.devices import Vouched, read_devices

__all__ = ["streams"]

ROOT = Path(__file__).parents[2]
DIST = ROOT / "src/saqtau/web/dist"
AXE = ROOT / "console/node_modules/axe-core/axe.min.js"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
SWITCHES = (
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
)
expect.set_options(timeout=15_000)  # nothing here is a promise of speed; a busy machine is slow
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture(scope="session")
def chromium():
    """Path of this machine's Chromium."""
    if CHROMIUM is None:
        pytest.skip("E2E SKIPPED: no Chromium on PATH; on Debian: apt-get install chromium")
    if not (DIST / "index.html").is_file():
        pytest.skip("E2E SKIPPED: the console is not built; make console-check builds it")
    return CHROMIUM


@pytest.fixture(scope="session")
async def browser(chromium):
    """One Chromium for all; each test has a context of its own."""
    async with async_playwright() as play:
        started = await play.chromium.launch(executable_path=chromium, args=list(SWITCHES))
        yield started
        await started.close()


@pytest.fixture(scope="session")
def city(chromium):
    """The demonstration, started as a newcomer starts it. Its last test stops it; whatever happened, it is stopped."""
    with short_folder() as folder, contextlib.closing(City(folder)) as started:
        started.wait_until_it_drives()
        yield started


class Street:
    """A house with a console, a way in for tablets, and what came in on it."""

    def __init__(self, house, workers, devices, taken):
        self.house = house
        self.url = house.url
        self.workers = workers  # a pool as the workers' role
        self.devices = devices  # what the intake knows of tablets
        self.taken = taken  # positions whose signature held

    async def alert(self, **more):
        """A wanted vehicle passes a camera: the item, its crop, the offer to the unit ahead, told to every screen."""
        item, offer = await open_hit(self.house, picture=False, **more)
        now = self.house.parts.clock()
        crop = [Picture("crop", "image/png", PIXEL)]
        await keep_pictures(self.house.owner, self.house.parts.blobs, item.id, item.region, crop, now)
        await outbox.sweep(self.workers, self.house.parts.js, now + 2 * outbox.SWEPT_AFTER)
        return item, offer

    async def state(self, item):
        """State of an item in the record."""
        return await self.house.owner.fetchval("select state from item where id = $1", item.id)


@pytest.fixture
async def street(engine, database, streams, tmp_path):
    """The house, furnished, open for browsers."""
    taken = []
    devices = {}

    async def take(found):
        taken.extend(found)

    intake = positions(devices=devices.get, take_positions=take, clock=building.Time(), registry=CollectorRegistry())
    async with (
        postgres.pool(database, postgres.WORKER, 2) as workers,
        building.standing(
            engine, database, tmp_path, desks=DESKS, dist=DIST, tablet_intake=serve({"/tablet/positions": intake})
        ) as house,
    ):
        now = house.parts.clock()
        await building.move_in(house.owner, now)
        await furnish(house.owner, now)
        yield Street(house, workers, devices, taken)


async def known_devices(street):
    """What the intake does once a second: read which devices may speak."""
    parts = street.house.parts
    street.devices.update(await read_devices(street.house.owner, Vouched(parts.authority.certificate), parts.clock()))


@contextlib.asynccontextmanager
async def visit(browser, street, path="/", *, language="en", session=None, **options):
    """A page of a person's own, which notes what it asks of strangers and what goes wrong in it.

    session: an HTTP client whose session it goes on with.
    """
    context = await browser.new_context(**options)
    if session is not None:
        await context.add_cookies(
            [{"name": one.name, "value": one.value, "url": street.url} for one in session.cookies.jar]
        )
    await context.add_init_script(f"localStorage.setItem('saqtau.language', '{language}')")
    page = await context.new_page()
    page.strangers, page.faults = [], []
    page.on(
        "request",
        lambda asked: asked.url.startswith((street.url, "blob:", "data:")) or page.strangers.append(asked.url),
    )
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda said: is_fault(said) and page.faults.append(said.text))
    try:
        await page.goto(street.url + path)
        yield page
    finally:
        await context.close()
    assert page.strangers == []
    assert page.faults == []


def is_fault(said):
    """Anything wrong that a page writes to its console, but for answers that it handles: refused, or no network."""
    left = "is closed before the connection is established" in said.text  # a tile that was taken away at once
    return said.type in {"error", "warning"} and not left and not said.text.startswith("Failed to load resource")


async def log_in(page, name, password=building.PASSWORD):
    """By keyboard, as people do."""
    await page.wait_for_selector("input[type=password]")
    await page.fill("input[autocomplete=username]", name)
    await page.fill("input[type=password]", password)
    await page.keyboard.press("Enter")


async def barriers(page):
    """What axe-core finds against WCAG 2.2 A and AA on the page as it stands."""
    return await page.evaluate(
        AXE.read_text("utf-8")
        + """;axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]})
        .then((found) => found.violations.map((one) => [one.id, one.nodes.map((node) => node.html)]))"""
    )
