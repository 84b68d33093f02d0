"""What of a camera's own memory goes into the package of a recording: each file a recording of its own, marked.

Its chain is that of the card, its leaf the one that was entered when it was fetched.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from saqtau.engine import recording_content as content
from saqtau.engine.custody import Place, place_of
from saqtau.engine.recording_exports import RecordingLine
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.package import VIDEO, Recorded, Streamed
from saqtau.video.card import chain_of
from saqtau.video.export import Cut, cut
from saqtau.video.segment import Segment

MOST: Final = 500
"""Files of one package."""

_FILES: Final = """
    select path, first, last, began, ended, bytes, frames, recorded_ms, previous, chain, gap, fetched, clock, entry
    from video_card c where camera = $1 and began < $3 and ended > $2 and exists (
        select from generate_series(1, cardinality(spans), 2) n where spans[n] < $3 and spans[n + 1] > $2)
    order by first limit $4
"""


class CardPart(msgspec.Struct, frozen=True):
    """A file of a card in a package: what the manifest says of it, where it lies, its leaf."""

    recorded: Recorded
    source: content.Source
    entry: str

    @property
    def place(self) -> Place | None:
        """Of its leaf."""
        return place_of(self.entry)


async def gather_cards(pg: Any, line: RecordingLine) -> list[CardPart]:
    """What was fetched of the wish's time. Raises Refused: NOT_FOUND (`recording`), TOO_LARGE, UNAVAILABLE."""
    rows = await pg.fetch(_FILES, line.camera, line.began, line.ended, MOST + 1)
    if len(rows) > MOST:
        raise Refused(Kind.TOO_LARGE, f"{line.camera}: fetched in more than {MOST} files: ask for less", to="too_long")
    found = []
    for row in rows:
        try:
            done = await asyncio.to_thread(cut, [_segment(line, row)], line.began, line.ended)
        except FileNotFoundError as error:
            raise Refused(Kind.NOT_FOUND, f"{line.camera}: a file of this time is gone", recording="gone") from error
        except OSError as error:
            raise Refused(Kind.UNAVAILABLE, f"{line.camera}: {error.strerror}", disk="unavailable") from error
        if done.parts:
            found.append(await asyncio.to_thread(_part, line.camera, done, row))
    return found


def _segment(line: RecordingLine, row: Any) -> Segment:
    return Segment(
        chain_of(line.camera), line.place.value, Path(row["path"]), row["first"], row["last"], row["began"],
        row["ended"], row["bytes"], row["last"] - row["first"] + 1, row["frames"], row["previous"], row["chain"],
        row["recorded_ms"], (), True,
    )  # fmt: skip


def _part(camera: str, done: Cut, row: Any) -> CardPart:
    """It reads the file behind the cut: the leaf has the head of its last link. Raises as `scan`."""
    last, folder = done.parts[-1].last, f"{content.folder_of(camera)}_card"
    tail = content.lead_on([done.parts[-1].path], last, row["last"]) if last < row["last"] else []
    told = content.describe(done, (), tail)
    (source,) = content.sources(done)
    name = f"{VIDEO}{folder}/{source.first:010}.cmf"
    (part,) = told.parts
    card = {"fetched": row["fetched"], "clock": row["clock"], "gap": row["gap"]}
    recorded = msgspec.structs.replace(
        told, parts=(msgspec.structs.replace(part, name=name),), links=content.links_name(f"{folder}-{source.first}"),
        card=card,
    )  # fmt: skip
    return CardPart(recorded, msgspec.structs.replace(source, name=name), row["entry"])


def streamed(cards: Sequence[tuple[str, content.Source]]) -> list[Streamed]:
    """They, and the lists of their links by the name that the manifest gives each."""
    return [part for name, source in cards for part in (source.streamed(), content.listed_as(name, [source]))]
