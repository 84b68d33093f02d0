"""No grant, no data: the decision, its entry in the ledger, then the Grant or the refusal. Nowhere else is one made.

The entry is durable before anything is read, whether it says allow or deny. What was really delivered is told when the
access ends; that entry may ride in a later batch, and is kept until it is written.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
import structlog

from saqtau.engine.entries import closed, opened, region_of, said
from saqtau.engine.failures import is_passing, refusals
from saqtau.engine.failures import told as told_as
from saqtau.engine.late import Late
from saqtau.engine.ledger import Draft, Ledger
from saqtau.kernel.access import (
    NAMED,
    UNBOUND,
    AccessRequest,
    Action,
    Decision,
    Facts,
    Grant,
    Purpose,
    Viewer,
    decide,
    granted,
    helps,
    is_elsewhere,
)
from saqtau.kernel.clock import SECOND, Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.kernel.policies import Policies
from saqtau.ledger.leaf import LeafClass

log = structlog.get_logger("saqtau.access")

PATIENCE: Final = 5.0
"""Seconds a view waits for its entry, then it is refused."""
HELP_PATIENCE: Final = 1.5
"""Seconds help waits for the ledger, then its entry goes to the journal."""
_KNOWN_AWAY: Final = 2 * SECOND
"""How long the ledger counts as away after it refused: help asks the journal at once."""
BACKLOG: Final = 50_000
"""Entries that wait in memory for a ledger that is away, when the journal is away too."""
_BATCH: Final = 500
_LIMITS: Final = {"object": 128, "case": 64, "reason": 300, "unit": 64, "requested_by": 64, "concerns": 64}

_BOUND: Final = frozenset(
    {
        Action.READ_PICTURE, Action.READ_HISTORY, Action.REQUEST_EXPORT, Action.APPROVE_EXPORT, Action.RECEIVE_EXPORT,
        Action.OPEN_BREAK_GLASS, Action.WATCH_CAMERA, Action.PLAY_RECORDING,
    }
)  # fmt: skip
"""Actions whose permission may rest on a shift."""
_HOPED: Final = Facts(
    on_shift=True, case_known=True, incident_known=True, incident_open=True, break_glass=True, about_place=True
)

_FACTS: Final = "select * from access_facts($1, $2, $3, $4, $5, $6, $7)"


class Delivered(msgspec.Struct):
    """How much has really left: rows, or bytes of a picture. `told`: what else the closing entry says."""

    count: int = 0
    told: dict[str, Any] = {}


class Access:
    """The one door to protected data. ledger and pg: as saqtau_app (or the worker); late: where help's entries wait."""

    def __init__(
        self, ledger: Ledger, policies: Policies, clock: Clock, ids: Ids, late: Late | None = None, *, pg: Any
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._ids = ids
        self._late = late
        self._pg = pg
        self.policies = policies
        self._away_until = Instant(0)
        self._waiting: deque[tuple[str, Draft]] = deque()
        self._pump: asyncio.Task[None] | None = None
        self.lost = 0

    @property
    def ledger(self) -> Ledger:
        """The logs that this process enters into."""
        return self._ledger

    @property
    def waiting(self) -> int:
        """Entries that wait in memory to be written."""
        return len(self._waiting)

    def adopt(self, policies: Policies) -> None:
        """Decide by these policies from now on; grants that are open serve their time, live views are asked again."""
        self.policies = policies

    # DECIDING

    def decides(self, viewer: Viewer, request: AccessRequest) -> Decision:
        """What the policies say of the facts at hand; asks nobody and leaves no entry."""
        return decide(self.policies, viewer, request)

    async def allows(self, viewer: Viewer, request: AccessRequest) -> bool:
        """Whether it would be allowed now; leaves no entry. Raises Refused(UNAVAILABLE)."""
        return self.decides(viewer, await self._with_facts(viewer, request)).allow

    async def on_shift(self, viewer: Viewer) -> bool:
        """Whether pictures, history and exports are open to this person now; help is, in any case."""
        if viewer.role in UNBOUND:
            return True
        wish = AccessRequest(action=Action.READ_PICTURE, purpose=Purpose.INCIDENT)
        return (await self._with_facts(viewer, wish)).facts.on_shift

    async def choose(self, viewers: Sequence[Viewer], wishes: Iterable[AccessRequest]) -> tuple[Viewer, AccessRequest]:
        """The first role and wish that the policies allow; else the first of each, so that the denial is of something.

        viewers: one person in his roles. Raises Refused(UNAVAILABLE).
        """
        listed = list(wishes)
        every = [(viewer, wish) for wish in listed for viewer in viewers]
        hopeful = [(viewer, wish) for viewer, wish in every if self.decides(viewer, _with(wish, _HOPED)).allow]
        if len(hopeful) == 1:
            return hopeful[0]
        for viewer, wish in hopeful:
            if await self.allows(viewer, wish):
                return viewer, wish
        return hopeful[0] if hopeful else every[0]

    async def _with_facts(self, viewer: Viewer, request: AccessRequest) -> AccessRequest:
        """The request with what the record says of it, whatever it said itself."""
        if not (request.purpose in NAMED or request.purpose is Purpose.EMERGENCY or request.action in _BOUND):
            return _with(request, Facts())
        with refusals():
            row = await self._pg.fetchrow(
                _FACTS,
                viewer.id,
                viewer.unit,
                sorted(viewer.regions),
                viewer.role in UNBOUND,
                request.case,
                request.object,
                self._clock(),
            )
        return _with(request, Facts(**dict(row)))

    # OPENING AND CLOSING

    async def open(self, viewer: Viewer, request: AccessRequest, told: Mapping[str, Any] | None = None) -> Grant:
        """Decide, make the entry durable, and hand out the grant. told: what else the record says (JSON).

        Raises Refused: DENIED (`policy` says which; `case` is `elsewhere` where what is named has nothing to do with
        that place), INVALID (the request does not fit), UNAVAILABLE with `ledger="unavailable"`: no entry, no grant.
        """
        _check(request)
        now = self._clock()
        request = await self._with_facts(viewer, request)
        decision = self.decides(viewer, request)
        identity = self._ids()
        draft = opened(identity, now, viewer, request, decision, told or {})
        if not decision.allow:
            await self._place_somewhere(identity, draft)
            fields = {"case": "elsewhere"} if is_elsewhere(request) else {"policy": decision.named}
            raise Refused(Kind.DENIED, f"{viewer.id} as {viewer.role}: {request.action} denied", **fields)
        entry = await self._place(identity, draft, help_=helps(request))
        return granted(decision, entry, viewer, request, now)

    async def close(self, grant: Grant, delivered: int, told: Mapping[str, Any] | None = None) -> None:
        """Tell what was delivered, once. The entry is written behind the caller's back and kept until it is."""
        identity = self._ids()
        self._later(identity, closed(identity, self._clock(), grant, delivered, told or {}))

    @asynccontextmanager
    async def reading(
        self, viewer: Viewer, request: AccessRequest, told: Mapping[str, Any] | None = None
    ) -> AsyncIterator[tuple[Grant, Delivered]]:
        """Open a grant, read or act under it, close it with the count: `async with ... as (grant, delivered)`."""
        grant = await self.open(viewer, request, told)
        delivered = Delivered()
        try:
            yield grant, delivered
        finally:
            await self.close(grant, delivered.count, delivered.told)

    async def tell(
        self,
        klass: LeafClass,
        action: str,
        told: Mapping[str, Any] | None = None,
        *,
        viewer: Viewer | None = None,
        region: int | None = None,
        must: bool = True,
    ) -> str | None:
        """Leave an entry about what happens: its id when it is durable.

        must: raises Refused(UNAVAILABLE) when it is not; else it is written as soon as it can be, and None returned.
        """
        identity = self._ids()
        where = region if region is not None else region_of(viewer) if viewer is not None else 0
        draft = said(identity, self._clock(), klass, action, where, viewer, told or {})
        if must:
            return await self._place(identity, draft, help_=False)
        self._later(identity, draft)
        return None

    def note(
        self,
        viewer: Viewer,
        request: AccessRequest,
        told: Mapping[str, Any] | None = None,
        *,
        refused: str | None = None,
    ) -> None:
        """Leave an entry about an act that was taken, or refused by what the policies leave to others (a desk's edge).

        Help does not wait for it: it is written as soon as it can be. refused: who said no, e.g. "desk-edge".
        """
        decision = self.decides(viewer, request)
        if refused is not None and decision.allow:
            decision = msgspec.structs.replace(decision, allow=False, policies=(refused,))
        identity = self._ids()
        self._later(identity, opened(identity, self._clock(), viewer, request, decision, told or {}))

    # WRITING

    async def _place(self, identity: str, draft: Draft, *, help_: bool) -> str:
        """The entry's id when it is durable: in the ledger, or, when it is help, in the journal."""
        if help_ and self._late is not None:
            if self._clock() < self._away_until:
                return await self._put_late(self._late, identity, draft)
            try:
                return await self._append(draft, HELP_PATIENCE)
            except Refused as refused:
                if refused.kind is not Kind.UNAVAILABLE:
                    raise
                return await self._put_late(self._late, identity, draft)
        return await self._append(draft, PATIENCE)

    async def _append(self, draft: Draft, patience: float) -> str:
        """Raises Refused(UNAVAILABLE, ledger="unavailable")."""
        try:
            async with asyncio.timeout(patience):
                # given up in the middle it may still be written: then the wish has two entries with one id
                placed = await self._ledger.append(draft)
        except Exception as error:
            if is_broken(error):
                raise self._away(told_as(error)) from error
            raise
        return placed.entry

    def _away(self, why: str) -> Refused:
        self._away_until = Instant(self._clock() + _KNOWN_AWAY)
        log.warning("the ledger cannot write", error=why)
        return Refused(
            Kind.UNAVAILABLE, "the ledger cannot write: nothing is shown without its entry", ledger="unavailable"
        )

    async def _put_late(self, late: Late, identity: str, draft: Draft) -> str:
        try:
            await late.put(identity, draft)
        except Refused as refused:
            raise Refused(
                Kind.UNAVAILABLE, f"neither ledger nor journal can write: {refused.message}", ledger="unavailable"
            ) from refused
        return f"late:{identity}"

    async def _place_somewhere(self, identity: str, draft: Draft) -> None:
        """A denial's entry: durable before the answer where that is possible; the answer is no in any case."""
        try:
            await self._place(identity, draft, help_=True)
        except Refused:
            self._later(identity, draft)

    # WHAT MAY RIDE IN A LATER BATCH

    def _later(self, identity: str, draft: Draft) -> None:
        if len(self._waiting) >= BACKLOG:
            self.lost += 1
            log.critical("an entry is lost: neither ledger nor journal has taken any for long", lost=self.lost)
            return
        self._waiting.append((identity, draft))
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._write_waiting(), name="entries")

    async def _write_waiting(self) -> None:
        pause = 0.05
        while self._waiting:
            batch = [self._waiting[index] for index in range(min(_BATCH, len(self._waiting)))]
            try:
                await self._write(batch)
            except Exception as error:  # whatever it was, the entries are kept and tried again
                if not is_broken(error):
                    log.exception("entries are not written")
                await asyncio.sleep(pause)
                pause = min(2 * pause, 2.0)
                continue
            for _ in batch:
                self._waiting.popleft()
            pause = 0.05

    async def _write(self, batch: Sequence[tuple[str, Draft]]) -> None:
        if self._late is None or self._clock() >= self._away_until:
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._ledger.append_all([draft for _, draft in batch])
            except Exception as error:
                if self._late is None or not is_broken(error):
                    raise
                self._away(told_as(error))
            else:
                return
        for identity, draft in batch:
            await self._late.put(identity, draft)

    async def settle(self) -> None:
        """Wait until everything that was told is durable."""
        while self._pump is not None and not self._pump.done():
            await asyncio.shield(self._pump)

    async def stop(self, patience: float = 5.0) -> None:
        """Write what still waits; called when the process ends. What cannot be written is told in the log."""
        if self._pump is not None and not self._pump.done():
            await asyncio.wait({self._pump}, timeout=patience)
            self._pump.cancel()
        if self._waiting:
            log.critical("entries are lost with this process", count=len(self._waiting))


def is_broken(error: BaseException) -> bool:
    """Whether the ledger's failure means that it cannot write now, whatever is asked of it."""
    match error:
        case BaseExceptionGroup():
            return all(is_broken(one) for one in error.exceptions)
        case Refused():
            return error.kind in {Kind.UNAVAILABLE, Kind.CONFLICT}
        case _:
            return is_passing(error)


def _with(request: AccessRequest, facts: Facts) -> AccessRequest:
    return msgspec.structs.replace(request, facts=facts)


def _check(request: AccessRequest) -> None:
    for name, most in _LIMITS.items():
        value = getattr(request, name)
        if value is not None and (len(value) > most or not _is_text(value)):
            raise Refused(Kind.INVALID, f"{name} of an access: text of at most {most} letters", **{name: "invalid"})
    if not 0 <= request.age_days <= 100_000 or not 0 <= (request.region or 0) <= 99:
        raise Refused(Kind.INVALID, "age or region of an access", age_days="out_of_range")


def _is_text(value: str) -> bool:
    try:
        return b"\0" not in value.encode()
    except UnicodeEncodeError:
        return False


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
