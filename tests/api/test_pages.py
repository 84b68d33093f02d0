"""The built console, the map by ranges, the signs of life, and the headers on all of it."""

import re

import msgspec
import pytest
from tests.api import house as building

from saqtau.engine.tiles import BOUNDS, TILES, Map

pytestmark = pytest.mark.anyio

MAP = bytes(range(256)) * 4096


@pytest.fixture
async def house(engine, database, streams, tmp_path):
    dist, city = tmp_path / "dist", tmp_path / "map"
    (dist / "assets").mkdir(parents=True)
    city.mkdir()
    (dist / "index.html").write_text("<!doctype html><title>console</title>")
    (dist / "tablet.html").write_text("<!doctype html><title>tablet</title>")
    (dist / "assets" / "index-abc123.js").write_text("export {}")
    (dist / "manifest.webmanifest").write_text("{}")
    (dist / ".secret").write_text("no")
    (tmp_path / "outside.html").write_text("no")
    (city / TILES).write_bytes(MAP)
    bounds = Map((76.7, 43.1, 77.1, 43.4), 6, 14, "d", "© OpenStreetMap contributors")
    (city / BOUNDS).write_bytes(msgspec.json.encode(bounds))
    async with building.standing(engine, database, tmp_path, dist=dist, map=city) as standing:
        await building.move_in(standing.owner, standing.parts.clock())
        yield standing


async def test_the_console_and_the_tablet_are_pages_of_their_own(house):
    client = await house.client()
    assert "console" in (await client.get("/")).text
    assert "tablet" in (await client.get("/tablet")).text
    assert (await client.get("/manifest.webmanifest")).headers["content-type"] == "application/manifest+json"


async def test_files_with_a_hash_in_their_name_are_kept_for_ever_and_pages_are_asked_for(house):
    client = await house.client()
    script = await client.get("/assets/index-abc123.js")
    assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert script.headers["content-type"].startswith("text/javascript")
    page = await client.get("/")
    assert page.headers["cache-control"] == "no-cache"
    assert (await client.get("/", headers={"if-none-match": page.headers["etag"]})).status_code == 304


@pytest.mark.parametrize(
    "path", ["/nothing", "/assets/", "/../outside.html", "/%2e%2e/outside.html",
     "/.secret", "/assets/..%2f..%2foutside.html",
             "/a%00b", "/" + "x" * 5000],
)  # fmt: skip
async def test_nothing_outside_of_the_built_console_is_served(house, path):
    client = await house.client()
    answer = await client.get(path)
    assert answer.status_code == 404, answer.text
    assert answer.json()["kind"] == "not_found"


@pytest.mark.parametrize(
    "path", ["/", "/api/me", "/nothing", "/healthz", "/assets/index-abc123.js", "/tiles/city.pmtiles"]
)
async def test_every_answer_carries_the_security_headers(house, path):
    headers = (await (await house.client()).get(path)).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in policy.get("script-src", "") + policy["style-src"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert "geolocation=(self)" in headers["permissions-policy"]
    assert "server" not in headers


async def test_the_api_is_never_cached(house):
    client = await house.signed_in("operator")
    for path in ("/api/me", "/api/overview", "/api/items", "/api/nothing"):
        assert (await client.get(path)).headers["cache-control"] == "no-store", path


@pytest.mark.parametrize(
    ("asked", "part"),
    [("bytes=0-99", (0, 100)), ("bytes=1000-", (1000, len(MAP))), ("bytes=-7", (len(MAP) - 7, len(MAP))),
     (f"bytes=5-{10**9}", (5, len(MAP)))],
)  # fmt: skip
async def test_the_map_is_read_by_ranges(house, asked, part):
    answer = await (await house.client()).get("/tiles/city.pmtiles", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == MAP[slice(*part)]
    assert answer.headers["content-range"] == f"bytes {part[0]}-{part[1] - 1}/{len(MAP)}"
    assert answer.headers["content-length"] == str(part[1] - part[0])


async def test_a_range_behind_the_end_is_refused_with_the_size(house):
    answer = await (await house.client()).get("/tiles/city.pmtiles", headers={"range": f"bytes={len(MAP)}-"})
    assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{len(MAP)}")


async def test_a_range_of_a_map_that_has_changed_is_answered_with_the_whole(house):
    client = await house.client()
    tag = (await client.get("/tiles/city.pmtiles", headers={"range": "bytes=0-0"})).headers["etag"]
    same = await client.get("/tiles/city.pmtiles", headers={"range": "bytes=0-9", "if-range": tag})
    assert same.status_code == 206
    (house.parts.map / TILES).write_bytes(MAP[:-1])
    other = await client.get("/tiles/city.pmtiles", headers={"range": "bytes=0-9", "if-range": tag})
    assert (other.status_code, len(other.content)) == (200, len(MAP) - 1)


async def test_the_overview_says_where_the_map_is(house):
    overview = (await (await house.signed_in("operator")).get("/api/overview")).json()
    assert overview["map"] == {"bounds": [76.7, 43.1, 77.1, 43.4], "tiles": "/tiles/city.pmtiles"}


async def test_health_tells_of_its_parts_and_of_nothing_else(house):
    client = await house.client()
    answer = await client.get("/healthz")
    assert (answer.status_code, answer.json()) == (
        200, {"database": "up", "broker": "up", "feed": "up", "map": "up"}
    )  # fmt: skip
    (house.parts.map / BOUNDS).write_text("broken")
    assert (await client.get("/healthz")).json()["map"] == "down"


async def test_figures_are_counts_without_names(house):
    client = await house.signed_in("operator")
    await client.get("/api/me")
    text = (await client.get("/metrics")).text
    assert re.search(r'saqtau_web_requests_total\{call="readMe",status="200"\} [1-9]', text)
    assert "operator" not in text


async def test_a_method_that_is_not_there_is_refused_in_our_words(house):
    answer = await (await house.client()).delete("/api/me")
    assert answer.status_code == 405
    assert answer.json()["kind"] == "invalid"
