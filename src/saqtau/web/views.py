"""An item as a screen gets it. Pure: what the record holds, and which edges the one who looks may take now."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from saqtau.engine.lines import ItemLine, item_line
from saqtau.engine.reading import ItemView, PictureLine, regions_of
from saqtau.kernel.access import Viewer
from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import Desk, Desks
from saqtau.kernel.item import Entry, Item
from saqtau.web.forms import form_of
from saqtau.web.people import Person


class OpenEdge(msgspec.Struct, frozen=True):
    """An edge that the caller may take from here, with the JSON Schema of its form."""

    name: str
    to: str
    form: dict[str, Any] | None


class LogEntry(msgspec.Struct, frozen=True):
    """One thing that happened to the item."""

    rev: int
    at: Instant
    edge: str
    start: str | None
    to: str | None
    actor: str
    role: str
    purpose: str | None
    data: dict[str, Any]
    warnings: tuple[str, ...]


class Link(msgspec.Struct, frozen=True):
    """Another item this one belongs to."""

    kind: str
    item: str


class ItemSeen(msgspec.Struct, frozen=True, kw_only=True):
    """An item with all that belongs to it."""

    id: str
    desk: str
    state: str
    rev: int
    region: int
    priority: int
    opened: Instant
    changed: Instant
    due: Instant | None
    owner: str | None
    unit: str | None
    title: dict[str, Any]
    lon: float | None
    lat: float | None
    parent: str | None
    ended: Instant | None
    paused_for: str | None
    data: dict[str, Any]
    log: list[LogEntry]
    children: list[ItemLine]
    links: list[Link]
    edges: list[OpenEdge]
    pictures: list[str]


def open_edges(desk: Desk | None, item: Item, person: Person) -> list[OpenEdge]:
    """The edges this person may take from here: by one of his roles, in his region, his unit where it is a unit's."""
    if desk is None or item.ended is not None:
        return []
    if item.unit is not None and person.unit is not None and item.unit != person.unit:
        return []
    found: dict[str, OpenEdge] = {}
    for edge in desk.leaving(item.state, item.data):
        duty = regions_of(Viewer(person.id, edge.by, person.regions, person.unit))
        if edge.by in person.roles and item.region in duty and edge.name not in found:
            found[edge.name] = OpenEdge(edge.name, edge.to, form_of(edge.requires))
    return list(found.values())


def _log(entry: Entry) -> LogEntry:
    return LogEntry(
        entry.rev, entry.at, entry.edge, entry.start, entry.to, entry.actor, entry.role, entry.purpose, entry.data,
        entry.warnings,
    )  # fmt: skip


def item_seen(desks: Desks, view: ItemView, person: Person, inherited: Iterable[PictureLine] = ()) -> ItemSeen:
    """The whole item. inherited: pictures of the parent, which an offer shows as its own."""
    item = view.item
    line = msgspec.structs.asdict(item_line(desks, item))
    names = dict.fromkeys(picture.name for picture in (*view.pictures, *inherited))
    return ItemSeen(
        **line,
        changed=item.changed,
        ended=item.ended,
        paused_for=item.paused_for,
        data=item.data,
        log=[_log(entry) for entry in view.entries],
        children=[item_line(desks, child) for child in view.children],
        links=[Link("parent", item.parent)] if item.parent is not None else [],
        edges=open_edges(desks.by_hash.get(item.spec), item, person),
        pictures=list(names),
    )


def item_parted(row: Mapping[str, Any]) -> ItemSeen:
    """What a person is told who has just handed an item on and may not read it any more: its state, no facts."""
    return ItemSeen(
        **dict(row),
        unit=None,
        title={},
        lon=None,
        lat=None,
        paused_for=None,
        data={},
        log=[],
        children=[],
        links=[],
        edges=[],
        pictures=[],
    )
