"""What was fetched from a camera's card, entered: its leaf, its rows, what it comes to; in one transaction.

The leaf bears the time at which it is entered. So nobody can show pictures of a gap that were fetched before there was
one, nor say that they were always there.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from saqtau.engine.failures import refusals
from saqtau.engine.ledger import EVIDENCE, Draft, Ledger
from saqtau.engine.recording_minutes import RETENTION
from saqtau.engine.recording_start import Head
from saqtau.engine.sequencer import Count
from saqtau.kernel.clock import Instant
from saqtau.kernel.register import VideoCamera
from saqtau.ledger.leaf import LeafClass
from saqtau.video.card import chain_of, length, spans_of
from saqtau.video.segment import LinkAt, Segment, scan
from saqtau.video.segment_file import FromCard

log = structlog.get_logger("saqtau.recorder")

_HEAD: Final = """
    select first, last, ended, chain from video_card where camera = $1
    union all select first, last, ended, chain from video_card_deleted where camera = $1
    order by first desc limit 1
"""
_GAPS: Final = "select gap, began, ended from video_fetch where gap = any($1::text[])"
_ROW: Final = """
    insert into video_card (camera, first, last, began, ended, path, volume, bytes, frames, recorded_ms, previous,
        chain, gap, spans, fetched, clock, entered, entry)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14::bigint[], $15, $16, $17, $18)
"""
_REACHED: Final = """
    update video_fetch set reached = greatest(reached, least(ended, $2)), changed = $3, found_ms = (
        select coalesce(sum(upper(s) - lower(s)), 0) from unnest((
            select range_agg(int8range(c.spans[n], c.spans[n + 1])) from video_card c,
                generate_series(1, cardinality(c.spans), 2) n where c.gap = $1)) s)
    where gap = $1 and state in ('wanted', 'fetching')
"""


class Fetched(msgspec.Struct, frozen=True):
    """A file of what was fetched."""

    segment: Segment
    card: FromCard
    links: tuple[LinkAt, ...]


async def read_head(pg: Any, camera: str) -> Head | None:
    """The last file of a camera's card that was entered."""
    with refusals():
        row = await pg.fetchrow(_HEAD, camera)
    return None if row is None else Head(row["first"], row["last"], row["ended"], row["chain"], closed=True)


def look_at(segments: Sequence[Segment]) -> list[Fetched]:
    """What their own heads say of them. It reads files: call it in a thread. Raises OSError, Refused."""
    found = []
    for segment in segments:
        scanned = scan(segment.path, followed=False)
        if scanned.note.card is None:
            log.error("a file of a card does not say when it was fetched", camera=segment.camera, first=segment.first)
            continue
        found.append(Fetched(segment, scanned.note.card, scanned.links))
    return found


async def enter(
    pool: Any, ledger: Ledger, camera: VideoCamera, files: Sequence[Fetched], volumes: Sequence[Path], now: Instant
) -> int:
    """Enter files of a camera that are on disk; how many. pool: as saqtau_worker. Raises Refused(UNAVAILABLE)."""
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            known = {row["gap"]: row for row in await pg.fetch(_GAPS, [one.card.gap for one in files])}
            ours = [one for one in files if one.card.gap in known]
            if len(ours) < len(files):
                log.error("files of a card belong to no gap that is known", camera=camera.id)
            if not ours:
                return 0
            spans = {
                one.segment.first: spans_of(one.links, known[one.card.gap]["began"], known[one.card.gap]["ended"])
                for one in ours
            }
            draft = draft_of(camera, ours, {first: length(found) for first, found in spans.items()}, now)
            (placed,) = await ledger.within(pg, [draft])
            for one in ours:
                flat = [at for span in spans[one.segment.first] for at in span]
                await pg.execute(
                    _ROW, *_row(camera.id, one, volumes), flat, one.card.fetched, one.card.clock, now, placed.entry
                )
            for gap in {one.card.gap for one in ours}:
                reached = max(one.segment.ended for one in ours if one.card.gap == gap)
                await pg.execute(_REACHED, gap, reached, now)
    log.info("pictures of a gap were fetched", camera=camera.id, files=len(ours))
    return len(ours)


def _row(camera: str, one: Fetched, volumes: Sequence[Path]) -> tuple[Any, ...]:
    file = one.segment
    volume = next((folder for folder in volumes if file.path.is_relative_to(folder)), file.path.parent)
    return (
        camera, file.first, file.last, file.began, file.ended, str(file.path), str(volume), file.size, file.frames,
        file.recorded_ms, file.previous, file.chain, one.card.gap,
    )  # fmt: skip


def draft_of(camera: VideoCamera, files: Sequence[Fetched], shown: Mapping[int, int], now: Instant) -> Draft:
    """The leaf. shown: ms within the gap, by the first link of the file."""
    lines = [
        {
            "camera": chain_of(camera.id), "first": one.segment.first, "last": one.segment.last,
            "chain": one.segment.chain.hex(), "bytes": one.segment.size, "frames": one.segment.frames,
            "recorded_ms": one.segment.recorded_ms, "shown_ms": shown[one.segment.first], "began": one.segment.began,
            "ended": one.segment.ended, "fetched": one.card.fetched, "clock": one.card.clock, "gap": one.card.gap,
        }
        for one in files
    ]  # fmt: skip
    record = {
        "v": 1, "kind": "card", "at": now, "region": camera.region, "site": camera.site, "cameras": lines,
    }  # fmt: skip
    count = Count("camera.fetched", "", "", "allow", "", delivered=sum(one.segment.size for one in files))
    return Draft(EVIDENCE, camera.region, LeafClass.SEGMENT, RETENTION, record, count)
