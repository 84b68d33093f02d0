"""Pictures become entries of the evidence log: which bytes they were, when and where they were kept.

The picture itself stays in its file. Whoever later shows other bytes under its name is contradicted by the log.
"""

from typing import Any, Final

from saqtau.engine.failures import refusals
from saqtau.engine.ledger import EVIDENCE, Draft, Ledger
from saqtau.engine.sequencer import Count
from saqtau.ledger.leaf import LeafClass

BATCH: Final = 256
RETENTION: Final = "evidence_1y"

_ALONE: Final = "select pg_try_advisory_xact_lock(23153, 11)"  # 23153 is the ledger's
_TAKE: Final = """
    with taken as (
        delete from picture_waiting where seq in (select seq from picture_waiting order by seq limit $1)
        returning seq, item, name)
    select p.item, p.name, p.media, p.sha256, p.size, p.region, p.at
    from taken t join picture p using (item, name) order by t.seq
"""
_PLACED: Final = """
    insert into picture_entry (item, name, entry) select * from unnest($1::text[], $2::text[], $3::text[])
    on conflict do nothing
"""


async def enter_pictures(pool: Any, ledger: Ledger) -> int:
    """Enter at most `BATCH` pictures that wait, each once whatever dies between; returns how many.

    pool: as saqtau_worker. Raises Refused(UNAVAILABLE) while record or ledger is away.
    """
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            if not await pg.fetchval(_ALONE):
                return 0  # another notary is at it
            rows = await pg.fetch(_TAKE, BATCH)
            if not rows:
                return 0
            placed = await ledger.within(pg, [_draft(row) for row in rows])
            await pg.execute(
                _PLACED,
                [row["item"] for row in rows],
                [row["name"] for row in rows],
                [one.entry for one in placed],
            )
    return len(rows)


def _draft(row: Any) -> Draft:
    record = {
        "v": 1,
        "kind": "picture",
        "at": row["at"],
        "item": row["item"],
        "name": row["name"],
        "media": row["media"],
        "sha256": row["sha256"].hex(),
        "bytes": row["size"],
        "region": row["region"],
    }
    count = Count("picture.kept", "", "", "allow", "", delivered=0)
    return Draft(EVIDENCE, row["region"], LeafClass.PICTURE, RETENTION, record, count)
