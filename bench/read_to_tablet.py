"""From a camera's push to the event on the tablet of the unit ahead, under load, through every process.

    python -m bench.read_to_tablet [--rate 1000] [--seconds 60] [--consoles 500] [--hits 4] [--workers 1]

A whole Saqtau in a folder of its own (PostgreSQL, NATS, worker, intake, web), the generated city's cameras, 24 units
standing at their spots with enrolled tablets. `--rate` reads a second are pushed as cameras do, each with its crop;
`--hits` of them a second are vehicles on the list at a camera with a unit ahead. Each tablet listens to its live
stream; an offer is accepted and the vehicle reported as stopped at once, so that the unit is free for the next.
`--consoles` operators' live streams are open meanwhile, read by a process of their own.
Peers: none does the same; the figure beside it is the answer to the camera (durable) in the same run.
"""

import argparse
import asyncio
import base64
import math
import multiprocessing
import os
import secrets
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

import msgspec
import uvloop
from tests.running import free_ports

from saqtau.bootstrap.admin import read_map
from saqtau.bootstrap.engine import engine_up
from saqtau.bootstrap.ground import now, stand
from saqtau.bootstrap.run import parts_of
from saqtau.config import Accounts, Config, Engine, Intake, Web, encode
from saqtau.devices.hikvision.compose import Capture, compose
from saqtau.devices.tablet.compose import compose as compose_batch
from saqtau.devices.tablet.compose import new_key
from saqtau.devices.tablet.parse import Fix
from saqtau.engine import postgres
from saqtau.engine.atlas import need, open_atlas
from saqtau.engine.place import write_private
from saqtau.engine.postgres import APP, WORKER
from saqtau.engine.registers import import_register
from saqtau.kernel.clock import DAY
from saqtau.kernel.register import Ground, ListedVehicle
from saqtau.kernel.signal import Picture
from saqtau.simulate.api import Api
from saqtau.simulate.city import make_city
from saqtau.simulate.files import REGISTERS, WATCHLIST, write_registers
from saqtau.simulate.load import Push, load, percentile
from saqtau.simulate.pbf import write_pbf
from saqtau.simulate.plates import crop, random_plate
from saqtau.simulate.register import draw_registers
from saqtau.simulate.stage import Stage
from saqtau.simulate.wire import Line, read_head
from saqtau.web import people
from saqtau.web.people import Person

SEED, REGION = 2026, 3
STREAMS_A_SESSION = 8


async def prepare(ground, folder, listed):
    """Map, registers, watch list with as many wanted plates as there will be hits, and accounts."""
    extract = folder / "city.osm.pbf"
    write_pbf(make_city(SEED), extract)
    read_map(ground, extract, lambda *_: None)
    graph = need(open_atlas(ground.map)).graph
    registers = draw_registers(graph, SEED, region=REGION, now=now(), secret=lambda: secrets.token_urlsafe(32))
    dice = Random(9)
    plates = {random_plate(dice, 20 - k % 10) for k in range(listed * 2)}
    wanted = tuple(
        ListedVehicle(plate=plate, ground=Ground.WANTED, authority="bench", basis="bench", expires=now() + 30 * DAY)
        for plate in sorted(plates)[:listed]
    )
    registers = msgspec.structs.replace(registers, vehicles=wanted)
    write_registers(registers, folder)
    pg = await postgres.connect(ground.server(WORKER), WORKER)
    for name in (*REGISTERS, WATCHLIST):
        report = await import_register(pg, name.partition(".")[0], name, (folder / name).read_bytes(), "bench", now())
        assert not report.refusals, report.refusals[:3]
    await pg.close()
    passwords = {}
    async with postgres.pool(ground.server(APP), APP, 2) as pool:
        for account in registers.accounts:
            if account.role in ("operator", "administrator", "patrol"):
                regions = frozenset() if account.role == "administrator" else frozenset({REGION})
                person = Person(account.name, account.name, (account.role,), regions, account.unit, "en")
                async with pool.acquire() as pg:
                    passwords[account.name] = await people.add_person(pg, person, None, now())
    return graph, registers, passwords


class Crew:
    """A unit's tablet: enrolled, on duty, listening; takes every offer and is done with it at once."""

    def __init__(self, web, account, password):
        self.web, self.account, self.password = web, account, password
        self.api = Api(web)
        self.heard = {}  # (camera, at) -> steady clock
        self.busy = asyncio.Lock()  # one hand on the tablet

    async def enrol(self, admin):
        await self.api.log_in(self.account.name, self.password)
        code = await admin.post("/api/tablet/codes", unit=self.account.unit, officer=self.account.name)
        self.key, public = new_key()
        key = base64.b64encode(public).decode()
        self.device = (await self.api.post("/api/tablet/enrol", code=code["code"], public_key=key))["device"]
        await self.api.post("/api/tablet/duty", on=True)

    async def listen(self):
        reader, writer = await open_stream(self.web, self.api.cookie)
        work = None
        try:
            async for name, data in events(reader):
                at = time.perf_counter()
                if name != "items":
                    continue
                for line in msgspec.json.decode(data):
                    if line["unit"] == self.account.unit and line["desk"] == "dispatch" and line["state"] == "offered":
                        self.heard.setdefault((line["title"]["camera"], line["title"]["at"]), at)
                        work = asyncio.create_task(self.finish())
        finally:
            writer.close()
            if work:
                work.cancel()

    async def finish(self):
        async with self.busy:
            alert = (await self.api.get("/api/tablet"))["alert"]
            if alert is not None and "accept" in {edge["name"] for edge in alert["edges"]}:
                await self.api.take(alert, "accept")
                await self.api.take(await self.api.get(f"/api/items/{alert['parent']}"), "stopped")


async def open_stream(web, cookie):
    line = Line(web)
    reader, writer = await asyncio.open_connection(line.host, line.port, limit=1 << 22)
    writer.write(f"GET /api/live HTTP/1.1\r\nHost: {line.host}:{line.port}\r\nCookie: {cookie}\r\n\r\n".encode())
    status, _ = await read_head(reader)
    assert status == 200, status
    return reader, writer


async def events(reader):
    """Server-sent events out of a chunked answer."""
    text = b""
    while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
        text += await reader.readexactly(size)
        await reader.readexactly(2)
        while (end := text.find(b"\n\n")) >= 0:
            fields = dict(part.partition(b": ")[::2] for part in text[:end].split(b"\n") if b": " in part)
            text = text[end + 2 :]
            yield fields.get(b"event", b"").decode(), fields.get(b"data", b"")


def watch_consoles(web, password, many, ready, ending, told):
    """Another process: `many` open consoles that read what comes."""

    async def main():
        sessions = []
        for _ in range(math.ceil(many / STREAMS_A_SESSION)):
            api = Api(web)
            await api.log_in("operator", password)
            sessions.append(api.cookie)
        counted = {"bytes": 0, "closed": 0}

        async def console(number):
            reader, _writer = await open_stream(web, sessions[number // STREAMS_A_SESSION])
            opened.append(number)
            while data := await reader.read(1 << 16):
                counted["bytes"] += len(data)
            counted["closed"] += 1

        opened = []
        tasks = [asyncio.create_task(console(number)) for number in range(many)]
        while len(opened) < many:
            await asyncio.sleep(0.1)
            assert not any(task.done() for task in tasks)
        ready.set()
        while not ending.is_set():
            await asyncio.sleep(0.2)
        told.put(dict(counted))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    uvloop.run(main())


async def stand_still(stage, crews, intake, stop):
    """Every tablet tells its place once a second."""
    lines = {crew.account.unit: Line(intake) for crew in crews}
    seq = 0
    while not stop.is_set():
        seq += 1
        for crew in crews:
            lat, lon, *_ = stage.place(crew.account.unit)
            body = compose_batch(crew.key, crew.device, [Fix(seq=seq, at=now(), lat=lat, lon=lon, accuracy=4.0)])
            reply = await lines[crew.account.unit].ask(
                "POST", "/tablet/positions", body, {"Content-Type": "application/json"}
            )
            assert reply.status == 200, (reply.status, reply.body)
        await asyncio.sleep(0.7)


def pushes(registers, stage, rate, hits):
    """The push of each running number: every (rate / hits)-th is a wanted plate where a unit stands ahead."""
    dice = Random(1)
    pictures = [(Picture("crop", "image/jpeg", crop(random_plate(dice, 3))),) for _ in range(50)]
    stood = {int(stage.traffic.goal[who]) for who in stage.traffic.patrols}
    watched = [watch for watch in stage.town.watches if watch.goal in stood]
    cameras, tokens, wanted = registers.cameras, registers.tokens, iter(registers.vehicles)
    every = max(1, round(rate / hits))
    kept = {}
    drawn = {vehicle.plate for vehicle in registers.vehicles}

    def passer_by(region):
        # the same plate drawn twice would be a vehicle that was at two cameras within seconds: an alert of its own
        while (plate := random_plate(dice, region)) in drawn:
            pass
        drawn.add(plate)
        return plate

    def make(number):
        hit = number % every == every - 1
        camera = cameras[watched[number // every % len(watched)].camera] if hit else cameras[number % len(cameras)]
        plate = next(wanted).plate if hit else passer_by(1 + number % 9)
        at = now()
        shot = Capture(at=at, plate=plate, uuid=f"{camera.id}-{number}", speed=min(int(camera.limit), 60))
        headers, body = compose(shot, pictures[number % len(pictures)])
        key = f"{camera.id}/{at}" if hit else ""
        kept[key] = (camera.id, at)
        return Push(f"/hikvision/{tokens[camera.id]}", headers, body, key)

    return make, kept


def cpu_seconds():
    """User and system seconds of this process and of every process below it, by name (Linux)."""
    tick, mine = os.sysconf("SC_CLK_TCK"), os.getpid()
    parents, used, names = {}, {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
            words = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue  # it has ended
        pid = int(folder.name)
        parents[pid], used[pid] = int(fields[1]), (int(fields[11]) + int(fields[12])) / tick
        names[pid] = next((part for part in ("worker", "intake", "web") if part in words), "")
        names[pid] = names[pid] or next((part for part in ("postgres", "nats") if part in words[0]), "consoles")
    names[mine] = "this (load, tablets)"
    total = Counter()
    for pid, seconds in used.items():
        above = pid
        while above not in (mine, 0, 1):
            above = parents.get(above, 0)
        if above == mine:
            total[names[pid]] += seconds
    return total


async def measure(ground, folder, wish):
    web = f"http://127.0.0.1:{ground.config.web.port}"
    intake = f"http://127.0.0.1:{ground.config.intake.port}"
    config = ground.place.run / "bench.toml"
    write_private(config, encode(ground.config))
    async with engine_up(ground) as supervisor:
        graph, registers, passwords = await prepare(ground, folder, round(wish.hits * wish.seconds) + 100)
        for part in parts_of(ground, config):
            await supervisor.start(part)
        admin = Api(web)
        await admin.log_in("admin", passwords["admin"])
        crews = [Crew(web, account, passwords[account.name]) for account in registers.accounts if account.unit]
        for crew in crews:
            await crew.enrol(admin)
        stage = Stage(graph, registers, SEED, now())
        context = multiprocessing.get_context("spawn")
        ready, ending, told = context.Event(), context.Event(), context.Queue()
        consoles = context.Process(
            target=watch_consoles, args=(web, passwords["operator"], wish.consoles, ready, ending, told)
        )
        consoles.start()
        stop = asyncio.Event()
        tasks = [asyncio.create_task(stand_still(stage, crews, intake, stop))]
        tasks += [asyncio.create_task(crew.listen()) for crew in crews]
        assert await asyncio.to_thread(ready.wait, 180), "the consoles did not open"
        await asyncio.sleep(5)
        before = cpu_seconds()
        make, kept = pushes(registers, stage, wish.rate, wish.hits)
        figures = await load(
            intake, make, rate=wish.rate, seconds=wish.seconds, timer=time.perf_counter, connections=wish.connections
        )
        await asyncio.sleep(10)
        spent = {name: used - before.get(name, 0.0) for name, used in cpu_seconds().items()}
        failed = [task.exception() for task in tasks if task.done() and not task.cancelled()]
        ending.set()
        seen = await asyncio.to_thread(told.get)
        await asyncio.to_thread(consoles.join, 20)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with postgres.pool(ground.server(WORKER), WORKER, 1) as pool:
            items = await pool.fetchval("select count(*) from item where desk = 'dangerous_drivers'")
    return figures, kept, crews, seen, items, failed, spent


def report(wish, figures, kept, crews, seen, items, failed, spent):
    heard = {}
    for crew in crews:
        for key, at in crew.heard.items():
            heard[key] = min(at, heard.get(key, at))
    due = {kept[key]: at for key, at in figures.sent_at.items()}
    delays = sorted((heard[key] - due[key]) * 1000 for key in heard if key in due)
    print(
        f"pushes: {figures.taken} taken at {figures.rate:.0f}/s in {figures.seconds:.1f} s, answers {figures.statuses}"
    )
    print(f"durable answer to the camera: p50 {figures.at(0.5):.1f} ms, p99 {figures.at(0.99):.1f} ms")
    print(f"hits: {len(due)} sent, {items} items, {len(delays)} heard first by a tablet")
    print(f"read to tablet: p50 {percentile(delays, 0.5):.0f} ms, p99 {percentile(delays, 0.99):.0f} ms, ", end="")
    print(f"max {delays[-1] if delays else float('nan'):.0f} ms")
    print(f"consoles: {wish.consoles} open, {seen['bytes'] / 1e6:.1f} MB read, {seen['closed']} closed by the server")
    print("CPU seconds: " + ", ".join(f"{name} {used:.0f}" for name, used in sorted(spent.items())))
    if failed:
        print(f"failed: {failed[:3]}")


def main():
    asked = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    asked.add_argument("--rate", type=float, default=1000)
    asked.add_argument("--seconds", type=float, default=60)
    asked.add_argument("--consoles", type=int, default=500)
    asked.add_argument("--hits", type=float, default=4)
    asked.add_argument("--workers", type=int, default=1)
    asked.add_argument("--connections", type=int, default=300)
    wish = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="sq-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        web, intake = free_ports(2)
        config = Config(
            accounts=Accounts(second_factor="offered"),  # the load logs in with passwords alone
            engine=Engine(folder=folder / "s", workers=wish.workers),
            web=Web(port=web),
            intake=Intake(port=intake),
        )
        report(wish, *uvloop.run(measure(stand(config), folder, wish)))


if __name__ == "__main__":
    main()
