"""Minutes of a place in the evidence log: what they say of a camera's chain."""

from typing import Any, Final

import msgspec

from saqtau.engine.custody import Opened, Place, open_entries
from saqtau.engine.failures import refusals
from saqtau.engine.keys import Keys
from saqtau.kernel.access import Grant
from saqtau.kernel.clock import MINUTE, Instant

LATEST: Final = 15 * MINUTE
"""How long after a recording its minute may have been entered."""
MOST: Final = 12
"""Minutes of one package, spread over its time: what was changed is named to a twelfth of it, or a minute."""
_BEHIND: Final = 8
"""Minutes that are looked at for the first head behind a recording: the recorders of a site each enter their own."""

_FIND: Final = """
    select origin, index, at from recording_leaf where site = $1 and at >= $2 and at < $3 order by at, origin, index
"""


class Head(msgspec.Struct, frozen=True):
    """What a minute says: the chain of the camera after link `last`."""

    opened: Opened
    last: int
    chain: str


async def find_heads(
    grant: Grant, pool: Any, keys: Keys, camera: str, site: str, links: tuple[int, int], span: tuple[Instant, Instant],
    now: Instant,
) -> list[Head]:  # fmt: skip
    """Heads of a camera's chain that the log has within these links, and the first behind them, in order.

    span: when the first and the last of the links were. About a dozen, evenly, and always the first behind them.
    Raises Refused as `open_entries`.
    """
    first, last = links
    began, ended = span
    with refusals():
        rows = await pool.fetch(_FIND, site, began - began % MINUTE, ended + LATEST)
    places = [Place(row["origin"], row["index"]) for row in rows]
    behind = [number for number, row in enumerate(rows) if row["at"] >= ended - ended % MINUTE][:_BEHIND]
    chosen = sorted({*range(0, len(places), max(1, len(places) // MOST)), *behind})
    found: dict[int, Head] = {}
    for opened in await open_entries(grant, pool, keys, [places[number] for number in chosen], now):
        for line in _lines(opened):
            if line.get("camera") == camera and int(line["last"]) >= first:
                found.setdefault(int(line["last"]), Head(opened, int(line["last"]), str(line["chain"])))
    within = [head for seq, head in sorted(found.items()) if seq < last]
    after = [head for seq, head in sorted(found.items()) if seq >= last][:1]
    return [*within, *after]


def _lines(opened: Opened) -> list[dict[str, Any]]:
    if opened.found.record is None:
        return []
    record = msgspec.json.decode(opened.found.record)
    return [one for one in record.get("cameras", ()) if isinstance(one, dict)]
