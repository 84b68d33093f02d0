"""Where a camera's chain goes on: after a stop, a kill or another process's death. From the files, then the index.

What the last writer left open is ended (`repair`), what the index has not heard of is found by walking the last days
of the camera's folders.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec
import structlog

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.video.chain import START
from saqtau.video.gap import Gap
from saqtau.video.segment import LinkAt, Segment, repair, scan
from saqtau.video.shelf import files_from, first_of

log = structlog.get_logger("saqtau.recorder")

AWAY: Final = 100_000
"""Links left out of the chain's numbers when the file that was being written lies on a volume that is not there."""


class Head(msgspec.Struct, frozen=True):
    """The last segment that the index knows of a camera; `last` and `chain` may be some seconds old unless closed."""

    first: int
    last: int
    ended: Instant
    chain: bytes
    closed: bool


class NamedGap(msgspec.Struct, frozen=True):
    """A gap with its name: camera and the sequence of the link that opened it."""

    name: str
    gap: Gap


class Start(msgspec.Struct, frozen=True):
    """Where it goes on. seq: of the next link. ended: of what was recorded last. found: segments to be indexed."""

    seq: int = 0
    chain: bytes = START
    ended: Instant | None = None
    found: tuple[Segment, ...] = ()
    gaps: tuple[NamedGap, ...] = ()


def find_start(camera: str, head: Head | None, folders: Sequence[Path], now: Instant, *, lasting: bool = True) -> Start:
    """Where the chain of a camera goes on. It reads files: call it in a thread. Raises OSError.

    head: what the index knows. folders: of the volumes that are there. now: until when an unended file's gap lasts.
    lasting: False of a chain that is not written all the time (what was fetched from a card): there is no such gap.
    """
    floor = 0 if head is None else head.last + 1 if head.closed else head.first
    paths = sorted(
        (path for folder in folders for path in files_from(folder, camera, floor)), key=lambda one: one.name[7:]
    )
    found: list[Segment] = []
    links: list[LinkAt] = []
    for place, path in enumerate(paths):
        try:
            known = (head.last, head.chain) if head is not None and first_of(path) == head.first <= head.last else None
            segment = repair(path, now, goes_on=not lasting or place + 1 < len(paths), known=known)
            if segment is None:
                continue
            links += scan(path, followed=False).links
        except Refused as refused:  # not ours, or spoilt in its head: it stays where it is, and says nothing
            log.warning("a file of a camera cannot be read", camera=camera, file=path.name, **refused.fields)
            continue
        found.append(segment)
    if found:
        last = found[-1]
        return Start(last.last + 1, last.chain, last.ended, tuple(found), tuple(gaps_of(camera, links)))
    if head is None:
        return Start()
    if not head.closed:
        log.error("the file that was being written is not there", camera=camera, first=head.first)
        return Start(head.last + AWAY, head.chain, head.ended)
    return Start(head.last + 1, head.chain, head.ended)


def gaps_of(camera: str, links: Iterable[LinkAt]) -> list[NamedGap]:
    """The gaps of links that follow each other, with their names.

    The link that ends a gap is no second gap, and whatever comes next ends one that is open.
    """
    found: list[NamedGap] = []
    for link in links:
        last = found[-1] if found else None
        is_open = last is not None and last.gap.ended is None
        if last is not None and is_open:
            same = link.gap is not None and (link.gap.began, link.gap.kind) == (last.gap.began, last.gap.kind)
            if same and link.gap is not None:
                found[-1] = NamedGap(last.name, link.gap)
                continue
            until = link.at if link.gap is None else link.gap.began
            found[-1] = NamedGap(last.name, msgspec.structs.replace(last.gap, ended=max(until, last.gap.began)))
        if link.gap is not None:
            found.append(NamedGap(f"{camera}/{link.seq}", link.gap))
    return found
