"""Recordings whose days are over, or that make room: each deletion is an entry of the log before the bytes go.

In this order: one transaction takes the lock of holds, plans on what it sees, removes the rows, writes `video_deleted`
and the gap `expired`, and enters the leaf; then the files go. A crash between leaves files that `video_garbage` names,
and the next round takes them. No picture is gone before the log says so, and none that a hold was acknowledged for.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import structlog
from prometheus_client import Counter

from saqtau.engine.failures import refusals
from saqtau.engine.ledger import EVIDENCE, Draft, Ledger
from saqtau.engine.sequencer import Count
from saqtau.engine.video_holds import LOCK, standing
from saqtau.kernel.clock import DAY, Instant
from saqtau.kernel.register import VideoCamera
from saqtau.ledger.leaf import LeafClass
from saqtau.video.gap import GapKind
from saqtau.video.retention import Deletion, Stored, Why, plan
from saqtau.video.segment_file import damaged

log = structlog.get_logger("saqtau.recorder")

RETENTION: Final = "oversight_10y"
BATCH: Final = 500
"""Segments of one transaction."""
CANDIDATES: Final = 5_000

DELETED = Counter("saqtau_video_deleted_bytes", "Bytes of recordings that went", ["why"])

_PAST: Final = """
    select s.camera, s.first, s.last, s.began, s.ended, s.bytes, s.chain, s.path, false as card
    from video_segment s join unnest($1::text[], $2::int8[]) as d (camera, before_) on d.camera = s.camera
    where s.closed and s.ended < d.before_
    union all
    select s.camera, s.first, s.last, s.began, s.ended, s.bytes, s.chain, s.path, true
    from video_card s join unnest($1::text[], $2::int8[]) as d (camera, before_) on d.camera = s.camera
    where s.ended < d.before_
    order by ended limit $3
"""
_OLDEST: Final = """
    select camera, first, last, began, ended, bytes, chain, path, false as card from video_segment
    where closed and volume = $1
    union all
    select camera, first, last, began, ended, bytes, chain, path, true from video_card where volume = $1
    order by began limit $2
"""
_DELETED: Final = """
    insert into video_deleted (camera, first, last, began, ended, bytes, chain, at, why, entry)
    select * from unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::bytea[],
        $8::int8[], $9::text[], $10::text[])
"""
_GONE: Final = """
    delete from video_segment s using unnest($1::text[], $2::int8[]) as d (camera, first)
    where s.camera = d.camera and s.first = d.first returning s.path, s.volume
"""
_CARD_DELETED: Final = """
    insert into video_card_deleted (camera, first, last, began, ended, bytes, chain, at, why, entry, spans)
    select d.*, c.spans from unnest($1::text[], $2::int8[], $3::int8[], $4::int8[], $5::int8[], $6::int8[],
        $7::bytea[], $8::int8[], $9::text[], $10::text[]) as d (camera, first, last, began, ended, bytes, chain, at,
        why, entry) join video_card c on c.camera = d.camera and c.first = d.first
"""
_CARD_GONE: Final = """
    delete from video_card s using unnest($1::text[], $2::int8[]) as d (camera, first)
    where s.camera = d.camera and s.first = d.first returning s.path, s.volume
"""
_GAPS: Final = """
    insert into video_gap (id, camera, began, ended, kind)
    select d.camera || '/' || d.first || '/expired', d.camera, d.began, d.ended, $5
    from unnest($1::text[], $2::int8[], $3::int8[], $4::int8[]) as d (camera, first, began, ended)
    on conflict (id) do nothing
"""
_GARBAGE: Final = """
    insert into video_garbage (path, volume, since) select p, v, $3 from unnest($1::text[], $2::text[]) as g (p, v)
    on conflict do nothing
"""
_KEPT_DAYS: Final = "select id, keep_days, region, site from video_camera where id = any($1::text[])"


async def forget_past(pool: Any, ledger: Ledger, cameras: Mapping[str, VideoCamera], now: Instant) -> list[Deletion]:
    """Delete what of these cameras is past its days, at most 500 segments; call again while it returns as many.

    Raises Refused(UNAVAILABLE): nothing went, or it went with its entry.
    """
    codes = sorted(cameras)
    before = [now - cameras[code].keep_days * DAY for code in codes]
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await pg.execute("select pg_advisory_xact_lock($1)", LOCK)
            rows = await pg.fetch(_PAST, codes, before, BATCH)
            return await _forget(pg, ledger, rows, now, excess=0, past=now)


async def make_room(
    pool: Any, ledger: Ledger, volume: Path, excess: int, now: Instant, *, vouched: bool = True
) -> list[Deletion]:
    """Delete what is nearest to its term on a volume until `excess` bytes are freed, of all cameras alike.

    vouched: whether the clock can be believed; else nothing counts as past its days.

    It may free less: what is held stays, and then recording stops there. Raises Refused(UNAVAILABLE).
    """
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await pg.execute("select pg_advisory_xact_lock($1)", LOCK)
            rows = await pg.fetch(_OLDEST, str(volume), CANDIDATES)
            return await _forget(pg, ledger, rows, now, excess=excess, past=now if vouched else Instant(0))


async def _forget(
    pg: Any, ledger: Ledger, rows: Sequence[Any], now: Instant, *, excess: int, past: Instant
) -> list[Deletion]:
    codes = sorted({row["camera"] for row in rows})
    known = {row["id"]: row for row in await pg.fetch(_KEPT_DAYS, codes)}
    days = {code: row["keep_days"] for code, row in known.items()}
    stored = [Stored(*tuple(row)) for row in rows]
    gone = plan(stored, past, days, await standing(pg, codes, now), excess)[:BATCH]
    if not gone:
        return []
    by_camera: dict[tuple[str, Why, bool], list[Deletion]] = {}
    for one in gone:
        by_camera.setdefault((one.segment.camera, one.why, one.segment.card), []).append(one)
    drafts = [_draft(known[code], why, part, now, card=card) for (code, why, card), part in by_camera.items()]
    # the log is locked last and by one call: entries are numbered before the rows that name them are written
    placed = await ledger.within(pg, drafts)
    entries = {id(one): place.entry for part, place in zip(by_camera.values(), placed, strict=True) for one in part}
    for card in (False, True):
        await _remove(pg, [one for one in gone if one.segment.card is card], entries, now, card=card)
    for one in gone:
        DELETED.labels(one.why.value).inc(one.segment.size)
    if any(one.why is Why.ROOM for one in gone):
        log.error("recordings went before their days: the volume has no room", segments=len(gone))
    return gone


async def _remove(pg: Any, gone: Sequence[Deletion], entries: Mapping[int, str], now: Instant, *, card: bool) -> None:
    """The rows, of one of the two chains."""
    if not gone:
        return
    segments = [one.segment for one in gone]
    lists = [[getattr(one, name) for one in segments] for name in ("camera", "first", "last", "began", "ended", "size")]
    await pg.execute(
        _CARD_DELETED if card else _DELETED, *lists, [one.chain for one in segments], [now] * len(gone),
        [one.why.value for one in gone], [entries[id(one)] for one in gone],
    )  # fmt: skip
    files = await pg.fetch(_CARD_GONE if card else _GONE, lists[0], lists[1])
    if not card:  # what a card showed was a gap before, and is one still
        await pg.execute(_GAPS, lists[0], lists[1], lists[3], lists[4], GapKind.EXPIRED.value)
    await pg.execute(_GARBAGE, [row["path"] for row in files], [row["volume"] for row in files], now)


def _draft(camera: Any, why: Why, gone: Sequence[Deletion], now: Instant, *, card: bool) -> Draft:
    record = {
        "v": 1,
        "what": "card" if card else "recording",
        "at": now,
        "camera": camera["id"],
        "site": camera["site"],
        "region": camera["region"],
        "why": why.value,
        "keep_days": camera["keep_days"],
        "segments": [
            {
                "first": one.segment.first, "last": one.segment.last, "began": one.segment.began,
                "ended": one.segment.ended, "bytes": one.segment.size, "chain": one.segment.chain.hex(),
            }
            for one in gone
        ],
    }  # fmt: skip
    size = sum(one.segment.size for one in gone)
    count = Count("recording.delete", why.value, "", "allow", f"{camera['keep_days']}d", delivered=size)
    return Draft(EVIDENCE, camera["region"], LeafClass.ERASE, RETENTION, record, count)


async def sweep(pool: Any, folders: Sequence[Path]) -> int:
    """Remove the files of what has gone, on these volumes; how many. Raises Refused(UNAVAILABLE)."""
    with refusals():
        rows = await pool.fetch(
            "select path from video_garbage where volume = any($1::text[]) order by since limit $2",
            [str(folder) for folder in folders],
            BATCH,
        )
        if not rows:
            return 0
        paths = [row["path"] for row in rows]
        removed = await asyncio.to_thread(_unlink, [Path(one) for one in paths])
        await pool.execute("delete from video_garbage where path = any($1::text[])", [str(one) for one in removed])
    return len(removed)


def _unlink(paths: Sequence[Path]) -> list[Path]:
    """Remove files; their folders are synced before it is said that they are gone, and go when they are empty."""
    removed = []
    for path in paths:
        try:
            path.unlink(missing_ok=True)
            damaged(path).unlink(missing_ok=True)
        except OSError as error:
            log.error("a recording cannot be removed", error=error.strerror)  # noqa: TRY400 - no trace: an answer
            continue
        removed.append(path)
    for folder in {path.parent for path in removed}:
        _sync_folder(folder)
        _drop_empty(folder)
    return removed


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _drop_empty(folder: Path) -> None:
    """Folders of a day, a month and a year that have nothing left; the camera's own stays."""
    for one in (folder, folder.parent, folder.parent.parent):
        try:
            one.rmdir()
        except OSError:
            return
