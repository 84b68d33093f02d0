"""The life of a case: `open_item`, `fire`, `expire`. Pure: each returns a `Transition` or raises `Refused`.

The engine applies a Transition in one transaction; nothing leaves before it is committed.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import CLOCK, CREW, MACHINES, Data, Desk, Edge, Mode, Opening, spec_hash
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Signal
from saqtau.kernel.terms import Calendar, due, parse_term


class Actor(msgspec.Struct, frozen=True):
    """Who acts: a person in one of his roles, or the machine (`CLOCK`, `RULE`) by the name of its rule."""

    id: str
    role: str
    unit: str | None = None
    regions: frozenset[int] = frozenset()
    purpose: str | None = None

    @property
    def machine(self) -> bool:
        """Whether no person stands behind this act."""
        return self.role in MACHINES


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A case at one revision."""

    id: str
    desk: str
    spec: str  # hash of the desk version it was opened under, for life
    state: str
    rev: int
    region: int
    priority: int  # 0 danger to life .. 9 housekeeping
    opened: Instant
    changed: Instant
    opened_by: str
    owner: str | None  # role that must act now
    unit: str | None = None  # the one unit that may act, where the owner is a patrol
    due: Instant | None = None
    paused_for: str | None = None  # what exactly is missing while the deadline stands still
    left: int | None = None  # ms left on the paused deadline
    parent: str | None = None
    lat: float | None = None
    lon: float | None = None
    retention: str
    ended: Instant | None = None
    data: dict[str, Any] = {}


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to an item, for good. Reading and exporting are entries too (`edge` = "read", "export")."""

    item: str
    rev: int
    at: Instant
    edge: str  # "open" for the first
    start: str | None
    to: str | None
    actor: str
    role: str
    purpose: str | None
    data: dict[str, Any]
    warnings: tuple[str, ...] = ()


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One step: the item's next revision, its entry, the signals it tells. The deadline travels in the item."""

    before: int  # revision that must still be in the store; -1 for a new item
    item: Item
    entry: Entry
    signals: tuple[Signal, ...] = ()


class Open(msgspec.Struct, frozen=True, kw_only=True):
    """A rule's wish: open an item."""

    desk: str
    data: dict[str, Any]
    region: int
    priority: int = 5
    state: str | None = None
    unit: str | None = None
    parent: str | None = None
    lat: float | None = None
    lon: float | None = None
    by: str = "rule"  # name of the rule


class Fire(msgspec.Struct, frozen=True, kw_only=True):
    """A rule's wish: move an item. `rev` None takes the item as it is; a missing edge is then not an error."""

    item: str
    edge: str
    data: dict[str, Any] = {}
    by: str = "rule"


Action = Open | Fire


def _dated(desk: Desk, item: Item, now: Instant, calendar: Calendar) -> Item:
    """The item with owner, deadline, retention and end as its state says."""
    state = desk.states[item.state]
    deadline = due(parse_term(state.within), now, calendar) if state.within else None
    return msgspec.structs.replace(
        item,
        owner=state.owner,
        due=deadline,
        paused_for=None,
        left=None,
        retention=state.retention or desk.retention,
        ended=now if state.end else None,
    )


def _told(desk: Desk, item: Item, edge: str | None, data: Data) -> tuple[Signal, ...]:
    return desk.tells(item, edge, data) if desk.tells else ()


def open_item(desk: Desk, wish: Open, actor: Actor, now: Instant, item_id: str, calendar: Calendar) -> Transition:
    """Open an item. Refuses a person whose role may not open here, and an unknown start (INVALID)."""
    if not actor.machine and actor.role not in desk.opened_by:
        raise Refused(Kind.DENIED, f"{desk.name}: {actor.role} may not open an item", role="may_not_open")
    state = wish.state or desk.starts[0]
    if state not in desk.starts:
        raise Refused(Kind.INVALID, f"{desk.name}: {state} is not a start", state="not_a_start")
    item = Item(
        id=item_id,
        desk=desk.name,
        spec=spec_hash(desk),
        state=state,
        rev=0,
        region=wish.region,
        priority=wish.priority,
        opened=now,
        changed=now,
        opened_by=actor.id,
        owner=None,
        unit=wish.unit,
        parent=wish.parent,
        lat=wish.lat,
        lon=wish.lon,
        retention=desk.retention,
        data=dict(wish.data),
    )
    item = _dated(desk, item, now, calendar)
    entry = Entry(
        item=item.id, rev=0, at=now, edge="open", start=None, to=state, actor=actor.id, role=actor.role,
        purpose=actor.purpose, data=dict(wish.data),
    )  # fmt: skip
    return Transition(before=-1, item=item, entry=entry, signals=_told(desk, item, None, wish.data))


class Call(msgspec.Struct, frozen=True):
    """Who fired an edge and when; handed to `Edge.sets`."""

    actor: Actor
    now: Instant


def open_by_form(desk: Desk, name: str, actor: Actor, place: Data, data: Mapping[str, Any], now: Instant) -> Open:
    """The wish of a person who opens an item by a form. place: `region`, `lat`, `lon` and names out of the register.

    Raises Refused: NOT_FOUND (no such way in), DENIED (role, region), INVALID (the form, naming its field).
    """
    if not any(one.name == name for one in desk.openings):
        raise Refused(Kind.NOT_FOUND, f"{desk.name}: nobody opens an item by {name}", opening="unknown")
    way = desk.opening(name, actor.role)
    if way is None:
        raise Refused(Kind.DENIED, f"{desk.name}: {actor.role} may not open an item by {name}", role="may_not_open")
    if place["region"] not in actor.regions:
        raise Refused(Kind.DENIED, f"{actor.id} has no duty in region {place['region']}", region="not_yours")
    form, _ = _form(desk, way, data)
    return Open(
        desk=desk.name,
        data=dict(way.sets(place, form, Call(actor, now))),
        region=place["region"],
        priority=way.priority,
        state=way.to,
        lat=form.get("lat", place.get("lat")),
        lon=form.get("lon", place.get("lon")),
        by=actor.id,
    )


def _form(desk: Desk, edge: Edge | Opening, data: Data) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The form's data checked strictly; a desk that fails open keeps what is sound and warns of the rest."""
    if edge.requires is None:
        if data and desk.mode is Mode.POWER:
            unknown = dict.fromkeys(data, "unknown_field")
            raise Refused(Kind.INVALID, f"{edge.name} takes no data", **unknown)
        return {}, tuple(f"{name}: unknown_field" for name in sorted(data))
    if spoilt := sorted(name for name, value in data.items() if _holds_nought(value)):
        # U+0000 is no letter in the record: one such line would break each search over its desk
        if desk.mode is Mode.POWER:
            raise Refused(Kind.INVALID, f"{edge.name}: U+0000 is no letter", **dict.fromkeys(spoilt, "letter"))
        kept, warnings = _sound(edge.requires, {name: data[name] for name in data if name not in spoilt})
        return kept, (*(f"{name}: letter" for name in spoilt), *warnings)
    try:
        form = msgspec.convert(dict(data), edge.requires, strict=True)
    except msgspec.ValidationError as error:
        if desk.mode is Mode.HELP:
            return _sound(edge.requires, data)
        field = str(error).rpartition("$.")[2].rstrip("`") if "$." in str(error) else "data"
        raise Refused(Kind.INVALID, f"{edge.name}: {error}", **{field or "data": "invalid"}) from error
    checked: dict[str, Any] = msgspec.to_builtins(form)
    return checked, ()


def _holds_nought(value: Any) -> bool:
    match value:
        case str():
            return "\0" in value
        case Mapping():
            return any(_holds_nought(part) for pair in value.items() for part in pair)
        case list() | tuple():
            return any(map(_holds_nought, value))
        case _:
            return False


def _sound(form: type[msgspec.Struct], data: Data) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The fields that are sound by themselves, and a warning for each that is missing or is not."""
    sound: dict[str, Any] = {}
    fields = {field.encode_name: field for field in msgspec.structs.fields(form)}
    warnings = [f"{name}: unknown_field" for name in sorted(data.keys() - fields.keys())]
    for name, field in fields.items():
        if name in data:
            try:
                sound[name] = msgspec.to_builtins(msgspec.convert(data[name], field.type, strict=True))
            except msgspec.ValidationError as error:
                warnings.append(f"{name}: {error}")
        elif field.required:
            warnings.append(f"{name}: missing")
    return sound, tuple(warnings)


def _may_know(item: Item, actor: Actor) -> None:
    """Who has no business with the item is not even told that it has moved on."""
    if actor.machine:
        return
    if item.region not in actor.regions:
        raise Refused(Kind.DENIED, f"{actor.id} has no duty in region {item.region}", region="not_yours")
    if item.unit is not None and actor.unit is not None and item.unit != actor.unit:
        raise Refused(Kind.DENIED, f"item {item.id} is offered to another unit", unit="not_yours")


def _may(desk: Desk, item: Item, edge: Edge, actor: Actor) -> None:
    """Role, unit, region and four eyes."""
    if edge.by != actor.role:
        raise Refused(Kind.DENIED, f"{edge.name} is for {edge.by}, not {actor.role}", role="wrong_role")
    if actor.machine:
        if edge.to in desk.penal:
            raise Refused(Kind.DENIED, "no machine decides a penalty", actor="machine")
        return
    if item.region not in actor.regions:
        raise Refused(Kind.DENIED, f"{actor.id} has no duty in region {item.region}", region="not_yours")
    crew = actor.role == CREW or actor.unit is not None
    if item.unit is not None and crew and item.unit != actor.unit:
        raise Refused(Kind.DENIED, f"item {item.id} is offered to another unit", unit="not_yours")
    if edge.to in desk.penal and actor.id in {item.opened_by, item.data.get("proposed_by")}:
        raise Refused(Kind.DENIED, "who opened or proposed does not decide the penalty", actor="four_eyes")


def fire(
    desk: Desk,
    item: Item,
    edge_name: str,
    actor: Actor,
    data: Mapping[str, Any],
    now: Instant,
    calendar: Calendar,
    *,
    rev: int | None = None,
) -> Transition:
    """Move an item along an edge.

    Raises Refused: STALE (somebody was faster), CONFLICT (no such edge here), DENIED (role, unit, region, four eyes),
    INVALID (the form, naming its field; a HELP desk warns instead).
    """
    _may_know(item, actor)
    if rev is not None and rev != item.rev:
        raise Refused(Kind.STALE, f"item {item.id} is at revision {item.rev}, not {rev}", rev="stale")
    edge = desk.edge(edge_name, item.state, item.data)
    if edge is None:
        raise Refused(Kind.CONFLICT, f"{desk.name}: no {edge_name} from {item.state}", edge="not_here")
    _may(desk, item, edge, actor)
    if edge.by == CLOCK and (item.due is None or now < item.due):
        raise Refused(Kind.CONFLICT, f"item {item.id} is not due", due="not_due")
    form, warnings = (dict(data), ()) if actor.machine and edge.requires is None else _form(desk, edge, data)
    changed = dict(edge.sets(item.data, form, Call(actor, now)) if edge.sets else {})
    place = {key: changed.pop(key) for key in ("lat", "lon", "unit", "priority") if key in changed}
    following = msgspec.structs.replace(
        item, state=edge.to, rev=item.rev + 1, changed=now, data=item.data | changed, **place
    )
    if edge.pauses:
        following = _paused(following, edge, form, now)
    elif not edge.keeps:
        following = _dated(desk, following, now, calendar)
    entry = Entry(
        item=item.id, rev=following.rev, at=now, edge=edge.name, start=item.state, to=edge.to, actor=actor.id,
        role=actor.role, purpose=actor.purpose, data=form, warnings=warnings,
    )  # fmt: skip
    return Transition(before=item.rev, item=following, entry=entry, signals=_told(desk, following, edge.name, form))


def _paused(item: Item, edge: Edge, form: Mapping[str, Any], now: Instant) -> Item:
    """The deadline stands still and says what exactly is missing."""
    left = max(0, item.due - now) if item.due is not None else None
    return msgspec.structs.replace(item, due=None, left=left, paused_for=str(form.get("missing", edge.name)))


def expire(desk: Desk, item: Item, now: Instant, calendar: Calendar) -> Transition:
    """The deadline passed: the clock fires the consequence. Refused(CONFLICT) when the item is not due."""
    consequence = desk.states[item.state].otherwise
    if consequence is None:
        raise Refused(Kind.CONFLICT, f"item {item.id} has no deadline", due="no_deadline")
    return fire(desk, item, consequence, Actor(id=CLOCK, role=CLOCK), {}, now, calendar)
