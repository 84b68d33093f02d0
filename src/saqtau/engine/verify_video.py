"""Recordings against their index: each file is there, says what its row says, and goes on from the one before.

The heads of every file are read; the newest are hashed whole and their chain is followed.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from saqtau.kernel.errors import Refused
from saqtau.ledger.verify.finding import Finding
from saqtau.video.chain import START
from saqtau.video.segment import Scan, scan

FOLLOWED: Final = 200
"""Files that are hashed whole."""
_BATCH: Final = 200

_ROWS: Final = """
    select camera, first, last, began, ended, path, previous, chain, closed, frames
    from video_segment order by camera, first
"""
_HEADS: Final = """
    select camera, last, chain from video_deleted where (camera, last + 1) in (
        select camera, min(first) from video_segment group by camera)
"""
_NEWEST: Final = "select path from video_segment where closed order by ended desc limit $1"
_CARDS: Final = """
    select camera || '+card' as camera, first, last, began, ended, path, previous, chain, true as closed, frames
    from video_card order by camera, first
"""
_CARD_HEADS: Final = """
    select camera || '+card' as camera, last, chain from video_card_deleted where (camera, last + 1) in (
        select camera, first from video_card)
"""
_UNTOLD: Final = """
    select camera, first from video_segment s where exists (
        select from video_deleted d where d.camera = s.camera and d.first = s.first)
"""


async def verify_video(pg: Any, say: Callable[[str], None]) -> list[Finding]:
    """Every finding; empty when all holds. pg: as saqtau_worker, outside of a transaction."""
    followed = {row["path"] for row in await pg.fetch(_NEWEST, FOLLOWED)}
    heads = [*await pg.fetch(_HEADS), *await pg.fetch(_CARD_HEADS)]
    gone = {(row["camera"], row["last"] + 1): row["chain"] for row in heads}
    findings = [
        Finding(f"recording {row['camera']}/{row['first']}", "is told to be deleted, and is there")
        for row in await pg.fetch(_UNTOLD)
    ]
    count, before = 0, None
    async with pg.transaction(isolation="repeatable_read", readonly=True):
        for rows in (_ROWS, _CARDS):
            async for row in pg.cursor(rows, prefetch=_BATCH):
                count += 1
                where = f"recording {row['camera']}/{row['first']}"
                findings += [Finding(where, what) for what in _bound(row, before, gone)]
                before = row
                if row["closed"]:
                    whole = row["path"] in followed or rows is _CARDS
                    findings += [Finding(where, one) for one in await asyncio.to_thread(_compare, row, whole=whole)]
    say(f"{count} recordings compared with their files, {len(followed)} of them hashed whole")
    return findings


def _bound(row: Any, before: Any, gone: dict[tuple[str, int], bytes]) -> list[str]:
    """Whether it goes on from the one before, or from what was deleted before it."""
    if before is not None and before["camera"] == row["camera"]:
        if not before["closed"]:
            return []  # it was written when this was read
        if before["last"] + 1 != row["first"]:
            return [f"links {before['last'] + 1} to {row['first'] - 1} before it are nowhere"]
        head = before["chain"]
    elif row["first"] == 0:
        head = START
    else:
        known = gone.get((row["camera"], row["first"]))
        if known is None:
            return [f"what stood before link {row['first']} is neither there nor told to be deleted"]
        head = known
    return [] if head == row["previous"] else ["its chain does not go on from the recording before it"]


def _compare(row: Any, *, whole: bool) -> list[str]:
    path = Path(row["path"])
    try:
        found: Scan = scan(path, followed=whole)
    except OSError as error:
        return [f"its file cannot be read: {error.strerror}"]
    except Refused as refused:
        return [f"its file is no recording: {refused.message}"]
    segment = found.segment
    told = [
        ("camera", segment.camera == row["camera"]),
        ("first link", segment.first == row["first"]),
        ("last link", segment.last == row["last"]),
        ("chain before", segment.previous == row["previous"]),
        ("frames", segment.frames == row["frames"]),
        # a file that a full disk cut has no closing box; its chain is told by hashing it
        ("chain", not segment.chain or segment.chain == row["chain"]),
    ]
    wrong = [name for name, holds in told if not holds]
    if found.broken is not None:
        wrong.append(f"link {found.broken.found}: {found.broken.fault.value}")
    return [f"its file says otherwise: {', '.join(wrong)}"] if wrong else []
