"""What the record knows of files and gaps: a row a segment, a row a gap, written in batches once a second.

It is an index and can be made anew from the files. While PostgreSQL is away it waits in memory; recording goes on.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from saqtau.engine.failures import refusals
from saqtau.engine.recording_start import Head, NamedGap, Start
from saqtau.kernel.clock import Instant
from saqtau.video.segment import Segment

MOST: Final = 5_000
"""Rows of one statement."""

_HEADS: Final = """
    select c.camera, s.first, s.last, s.ended, s.chain, s.closed, d.first, d.last, d.ended, d.chain
    from unnest($1::text[]) as c (camera)
    left join lateral (select * from video_segment s where s.camera = c.camera order by s.first desc limit 1) s on true
    left join lateral (select * from video_deleted d where d.camera = c.camera order by d.first desc limit 1) d on true
"""
_SEGMENTS: Final = """
    insert into video_segment as s (camera, first, last, began, ended, path, volume, bytes, frames, recorded_ms,
        previous, chain, closed)
    select * from unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::text[], $7::text[],
        $8::int8[], $9::int8[], $10::int8[], $11::bytea[], $12::bytea[], $13::bool[])
    on conflict (camera, first) do update set last = excluded.last, ended = excluded.ended, bytes = excluded.bytes,
        frames = excluded.frames, recorded_ms = excluded.recorded_ms, chain = excluded.chain, closed = excluded.closed
    where not s.closed
"""
# a gap that was opened in a file of before is the one that has that name already
_GAPS: Final = """
    with told as (
        select * from unnest($1::text[], $2::text[], $3::int8[], $4::int8[], $5::text[], $6::int8[], $7::text[],
            $8::text[]) as n (id, camera, began, ended, kind, packets, by, why)
    ), others as (
        select n.id, g.id as named, n.ended from told n
        join video_gap g on g.camera = n.camera and g.began = n.began and g.kind = n.kind and g.id <> n.id
    ), ended as (
        update video_gap g set ended = o.ended from others o
        where g.id = o.named and g.ended is null and o.ended is not null
    )
    insert into video_gap as g (id, camera, began, ended, kind, packets, by, why)
    select * from told n where not exists (select from others o where o.id = n.id)
    on conflict (id) do update set ended = excluded.ended, packets = coalesce(g.packets, excluded.packets)
    where g.ended is null and excluded.ended is not null
"""
_END: Final = """
    update video_gap set ended = greatest(began, $2)
    where camera = $1 and ended is null and not (id = any ($3::text[]))
"""
_GONE: Final = """
    select camera, first from unnest($1::text[], $2::int8[]) as n (camera, first)
    where exists (select from video_deleted d where d.camera = n.camera and d.first = n.first)
"""


async def read_heads(pg: Any, cameras: Iterable[str]) -> dict[str, Head]:
    """The last segment of each, also of those whose recordings have all gone."""
    found = {}
    for row in await pg.fetch(_HEADS, list(cameras)):
        camera, *rest = tuple(row)
        there, gone = rest[:5], rest[5:]
        if there[0] is not None and (gone[0] is None or there[0] > gone[0]):
            found[camera] = Head(*there)
        elif gone[0] is not None:
            found[camera] = Head(gone[0], gone[1], gone[2], gone[3], closed=True)
    return found


class Batch(msgspec.Struct, frozen=True):
    """Rows as they waited at one moment."""

    segments: Mapping[tuple[str, int], Segment]
    gaps: Mapping[str, NamedGap]
    begun: Mapping[str, Instant]


class Index:
    """Rows that wait. volumes: the folders, so that a file's is told."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self._folders = tuple(folders)
        self._segments: dict[tuple[str, int], Segment] = {}
        self._gaps: dict[str, NamedGap] = {}
        self._open: dict[str, str] = {}  # camera -> name of the gap that lasts
        self._begun: dict[str, Instant] = {}
        self._told: dict[str, NamedGap] = {}  # gaps that last and stand in the record

    @property
    def waiting(self) -> int:
        """Rows that are not written yet."""
        return len(self._segments) + len(self._gaps) + len(self._begun)

    def begin(self, camera: str, start: Start, now: Instant) -> None:
        """A camera is ours from now on: what it was found with, and no gap of before lasts any longer."""
        for segment in start.found:
            self.segment(segment)
        for named in start.gaps:
            self._gaps[named.name] = named
        self._open.pop(camera, None)
        self._begun[camera] = now

    def segment(self, segment: Segment) -> None:
        """A file as it is now; the newest word counts."""
        self._segments[segment.camera, segment.first] = segment

    def gap(self, named: NamedGap) -> None:
        """A gap began, or was entered whole, or the one that lasts has ended."""
        camera, gap = named.gap.camera, named.gap
        lasting = self._open.get(camera)
        known = self._gaps.get(lasting) if lasting is not None else None
        if gap.ended is None:
            if lasting is not None and lasting != named.name:
                self._end(camera, gap.began)
            self._open[camera] = named.name
            self._gaps[named.name] = named
        elif lasting is not None and (known is None or known.gap.began == gap.began):
            self._gaps[lasting] = NamedGap(lasting, gap)
            del self._open[camera]
        else:
            self._gaps[named.name] = named

    def picture(self, camera: str, at: Instant) -> None:
        """A picture is recorded: no gap lasts."""
        if camera in self._open:
            self._end(camera, at)

    def _end(self, camera: str, at: Instant) -> None:
        name = self._open.pop(camera)
        known = self._gaps.get(name)
        if known is not None:
            self._gaps[name] = NamedGap(name, msgspec.structs.replace(known.gap, ended=max(at, known.gap.began)))

    def take(self) -> Batch:
        """What waits now. It may be written once the volumes are synced, and waits on until `done`."""
        gaps = {name: one for name, one in self._gaps.items() if self._told.get(name) is not one}
        return Batch(dict(self._segments), gaps, dict(self._begun))

    async def write(self, pool: Any, batch: Batch, unsynced: Collection[Path] = ()) -> int:
        """Write it, but for files on volumes that are not synced; how many rows. Raises Refused(UNAVAILABLE)."""
        segments = {key: one for key, one in batch.segments.items() if self._volume(one) not in unsynced}
        gaps, begun = batch.gaps, batch.begun
        if not (segments or gaps or begun):
            return 0
        with refusals():
            async with pool.acquire() as pg, pg.transaction():
                for camera, at in begun.items():
                    kept = [name for name, one in gaps.items() if one.gap.camera == camera]
                    await pg.execute(_END, camera, at, kept)
                rows = await self._living(pg, segments)
                for start in range(0, len(rows), MOST):
                    await pg.execute(_SEGMENTS, *map(list, zip(*rows[start : start + MOST], strict=True)))
                lines = [_gap_row(one) for one in gaps.values()]
                for start in range(0, len(lines), MOST):
                    await pg.execute(_GAPS, *map(list, zip(*lines[start : start + MOST], strict=True)))
        _drop(self._segments, segments)
        _drop(self._begun, begun)
        for name, one in gaps.items():
            # one that lasts is kept: what ends it must know where it began
            if one.gap.ended is None:
                self._told[name] = one
            else:
                self._told.pop(name, None)
                if self._gaps.get(name) is one:
                    del self._gaps[name]
        return len(segments) + len(gaps)

    async def _living(self, pg: Any, segments: Mapping[tuple[str, int], Segment]) -> list[tuple[Any, ...]]:
        """Rows, but of files that have been deleted meanwhile."""
        keys = list(segments)
        gone = {
            (row["camera"], row["first"])
            for row in await pg.fetch(_GONE, [one[0] for one in keys], [one[1] for one in keys])
        }
        return [self._segment_row(one) for key, one in sorted(segments.items()) if key not in gone]

    def _volume(self, one: Segment) -> Path:
        return next((folder for folder in self._folders if one.path.is_relative_to(folder)), one.path.parent)

    def _segment_row(self, one: Segment) -> tuple[Any, ...]:
        volume = self._volume(one)
        return (
            one.camera, one.first, one.last, one.began, one.ended, str(one.path), str(volume), one.size, one.frames,
            one.recorded_ms, one.previous, one.chain, one.closed,
        )  # fmt: skip


def _drop(waiting: dict[Any, Any], written: Mapping[Any, Any]) -> None:
    """Forget what was written, unless something newer has come."""
    for key, value in written.items():
        if waiting.get(key) is value:
            del waiting[key]


def _gap_row(named: NamedGap) -> tuple[Any, ...]:
    gap = named.gap
    return named.name, gap.camera, gap.began, gap.ended, gap.kind.value, gap.packets, gap.by, gap.why
