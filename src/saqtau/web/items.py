"""Reading and moving an item for a person: the grant first, then the record, then what he may do next."""

from typing import Any

import msgspec

from saqtau.engine import store
from saqtau.engine.break_glass import find_review
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.items import missing
from saqtau.engine.reading import PictureLine, read_item, regions_of, where_is
from saqtau.kernel.access import AccessRequest, Action, Purpose, Viewer
from saqtau.kernel.errors import Kind, Refused
from saqtau.web.errors import Stale
from saqtau.web.looking import actor_of, asking, looking, viewer_in
from saqtau.web.parts import Parts
from saqtau.web.sessions import Session
from saqtau.web.views import ItemSeen, item_parted, item_seen


async def wish_for(
    parts: Parts, session: Session, action: Action, item_id: str, purpose: Purpose | None
) -> tuple[Viewer, AccessRequest]:
    """The role and the request in which this person asks for an item. Raises Refused(NOT_FOUND).

    purpose: None takes the one his role has: the incident, whose case is the item itself, or oversight.
    """
    async with parts.pg.acquire() as pg:
        found = await where_is(pg, item_id, viewer_in(session, session.person.roles[0]))
    purposes = (Purpose.INCIDENT, Purpose.OVERSIGHT) if purpose is None else (purpose,)
    return await asking(
        parts,
        session,
        [
            AccessRequest(
                action=action,
                purpose=one,
                object=item_id,
                region=found.region,
                unit=found.unit,
                case=item_id if one in {Purpose.INCIDENT, Purpose.CASE} else None,
                sensitive=found.sensitive,
            )
            for one in purposes
        ],
    )


async def pictures_of(parts: Parts, item_id: str | None) -> list[PictureLine]:
    """Names of an item's pictures, nothing of what is on them."""
    if item_id is None:
        return []
    async with parts.pg.acquire() as pg, pg.transaction():
        await store.see(pg, EVERYWHERE)
        rows = await pg.fetch("select name, media, size from picture where item = $1 order by name", item_id)
    return [PictureLine(*row) for row in rows]


async def holder_of(parts: Parts, item_id: str, name: str) -> str:
    """The item that has the picture: this one, or its parent, whose pictures an offer shows."""
    async with parts.pg.acquire() as pg, pg.transaction():
        await store.see(pg, EVERYWHERE)
        holder: str | None = await pg.fetchval(
            """select p.item from picture p join item i on i.id = $1
               where p.item in (i.id, i.parent) and p.name = $2 order by p.item = i.id desc limit 1""",
            item_id,
            name,
        )
    return holder or item_id


async def look_at(parts: Parts, session: Session, item_id: str, purpose: Purpose | None = None) -> ItemSeen:
    """The whole item, under an entry. Raises Refused: NOT_FOUND, DENIED, UNAVAILABLE."""
    viewer, wish = await wish_for(parts, session, Action.READ_ITEM, item_id, purpose)
    async with looking(parts, viewer, wish) as (grant, delivered):
        async with parts.pg.acquire() as pg:
            view = await read_item(grant, pg, item_id, parts.clock())
        delivered.count = 1 + len(view.entries) + len(view.children)
    return item_seen(parts.desks, view, session.person, await pictures_of(parts, view.item.parent))


async def after_act(parts: Parts, session: Session, item_id: str) -> ItemSeen:
    """The item after an act or a refused one: whole if this person may still read it, else without facts.

    Without facts too while the ledger cannot write: the act has happened, its answer must not say that it has not.
    """
    viewer, wish = await wish_for(parts, session, Action.READ_ITEM, item_id, None)
    if await parts.access.allows(viewer, wish):
        try:
            return await look_at(parts, session, item_id)
        except Refused as refused:
            if "ledger" not in refused.fields:
                raise
    async with parts.pg.acquire() as pg, pg.transaction():
        await store.see(pg, regions_of(viewer))
        row = await pg.fetchrow(_STATE, item_id)
    if row is None:
        raise missing(item_id)
    return item_parted(row)


_STATE = """
    select id, desk, state, rev, region, priority, opened, changed, due, owner, parent, ended from item where id = $1
"""
"""What may be told of an item without reading it: where it stands, nothing of what it is about."""


def roles_for(parts: Parts, session: Session, edge: str) -> list[str]:
    """His roles that some desk lets take an edge of this name; the first when none does, so that a refusal is told."""
    takers = {one.by for desk in parts.desks.by_hash.values() for one in desk.edges if one.name == edge}
    roles = session.person.roles
    return [role for role in roles if role in takers] or list(roles[:1])


REVIEWS = frozenset({"reviewed_justified", "reviewed_not_justified"})
"""Edges that review a broken glass: an action of its own, which is power and not help."""


def acting(parts: Parts, session: Session, role: str, item_id: str) -> tuple[Viewer, AccessRequest]:
    """The wish to move an item, on duty or at the desk of oversight. The desk says besides who may take which edge."""
    viewer = viewer_in(session, role)
    return viewer, _for_duty_or_oversight(
        parts, viewer, AccessRequest(action=Action.ACT_ON_ITEM, purpose=Purpose.DUTY, object=item_id, unit=viewer.unit)
    )


def _for_duty_or_oversight(parts: Parts, viewer: Viewer, wish: AccessRequest) -> AccessRequest:
    over = msgspec.structs.replace(wish, purpose=Purpose.OVERSIGHT)
    return next((one for one in (wish, over) if parts.access.decides(viewer, one).allow), wish)


async def take_edge(
    parts: Parts, session: Session, item_id: str, edge: str, rev: int, data: dict[str, Any]
) -> store.Outcome:
    """Move an item, durable when it returns. The act leaves an entry, and so does one that is denied.

    Raises Refused: STALE (as `Stale`, with the fresh item), NOT_FOUND, CONFLICT, DENIED, INVALID, UNAVAILABLE.
    """
    if edge in REVIEWS:
        return await review_glass(parts, session, item_id, edge, rev, data)
    roles = roles_for(parts, session, edge)
    told = {"edge": edge, "rev": rev}
    for role in roles:
        viewer, wish = acting(parts, session, role, item_id)
        decision = parts.access.decides(viewer, wish)
        if not decision.allow:
            parts.access.note(viewer, wish, told)
            raise Refused(Kind.DENIED, f"{role} does not act on items", policy=decision.named)
        try:
            outcome = await _move(parts, session, (role, wish.purpose), item_id, edge, rev, data)
        except Refused as refused:
            if refused.kind is not Kind.DENIED:
                raise
            if role == roles[-1]:
                parts.access.note(viewer, wish, told | {"why": sorted(refused.fields)}, refused="desk-edge")
                raise
        else:
            parts.access.note(viewer, wish, told)
            return outcome
    raise Refused(Kind.DENIED, "no role of yours takes this edge", role="wrong_role")


async def review_glass(
    parts: Parts, session: Session, item_id: str, edge: str, rev: int, data: dict[str, Any]
) -> store.Outcome:
    """Say whether a glass was rightly broken. Power: its entry is durable before the item moves, or it does not move.

    Raises Refused: as `take_edge`; UNAVAILABLE with `ledger` while the ledger cannot write.
    """
    role = roles_for(parts, session, edge)[0]
    viewer = viewer_in(session, role)
    region, officer = await find_review(parts.pg, item_id)
    wish = AccessRequest(
        action=Action.REVIEW_BREAK_GLASS, purpose=Purpose.DUTY, object=item_id, unit=viewer.unit, region=region,
        requested_by=officer, concerns=officer,
    )  # fmt: skip
    wish, told = _for_duty_or_oversight(parts, viewer, wish), {"edge": edge, "rev": rev}
    async with parts.access.reading(viewer, wish, told) as (_, done):
        try:
            outcome = await _move(parts, session, (role, wish.purpose), item_id, edge, rev, data)
        except Refused as refused:
            if refused.kind is Kind.DENIED:
                parts.access.note(viewer, wish, told | {"why": sorted(refused.fields)}, refused="desk-edge")
            raise
        done.count = 1
        return outcome


async def _move(
    parts: Parts, session: Session, asked: tuple[str, Purpose], item_id: str, edge: str, rev: int, data: dict[str, Any]
) -> store.Outcome:
    """asked: the role and the purpose of the wish. An act on duty is for the item itself."""
    role, purpose = asked
    actor = actor_of(session.person, role, purpose if purpose is Purpose.OVERSIGHT else Purpose.INCIDENT)
    try:
        async with parts.pg.acquire() as pg:
            return await store.fire(
                pg, parts.desks, item_id, edge, actor, data, rev, parts.clock(), parts.ids, parts.calendar
            )
    except Refused as refused:
        if refused.kind is Kind.STALE:
            raise Stale(refused.message, msgspec.to_builtins(await after_act(parts, session, item_id))) from None
        raise
