"""Everything one act leads to, worked out in memory: its step, the signals it tells, the reactions to them."""

from typing import Any, Final

from saqtau.engine import items
from saqtau.engine.units import UnitNow, lock_units, may_take
from saqtau.kernel import item as life
from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import RULE, Desk, Desks
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.kernel.item import Action, Actor, Fire, Item, Open, Transition
from saqtau.kernel.signal import FootageWanted, Signal, UnitHeld, UnitStatus
from saqtau.kernel.terms import Calendar

DEEPEST: Final = 8
"""How many reactions may follow from each other."""
CARRIED_OUT: Final = (UnitStatus, FootageWanted)
"""Signals that the engine itself carries out: a step that tells one is worked out as a chain."""
EVERYWHERE: Final = frozenset(range(1, 100))


def listeners(desks: Desks, kind: type) -> list[Desk]:
    """Desks that react to a signal."""
    return [desk for desk in desks.current.values() if kind in desk.reacts]


class Chain:
    """One act in the making. `steps` and `wanted` (unit -> status, holder) are what has to be written in the end."""

    def __init__(self, pg: Any, desks: Desks, now: Instant, ids: Ids, calendar: Calendar) -> None:
        self.pg = pg
        self.desks = desks
        self.now = now
        self.ids = ids
        self.calendar = calendar
        self.steps: list[Transition] = []
        self.wanted: dict[str, tuple[str, str | None]] = {}
        self.footage: list[FootageWanted] = []  # what is to be kept of recordings
        self._items: dict[str, Item] = {}  # as they are after the steps so far; all of them locked or new
        self._whole: set[str] = set()  # eldest items whose family is complete here
        self._units: dict[str, UnitNow] = {}

    async def family(self, item_id: str) -> dict[str, Item]:
        """The item with its parent and all children of that parent, eldest first; locked. Empty: not there."""
        known = self._items.get(item_id)
        eldest = (known.parent or known.id) if known is not None else None
        if eldest is None or eldest not in self._whole:
            for one in await items.lock_family(self.pg, eldest or item_id):
                self._items.setdefault(one.id, one)
            known = self._items.get(item_id)
            if known is None:
                return {}
            eldest = known.parent or known.id
            self._whole.add(eldest)
        return {one.id: one for one in self._items.values() if eldest in {one.id, one.parent}}

    async def do(self, action: Action, depth: int = 0) -> None:
        """One wish of a rule. Raises Refused; a `Fire` without its edge is passed over."""
        match action:
            case Open():
                await self._open(action, depth)
            case Fire():
                await self._fire(action, depth)

    async def _open(self, wish: Open, depth: int) -> None:
        desk = self.desks.current.get(wish.desk)
        if desk is None:
            raise Refused(Kind.NOT_FOUND, f"no desk {wish.desk}", desk="unknown")
        if wish.parent is not None:
            await self.family(wish.parent)
        actor = Actor(id=wish.by, role=RULE)
        step = life.open_item(desk, wish, actor, self.now, self.ids(), self.calendar)
        if wish.parent is None:
            self._whole.add(step.item.id)
        await self.take(step, depth)

    async def _fire(self, wish: Fire, depth: int) -> None:
        found = (await self.family(wish.item)).get(wish.item)
        if found is None:
            raise items.missing(wish.item)
        desk = self.desks.by_hash.get(found.spec)
        if desk is None or desk.edge(wish.edge, found.state, found.data) is None:
            return
        actor = Actor(id=wish.by, role=RULE)
        step = life.fire(desk, found, wish.edge, actor, wish.data, self.now, self.calendar)
        await self.take(step, depth)

    async def take(self, step: Transition, depth: int = 0) -> None:
        """Count a step in, and deliver what it tells."""
        self.steps.append(step)
        self._items[step.item.id] = step.item
        for signal in step.signals:
            await self._deliver(signal, step.item, depth)

    async def _deliver(self, signal: Signal, teller: Item, depth: int) -> None:
        if isinstance(signal, UnitStatus):
            await self._hold(signal, teller, depth)
        if isinstance(signal, FootageWanted):
            self.footage.append(signal)
        reacting = listeners(self.desks, type(signal))
        if not reacting:
            return
        if depth >= DEEPEST:
            raise Refused(
                Kind.CONFLICT, f"{teller.desk} tells {type(signal).__name__} in a circle", signal="in_a_circle"
            )
        for desk in reacting:
            named = getattr(signal, "item", None)
            family = await self.family(named) if named is not None else {}
            for action in desk.reacts[type(signal)](signal, tuple(family.values())):
                await self.do(action, depth + 1)

    async def _hold(self, wish: UnitStatus, teller: Item, depth: int) -> None:
        if wish.unit not in self._units:
            self._units |= await lock_units(self.pg, [wish.unit])
        now = self._units.get(wish.unit)
        if now is None:
            return  # taken out of the register since; the item's entries tell what was wanted
        held = self.wanted.get(wish.unit)
        if held is not None:
            now = UnitNow(now.id, now.region, held[0], held[1], now.since, now.rev)
        tellers = frozenset((await self.family(teller.id)).keys() | {wish.item or teller.id})
        if may_take(now, wish, tellers):
            self.wanted[wish.unit] = (wish.status.value, wish.item)
            if wish.item is not None and now.item is not None and now.item not in tellers:
                # a person took it from other work, which has to look for another
                await self._deliver(UnitHeld(unit=wish.unit, item=now.item, by=wish.item), teller, depth)
        elif wish.item is not None:
            await self._deliver(UnitHeld(unit=wish.unit, item=teller.id, by=now.item or now.status), teller, depth)
