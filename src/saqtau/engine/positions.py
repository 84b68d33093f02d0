"""What a message of unit positions means: a track for the record, the last place of each unit, a batch for the screens.

Snapping gives each unit its directed edge, so that "nearest" and "ahead" never search a position again.
"""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import msgspec
import numpy as np

from saqtau.engine.atlas import Atlas, Fix
from saqtau.engine.journal import PARTITIONS, Message, partition_of
from saqtau.engine.lines import Outgoing
from saqtau.kernel.clock import Clock
from saqtau.kernel.signal import Position, Status
from saqtau.roads.snap import snap

LIVE = "live.positions"
"""Core subject, not stored: one batch of `Fix` as msgpack arrays, published after the commit."""

LETTERS: Mapping[str, str] = {
    Status.OFF_DUTY: "O",
    Status.AVAILABLE: "A",
    Status.RESERVED: "R",
    Status.EN_ROUTE: "E",
    Status.AT_SCENE: "S",
    Status.BUSY: "B",
}
STANDS = 3.0
"""km/h below which a compass says nothing about the lane."""

_decoder = msgspec.msgpack.Decoder(list[Position])
_encoder = msgspec.msgpack.Encoder()

_COLUMNS = (
    "received", "at", "unit", "device", "seq", "lat", "lon", "accuracy", "speed", "heading", "flags",
)  # fmt: skip
_UPSERT = """
    insert into unit_position as p
        (unit, region, at, received, device, seq, lat, lon, accuracy, speed, heading, battery, flags)
    select w.unit, w.region, w.at, w.received, w.device, w.seq, w.lat, w.lon, w.accuracy, w.speed, w.heading, w.battery,
        coalesce(string_to_array(nullif(w.flags, ''), ','), '{}')
    from unnest($1::text[], $2::int2[], $3::int8[], $4::int8[], $5::text[], $6::int8[], $7::float8[], $8::float8[],
        $9::float4[], $10::float4[], $11::float4[], $12::float4[], $13::text[])
        as w (unit, region, at, received, device, seq, lat, lon, accuracy, speed, heading, battery, flags)
    on conflict (unit) do update set at = excluded.at, received = excluded.received, device = excluded.device,
        seq = excluded.seq, lat = excluded.lat, lon = excluded.lon, accuracy = excluded.accuracy,
        speed = excluded.speed, heading = excluded.heading, battery = excluded.battery,
        flags = excluded.flags, region = excluded.region
    where excluded.at >= p.at
"""


class Known(msgspec.Struct, frozen=True):
    """What is known of a unit between two batches."""

    region: int
    status: str
    device: str | None = None
    seq: int = -1


class Positions:
    """The handler of the POSITIONS stream."""

    def __init__(self, atlas: Atlas | None, clock: Clock, publish: Any) -> None:
        self._atlas = atlas
        self._clock = clock
        self._publish = publish
        self._known: dict[str, Known] = {}
        self._told: list[Position] = []

    async def claimed(self, pg: Any, partition: int) -> None:
        """What the record knows of the partition's units: a repeat is told by device and sequence."""
        rows = await pg.fetch(
            "select u.id, u.region, u.status, p.device, p.seq from unit u left join unit_position p on p.unit = u.id"
        )
        for unit, region, status, device, seq in rows:
            if partition_of(unit) == partition:
                self._known[unit] = Known(region, status, device, -1 if seq is None else seq)

    def lost(self, partition: int) -> None:
        """Somebody else has the partition."""
        self._known = {unit: known for unit, known in self._known.items() if partition_of(unit) != partition}

    async def refresh(self, pg: Any) -> None:
        """Statuses and regions as the register has them now; called every second."""
        for unit, region, status in await pg.fetch("select id, region, status from unit"):
            if (known := self._known.get(unit)) is not None:
                self._known[unit] = msgspec.structs.replace(known, region=region, status=status)
            elif len(self._known) < PARTITIONS * 10_000:
                self._known[unit] = Known(region, status)

    async def handle(self, pg: Any, messages: Sequence[Message]) -> list[Outgoing]:
        """Positions of a batch: stored, and the last of each unit kept."""
        self._told = []
        fresh: list[Position] = []
        last: dict[str, Position] = {}
        for message in messages:
            for position in _decoder.decode(message.data):
                known = self._known.get(position.unit)
                if known is None:
                    continue  # a unit that has left the register: its device is not enrolled any more
                before = last.get(position.unit)
                newest = (known.device, known.seq) if before is None else (before.device, before.seq)
                if position.device == newest[0] and position.seq <= newest[1]:
                    continue  # sent twice: the answer to the first was lost
                fresh.append(position)
                last[position.unit] = position
        if not fresh:
            return []
        await pg.copy_records_to_table("position", records=map(_record, fresh), columns=_COLUMNS)
        await pg.execute(_UPSERT, *self._columns(list(last.values())))
        for unit, position in last.items():
            self._known[unit] = msgspec.structs.replace(self._known[unit], device=position.device, seq=position.seq)
        self._told += last.values()
        return []

    async def committed(self) -> None:
        """Tell the screens; what a crash swallows here the next position of the unit makes good."""
        told, self._told = self._told, []
        if told:
            await self._publish(LIVE, _encoder.encode(self._fixes(told)))

    def _columns(self, last: Sequence[Position]) -> tuple[list[Any], ...]:
        return (
            [one.unit for one in last],
            [self._known[one.unit].region for one in last],
            [one.at for one in last],
            [one.received for one in last],
            [one.device for one in last],
            [one.seq for one in last],
            [one.lat for one in last],
            [one.lon for one in last],
            [one.accuracy for one in last],
            [one.speed for one in last],
            [one.heading for one in last],
            [one.battery for one in last],
            [",".join(one.flags) for one in last],
        )

    def _fixes(self, last: Sequence[Position]) -> list[Fix]:
        places = zip(repeat(-1), repeat(0.0)) if self._atlas is None else snapped(self._atlas, last)
        return [
            Fix(
                one.unit,
                one.lon,
                one.lat,
                one.heading,
                LETTERS[self._known[one.unit].status],
                one.at,
                tuple(one.flags),
                self._known[one.unit].region,
                int(edge),
                float(fraction),
                one.speed,
                one.received,
            )
            for one, (edge, fraction) in zip(last, places, strict=False)
        ]


def snapped(atlas: Atlas, positions: Sequence[Position]) -> Any:
    """Edge and fraction of each position."""
    found = snap(
        atlas.roads,
        np.array([one.lat for one in positions]),
        np.array([one.lon for one in positions]),
        np.array(
            [np.nan if one.heading is None or (one.speed or 0.0) < STANDS else one.heading for one in positions],
            np.float64,
        ),
    )
    return zip(found.edge, found.fraction, strict=True)


def _record(one: Position) -> tuple[Any, ...]:
    return (
        one.received, one.at, one.unit, one.device, one.seq, one.lat, one.lon, one.accuracy, one.speed, one.heading,
        list(one.flags),
    )  # fmt: skip


_LAST = """
    select p.unit, p.region, p.at, p.received, p.lat, p.lon, p.speed, p.heading, p.flags, u.status
    from unit_position p join unit u on u.id = p.unit
"""


async def last_fixes(pg: Any, atlas: Atlas | None) -> list[Fix]:
    """Every unit's last fix from the record, snapped again: what a process starts with."""
    rows = await pg.fetch(_LAST)
    positions = [
        Position(
            unit=row["unit"], device="", seq=0, at=row["at"], received=row["received"], lat=row["lat"], lon=row["lon"],
            speed=row["speed"], heading=row["heading"],
        )
        for row in rows
    ]  # fmt: skip
    places = [(-1, 0.0)] * len(rows) if atlas is None or not rows else list(snapped(atlas, positions))
    return [
        Fix(
            row["unit"], row["lon"], row["lat"], row["heading"], LETTERS[row["status"]], row["at"], tuple(row["flags"]),
            row["region"], int(edge), float(fraction), row["speed"], row["received"],
        )
        for row, (edge, fraction) in zip(rows, places, strict=True)
    ]  # fmt: skip


_fixes = msgspec.msgpack.Decoder(list[Fix])


def hear(payload: bytes) -> list[Fix]:
    """A batch of `live.positions`."""
    return _fixes.decode(payload)
