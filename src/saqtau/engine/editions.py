"""The entry that holds the figures of a month: what was published is found in the ledger, not in a file beside it."""

from typing import Any, Final

import msgspec

from saqtau.engine.access import must_hold
from saqtau.engine.failures import refusals
from saqtau.engine.figures import month
from saqtau.engine.keys import Keys
from saqtau.engine.ledger_read import leaves, read_entry
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import LeafClass, parse_leaf, parse_record
from saqtau.report.figures import Figures

ENTERED: Final = "report.figures"
"""What the entry calls itself."""

_SPANS: Final = """
    select l.origin, l.size,
        coalesce((select max(c.size) from ledger_checkpoint c where c.log = l.id and c.at < $1), 0) as first
    from ledger_log l where l.kind = 'access' and l.region = 0 and l.at >= $1 order by l.year desc, l.origin
"""


class Edition(msgspec.Struct, frozen=True):
    """The figures of a month and the entry that holds them."""

    entry: str
    figures: Figures


async def find_edition(grant: Grant, pool: Any, keys: Keys, named: str, now: Instant) -> Edition | None:
    """The newest edition of a month (YYYY-MM); None when the month was never entered.

    Raises Refused: DENIED (the grant), INVALID (`month`), UNAVAILABLE; CONFLICT (`report`) when there is none among the
    entries that can be read, and some cannot.
    """
    must_hold(grant, now, Action.READ_ACCESS)
    with refusals():
        spans = await pool.fetch(_SPANS, month(named).until)
    unreadable = 0
    for row in spans:
        for index in reversed(await _reports(pool, row["origin"], row["first"], row["size"])):
            found = await read_entry(grant, pool, keys, row["origin"], index, now)
            if found.record is None:
                unreadable += 1
                continue
            told = parse_record(found.record)
            said = told.get("told") or {}
            if told.get("action") == ENTERED and said.get("month") == named:
                return Edition(f"{row['origin']}#{index}", _figures(said, named))
    if unreadable:
        raise Refused(
            Kind.CONFLICT,
            f"{unreadable} entries of reports since {named} cannot be read, and it may be among them; "
            "--again makes a new edition",
            report="unreadable",
        )
    return None


async def _reports(pool: Any, origin: str, first: int, size: int) -> list[int]:
    """Where leaves of class `report` stand."""
    return [
        index
        async for start, some in leaves(pool, origin, first, size - first)
        for index, leaf in enumerate(some, start)
        if parse_leaf(leaf).klass is LeafClass.REPORT
    ]


def _figures(told: dict[str, Any], named: str) -> Figures:
    try:
        return msgspec.convert(told.get("figures"), Figures)
    except msgspec.ValidationError as error:
        raise Refused(Kind.CONFLICT, f"the entry of {named} holds no figures: {error}", report="differs") from error
