"""The upkeep of what is kept by the hour: partitions made ahead, closed hours sealed, days merged, the old dropped.

Sealing an hour: its rows are held, copied out, sorted by (plate, at) into Parquet, the file and its name are on disk,
and one transaction writes the file's row and drops the rows. A crash before the commit leaves a file nobody refers to,
which is swept; after it, nothing is left to do. So a read is never lost and never there twice.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from saqtau.engine.blobs import disk_trouble, sync_file, sync_folder
from saqtau.engine.history import History
from saqtau.engine.place import PRIVATE
from saqtau.kernel.clock import DAY, HOUR, MINUTE, Instant

log = structlog.get_logger()

STEPS: Mapping[str, int] = {"read_recent": 15 * MINUTE, "read_history": HOUR, "position": HOUR}
"""Length of a partition, ms."""
_AHEAD = 2 * HOUR
ROW_GROUP = 40_960
"""Rows decoded to find one plate in a file; DuckDB's default of 122,880 saves 3 % of the bytes and costs more time."""
_ORPHAN = 3600.0  # s a file without a row is left alone: its seal may be at work
_LOCK = 0x5A73
_COLUMNS = "received, at, plate, camera, region, lat, lon, speed, item"
_TYPES = (
    "{'received': 'BIGINT', 'at': 'BIGINT', 'plate': 'VARCHAR', 'camera': 'VARCHAR', 'region': 'SMALLINT', "
    "'lat': 'FLOAT', 'lon': 'FLOAT', 'speed': 'FLOAT', 'item': 'VARCHAR'}"
)
_PARQUET = f"(format parquet, compression zstd, row_group_size {ROW_GROUP})"


class Keeping(msgspec.Struct, frozen=True):
    """How long what is kept, ms. `history`: by retention class; a class that is not named is kept, and told."""

    history: Mapping[str, int]
    positions: int = 90 * DAY
    recent: int = 60 * MINUTE  # twice the window: the keys are gone by then
    hot: int = 26 * HOUR  # longer than the journal's memory, so that a backlog finds its hour


async def keep_house(pool: Any, history: History, keeping: Keeping, now: Instant) -> None:
    """One round of everything. Workers take turns: who finds another at it does nothing."""
    async with pool.acquire() as pg:
        if not await pg.fetchval("select pg_try_advisory_lock($1)", _LOCK):
            return
        try:
            await make_ahead(pg, now)
            for hour in await closed_hours(pg, Instant(now - keeping.hot)):
                rows = await seal_hour(pg, history, hour, now)
                log.info("hour sealed", hour=hour, rows=rows)
            await merge_days(pg, history, now)
            await drop_over(pg, history, keeping, now)
            await asyncio.to_thread(sweep_orphans, history.folder, await known_files(pg), time.time() - _ORPHAN)
        finally:
            with contextlib.suppress(Exception):
                await pg.execute("select pg_advisory_unlock($1)", _LOCK)


async def make_ahead(pg: Any, now: Instant) -> int:
    """Partitions for now and the next two hours; returns how many were made. Called at every start."""
    made = 0
    for parent, step in STEPS.items():
        for lower in range(now // step * step, now + _AHEAD, step):
            made += await pg.fetchval("select make_partition($1, $2, $3)", parent, lower, lower + step)
    return made


async def closed_hours(pg: Any, before: Instant) -> list[int]:
    """Hours of history (their first ms) that ended before this and are still hot, oldest first."""
    rows = await pg.fetch("select lower_bound from partitions_of('read_history') where upper_bound <= $1", before)
    late = await pg.fetch("select t from late_times('read_history', $1) t where t + $1 <= $2", HOUR, before)
    return sorted({row[0] for row in rows} | {row[0] for row in late})


async def seal_hour(pg: Any, history: History, hour: int, now: Instant) -> int:
    """Seal one hour: a file a retention class. Returns the rows sealed. Refused(UNAVAILABLE): the disk refuses."""
    sealed = 0
    async with pg.transaction():
        await pg.execute("set local lock_timeout = '5s'")
        await pg.fetchval("select hold_partition('read_history', $1)", hour)
        classes = await pg.fetch(
            "select distinct retention from read_history where received >= $1 and received < $2", hour, hour + HOUR
        )
        for (retention,) in classes:
            sealed += await _seal_class(pg, history, retention, hour, now)
        await pg.fetchval("select drop_partition('read_history', $1)", hour)
        await pg.fetchval("select drop_late('read_history', $1, $2)", hour, hour + HOUR)
    return sealed


async def _seal_class(pg: Any, history: History, retention: str, hour: int, now: Instant) -> int:
    # named by when it was sealed as well: an hour that got late rows is sealed a second time, beside the first
    name = f"{_safe(retention)}/{hour}-{now}.parquet"
    path = history.folder / name
    rows = path.with_suffix(".csv")
    try:
        await asyncio.to_thread(_private_folder, path.parent)
        await pg.copy_from_query(
            f"select {_COLUMNS} from read_history where retention = $1 and received >= $2 and received < $3",  # noqa: S608
            retention,
            hour,
            hour + HOUR,
            output=rows,
            format="csv",
        )
        source = f"read_csv(?, header = false, nullstr = '', columns = {_TYPES})"
        count, first, last = await asyncio.to_thread(_write, history, path, source, str(rows))
    except OSError as error:
        raise disk_trouble(path, error) from error
    finally:
        rows.unlink(missing_ok=True)
    await register_file(pg, history, name, retention, (hour, hour + HOUR), (count, first, last), now)
    return count


def _write(history: History, path: Path, source: str, parameter: Any) -> tuple[int, int, int]:
    """Sort a source into a file and wait until it and its name are on disk; returns rows, first and last `at`."""
    import duckdb

    fresh = path.with_suffix(".new")
    delay = "delay" if "read_parquet" in source else 'received - "at" as delay'
    cursor = history.duck().cursor()
    sort = f"""
        copy (
            select plate, "at", {delay}, camera, region, lat, lon, speed, item from {source} order by plate, "at"
        ) to '{_quoted(fresh)}' {_PARQUET}
    """  # noqa: S608 - our own names
    try:
        cursor.execute(sort, [parameter])
        count, first, last = cursor.execute(
            'select count(*), min("at"), max("at") from read_parquet(?)', [str(fresh)]
        ).fetchone()
    except duckdb.IOException as error:
        fresh.unlink(missing_ok=True)
        raise OSError(28 if "space" in str(error).lower() else 5, str(error)) from error
    fresh.chmod(0o600)
    sync_file(fresh)
    fresh.replace(path)
    sync_folder(path.parent)
    return count, first, last


async def register_file(
    pg: Any,
    history: History,
    name: str,
    retention: str,
    span: tuple[int, int],
    found: tuple[int, int, int],
    now: Instant,
) -> None:
    """The row of a file that is on disk. span: [lower, upper) of receipt; found: rows, first and last `at`."""
    size, digest = await asyncio.to_thread(_fingerprint, history.folder / name)
    await pg.execute(
        "insert into sealed_file (path, retention, lower, upper, first_at, last_at, rows, bytes, sha256, sealed) "
        "values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        name,
        retention,
        *span,
        found[1],
        found[2],
        found[0],
        size,
        digest,
        now,
    )


async def merge_days(pg: Any, history: History, now: Instant) -> int:
    """Merge the files of each class and day that is over and sealed into one; returns how many days were merged."""
    days = await pg.fetch(
        "select retention, lower / $1 as day, array_agg(path order by lower, path) as paths from sealed_file "
        "group by 1, 2 having count(*) > 1 and (lower / $1 + 1) * $1 <= $2 "
        "and (lower / $1 + 1) * $1 <= (select coalesce(min(lower_bound), $2) from partitions_of('read_history'))",
        DAY,
        now,
    )
    for retention, day, paths in days:
        name = f"{_safe(retention)}/day-{day}-{now}.parquet"
        sources = [str(history.folder / path) for path in paths]
        try:
            found = await asyncio.to_thread(_write, history, history.folder / name, "read_parquet(?)", sources)
        except OSError as error:
            raise disk_trouble(history.folder / name, error) from error
        async with pg.transaction():
            gone = await pg.fetch("delete from sealed_file where path = any($1) returning rows", paths)
            if len(gone) != len(paths) or sum(row[0] for row in gone) != found[0]:
                raise RuntimeError(f"day {day} of {retention}: {found[0]} rows merged of {len(gone)} files")
            await register_file(pg, history, name, retention, (day * DAY, (day + 1) * DAY), found, now)
        await asyncio.to_thread(_unlink, [history.folder / path for path in paths])
    return len(days)


async def drop_over(pg: Any, history: History, keeping: Keeping, now: Instant) -> None:
    """Drop what its class does not keep any longer: whole partitions and whole files."""
    for parent, kept in (("read_recent", keeping.recent), ("position", keeping.positions)):
        over = await pg.fetch("select lower_bound from partitions_of($1) where upper_bound <= $2", parent, now - kept)
        for (lower,) in over:
            await pg.fetchval("select drop_partition($1, $2)", parent, lower)
        await pg.fetchval("select drop_late($1, $2, $3)", parent, -(2**62), now - kept)
    for retention in await pg.fetch("select distinct retention from sealed_file"):
        term = keeping.history.get(retention[0])
        if term is None:
            log.error("a retention class without a term: its files are kept", retention=retention[0])
            continue
        gone = await pg.fetch(
            "delete from sealed_file where retention = $1 and upper <= $2 returning path", retention[0], now - term
        )
        await asyncio.to_thread(_unlink, [history.folder / row[0] for row in gone])


async def known_files(pg: Any) -> set[str]:
    """Paths of all sealed files."""
    return {row[0] for row in await pg.fetch("select path from sealed_file")}


def sweep_orphans(folder: Path, known: set[str], older: float) -> list[str]:
    """Remove files nobody refers to that a crash left; `older`: Unix seconds. Returns their names."""
    swept = []
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_file() and name not in known and path.stat().st_mtime < older:
            path.unlink(missing_ok=True)
            swept.append(name)
    return swept


def _fingerprint(path: Path) -> tuple[int, bytes]:
    with path.open("rb") as file:
        return path.stat().st_size, hashlib.file_digest(file, "sha256").digest()


def _unlink(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _private_folder(path: Path) -> None:
    if not path.exists():
        path.mkdir(mode=PRIVATE)
        sync_folder(path.parent)


def _safe(retention: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-" else "_" for letter in retention)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
