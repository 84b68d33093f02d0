"""What was recorded, out of the files, under a grant: the fragments of a time as they lie there, a key picture, a file.

The index says which files; which bytes, their own boxes say (`video.segment.scan`: heads only, milliseconds a file).
A file that retention has taken meanwhile is passed over. Files are read in threads, a few fragments at a time.
"""

import asyncio
import os
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from saqtau.engine.access import must_hold
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.failures import refusals
from saqtau.engine.reading import regions_of
from saqtau.engine.store import see
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import DAY, HOUR, SECOND, Clock, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.segment import LinkAt, scan

log = structlog.get_logger("saqtau.recordings")

LONGEST: Final = HOUR
"""Of one request; what is longer is an export."""
MOST_FILES: Final = 1_000
READ: Final = 1 << 20
"""Bytes that are read at once."""
KNOWN: Final = 128
"""Closed files whose pictures are remembered."""
SPLIT: Final = 2 * SECOND
"""A piece of a playlist is at least so long, and begins with a key picture."""


class FileRow(msgspec.Struct, frozen=True):
    """A file of a camera, as the index has it; `ended` of an open one is some seconds old."""

    first: int
    began: Instant
    ended: Instant
    path: Path
    closed: bool


class Picture(msgspec.Struct, frozen=True, gc=False):
    """A fragment in its file."""

    seq: int
    at: Instant
    ended: Instant
    offset: int
    size: int
    key: bool


class Inside(msgspec.Struct, frozen=True):
    """What is in a file: `ftyp` and `moov`, and its fragments."""

    path: Path
    init: bytes
    pictures: tuple[Picture, ...]


class Run(msgspec.Struct, frozen=True):
    """Fragments that follow each other, with their bytes; `init` where a decoder must be set up before them."""

    init: bytes
    first: Picture
    last: Picture
    data: bytes


class Found(msgspec.Struct, frozen=True):
    """A key picture: when it was taken, and what a decoder is fed to see it."""

    at: Instant
    init: bytes
    fragment: bytes


class Portion(msgspec.Struct, frozen=True):
    """A piece of a playlist: bytes of a file; `init` bytes at its beginning. apart: it does not go on from the last."""

    first: int
    init: int
    start: int
    size: int
    began: Instant
    lasts: int
    apart: bool


_FILES: Final = """
    select first, began, ended, path, closed from video_segment
    where camera = $1 and began < $3 and (ended > $2 or not closed) order by first limit $4
"""


_CARD_FILES: Final = """
    select first, began, ended, path, true as closed from video_card
    where camera = $1 and began < $3 and ended > $2 order by began, first limit $4
"""


async def read_files(
    grant: Grant, pg: Any, camera: str, began: Instant, ended: Instant, now: Instant, *, card: bool = False
) -> list[FileRow]:
    """The files that a time lies in, in order. Raises Refused: DENIED, INVALID (`from`, `to`: at most an hour).

    card: of what was fetched from the camera's own memory, and of nothing else.
    """
    must_hold(grant, now, Action.PLAY_RECORDING, named=camera)
    if not 0 <= began < ended <= began + LONGEST:
        raise Refused(Kind.INVALID, "to: behind from, at most an hour", to="invalid")
    rows = await _rows(grant, pg, _CARD_FILES if card else _FILES, camera, began, ended, MOST_FILES)
    return [_file(row) for row in rows]


async def read_next(grant: Grant, pg: Any, camera: str, ended: Instant, now: Instant) -> Instant | None:
    """When the first file behind a time begins; None: nothing was recorded since. Raises Refused(DENIED)."""
    must_hold(grant, now, Action.PLAY_RECORDING, named=camera)
    rows = await _rows(
        grant, pg, "select min(began) as began from video_segment where camera = $1 and began >= $2", camera, ended
    )
    found: Instant | None = rows[0]["began"]
    return found


async def read_file_row(grant: Grant, pg: Any, camera: str, first: int, now: Instant) -> FileRow:
    """One file by its first sequence. Raises Refused: DENIED, NOT_FOUND (`first`)."""
    must_hold(grant, now, Action.PLAY_RECORDING, named=camera)
    sql = "select first, began, ended, path, closed from video_segment where camera = $1 and first = $2"
    rows = await _rows(grant, pg, sql, camera, first)
    if not rows:
        raise _gone(camera)
    return _file(rows[0])


async def began_at(pg: Any, camera: str, first: int) -> Instant | None:
    """When a file begins, for the wish that asks for a grant; nothing of it. None: there is none (any more)."""
    with refusals():
        async with pg.transaction():
            await see(pg, EVERYWHERE)
            found = await pg.fetchval("select began from video_segment where camera = $1 and first = $2", camera, first)
    return None if found is None else Instant(found)


async def read_resumption(
    grant: Grant, pool: Any, contents: "Contents", files: Sequence[FileRow], ended: Instant, now: Instant
) -> Instant | None:
    """When there are pictures again behind a time that has none; None: there are none yet. Raises Refused(DENIED)."""
    must_hold(grant, now, Action.PLAY_RECORDING)
    for file in files:
        inside = await contents.inside(file)
        for one in inside.pictures if inside is not None else ():
            if one.at >= ended:
                return one.at
    async with pool.acquire() as pg:
        return await read_next(grant, pg, grant.request.object, ended, now)


async def read_key_picture(
    grant: Grant, pool: Any, contents: "Contents", camera: str, at: Instant, now: Instant
) -> Found:
    """The last key picture at or before an instant, no older than the grant is for.

    Raises Refused: DENIED, NOT_FOUND (`at`), UNAVAILABLE (`disk`).
    """
    must_hold(grant, now, Action.PLAY_RECORDING, named=camera)
    sql = """
        select first, began, ended, path, closed from video_segment where camera = $1 and began <= $2
        order by first desc limit 3
    """
    async with pool.acquire() as pg:
        rows = await _rows(grant, pg, sql, camera, at)
    oldest = now - (grant.request.age_days + 1) * DAY  # else who asks for a dark today sees the day before it
    for row in rows:
        file = _file(row)
        inside = await contents.inside(file)
        keys = [one for one in inside.pictures if one.key and oldest <= one.at <= at] if inside is not None else []
        if inside is not None and keys:
            found = await asyncio.to_thread(_key_picture, inside, keys[-1])
            if found is not None:
                return found
    raise Refused(Kind.NOT_FOUND, f"camera {camera} has no picture at this time", at="nothing_recorded")


async def _rows(grant: Grant, pg: Any, sql: str, *given: object) -> list[Any]:
    with refusals():
        async with pg.transaction():
            await see(pg, regions_of(grant.viewer))
            rows: list[Any] = await pg.fetch(sql, *given)
    return rows


def _file(row: Any) -> FileRow:
    return FileRow(row["first"], row["began"], row["ended"], Path(row["path"]), row["closed"])


class Contents:
    """What is in files that do not change any more, remembered: a timeline asks for many of its pictures."""

    def __init__(self) -> None:
        self._known: OrderedDict[Path, Inside] = OrderedDict()

    async def inside(self, file: FileRow) -> Inside | None:
        """What is in a file; None when it is not there any more. Raises Refused(UNAVAILABLE, `disk`)."""
        known = self._known.get(file.path)
        if known is not None:
            self._known.move_to_end(file.path)
            return known
        found = await asyncio.to_thread(_look_into, file.path)
        if found is not None and file.closed:
            self._known[file.path] = found
            if len(self._known) > KNOWN:
                self._known.popitem(last=False)
        return found


def _look_into(path: Path) -> Inside | None:
    try:
        found = scan(path, followed=False)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _trouble(error) from error
    except Refused as refused:
        log.warning("a file is passed over", reason=refused.message)
        return None
    head = _read_parts(path, ((0, found.init),))
    if head is None:
        return None
    return Inside(path, head[0], tuple(_picture(link) for link in found.links if link.gap is None))


def _picture(link: LinkAt) -> Picture:
    return Picture(link.seq, link.at, link.ended, link.offset, link.size, link.key)


def _key_picture(inside: Inside, picture: Picture) -> Found | None:
    parts = _read_parts(inside.path, ((picture.offset, picture.size),))
    return Found(picture.at, inside.init, parts[0]) if parts is not None else None


def _read_parts(path: Path, parts: Sequence[tuple[int, int]]) -> tuple[bytes, ...] | None:
    """Bytes of a file by offset and size; None when it, or their end, is not there any more."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _trouble(error) from error
    try:
        found = tuple(os.pread(descriptor, size, offset) for offset, size in parts)
    except OSError as error:
        raise _trouble(error) from error
    finally:
        os.close(descriptor)
    return found if all(len(data) == size for data, (_, size) in zip(found, parts, strict=True)) else None


def _trouble(error: OSError) -> Refused:
    log.error("a recording cannot be read", error=error.strerror)
    return Refused(Kind.UNAVAILABLE, "the volume of this recording does not answer", disk="unavailable")


def _gone(camera: str) -> Refused:
    return Refused(Kind.NOT_FOUND, f"camera {camera} has no such file any more", first="unknown")


def chosen(pictures: Sequence[Picture], began: Instant, ended: Instant) -> list[Picture]:
    """The fragments of a time: from the last key picture at or before its begin, or the first behind it, to its end."""
    wanted = [place for place, one in enumerate(pictures) if one.ended > began and one.at < ended]
    if not wanted:
        return []
    first = next((place for place in range(wanted[0], -1, -1) if pictures[place].key), None)
    if first is None:
        first = next((place for place in wanted if pictures[place].key), None)
    return list(pictures[first : wanted[-1] + 1]) if first is not None else []


async def read_runs(
    grant: Grant, contents: Contents, files: Sequence[FileRow], began: Instant, ended: Instant, clock: Clock
) -> AsyncIterator[Run]:
    """The fragments of a time, as they lie in the files that `read_files` found, about a megabyte at once.

    Raises Refused: DENIED (when the grant has run out), UNAVAILABLE (`disk`).
    """
    if not files:
        return
    known = b""
    for file in files:
        inside = await contents.inside(file)
        if inside is None:
            continue
        for run in _together(chosen(inside.pictures, began, ended)):
            must_hold(grant, clock(), Action.PLAY_RECORDING)
            size = run[-1].offset + run[-1].size - run[0].offset
            parts = await asyncio.to_thread(_read_parts, inside.path, ((run[0].offset, size),))
            if parts is None:
                break  # it went, or was cut, while it was being read
            yield Run(inside.init if inside.init != known else b"", run[0], run[-1], parts[0])
            known = inside.init


def _together(pictures: Sequence[Picture]) -> list[list[Picture]]:
    """Fragments that lie behind each other in the file, as many as are read at once."""
    runs: list[list[Picture]] = []
    for one in pictures:
        last = runs[-1] if runs else None
        if last and last[-1].offset + last[-1].size == one.offset and one.offset + one.size - last[0].offset <= READ:
            last.append(one)
        else:
            runs.append([one])
    return runs


async def read_portions(
    grant: Grant, contents: Contents, files: Sequence[FileRow], began: Instant, ended: Instant, now: Instant
) -> list[Portion]:
    """The same time as pieces for a playlist. Raises Refused: DENIED, UNAVAILABLE (`disk`)."""
    must_hold(grant, now, Action.PLAY_RECORDING)
    found: list[Portion] = []
    last: Picture | None = None
    known = b""
    for file in files:
        inside = await contents.inside(file)
        if inside is None:
            continue
        for group in _portions(chosen(inside.pictures, began, ended)):
            low, high = group[0], group[-1]
            apart = last is not None and (last.ended + SECOND < low.at or inside.init != known)
            size = high.offset + high.size - low.offset
            lasts = high.ended - low.at
            found.append(Portion(file.first, len(inside.init), low.offset, size, low.at, lasts, apart))
            last, known = high, inside.init
    return found


def _portions(pictures: Sequence[Picture]) -> list[list[Picture]]:
    """Divided before key pictures, at least `SPLIT` long, and where something is missing."""
    groups: list[list[Picture]] = []
    for one in pictures:
        group = groups[-1] if groups else None
        if group is None or (one.key and (one.at - group[0].at >= SPLIT or one.at - group[-1].ended > SECOND)):
            groups.append([one])
        else:
            group.append(one)
    return groups


async def read_bytes(grant: Grant, file: FileRow, start: int, size: int, now: Instant) -> bytes:
    """Bytes of a file that `read_file_row` found. Raises Refused: DENIED, NOT_FOUND, UNAVAILABLE (`disk`)."""
    must_hold(grant, now, Action.PLAY_RECORDING)
    parts = await asyncio.to_thread(_read_parts, file.path, ((start, size),))
    if parts is None:
        raise _gone(grant.request.object)
    return parts[0]
