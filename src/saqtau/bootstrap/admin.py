"""What a person asks of the record from the command line: imports, accounts, checks.

The engine is started for it when no Saqtau runs in the folder.
"""

import asyncio
import getpass
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from saqtau.bootstrap.engine import engine_up
from saqtau.bootstrap.ground import Ground, ids, now
from saqtau.devices.plate import spell
from saqtau.engine import postgres
from saqtau.engine.atlas import import_map
from saqtau.engine.entries import said
from saqtau.engine.postgres import APP, WORKER
from saqtau.engine.registers import Report, import_register
from saqtau.engine.verify import Finding, verify
from saqtau.jurisdiction.rooms import lawful_camera
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import VideoCamera
from saqtau.ledger.leaf import LeafClass
from saqtau.web import people

LARGEST_FILE = 256 << 20
"""Bytes of a register file; a larger one is refused before it is read."""


def read_map(ground: Ground, source: Path, say: Callable[[str], None]) -> str:
    """Import an extract; returns a sentence about what was found."""
    graph, tiles = import_map(source, ground.map, ground.law, say)
    west, south, east, north = tiles.bounds
    facts = ", ".join(f"{value} {name.replace('_', ' ')}" for name, value in sorted(graph.facts.items()))
    return (
        f"{graph.edges} directed edges, {float(graph.length.sum()) / 1000:.0f} km of driving directions; {facts}; "
        f"from {south:.3f}, {west:.3f} to {north:.3f}, {east:.3f}. A running Saqtau uses it after its next start."
    )


@asynccontextmanager
async def record(ground: Ground, role: str) -> AsyncIterator[Any]:
    """A connection to the record as `role`."""
    async with engine_up(ground):
        pg = await postgres.connect(ground.server(role), role)
        try:
            yield pg
        finally:
            await pg.close()


async def read_register(ground: Ground, kind: str, source: Path, by: str, *, accept_good: bool) -> Report:
    """Import a register file. Raises Refused as `read_file` and `import_register`."""
    data = await asyncio.to_thread(read_file, source)
    async with record(ground, WORKER) as pg:
        return await import_file(ground, pg, kind, source.name, data, by, accept_good=accept_good)


def read_file(source: Path) -> bytes:
    """A register's file. Raises Refused: TOO_LARGE, INVALID (not readable)."""
    try:
        if source.stat().st_size > LARGEST_FILE:
            raise Refused(Kind.TOO_LARGE, f"{source.name}: larger than {LARGEST_FILE >> 20} MiB", file="too_large")
        return source.read_bytes()
    except OSError as error:
        raise Refused(Kind.INVALID, f"{source}: {error.strerror}", file="not_readable") from error


async def import_file(
    ground: Ground, pg: Any, kind: str, name: str, data: bytes, by: str, *, accept_good: bool = False
) -> Report:
    """`import_register` with this house's time zone and spelling of plates, and its entry in the same commit."""
    zone = ZoneInfo(ground.law.zone)
    async with pg.transaction():
        report = await import_register(
            pg, kind, name, data, by, now(), accept_good=accept_good, zone=zone, spell=_spelled,
            check=lambda record: _lawful(ground, record),
        )  # fmt: skip
        told = {
            "by": by, "register": kind, "file": name[:200], "sha256": hashlib.sha256(data).hexdigest(),
            "rows": report.total, "imported": report.imported,
        }  # fmt: skip
        await enter(ground, pg, "register.import", told)
    return report


async def enter(ground: Ground, pg: Any, action: str, told: dict[str, Any]) -> None:
    """An entry about an act of administration, in the act's transaction: both are there or neither."""
    draft = said(ids(), now(), LeafClass.ADMIN, action, 0, None, told)
    await ground.open_ledger(None).within(pg, [draft])


def _lawful(ground: Ground, record: Any) -> None:
    if isinstance(record, VideoCamera):
        lawful_camera(ground.law, record)


def _spelled(text: str) -> str | None:
    """A plate as the register keeps it: Cyrillic look-alikes folded, nothing guessed."""
    found = spell(text)
    return None if found is None or found.doubts else found.plate


async def add_person(ground: Ground, person: people.Person, password: str | None) -> str | None:
    """Add a person who may log in; returns the password when one was made. Raises Refused(INVALID, CONFLICT)."""
    regions = {region.code for region in ground.law.regions.list}
    if not person.regions <= regions:
        raise Refused(
            Kind.INVALID, f"regions of {ground.law.name}: {min(regions)} to {max(regions)}", regions="unknown"
        )
    async with record(ground, WORKER) as pg:
        if person.unit is not None and not await pg.fetchval("select true from unit where id = $1", person.unit):
            raise Refused(Kind.NOT_FOUND, f"no unit {person.unit}: import units first", unit="unknown")
    async with record(ground, APP) as pg:
        return await enter_person(ground, pg, person, password, getpass.getuser())


async def enter_person(ground: Ground, pg: Any, person: people.Person, password: str | None, by: str) -> str | None:
    """`people.add_person` and its entry. pg: as saqtau_app, outside of a transaction."""
    async with pg.transaction():
        made = await people.add_person(pg, person, password, now())
        told = {
            "by": by, "account": person.id, "roles": list(person.roles), "regions": sorted(person.regions),
            "own_unit": person.unit,
        }  # fmt: skip
        await enter(ground, pg, "account.add", told)
    return made


async def change_password(ground: Ground, name: str, password: str | None) -> str | None:
    """A new password; returns it when it was made. Raises Refused(NOT_FOUND, INVALID)."""
    made = people.make_password() if password is None else None
    async with record(ground, APP) as pg, pg.transaction():
        await people.set_password(pg, name, password or made or "", now())
        await enter(ground, pg, "account.password", {"by": getpass.getuser(), "account": name})
    return made


async def disable(ground: Ground, name: str) -> None:
    """End an account's access at once. Raises Refused(NOT_FOUND)."""
    async with record(ground, APP) as pg, pg.transaction():
        await people.disable_person(pg, name, now())
        await enter(ground, pg, "account.disable", {"by": getpass.getuser(), "account": name})


async def check(ground: Ground, say: Callable[[str], None]) -> list[Finding]:
    """Compare what is stored with what the record says of it."""
    async with record(ground, WORKER) as pg:
        return await verify(pg, ground.blobs, ground.history, say)
