"""The public report of a month: figures once, entered in the ledger, then the same bytes for whoever makes it again.

The figures of a month that has ended are entered in the ledger (class `report`) before anything is written, and kept in
`reports/` of the data folder. Making the report again finds that entry, whether the copy is there or not, and draws
from it: what has been erased since does not change what was published. A new edition (`again`) is a new entry beside
the old one.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from saqtau import policies
from saqtau.bootstrap.engine import engine_up
from saqtau.bootstrap.ground import Ground, ids, now
from saqtau.engine import postgres
from saqtau.engine.access import Access
from saqtau.engine.blobs import sync_folder
from saqtau.engine.editions import ENTERED, Edition, find_edition
from saqtau.engine.figures import month, read_figures
from saqtau.engine.policy_change import PolicyWatch
from saqtau.engine.postgres import APP
from saqtau.engine.recount import Recount, read_recount
from saqtau.kernel.access import AccessRequest, Action, Grant, Purpose, Viewer
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass
from saqtau.report.document import LANGUAGES, compose
from saqtau.report.figures import Figures, Published, published
from saqtau.report.page import to_html
from saqtau.report.paper import to_pdf

FOLDER: Final = "reports"
"""Where figures are kept in the data folder: a copy of what the ledger holds."""
ROLE: Final = "auditor"
"""In which role the command line makes the report; the entry says that it was the command line, and whose."""
Say = Callable[[str], None]


class _Desk(msgspec.Struct):
    """What the work is done with."""

    ground: Ground
    pool: Any
    access: Access
    viewer: Viewer


async def make(ground: Ground, named: str, out: Path, by: str, say: Say, *, again: bool) -> list[Path]:
    """Write the report of a month; the files. Raises Refused: INVALID (`month`), CONFLICT (`report`), UNAVAILABLE."""
    month(named)
    async with _desk(ground, by) as desk:
        figures = await _figures(desk, named, say, again=again)
    return await asyncio.to_thread(_write, ground, published(figures), out)


async def recompute(ground: Ground, named: str, by: str, say: Say) -> Recount:
    """Count a month again out of the log and compare. Raises as `make`."""
    month(named)
    async with _desk(ground, by) as desk:
        figures = await _figures(desk, named, say, again=False)
        wish = AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT, object=f"report {named}")
        async with desk.access.reading(desk.viewer, wish) as (grant, delivered):
            found = await read_recount(grant, desk.pool, ground.keys, figures, now())
            delivered.count = found.opened
    return found


@asynccontextmanager
async def _desk(ground: Ground, by: str) -> AsyncIterator[_Desk]:
    async with (
        engine_up(ground),
        postgres.pool(ground.server(APP), APP, 4) as pool,
        postgres.pool(ground.server(APP), APP, 2) as ledger_pool,
    ):
        ledger = ground.open_ledger(ledger_pool)
        access = Access(ledger, policies.load(), now, ids, pg=pool)
        await PolicyWatch(pool, policies.texts()[1], access.adopt).begin()
        try:
            yield _Desk(ground, pool, access, Viewer(by, ROLE, frozenset()))
        finally:
            await access.settle()
            await ledger.close()


async def _figures(desk: _Desk, named: str, say: Say, *, again: bool) -> Figures:
    wish = AccessRequest(action=Action.MAKE_REPORT, purpose=Purpose.OVERSIGHT, object=f"report {named}")
    async with desk.access.reading(desk.viewer, wish) as (grant, delivered):
        kept = None if again else await _kept(desk, named)
        if kept is not None:
            say(f"figures of {named} as entered in the ledger: {kept.entry}")
            return kept.figures
        figures = await _count(desk, grant, named)
        delivered.count = 1
        if not figures.finished:
            say(f"{named} has not ended: a draft, not for publication, and not entered in the ledger")
            return figures
        told = {"month": named, "figures": msgspec.to_builtins(figures)}
        entry = await desk.access.tell(LeafClass.REPORT, ENTERED, told, viewer=desk.viewer)
        await asyncio.to_thread(_keep, _file(desk.ground, named), Edition(str(entry), figures))
        say(f"figures of {named} entered in the ledger: {entry}")
        return figures


async def _count(desk: _Desk, grant: Grant, named: str) -> Figures:
    ground = desk.ground
    millis = ground.keeping.history
    terms = {name: (text, millis[name]) for name, text in ground.law.retention.classes.items()}
    return await read_figures(grant, desk.pool, named, ground.authority, terms, now())


async def _kept(desk: _Desk, named: str) -> Edition | None:
    """What was entered, whether the copy is there or not. Raises Refused(CONFLICT): copy and ledger differ."""
    wish = AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT, object=f"report {named}")
    async with desk.access.reading(desk.viewer, wish) as (grant, delivered):
        entered = await find_edition(grant, desk.pool, desk.ground.keys, named, now())
        delivered.count = int(entered is not None)
    file = _file(desk.ground, named)
    try:
        kept = msgspec.json.decode(await asyncio.to_thread(file.read_bytes), type=Edition)
    except FileNotFoundError:
        if entered is not None:
            await asyncio.to_thread(_keep, file, entered)
        return entered
    except (ValueError, msgspec.MsgspecError) as error:
        raise _differs(named) from error
    if entered != kept:
        raise _differs(named)
    return entered


def _differs(named: str) -> Refused:
    return Refused(
        Kind.CONFLICT,
        f"reports/{named}.json is not what its entry in the ledger says; --again makes a new edition",
        report="differs",
    )


def _file(ground: Ground, named: str) -> Path:
    return ground.place.folder / FOLDER / f"{named}.json"


def _keep(file: Path, kept: Edition) -> None:
    """On disk before anything is published. The figures are exact: nobody else may read the file."""
    file.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(msgspec.json.encode(kept))
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
    sync_folder(file.parent)


def _write(ground: Ground, figures: Published, out: Path) -> list[Path]:
    written = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for language in LANGUAGES:
            document = compose(figures, language, ground.law)
            for kind, data in (("html", to_html(document)), ("pdf", to_pdf(document))):
                file = out / f"{figures.month}.{language}.{kind}"
                file.write_bytes(data)
                written.append(file)
        file = out / f"{figures.month}.json"
        file.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1) + b"\n")
    except OSError as error:
        raise Refused(Kind.INVALID, f"the report cannot be written to {out}: {error}", out="not_writable") from error
    return [*written, file]
