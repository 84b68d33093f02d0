"""What has ended goes when its class of retention says so: items, entries, pictures. By policy, never by hand."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog

from saqtau.engine.blobs import Blobs
from saqtau.kernel.clock import Instant

log = structlog.get_logger()

BATCH: Final = 500


async def erase_ended(pool: Any, blobs: Blobs, terms: Mapping[str, int], now: Instant) -> int:
    """Erase every life whose term is over; returns how many files went with them. terms: class -> ms after the end.

    A class without a term is kept. A file is removed after its row: a crash between leaves a file nobody can name.
    """
    removed = 0
    for retention, term in sorted(terms.items()):
        while True:
            rows = await pool.fetch("select erase_ended($1, $2, $3, $4)", retention, now - term, now, BATCH)
            await asyncio.to_thread(_remove, blobs, [row[0] for row in rows])
            removed += len(rows)
            if len(rows) < BATCH:
                break
    if removed:
        log.info("erased by retention", files=removed)
    return removed


def _remove(blobs: Blobs, digests: list[bytes]) -> None:
    for digest in digests:
        blobs.path(digest).unlink(missing_ok=True)
