"""Records of the evidence log that speak of no person, for those who copy the log: what cameras recorded, how they are.

No grant is asked for, as for tiles: nobody is in them. Which classes these are, `ledger.open_records.OPEN` says.
"""

import asyncio
from typing import Any

from saqtau.engine.keys import Keys
from saqtau.engine.ledger_read import Span, sealed_span
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import parse_leaf
from saqtau.ledger.open_records import OPEN, OpenRecord
from saqtau.ledger.sealing import open_committed, unwrap
from saqtau.ledger.tree import WIDTH


async def read_open(pg: Any, keys: Keys, origin: str, first: int) -> list[OpenRecord]:
    """Open records of the entries from `first` on, to the end of its bundle of 256 or of the log.

    What cannot be opened (erased, damaged) is left out: whoever copies has the leaf, and sees that it is missing.
    Raises Refused: NOT_FOUND (`origin`; `first`: beyond the log), UNAVAILABLE.
    """
    if not 0 <= first < 2**62:
        raise Refused(Kind.NOT_FOUND, f"{origin} has no entry {first}", first="unknown")
    found = await sealed_span(pg, keys, origin, first, WIDTH - first % WIDTH)
    if not found.leaves:
        raise Refused(Kind.NOT_FOUND, f"{origin} has no entry {first} yet", first="unknown")
    return await asyncio.to_thread(_open, found)


def _open(found: Span) -> list[OpenRecord]:
    opened = []
    for index, data in enumerate(found.leaves, found.first):
        leaf = parse_leaf(data)
        key, wrapped, content = found.sealed.get(index, (None, b"", b""))
        if leaf.klass not in OPEN or key is None:
            continue
        try:
            record = open_committed(key, wrapped, content, leaf.commitment)
        except Refused:
            continue
        opened.append(OpenRecord(index, record, unwrap(key, wrapped)))
    return opened
