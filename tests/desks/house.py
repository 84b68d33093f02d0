"""All desks in memory, meeting as they do in the engine: each signal reaches every desk that reacts."""

from typing import Any

import msgspec

from saqtau.kernel import item as life
from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.desk import RULE, Desks, discover, gather
from saqtau.kernel.item import Actor, Entry, Fire, Item, Open
from saqtau.kernel.signal import Candidate, Recommendation, Signal, Status, UnitHeld, UnitStatus
from saqtau.kernel.terms import Calendar

T0 = Instant(1_764_000_000_000)
DESKS = gather(*discover("saqtau.desks"))
OPERATOR = Actor("operator1", "operator", regions=frozenset({2}))
DUTY = Actor("duty1", "duty_officer", regions=frozenset({2}))
INSPECTOR = Actor("inspector1", "inspector", regions=frozenset({2}))
SUPERVISOR = Actor("supervisor1", "custody_supervisor", regions=frozenset({2}))
PROSECUTOR = Actor("prosecutor1", "prosecutor", regions=frozenset({2}))


def crew(unit: str) -> Actor:
    return Actor(f"crew-{unit}", "patrol", unit=unit, regions=frozenset({2}))


def recommendation(*units: str, at: Instant = T0, seconds: float = 100.0) -> Recommendation:
    return Recommendation(
        at=at,
        camera="0417",
        candidates=tuple(Candidate(unit, 0.9 - 0.1 * place, seconds) for place, unit in enumerate(units)),
    )


class House:
    """Every desk, its items, its units and a clock."""

    def __init__(self, *units: str, desks: Desks = DESKS) -> None:
        self.desks = desks
        self.now = T0
        self.items: dict[str, Item] = {}
        self.log: list[Entry] = []
        self.told: list[Signal] = []
        self.units: dict[str, tuple[Status, str | None]] = dict.fromkeys(units, (Status.AVAILABLE, None))

    def act(self, *actions: Any) -> None:
        for action in actions:
            self._do(action, 0)

    def fire(self, item_id: str, edge: str, actor: Actor, data: Any = None, rev: int | None = None) -> Item:
        item = self.items[item_id]
        desk = self.desks.by_hash[item.spec]
        step = life.fire(desk, item, edge, actor, data or {}, self.now, Calendar(), rev=rev)
        self._take(step, 0)
        return self.items[item_id]

    def wait(self, seconds: float) -> None:
        """Time passes, and every deadline on its way is kept in order."""
        end = Instant(self.now + round(seconds * SECOND))
        while due := [one for one in self.items.values() if one.due is not None and one.due <= end]:
            first = min(due, key=lambda one: (one.due, one.id))
            self.now = max(self.now, first.due)
            self._take(life.expire(self.desks.by_hash[first.spec], first, self.now, Calendar()), 0)
        self.now = end

    def open(self, desk: str, way: str, actor: Actor, place: dict[str, Any], form: dict[str, Any]) -> Item:
        """A person opens an item by a form."""
        wish = life.open_by_form(self.desks.current[desk], way, actor, place, form, self.now)
        new = f"{desk}-{len(self.items)}"
        self._take(life.open_item(self.desks.current[desk], wish, actor, self.now, new, Calendar()), 0)
        return self.items[new]

    def only(self, desk: str) -> Item:
        (found,) = [one for one in self.items.values() if one.desk == desk]
        return found

    def deliver(self, signal: Signal, depth: int = 0) -> None:
        assert depth < 8, "desks tell each other things in a circle"
        self.told.append(signal)
        for desk in self.desks.current.values():
            if react := desk.reacts.get(type(signal)):
                for action in react(signal, self._family(getattr(signal, "item", None))):
                    self._do(action, depth + 1)

    def _family(self, named: str | None) -> tuple[Item, ...]:
        known = self.items.get(named or "")
        eldest = known.parent if known is not None and known.parent else named
        return tuple(one for one in self.items.values() if eldest in {one.id, one.parent})

    def _do(self, action: Open | Fire, depth: int) -> None:
        if isinstance(action, Open):
            desk = self.desks.current[action.desk]
            new = f"{action.desk}-{len(self.items)}"
            step = life.open_item(desk, action, Actor(action.by, RULE), self.now, new, Calendar())
        else:
            item = self.items[action.item]
            desk = self.desks.by_hash[item.spec]
            if desk.edge(action.edge, item.state, item.data) is None:
                return
            step = life.fire(desk, item, action.edge, Actor(action.by, RULE), action.data, self.now, Calendar())
        self._take(step, depth)

    def _take(self, step: life.Transition, depth: int) -> None:
        # the record keeps facts as JSON, and what a desk sees next comes from there
        self.items[step.item.id] = msgspec.json.decode(msgspec.json.encode(step.item), type=Item)
        self.log.append(step.entry)
        for signal in step.signals:
            if isinstance(signal, UnitStatus):
                self._hold(signal, step.item, depth)
            self.deliver(signal, depth)

    def _hold(self, wish: UnitStatus, teller: Item, depth: int) -> None:
        status, holder = self.units.get(wish.unit, (Status.AVAILABLE, None))
        tellers = {one.id for one in self._family(teller.id)} | {teller.id}
        free = holder is None and (wish.override or wish.status is not Status.RESERVED or status is Status.AVAILABLE)
        if free or holder in tellers or wish.override:
            self.units[wish.unit] = (wish.status, wish.item)
            if holder is not None and holder not in tellers:
                self.deliver(UnitHeld(wish.unit, holder, wish.item or teller.id), depth)
        elif wish.item is not None:
            self.deliver(UnitHeld(wish.unit, teller.id, holder or status.value), depth)
