"""Exports as wishes: one person asks, another agrees, and the prosecutor besides where minors or custody are concerned.

What an item is decides who must agree (`kernel.sensitive`), looked up here and never told by whoever asks; it is looked
up again at each step, the last time when the package is made. Who agrees, agrees to the item as it is then: its
revisions and pictures are kept with his signature, and nothing else leaves under it. Each step is an entry that is
durable before its row is written.
"""

import hashlib
from typing import Any, Final

import msgspec

from saqtau.engine import items
from saqtau.engine.access import must_hold
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.failures import refusals
from saqtau.engine.items import COLUMNS
from saqtau.engine.reading import regions_of
from saqtau.engine.store import see
from saqtau.engine.wishes import (
    LISTED,
    Of,
    WishLine,
    check_words,
    columns,
    line_of,
    must_cover,
    must_refuse,
    signed_states,
    unknown,
    write_agreement,
    write_refusal,
    write_wish,
)
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Item
from saqtau.kernel.sensitive import Sensitive, sensitive
from saqtau.kernel.two_people import Standing

_COLUMNS: Final = f"w.item, {columns(Of.ITEM)}"
_ONE: Final = f"select {_COLUMNS} from export_wish w where w.id = $1"  # noqa: S608 - constant
_ALL: Final = f"""
    select {_COLUMNS} from export_wish w where $1::text is null or w.item = $1
    order by w.asked_at desc, w.id desc limit $2
"""  # noqa: S608 - constants of ours


_KIN: Final = f"""
    with eldest as (select coalesce(parent, id) as id from item where id = $1)
    select {COLUMNS} from item where id = $1 or id = (select id from eldest) or parent = (select id from eldest)
"""  # noqa: S608 - constants of ours
"""An item, its parent and all children of that."""
_PICTURES: Final = """
    select item, name, encode(sha256, 'hex') from picture where item = any($1::text[]) order by item, name
"""


class ExportLine(WishLine, frozen=True, kw_only=True):
    """A wish to export an item, and where it is. Nothing of what is in the item."""

    item: str


class Asked(msgspec.Struct, frozen=True):
    """What a request about a wish must say before anybody may act on it."""

    id: str
    item: str
    region: int
    sensitive: frozenset[Sensitive]
    asked_by: str
    case: str
    standing: Standing


class Now(msgspec.Struct, frozen=True):
    """The item of a wish at this moment. agreed: it is what everybody who signed has signed."""

    concerns: frozenset[Sensitive]
    state: bytes  # SHA-256 over what would leave: revisions, and pictures
    agreed: bool


class Subject(msgspec.Struct, frozen=True):
    """What a request about an item must say before anybody may act on it: where it lies, and what it concerns."""

    item: str
    region: int
    unit: str | None
    sensitive: frozenset[Sensitive]
    opened: Instant


async def subject_of(pool: Any, item_id: str) -> Subject:
    """Where an item lies and what its family concerns; nothing of its content. Raises Refused(NOT_FOUND)."""
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            one = await items.load(pg, item_id)
            family = await _family(pg, one)
    return Subject(one.id, one.region, one.unit, sensitive(*family), one.opened)


async def ask_export(
    grant: Grant, pool: Any, name: str, subject: Subject, recipient: str, reason: str, now: Instant
) -> ExportLine:
    """Ask for an export under this id. Raises Refused: DENIED, INVALID, CONFLICT (`export`: one waits), UNAVAILABLE."""
    must_hold(grant, now, Action.REQUEST_EXPORT, named=subject.item)
    check_words(recipient, reason)
    wish = {
        "id": name, "item": subject.item, "region": subject.region, "sensitive": sorted(subject.sensitive),
        "recipient": recipient, "reason": reason,
    }  # fmt: skip
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            await write_wish(pg, Of.ITEM, wish, grant, now)
            return await _load(pg, name, now)


async def find_export(pool: Any, name: str, now: Instant) -> Asked:
    """A wish, and what it concerns now, for the request that asks for leave to act on it. Raises Refused(NOT_FOUND)."""
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, EVERYWHERE)
            line = await _load(pg, name, now)
            rows = await pg.fetch(_KIN, line.item)  # none: erased meanwhile; the wish may be refused all the same
    concerns = line.sensitive | sensitive(*(items.to_item(row) for row in rows))
    return Asked(line.id, line.item, line.region, concerns, line.asked_by, line.case, line.standing)


async def read_export(grant: Grant, pool: Any, name: str, now: Instant) -> ExportLine:
    """One wish. Raises Refused: DENIED, NOT_FOUND, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_EXPORT, Action.RECEIVE_EXPORT)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            return await _load(pg, name, now)


async def sign_export(grant: Grant, pool: Any, name: str, now: Instant) -> ExportLine:
    """Agree to a wish about the item as it is now.

    Raises Refused as `agree`, CONFLICT (`content`: another agreed to what it was before), NOT_FOUND, UNAVAILABLE.
    """
    must_hold(grant, now, Action.APPROVE_EXPORT, named=name)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            line = await _load(pg, name, now, lock=True)
            # what it concerns may have changed since it was asked for: the item as it is now decides
            found = await find_now(pg, line)
            await write_agreement(pg, Of.ITEM, line, found.concerns, found.state, grant, now)
            if not found.agreed:
                raise _changed(line)
            return await _load(pg, name, now)


async def refuse_export(grant: Grant, pool: Any, name: str, why: str, now: Instant) -> ExportLine:
    """Say no; who asked may take it back. Raises Refused: CONFLICT, DENIED, INVALID (`why`), NOT_FOUND, UNAVAILABLE."""
    must_refuse(grant, why, now)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            line = await _load(pg, name, now, lock=True)
            await write_refusal(pg, Of.ITEM, line, why, grant, now, about={name, line.item})
            return await _load(pg, name, now)


async def read_exports(grant: Grant, pool: Any, now: Instant, *, item: str | None = None) -> list[ExportLine]:
    """Wishes of the viewer's regions, newest first, at most 200. Raises Refused: DENIED, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_EXPORT)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await see(pg, regions_of(grant.viewer))
            return [_line(row, now) for row in await pg.fetch(_ALL, item, LISTED)]


async def find_now(pg: Any, line: ExportLine) -> Now:
    """The item of a wish as it is now, in a transaction of the caller's. Raises Refused(NOT_FOUND)."""
    await see(pg, EVERYWHERE)
    one = await items.load(pg, line.item)
    family = await _family(pg, one)
    leaving = sorted((kin.id, kin.rev) for kin in family if one.id in {kin.id, kin.parent})
    pictures = await pg.fetch(_PICTURES, [name for name, _ in leaving])
    state = hashlib.sha256(msgspec.json.encode([leaving, [list(row) for row in pictures]])).digest()
    agreed = all(signed == state for signed in await signed_states(pg, Of.ITEM, line))
    return Now(line.sensitive | sensitive(*family), state, agreed)


async def find_agreed(pg: Any, line: ExportLine, *, changed: bool = False) -> Now:
    """The item of an approved wish, if what is now may leave. changed: also when it is not what was agreed to.

    Raises Refused: CONFLICT (`prosecutor`: minors or custody are concerned, and none agreed; `content`: changed),
    NOT_FOUND.
    """
    now = await find_now(pg, line)
    must_cover(line, now.concerns)
    if not (now.agreed or changed):
        raise _changed(line)
    return now


def _changed(line: ExportLine) -> Refused:
    return Refused(Kind.CONFLICT, f"{line.item} is not what was agreed to; it is asked for anew", content="changed")


async def _family(pg: Any, one: Item) -> list[Item]:
    return [items.to_item(row) for row in await pg.fetch(_KIN, one.id)]


async def _load(pg: Any, name: str, now: Instant, *, lock: bool = False) -> ExportLine:
    row = await pg.fetchrow(f"{_ONE} for update of w" if lock else _ONE, name)
    if row is None:
        raise unknown(name)
    return _line(row, now)


def _line(row: Any, now: Instant) -> ExportLine:
    return line_of(ExportLine, row, now, item=row["item"])
