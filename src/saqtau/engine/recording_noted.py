"""Where minutes of a place stand in the evidence log: noted as they are entered, forgotten with their records.

Apart from the reading of them (`recording_leaves`): a recorder opens no custody and carries no verifier.
"""

from collections.abc import Sequence
from typing import Any, Final

from saqtau.engine.failures import refusals
from saqtau.engine.ledger import Draft, Placed
from saqtau.kernel.clock import Instant

_NOTE: Final = "insert into recording_leaf (site, at, origin, index) select * from unnest($1::text[], $2::int8[], $3::text[], $4::int8[]) on conflict do nothing"  # noqa: E501 - one statement


async def note_leaves(pg: Any, drafts: Sequence[Draft], placed: Sequence[Placed]) -> None:
    """Remember where minutes stand. pg: as saqtau_worker."""
    rows = [
        (str(draft.record["site"]), int(draft.record["at"]), place.origin, place.index)
        for draft, place in zip(drafts, placed, strict=True)
    ]
    if rows:
        with refusals():
            await pg.execute(_NOTE, *map(list, zip(*rows, strict=True)))


async def forget_leaves(pg: Any, before: Instant) -> None:
    """Forget where minutes of before stood: their records are gone by then. pg: as saqtau_worker."""
    with refusals():
        await pg.execute("delete from recording_leaf where at < $1", before)
