"""No grant, no data: the decision, its entry on disk, then the Grant or the refusal. Nowhere else is a Grant made.

The entry is committed by itself before anything is read, whether it says allow or deny; what was really delivered is
told when the access ends.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from saqtau.engine.failures import refusals
from saqtau.kernel.access import AccessRequest, Action, Grant, Viewer, decide, granted
from saqtau.kernel.clock import Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids

_OBJECT_LIMIT = 128

_ENTER = """
    insert into access_entry
        (id, at, viewer, role, action, purpose, object, case_number, region, unit, decision, policy)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
_CLOSE = "update access_entry set delivered = $2, closed = $3 where id = $1 and closed is null"


class Delivered(msgspec.Struct):
    """How much has really left: rows, or bytes of a picture."""

    count: int = 0


async def open_grant(pg: Any, viewer: Viewer, request: AccessRequest, now: Instant, ids: Ids) -> Grant:
    """Decide, put the entry on disk, and hand out the grant. pg: pool, or a connection outside of any transaction.

    Raises Refused: DENIED (`policy` says which), INVALID (the request does not fit), UNAVAILABLE (no entry, no grant).
    """
    if hasattr(pg, "is_in_transaction") and pg.is_in_transaction():
        raise RuntimeError("an access entry inside a transaction is not durable when the grant is used")
    if len(request.object) > _OBJECT_LIMIT or "\0" in f"{request.object}{request.case}":
        raise Refused(Kind.INVALID, "the object of an access is at most 128 characters", object="invalid")
    decision = decide(viewer, request)
    entry = ids()
    with refusals():
        await pg.execute(
            _ENTER,
            entry,
            now,
            viewer.id,
            viewer.role,
            request.action.value,
            request.purpose.value,
            request.object,
            request.case,
            request.region,
            request.unit,
            "allow" if decision.allow else "deny",
            decision.named,
        )
    if not decision.allow:
        raise Refused(Kind.DENIED, f"{viewer.id} as {viewer.role}: {request.action} denied", policy=decision.named)
    return granted(decision, entry, viewer, request, now)


async def close_grant(pg: Any, grant: Grant, delivered: int, now: Instant) -> None:
    """Tell what was delivered. Only the first time counts. Raises Refused(UNAVAILABLE)."""
    with refusals():
        await pg.execute(_CLOSE, grant.entry, delivered, now)


@asynccontextmanager
async def reading(
    pool: Any, viewer: Viewer, request: AccessRequest, clock: Clock, ids: Ids
) -> AsyncIterator[tuple[Grant, Delivered]]:
    """Open a grant, read under it, close it with the count: `async with ... as (grant, delivered)`."""
    grant = await open_grant(pool, viewer, request, clock(), ids)
    delivered = Delivered()
    try:
        yield grant, delivered
    finally:
        await close_grant(pool, grant, delivered.count, clock())


def must_hold(grant: Grant, now: Instant, *actions: Action, named: str | None = None) -> None:
    """Check that the grant is for this and still lasts. Raises Refused(DENIED).

    named: the object that is about to be read, when the action is about one.
    """
    if now >= grant.expires:
        raise Refused(Kind.DENIED, "the grant has run out", grant="expired")
    if grant.request.action not in actions:
        raise Refused(Kind.DENIED, f"the grant is for {grant.request.action}", grant="other_action")
    if named is not None and grant.request.object != named:
        raise Refused(Kind.DENIED, "the grant is for another object", grant="other_object")
