"""What is told outside of a transaction: one line of the queue, one line about a unit, and the parcel they travel in.

A line is protected data and goes only to streams that hold a grant; it carries region and unit so that they can filter.
Lines may arrive in another order than they were committed: a reader keeps the one with the highest `rev`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import Desks
from saqtau.kernel.item import Item

_T = TypeVar("_T")

ITEMS = "items"
STATUS = "status"
REVIEWS = "oversight"
"""The desk whose items review what a person did; he himself is told nothing of them."""
LINES = 200
"""Lines in one parcel: a parcel stays far below the journal's limit for a message."""


class Outgoing(msgspec.Struct, frozen=True):
    """Something to publish once it is committed. `id` is the same however often it is sent."""

    id: str
    topic: str
    payload: bytes


class ItemLine(msgspec.Struct, frozen=True):
    """One line of the queue."""

    id: str
    desk: str
    state: str
    rev: int
    region: int
    priority: int
    opened: Instant
    due: Instant | None
    owner: str | None  # None: the item has ended
    unit: str | None
    title: dict[str, Any]
    lon: float | None
    lat: float | None
    parent: str | None


class StatusLine(msgspec.Struct, frozen=True):
    """What a unit does now."""

    unit: str
    status: str
    item: str | None
    rev: int
    region: int
    since: Instant


def concerned(desk: str, facts: Mapping[str, Any]) -> str | None:
    """Whose act an item reviews; None: it reviews nobody's. facts: its data, or the title of its line."""
    return facts.get("officer") if desk == REVIEWS else None


def item_line(desks: Desks, item: Item) -> ItemLine:
    """The line of an item; its desk says which facts stand in it."""
    desk = desks.by_hash.get(item.spec)
    title = dict(desk.line(item.data)) if desk is not None and desk.line is not None else {}
    return ItemLine(
        id=item.id,
        desk=item.desk,
        state=item.state,
        rev=item.rev,
        region=item.region,
        priority=item.priority,
        opened=item.opened,
        due=item.due,
        owner=item.owner,
        unit=item.unit,
        title=title,
        lon=item.lon,
        lat=item.lat,
        parent=item.parent,
    )


def tell_items(desks: Desks, items: Iterable[Item]) -> list[Outgoing]:
    """Parcels of topic `items`: JSON lists of ItemLine. Named after the first line, which no other parcel holds."""
    return [
        Outgoing(f"{group[0].id}.{group[0].rev}", ITEMS, msgspec.json.encode([item_line(desks, one) for one in group]))
        for group in _groups(items)
    ]


def tell_status(lines: Sequence[StatusLine]) -> list[Outgoing]:
    """Parcels of topic `status`: JSON lists of StatusLine."""
    return [Outgoing(f"{group[0].unit}.{group[0].rev}", STATUS, msgspec.json.encode(group)) for group in _groups(lines)]


def _groups(things: Iterable[_T]) -> Iterator[list[_T]]:
    rest = iter(things)
    while group := list(islice(rest, LINES)):
        yield group
