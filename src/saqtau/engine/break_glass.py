"""Breaking the glass: one object is open for fifteen minutes, and its review stands in the queue from the same moment.

The entry is durable before (`access.open` for `break_glass.open`); then row and review are committed together, so that
no object is open without somebody who has been told. The policies ask `open_break_glass` in SQL at every look.
"""

from typing import Any, Final

import msgspec

from saqtau.desks.oversight.rules import broken
from saqtau.engine import store
from saqtau.engine.access import must_hold
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.exports import Subject
from saqtau.engine.failures import refusals
from saqtau.engine.reading import regions_of
from saqtau.engine.store import Outcome, see
from saqtau.engine.wishes import REASON
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import Desks
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.kernel.terms import Calendar
from saqtau.kernel.two_people import Broken, may_break

ITEM: Final = "item"
LISTED: Final = 200


class GlassLine(msgspec.Struct, frozen=True):
    """A broken glass and where its review is. `locked`: the officer's account is locked because of this one."""

    id: str
    officer: str
    role: str
    region: int
    object_kind: str
    object: str
    reason: str
    at: Instant
    until: Instant
    review_due: Instant
    entry: str
    review: str
    state: str
    locked: bool


class StillOpen(msgspec.Struct, frozen=True):
    """What somebody has opened himself, and until when."""

    object: str
    until: Instant


class Opened(msgspec.Struct, frozen=True):
    """What a broken glass led to: the line, and what to publish."""

    line: GlassLine
    outcome: Outcome


_LINES: Final = """
    select b.id, b.officer, b.role, b.region, b.object_kind, b.object, b.reason, b.at, b.until, b.review_due, b.entry,
        b.review, i.state, i.ended is null and b.review_due <= $2 as locked
    from broken_glass b join item i on i.id = b.review
    where ($1::text is null or b.officer = $1) order by b.at desc, b.id desc limit $3
"""
_UNREVIEWED: Final = "select at from broken_glass_unreviewed($1)"
_OPEN: Final = """
    select b.object, b.until from broken_glass b join item i on i.id = b.review
    where b.officer = $1 and b.at <= $2 and $2 < b.until and i.state <> 'not_justified' order by b.until desc
"""


def check_reason(reason: str) -> None:
    """Raises Refused(INVALID) naming `reason`."""
    least, most = REASON
    if not least <= len(reason.strip()) or len(reason) > most:
        raise Refused(Kind.INVALID, f"the reason: {least} to {most} letters", reason="length")


async def unreviewed(pool: Any, officer: str) -> tuple[Broken, ...]:
    """His broken glasses that wait for their review."""
    with refusals():
        rows = await pool.fetch(_UNREVIEWED, officer)
    return tuple(Broken(officer=officer, at=row["at"]) for row in rows)


async def still_open(pool: Any, officer: str, now: Instant) -> list[StillOpen]:
    """What is open to him now because he broke the glass: what he has named himself, and nothing of its content.

    Raises Refused(UNAVAILABLE).
    """
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            return [StillOpen(*row) for row in await pg.fetch(_OPEN, officer, now)]


async def find_review(pool: Any, review: str) -> tuple[int, str]:
    """The region and the officer of the glass that this item reviews: what a wish to review it must say.

    Raises Refused(NOT_FOUND).
    """
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            row = await pg.fetchrow("select region, officer from broken_glass where review = $1", review)
    if row is None:
        raise Refused(Kind.NOT_FOUND, f"{review} reviews no broken glass", item="unknown")
    return row["region"], row["officer"]


async def break_glass(
    grant: Grant, pool: Any, desks: Desks, subject: Subject, reason: str, now: Instant, ids: Ids, calendar: Calendar
) -> Opened:
    """Open the object. Raises Refused: DENIED (custody, locked), TOO_MANY (unreviewed), INVALID, UNAVAILABLE."""
    must_hold(grant, now, Action.OPEN_BREAK_GLASS, named=subject.item)
    check_reason(reason)
    viewer = grant.viewer
    region = subject.region if subject.region in viewer.regions else min(viewer.regions, default=subject.region)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            # one officer breaks one glass at a time: the count of those unreviewed must hold
            await pg.execute("select pg_advisory_xact_lock(23158, hashtext($1))", viewer.id)
            open_ones = tuple(Broken(officer=viewer.id, at=row[0]) for row in await pg.fetch(_UNREVIEWED, viewer.id))
            may_break(open_ones, subject.sensitive, now)
            glass = Broken(officer=viewer.id, at=now)
            wish = broken(viewer.id, region, ITEM, subject.item, reason, now, glass.until, grant.entry)
            outcome = await store.act(pg, desks, (wish,), now, ids, calendar)
            review, name = outcome.items[0].id, ids()
            await pg.execute(
                """insert into broken_glass
                       (id, officer, role, region, object_kind, object, reason, at, until, review_due, entry, review)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)""",
                name, viewer.id, viewer.role, region, ITEM, subject.item, reason, now, glass.until, glass.review_due,
                grant.entry, review,
            )  # fmt: skip
            line = GlassLine(
                name, viewer.id, viewer.role, region, ITEM, subject.item, reason, now, glass.until, glass.review_due,
                grant.entry, review, outcome.items[0].state, locked=False,
            )  # fmt: skip
    return Opened(line, outcome)


async def read_broken(grant: Grant, pool: Any, now: Instant, *, officer: str | None = None) -> list[GlassLine]:
    """Broken glasses of the viewer's regions, newest first, at most 200. Raises Refused: DENIED, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_BREAK_GLASS)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            return [GlassLine(*row) for row in await pg.fetch(_LINES, officer, now, LISTED)]
