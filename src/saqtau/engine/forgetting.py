"""What a retention class does not keep any longer is forgotten: pictures and hot reads of ended items, file by file.

A class says its term in its name (`hit_30d`, `dispatch_1y`, `erase_now`), so that the desk's spec, which is reviewed
like law and pinned for life, says how long; a mapping may say otherwise.
"""

import re
from collections.abc import Mapping
from typing import Any

import structlog

from saqtau.engine.blobs import Blobs
from saqtau.kernel.clock import DAY, Instant

log = structlog.get_logger()

_TERM = re.compile(r".*_(\d{1,4})([dy])", re.ASCII)
_UNIT = {"d": DAY, "y": 365 * DAY}

_OVER = """
    select i.id from item i
    where i.retention = $1 and i.ended <= $2 and not exists (select from forgotten f where f.item = i.id)
    order by i.ended limit $3
"""


def kept_for(retention: str, named: Mapping[str, int]) -> int | None:
    """Milliseconds a class is kept after the end; None when neither its name nor the mapping says."""
    if retention in named:
        return named[retention]
    if retention.endswith("_now"):
        return 0
    match = _TERM.fullmatch(retention)
    return int(match[1]) * _UNIT[match[2]] if match else None


async def forget_over(pg: Any, blobs: Blobs, named: Mapping[str, int], now: Instant, batch: int = 500) -> int:
    """Forget items whose class is over, at most a batch a class; returns how many. pg: as saqtau_worker."""
    forgotten = 0
    for (retention,) in await pg.fetch("select distinct retention from item where ended is not null"):
        term = kept_for(retention, named)
        if term is None:
            log.error("a retention class without a term: its items are kept", retention=retention)
            continue
        for (item,) in await pg.fetch(_OVER, retention, now - term, batch):
            async with pg.transaction():
                digests = [row[0] for row in await pg.fetch("select forget_item($1, $2)", item, now)]
            # after the commit: a row must never name a file that is gone
            for digest in digests:
                await blobs.drop(digest)
            forgotten += 1
    return forgotten
