"""One plate through time: the hot hours in PostgreSQL, the rest in sealed Parquet files read by DuckDB.

Only reads that hit something are here. A sealed file stands in the record exactly when its rows are in no partition
any more, so a question asks the partitions first and the list of files second, in one transaction: a seal between the
two is seen by the second, and one that comes later waits for the transaction.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import structlog

from saqtau.engine.access import must_hold
from saqtau.engine.blobs import sync_folder
from saqtau.engine.failures import refusals
from saqtau.engine.place import PRIVATE
from saqtau.engine.reading import regions_of
from saqtau.engine.store import see
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused

log = structlog.get_logger()

ROWS = 5000
"""Reads in one answer."""
_ROUNDING = 0.0001
"""Degrees: places are kept as float4, about 4 m in the east."""

_HOT = """
    select at, received, camera, region, lat, lon, speed, item from read_history
    where plate = $1 and at >= $2 and at < $3 and lat between $4 and $5 and lon between $6 and $7
    order by at limit $8
"""
_FILES = "select path from sealed_file where last_at >= $1 and first_at < $2 order by path"
# `at` is a word of DuckDB's own
_SEALED = """
    select "at", "at" + delay, camera, region, lat, lon, speed, item from read_parquet(?)
    where plate = ? and "at" >= ? and "at" < ? and lat between ? and ? and lon between ? and ?
    and region in (select unnest(?)) order by "at" limit ?
"""


class Box(msgspec.Struct, frozen=True):
    """A part of the map, degrees."""

    south: float = -90.0
    west: float = -180.0
    north: float = 90.0
    east: float = 180.0


WORLD = Box()


class Passage(msgspec.Struct, frozen=True):
    """A read of the plate, as it was kept."""

    at: Instant
    received: Instant
    camera: str
    region: int
    lat: float
    lon: float
    speed: float | None
    item: str | None


def plate_object(key: bytes, plate: str) -> str:
    """What an access entry says instead of the plate: a keyed hash, so that the entry itself is no personal data."""
    return hashlib.blake2b(plate.encode(), key=key[:64], digest_size=16).hexdigest()


class History:
    """Sealed files in a folder of ours. `key`: of the hashes that stand in access entries for plates."""

    def __init__(self, folder: Path, key: bytes) -> None:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        folder.chmod(PRIVATE)
        sync_folder(folder.parent)
        self.folder = folder
        self._key = key
        self._duck: Any = None

    def object_of(self, plate: str) -> str:
        """The object of an access request about this plate."""
        return plate_object(self._key, plate)

    async def read(
        self,
        grant: Grant,
        pg: Any,
        plate: str,
        since: Instant,
        until: Instant,
        now: Instant,
        box: Box = WORLD,
    ) -> list[Passage]:
        """Reads of a plate in [since, until) within a box, oldest first, at most ROWS; in the viewer's regions.

        The grant is for `history.read` of `object_of(plate)`. Raises Refused: DENIED, UNAVAILABLE.
        """
        must_hold(grant, now, Action.READ_HISTORY, named=self.object_of(plate))
        regions = regions_of(grant.viewer)
        place = (box.south - _ROUNDING, box.north + _ROUNDING, box.west - _ROUNDING, box.east + _ROUNDING)
        for last in (False, True):
            with refusals():
                async with pg.transaction():
                    await see(pg, regions)
                    hot = await pg.fetch(_HOT, plate, since, until, *place, ROWS)
                    files = [row[0] for row in await pg.fetch(_FILES, since, until)]
            try:
                sealed = await asyncio.to_thread(self._ask, files, plate, since, until, place, regions) if files else []
            except OSError as error:
                # merged or dropped since we asked for the list: ask for it again
                if last:
                    raise Refused(Kind.UNAVAILABLE, f"history: {error}", history="unavailable") from error
            else:
                passages = [Passage(*row) for row in (*sealed, *hot)]
                return sorted(passages, key=lambda one: (one.at, one.camera))[:ROWS]
        raise AssertionError

    def _ask(
        self,
        files: Sequence[str],
        plate: str,
        since: Instant,
        until: Instant,
        place: tuple[float, float, float, float],
        regions: frozenset[int],
    ) -> list[tuple[Any, ...]]:
        import duckdb

        paths = [str(self.folder / name) for name in files]
        try:
            cursor = self.duck().cursor()
            found: list[tuple[Any, ...]] = cursor.execute(
                _SEALED, [paths, plate, since, until, *place, sorted(regions), ROWS]
            ).fetchall()
        except duckdb.IOException as error:
            raise OSError(str(error)) from error
        return found

    def duck(self) -> Any:
        """The DuckDB of this process: in memory, its threads and memory bounded, no file but ours."""
        if self._duck is None:
            import duckdb

            self._duck = duckdb.connect(
                ":memory:",
                config={"threads": 2, "memory_limit": "1GB", "autoinstall_known_extensions": False},
            )
            self._duck.execute("set parquet_metadata_cache = true")
        return self._duck
