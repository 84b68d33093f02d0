"""What a live stream says, as bytes. Pure: who may hear a change, and the frame it becomes.

A frame is encoded once for all who hear the same (`Audience`), never for a single client.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from saqtau.engine.atlas import Fix
from saqtau.engine.lines import ITEMS, STATUS, ItemLine, StatusLine, concerned
from saqtau.kernel.clock import Instant

_encode = msgspec.json.Encoder().encode
_items = msgspec.json.Decoder(list[ItemLine]).decode
_status = msgspec.json.Decoder(list[StatusLine]).decode


class Audience(msgspec.Struct, frozen=True):
    """Who hears the same: the regions, and what of them. `unit` is set for a tablet, which hears only of itself."""

    regions: frozenset[int] | None  # None: all
    queue: bool = True
    units: bool = True
    unit: str | None = None
    hidden: frozenset[str] = frozenset()  # desks whose lines are not for this role

    def covers(self, region: int) -> bool:
        """Whether the region is one of its own."""
        return self.regions is None or region in self.regions


class Change(msgspec.Struct, frozen=True):
    """One line of the feed. `key`: what it is about; of two about one thing the one with the higher `rev` stays."""

    seq: int
    topic: str
    key: str
    rev: int
    region: int
    unit: str | None
    ended: bool
    body: bytes
    parting: bytes = b""  # what a unit is told that has lost the item: no facts
    concerns: str | None = None  # whose act it reviews: he does not hear it
    desk: str = ""


class Frame(msgspec.Struct, frozen=True):
    """Bytes for the wire and how many lines of content they hold."""

    data: bytes
    lines: int = 0
    rows: int = 0


unit_rows = msgspec.msgpack.Decoder(list[Fix]).decode
"""What `live.positions` carries."""


def encode_row(row: Fix) -> bytes:
    """`[unit, lon, lat, heading|null, status letter, at, flags]`, encoded once for all who see it."""
    return _encode((row.unit, round(row.lon, 6), round(row.lat, 6), row.heading, row.status, row.at, row.flags))


def read_changes(seq: int, topic: str, payload: bytes) -> list[Change]:
    """The lines of one message of the feed; none for a topic that screens do not show. Raises msgspec.MsgspecError."""
    match topic:
        case str() if topic == ITEMS:
            return [_item_change(seq, line) for line in _items(payload)]
        case str() if topic == STATUS:
            return [
                Change(seq, STATUS, line.unit, line.rev, line.region, line.unit, False, _encode(line))
                for line in _status(payload)
            ]
        case _:
            return []


def _item_change(seq: int, line: ItemLine) -> Change:
    parting = msgspec.structs.replace(line, title={}, lat=None, lon=None, unit=None, owner=None)
    return Change(
        seq, ITEMS, line.id, line.rev, line.region, line.unit, line.owner is None, _encode(line), _encode(parting),
        concerned(line.desk, line.title), line.desk,
    )  # fmt: skip


def hears(audience: Audience, change: Change) -> bool:
    """Whether a console hears this. Tablets are not asked: they are found by their unit."""
    if not audience.covers(change.region):
        return False
    if change.topic == ITEMS:
        return audience.queue and change.desk not in audience.hidden
    return audience.units


def encode_changes(changes: Sequence[Change], seq: int, unit: str | None = None) -> Frame:
    """One frame for a batch; only its last event carries the sequence, so a frame cut in two is asked for again.

    unit: of a tablet; an item that is another unit's by now is told without its facts.
    Without changes: an empty list of items, which moves the sequence on.
    """
    batches: list[tuple[str, list[bytes]]] = []
    for topic in (STATUS, ITEMS):
        latest: dict[str, Change] = {}
        for change in changes:
            if change.topic == topic and (change.key not in latest or latest[change.key].rev <= change.rev):
                latest[change.key] = change
        bodies = [
            one.parting if unit is not None and one.parting and one.unit != unit else one.body
            for one in latest.values()
        ]
        if bodies:
            batches.append((topic, bodies))
    batches = batches or [(ITEMS, [])]
    parts = [b"event: %b\ndata: [%b]\n" % (topic.encode(), b",".join(bodies)) for topic, bodies in batches]
    parts[-1] = b"id: %d\n" % seq + parts[-1]
    return Frame(b"\n".join(parts) + b"\n", lines=sum(len(bodies) for _, bodies in batches))


def encode_rows(bodies: Iterable[bytes]) -> Frame:
    """One frame of unit rows. It carries no sequence: positions are not stored."""
    listed = list(bodies)
    return Frame(b"event: units\ndata: [%b]\n\n" % b",".join(listed), rows=len(listed))


def encode_beat(now: Instant, feed: int) -> Frame:
    """The sign of life: our time and how far the feed is."""
    return Frame(b'event: beat\ndata: {"now":%d,"feed":%d}\n\n' % (now, feed))


def encode_start(feed: int) -> Frame:
    """The first frame: where this stream starts, and how soon a broken one is opened again (ms)."""
    return Frame(b"retry: 1000\nid: %d\n\n" % feed)


RELOAD: Final = Frame(b"event: reload\ndata: {}\n\n")
"""Something was missed that cannot be told again: everything has to be read anew."""
