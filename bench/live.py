"""The live picture in a browser: how soon the first picture stands there, and how far it is behind.

    python -m bench.live [--tiles 16] [--seconds 30] [--looks 10] [--walls 5]

A whole Saqtau in a folder of its own, `--tiles` street cameras of the looping RTSP server, recorded; headless Chromium
logs in as an operator. First `--looks` times one camera is opened: from `new WebSocket` to the first picture that was
drawn. Then all tiles are opened at once, `--walls` times with a socket for each and with one for all, by turns; a last
wall stays open for `--seconds`: behind is our clock less the time of the picture when it is drawn (media time is UTC,
the moment the recorder had it). Every grant, entry and renewal is the real one.
Peer, in the same run: `ffmpeg -c copy` a viewer, fragments of the same length over HTTP into the same few lines of
MediaSource. Its media time says nothing of the clock, so only its first picture is compared.
"""

import argparse
import asyncio
import statistics
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop
from playwright.async_api import async_playwright
from tests.running import free_ports

from saqtau.bootstrap.engine import engine_up
from saqtau.bootstrap.ground import now, stand
from saqtau.bootstrap.run import parts_of
from saqtau.config import Accounts, Config, Engine, Intake, Web, encode
from saqtau.engine import postgres
from saqtau.engine.place import write_private
from saqtau.engine.postgres import APP, OWNER
from saqtau.engine.video_camera import write_cameras
from saqtau.kernel.clock import DAY
from saqtau.kernel.register import PlaceKind, VideoCamera
from saqtau.simulate.clip import scene
from saqtau.simulate.loop import serving
from saqtau.video.nal import codec_string
from saqtau.web.people import Person, add_person

CHROMIUM = "/usr/bin/chromium"
REGION = 2
WORD = "correct-horse-battery"
PLAYER = (Path(__file__).parent / "live_player.js").read_text(encoding="utf-8")

NUMBERS = "Array.from({ length: tiles }, (_, at) => String(at).padStart(2, '0'))"
APART = f"""([url, tiles, seconds]) => Promise.all({NUMBERS}.map((number) =>
    look({{ socket: url.replace('NN', number) }}, seconds)))"""
TOGETHER = f"""([url, tiles, seconds]) => {{ const open = wall(url); return Promise.all({NUMBERS}.map((number) =>
    look({{ wall: open, camera: 'B-' + number }}, seconds))) }}"""


def cameras(server, many):
    """Street cameras of the looping server."""
    return [
        VideoCamera(
            id=f"B-{number:02}", site="S-B", name=f"Bench {number}", region=REGION, lat=43.2, lon=76.9,
            place=PlaceKind.STREET, address=server.address(f"street/b-{number:02}"), keep_days=30,
        )
        for number in range(many)
    ]  # fmt: skip


async def prepare(ground, listed):
    """The cameras and an operator on shift."""
    owner = await postgres.connect(ground.server(OWNER), OWNER)
    await owner.execute("insert into site values ('S-B', 'Bench', $1, 43.2, 76.9)", REGION)
    await write_cameras(owner, listed, "bench", now())
    async with postgres.pool(ground.server(APP), APP, 1) as pool, pool.acquire() as pg:
        await add_person(pg, Person("operator", "Bench", ("operator",), frozenset({REGION}), None, "en"), WORD, now())
    await owner.execute("insert into shifts values ('operator', $1, $2)", now() - DAY // 2, now() + DAY // 2)
    await owner.close()


@asynccontextmanager
async def peer(address):
    """One `ffmpeg -c copy` a viewer behind a few lines of HTTP; its address."""

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET / "):
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 15\r\n\r\n<!doctype html>")
            writer.close()
            return
        ffmpeg = await asyncio.create_subprocess_exec(
            "ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", address, "-c", "copy", "-an", "-f", "mp4",
            "-movflags", "empty_moov+default_base_moof", "-frag_duration", "200000", "-flush_packets", "1", "pipe:1",
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\nconnection: close\r\n\r\n")
        try:
            while data := await ffmpeg.stdout.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            if ffmpeg.returncode is None:
                ffmpeg.kill()
            await ffmpeg.wait()
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def browse(web, wish, stream):
    """What Chromium saw."""
    socket = web.replace("http", "ws") + "/api/cameras/B-NN/live?purpose=duty"
    wall = web.replace("http", "ws") + "/api/live-pictures"
    codec = codec_string(scene("street").parameters)
    async with async_playwright() as play, peer(stream) as other:
        chromium = await play.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        context = await chromium.new_context()
        page = await context.new_page()
        await page.goto(web)
        await page.evaluate(
            """([name, password]) => fetch('/api/login', { method: 'POST',
               headers: { 'content-type': 'application/json' }, body: JSON.stringify({ name, password }) })""",
            ["operator", WORD],
        )
        await page.evaluate("document.body.replaceChildren()")
        await page.evaluate(PLAYER)
        firsts = [
            await page.evaluate(
                "([url]) => look({ socket: url }, 0)", [socket.replace("NN", f"{number % wish.tiles:02}")]
            )
            for number in range(wish.looks)
        ]
        apart, together = [], []
        for _ in range(wish.walls):
            apart += await page.evaluate(APART, [socket, wish.tiles, 0])
            together += await page.evaluate(TOGETHER, [wall, wish.tiles, 0])
        seen = await page.evaluate(TOGETHER, [wall, wish.tiles, wish.seconds])
        foreign = await context.new_page()
        await foreign.goto(other)
        await foreign.evaluate(PLAYER)
        peers = [
            await foreign.evaluate("([http, codec]) => look({ http, codec }, 0)", [f"{other}/film", codec])
            for _ in range(wish.looks)
        ]
        await chromium.close()
    return firsts, apart, together, seen, peers


async def measure(ground, wish):
    web = f"http://127.0.0.1:{ground.config.web.port}"
    config = ground.place.run / "bench.toml"
    write_private(config, encode(ground.config))
    async with serving(clock=now) as server, engine_up(ground) as supervisor:
        listed = cameras(server, wish.tiles)
        await prepare(ground, listed)
        for part in parts_of(ground, config):
            if not part.name.startswith(("health", "intake")):
                await supervisor.start(part)
        async with postgres.pool(ground.server(OWNER), OWNER, 1) as pool, asyncio.timeout(60):
            while await pool.fetchval("select count(*) from video_segment") < wish.tiles:
                await asyncio.sleep(0.5)
        found = await browse(web, wish, listed[0].address)
        async with postgres.pool(ground.server(OWNER), OWNER, 1) as pool, asyncio.timeout(30):
            while await pool.fetchval("select count(*) from video_watch where until is null"):
                await asyncio.sleep(0.2)
            looks = await pool.fetchval("select count(*) from video_watch")
    return *found, looks


def at(values, share):
    """A quantile of what was seen; nan for nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def report(wish, firsts, apart, together, seen, peers, looks):
    ours, theirs = ([one["first"] for one in some if one["first"] is not None] for some in (firsts, peers))
    behind = [ms for tile in seen for ms in tile["behind"]]
    print(f"first picture, {len(ours)} looks: p50 {at(ours, 0.5):.0f} ms, max {max(ours, default=float('nan')):.0f} ms")
    print(
        f"  ffmpeg -c copy a viewer: p50 {at(theirs, 0.5):.0f} ms, max {max(theirs, default=float('nan')):.0f} ms; "
        f"ours takes {statistics.median(ours) / statistics.median(theirs):.2f} of it"
    )
    for name, tiles in (("a socket each", apart), ("one socket", together)):
        shown, told, came = (
            [one[step] for one in tiles if one[step] is not None] for step in ("first", "told", "came")
        )
        print(
            f"{wish.tiles} tiles at once, {wish.walls} times, {name}: {len(tiles) - len(shown)} without a picture; ",
            end="",
        )
        print(f"first picture p50 {at(shown, 0.5):.0f} ms, p99 {at(shown, 0.99):.0f} ms, ", end="")
        print(f"of it p50 until told {at(told, 0.5):.0f} ms, until bytes {at(came, 0.5):.0f} ms")
    print(f"behind over {wish.seconds} s: p50 {at(behind, 0.5):.0f} ms, p99 {at(behind, 0.99):.0f} ms, ", end="")
    drawn, dropped = (sum(tile[name] for tile in seen) for name in ("drawn", "dropped"))
    skipped = sum(tile["skipped"] for tile in seen)
    print(f"{drawn} pictures drawn, {dropped} dropped by the browser, {skipped} ms skipped")
    print(f"entered: {looks} looks, each with its end")


def main():
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--tiles", type=int, default=16)
    asked.add_argument("--seconds", type=float, default=30)
    asked.add_argument("--looks", type=int, default=10)
    asked.add_argument("--walls", type=int, default=5)
    wish = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="sq-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        web, intake = free_ports(2)
        config = Config(
            accounts=Accounts(second_factor="offered"),
            engine=Engine(folder=folder / "s"),
            web=Web(port=web),
            intake=Intake(port=intake),
        )
        report(wish, *uvloop.run(measure(stand(config), wish)))


if __name__ == "__main__":
    main()
