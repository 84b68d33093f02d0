"""What has ended goes when its class of retention says so: items, entries, pictures. By policy, never by hand.

Each erasure is entered in the ledger in the same transaction: so many, of this class, and the Merkle root of the
identifiers that went, from which nobody learns one but against which anybody who knows one can prove it.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog

from saqtau.engine.blobs import Blobs
from saqtau.engine.failures import refusals
from saqtau.engine.ledger import ACCESS, Count, Draft, Ledger
from saqtau.kernel.clock import Instant
from saqtau.ledger.leaf import LeafClass
from saqtau.ledger.tree import leaf_hashes, subtree_root

log = structlog.get_logger()

BATCH: Final = 500
RETENTION: Final = "oversight_10y"
"""How long the record of an erasure can be read."""
ERASING: Final = 0x5A74
"""Advisory lock of whoever erases records of the ledger; holds share it."""


async def erase_ended(pool: Any, blobs: Blobs, terms: Mapping[str, int], now: Instant, ledger: Ledger) -> int:
    """Erase every life whose term is over; returns how many files went with them. terms: class -> ms after the end.

    A class without a term is kept. A file is removed after its row: a crash between leaves a file nobody can name.
    Raises Refused(UNAVAILABLE): nothing is erased that the ledger does not know of.
    """
    removed = 0
    for retention, term in sorted(terms.items()):
        while True:
            lives, files = await _erase_some(pool, retention, term, now, ledger)
            await asyncio.to_thread(_remove, blobs, files)
            removed += len(files)
            if lives < BATCH:
                break
    if removed:
        log.info("erased by retention", files=removed)
    return removed


async def _erase_some(
    pool: Any, retention: str, term: int, now: Instant, ledger: Ledger
) -> tuple[int, Sequence[bytes]]:
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            row = await pg.fetchrow("select * from erase_ended($1, $2, $3, $4)", retention, now - term, now, BATCH)
            lives, regions, entries, pictures, files = row
            if lives:
                record = {
                    "v": 1,
                    "what": "items",
                    "at": now,
                    "retention": retention,
                    "before": now - term,
                    "policy": f"{retention}:{term}",
                    "count": len(lives),
                    "root": subtree_root(leaf_hashes([life.encode() for life in lives])).hex(),
                    "entries": entries,
                    "pictures": pictures,
                    "by_region": {str(region): count for region, count in sorted(Counter(regions).items())},
                }
                count = Count(action="items", policy=retention, delivered=len(lives))
                await ledger.within(pg, [Draft(ACCESS, None, LeafClass.ERASE, RETENTION, record, count)])
    return len(lives), files


def _remove(blobs: Blobs, digests: Sequence[bytes]) -> None:
    for digest in digests:
        blobs.path(digest).unlink(missing_ok=True)
