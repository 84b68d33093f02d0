"""The demonstration is real use: a generated city, imported as a real one, driven through public inputs."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from random import SystemRandom

import msgspec

from saqtau.bootstrap import witness as office
from saqtau.bootstrap.accounts import device_authority
from saqtau.bootstrap.admin import enter_person, import_file, read_map
from saqtau.bootstrap.ground import Ground, ids, now
from saqtau.bootstrap.witness import Offered
from saqtau.config import DEMONSTRATION_WITNESS
from saqtau.devices.tablet.compose import compose_renewal, new_key
from saqtau.engine import postgres
from saqtau.engine.atlas import need, open_atlas, place_cameras
from saqtau.engine.part import Part
from saqtau.engine.place import write_private
from saqtau.engine.postgres import APP, WORKER
from saqtau.engine.supervisor import Say
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.witness.loglist import LogList, compose_list
from saqtau.simulate.city import make_city
from saqtau.simulate.drive import Tablet, drive
from saqtau.simulate.duty import CASES, NUMBERS, SHIFTS, write_cases, write_shifts
from saqtau.simulate.files import REGISTERS, WATCHLIST, read_registers, write_registers
from saqtau.simulate.pbf import write_pbf
from saqtau.simulate.register import Account, Registers, draw_registers
from saqtau.simulate.stage import Stage
from saqtau.simulate.wire import BROKEN, Line
from saqtau.web import devices
from saqtau.web.people import Person

SEED = 2026
REGION = 3
KNOWN_AFTER = 2.5
"""Seconds until the intake has read who was enrolled."""
RENEWED = 12 * 3600
"""Seconds between two looks at the tablets' certificates."""
KINDS = {"sites.csv": "sites", "cameras.geojson": "cameras", "units.csv": "units", "officers.csv": "officers"}
NAMES = {
    "operator": "Айгерім Сәрсенова",
    "duty": "Дмитрий Ким",
    "inspector": "Елена Волкова",
    "school": "Гүлнәр Төлегенова",
    "custody": "Сергей Павленко",
    "prosecutor": "Бауыржан Омаров",
    "auditor": "Anna Keller",
    "admin": "System administrator",
    "patrol": "Нұрлан Жақсыбеков",
}


def city_folder(ground: Ground) -> Path:
    """Where the demonstration's own files lie."""
    return ground.place.folder / "demonstration"


def _passwords_file(ground: Ground) -> Path:
    return ground.place.secrets / "demonstration.json"


async def prepare(ground: Ground, say: Say) -> None:
    """City, map, registers, watch list and accounts; each is made once, and what is there is left alone.

    A map that was imported before is used instead of the generated city: then the same happens on real streets.
    """
    folder = city_folder(ground)
    if open_atlas(ground.map) is None:
        say("Drawing the city ...")
        extract = folder / "city.osm.pbf"
        await asyncio.to_thread(lambda: write_pbf(make_city(SEED), extract))
        say("Importing the map ...")
        say(await asyncio.to_thread(read_map, ground, extract, _quiet))
    if _passwords_file(ground).is_file():
        await asyncio.to_thread(_must_fit, ground, folder)
    else:
        say("Drawing cameras, patrols and the list ...")
        await asyncio.to_thread(_draw, ground, folder)
        await _register(ground, folder, say)
        await _add_people(ground, read_registers(folder), say)
    await _put_on_duty(ground, folder, read_registers(folder))


def _quiet(_line: str) -> None:
    """Progress that a terminal without a status line would only repeat."""


def _must_fit(ground: Ground, folder: Path) -> None:
    """Raise Refused(CONFLICT) when another map was imported under the registers of this folder."""
    cameras = read_registers(folder).cameras
    if 2 * len(place_cameras(need(open_atlas(ground.map)), cameras)) < len(cameras):
        raise Refused(
            Kind.CONFLICT,
            f"the cameras in {ground.place.folder} are not on the map imported there: use another --folder",
            map="other",
        )


def _draw(ground: Ground, folder: Path) -> None:
    random = SystemRandom()
    graph = need(open_atlas(ground.map)).graph
    registers = draw_registers(graph, SEED, region=REGION, now=now(), secret=lambda: f"{random.getrandbits(256):064x}")
    write_registers(registers, folder)


async def _register(ground: Ground, folder: Path, say: Say) -> None:
    pg = await postgres.connect(ground.server(WORKER), WORKER)
    try:
        for name in (*REGISTERS, WATCHLIST):
            data = await asyncio.to_thread((folder / name).read_bytes)
            kind = KINDS.get(name, "vehicles")
            report = await import_file(ground, pg, kind, name, data, "demonstration")
            if report.refusals:
                told = "; ".join(f"row {one.row}: {one.field}: {one.reason}" for one in report.refusals[:5])
                raise Refused(Kind.INVALID, f"{name}: {told}", register="refused")
            say(f"{report.imported} {kind} imported")
    finally:
        await pg.close()


async def _put_on_duty(ground: Ground, folder: Path, registers: Registers) -> None:
    """Cases to name, and shifts for the accounts that people use: without them nobody sees a picture or the past."""
    names = [one.name for one in registers.accounts if one.unit is None and not one.simulated]
    pg = await postgres.connect(ground.server(WORKER), WORKER)
    try:
        for name, data in ((CASES, write_cases(REGION, now())), (SHIFTS, write_shifts(names, now()))):
            await asyncio.to_thread((folder / name).write_bytes, data)
            report = await import_file(ground, pg, name.partition(".")[0], name, data, "demonstration")
            if report.refusals:
                raise Refused(Kind.INVALID, f"{name}: {report.refusals[0].reason}", register="refused")
    finally:
        await pg.close()


async def _add_people(ground: Ground, registers: Registers, say: Say) -> None:
    """One account a role for people, one a unit for the simulated crews. Their passwords lie in a file of ours."""
    passwords: dict[str, str] = {}
    pool = await postgres.pool(ground.server(APP), APP, 2)
    try:
        say(f"Making {len(registers.accounts)} accounts ...")
        for account in (*registers.accounts, partner(registers)):
            unbound = account.role in {"prosecutor", "auditor", "administrator"}
            person = Person(
                account.name,
                NAMES.get(account.name, account.name),
                (account.role,),
                frozenset() if unbound else frozenset({account.region}),
                account.unit,
                account.language,
            )
            async with pool.acquire() as pg:
                made = await enter_person(ground, pg, person, None, "demonstration")
            passwords[account.name] = made or ""
    finally:
        await pool.close()
    write_private(_passwords_file(ground), msgspec.json.encode(passwords).decode())


def witness_folder(ground: Ground) -> Path:
    """Where the demonstration's witness lives: beside the log, never in it."""
    folder = ground.place.folder
    return folder.with_name(f"{folder.name}-witness")


def asks_no_second_factor(ground: Ground) -> Ground:
    """A newcomer tries the demonstration with passwords alone; the log-in page says that this is not how it is used."""
    accounts = msgspec.structs.replace(ground.config.accounts, second_factor="offered")
    return msgspec.structs.replace(ground, config=msgspec.structs.replace(ground.config, accounts=accounts))


def witness_beside(ground: Ground) -> tuple[Ground, Part]:
    """The ground with a witness of the demonstration's in its configuration, and that witness as a part.

    It stands for the prosecutor's: own folder, own key. That the police start it is why it proves nothing.
    """
    folder = witness_folder(ground)
    vkey = (
        office.key(folder) if office.is_made(folder) else office.make(folder, DEMONSTRATION_WITNESS, demonstration=True)
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    web = ground.config.web
    authority = ground.signers.signer(ground.authority)
    offered = Offered(authority.verifier(), LogList(authority.name, ()), compose_list(authority, ()).encode())
    try:
        office.watch_authority(folder, offered, f"http://{web.host}:{web.port}", ground.mirror_token)
    except Refused as refusal:
        if refusal.kind is not Kind.CONFLICT:
            raise
        raise Refused(
            Kind.CONFLICT,
            f"the demonstration's witness in {folder} remembers another log than {ground.place.folder}: "
            "remove its folder too, or use another --folder",
            witness="other_log",
        ) from refusal
    ledger = msgspec.structs.replace(ground.config.ledger, witnesses=(f"{vkey} http://{listen}",))
    command = (sys.executable, "-m", "saqtau.cli", "witness", "run", "--folder", str(folder), "--listen", listen)
    config = msgspec.structs.replace(ground.config, ledger=ledger)
    return msgspec.structs.replace(ground, config=config), Part(name="witness", command=command)


def witness_told(ground: Ground) -> str:
    """Where the witness is and what it says, who keeps it in life, and how to try whether it notices."""
    folder, address = _near(witness_folder(ground)), ground.config.ledger.witnesses[0].split()[-1]
    saqtau = _near(Path(sys.executable).with_name("saqtau"))
    return (
        f"A witness cosigns the log of looking, for the demonstration only: {address}, its folder {folder}.\n"
        "In life the prosecutor's office keeps it, on a machine of its own. "
        f"What it has seen: {saqtau} witness logs --folder {folder}\n"
        "Edit the database by hand and watch the witness refuse: docs/oversee/try.md"
    )


def _near(path: Path) -> Path:
    """As one types it here."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def partner(registers: Registers) -> Account:
    """The second officer of the newcomer's car: his tablet reports where the city drives it."""
    own = next(account for account in registers.accounts if account.unit is not None and not account.simulated)
    return Account("partner", "patrol", own.region, own.unit, simulated=True)


async def accounts_told(ground: Ground) -> str:
    """One account a role, for the newcomer, and a code for his tablet."""
    passwords: dict[str, str] = msgspec.json.decode(_passwords_file(ground).read_bytes())
    accounts = [account for account in read_registers(city_folder(ground)).accounts if not account.simulated]
    width = max(len(account.name) for account in accounts)
    lines = [f"  {account.name:<{width}}  {passwords[account.name]}  {account.role}" for account in accounts]
    patrol = next(account for account in accounts if account.unit is not None)
    pg = await postgres.connect(ground.server(APP), APP)
    try:
        made = await devices.make_code(pg, str(patrol.unit), patrol.name, "demonstration", now())
    finally:
        await pg.close()
    return "\n".join(
        [
            "Accounts of the demonstration:",
            *lines,
            f"The number of an open case, where a purpose asks for one: {NUMBERS[0]}",
            f"Code for the tablet of {patrol.name}: {made.code} (10 minutes; later the duty officer makes one).",
            "When its page asks for your location, refuse: the city drives your car.",
        ]
    )


async def _enrol(ground: Ground, registers: Registers) -> list[Tablet]:
    """A fresh device for each simulated crew, and one in the newcomer's car."""
    made: list[Tablet] = []
    authority = device_authority(ground.place)
    async with postgres.pool(ground.server(APP), APP, 2) as pool:
        crews = [account for account in registers.accounts if account.unit is not None and account.simulated]
        for account in (partner(registers), *crews):
            key, public = new_key()
            unit = account.unit or ""
            async with pool.acquire() as pg:
                code = await devices.make_code(pg, unit, account.name, "demonstration", now())
                person = Person(account.name, account.name, (account.role,), frozenset({account.region}), unit)
                given, _ = await devices.enrol(pg, authority, person, code.code, public, now(), lambda: f"sim-{ids()}")
            made.append(Tablet(unit, given.device, key))
    return made


async def drive_city(ground: Ground, folder: Path | None = None) -> None:
    """Drive the city against the running Saqtau until told to stop."""
    stop = asyncio.Event()
    for wanted in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(wanted, stop.set)
    cast = folder or city_folder(ground)
    if not (cast / WATCHLIST).is_file():
        raise Refused(Kind.NOT_FOUND, f"no city in {cast}: saqtau run --demonstration makes one", city="missing")
    registers = read_registers(cast)
    passwords: dict[str, str] = msgspec.json.decode(_passwords_file(ground).read_bytes())
    graph = need(await asyncio.to_thread(open_atlas, ground.map)).graph
    stage = await asyncio.to_thread(Stage, graph, registers, SEED + os.getpid() % 1000, now())
    tablets = await _enrol(ground, registers)
    await asyncio.sleep(KNOWN_AFTER)
    web, intake = ground.config.web, ground.config.intake
    renewing = asyncio.create_task(_renew(f"http://{web.host}:{web.port}", tablets))
    await drive(
        stage,
        tablets,
        passwords,
        intake=f"http://{intake.host}:{intake.port}",
        web=f"http://{web.host}:{web.port}",
        clock=now,
        stop=stop,
        say=lambda line: print(line, flush=True),  # noqa: T201 - the part's log file
    )
    renewing.cancel()


async def _renew(web: str, tablets: list[Tablet]) -> None:
    """Ask for the tablets' next certificates twice a day, as they would themselves: a week is not the longest show."""
    while True:
        await asyncio.sleep(RENEWED)
        line = Line(web)
        for tablet in tablets:
            wish = msgspec.json.encode(compose_renewal(tablet.key, tablet.device, now()))
            with suppress(*BROKEN):  # asked again half a day later
                await line.ask("POST", "/api/tablet/certificate", wish, {"Content-Type": "application/json"})
        line.close()
