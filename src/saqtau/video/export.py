"""What lies between two instants, as it lies on disk: the same bytes, and what a court needs to see that they are.

A cut is a run of whole links of each file. It begins at the last key picture at or before its begin, so that it can be
played, and carries the chain before its first and after its last link.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.boxes import nals_of
from saqtau.video.chain import LinkKind, Row
from saqtau.video.film import Links, front
from saqtau.video.gap import Gap
from saqtau.video.nal import sei_signatures
from saqtau.video.segment import LinkAt, Scan, Segment, Windows, chain_after, digests, scan

PIECE: Final = 1 << 20
"""Bytes that are read at once."""
SIGNED_WITHIN: Final = 50
"""Fragments in which the signature of a camera that signs is looked for: ten seconds."""
_FOR_EVER: Final = Instant(1 << 62)


class Part(msgspec.Struct, frozen=True):
    """What is cut from one file: bytes `start` to before `end`, whole links `first` to `last`.

    head: `ftyp`, `moov` and the box SEGMENT of the file; init: the first two, empty where the file holds gaps only.
    shown: when its first picture is; `began` where it has none. previous, chain: before the first and after the last of
    these links, hexadecimal. signers: whose signatures the camera put into these pictures (`axis`, `onvif`).
    """

    path: Path
    head: bytes
    init: bytes
    start: int
    end: int
    first: int
    last: int
    began: Instant
    shown: Instant
    ended: Instant
    frames: int
    recorded_ms: int
    previous: str
    chain: str
    signers: tuple[str, ...] = ()


class Cut(msgspec.Struct, frozen=True):
    """What of a camera lies between two instants, in order. gaps: all that touch this time, not clipped to it."""

    camera: str
    began: Instant
    ended: Instant
    parts: tuple[Part, ...]
    gaps: tuple[Gap, ...]

    @property
    def size(self) -> int:
        """Bytes of the links."""
        return sum(part.end - part.start for part in self.parts)


def cut(segments: Iterable[Segment], began: Instant, ended: Instant) -> Cut:
    """What these files of one camera hold of the time from `began` to before `ended`; without parts when it is nothing.

    Reads the heads of each file and hashes only up to where the cut begins in the first and ends in the last.
    Raises OSError, `Refused(INVALID)` (an end before its begin, two cameras, a file that is not ours).
    """
    if ended <= began:
        raise Refused(Kind.INVALID, "a cut ends before it begins", ended="video.ended")
    ordered = sorted(segments, key=lambda one: one.first)
    camera = ordered[0].camera if ordered else ""
    if any(one.camera != camera for one in ordered):
        raise Refused(Kind.INVALID, "a cut is of one camera", camera="video.camera")
    parts, gaps = list[Part](), list[Gap]()
    for place, segment in enumerate(ordered):
        following = ordered[place + 1].began if place + 1 < len(ordered) else _FOR_EVER
        dark = bool(segment.gaps) and segment.gaps[-1].ended is None
        if segment.began < ended and (following if dark else segment.ended) >= began:
            found = scan(segment.path, followed=False)
            chosen = _chosen(found.links, began, ended, following)
            if chosen:
                parts.append(_part(segment.path, found, chosen))
                gaps += [gap for gap in found.segment.gaps if _touches(gap, began, ended)]
    return Cut(camera, began, ended, tuple(parts), tuple(_joined(gaps)))


def _touches(gap: Gap, began: Instant, ended: Instant) -> bool:
    return gap.began < ended and (gap.ended is None or gap.ended >= began)


def _joined(gaps: list[Gap]) -> Iterator[Gap]:
    """Gaps in order; one that was open at the end of a file and is closed in the next is one."""
    for place, gap in enumerate(gaps):
        after = gaps[place + 1] if place + 1 < len(gaps) else None
        if after is None or (gap.began, gap.kind) != (after.began, after.kind):
            yield gap


def _chosen(links: tuple[LinkAt, ...], began: Instant, ended: Instant, following: Instant) -> tuple[LinkAt, ...]:
    """The links that a cut takes of one file: whole ones, from a key picture on."""
    first = next((place for place, link in enumerate(links) if _until(links, place, following) > began), len(links))
    last = first
    while last < len(links) and _since(links[last]) < ended:
        last += 1
    if first == last:
        return ()
    opening = next((place for place in range(first, last) if links[place].kind is LinkKind.FRAGMENT), first)
    if links[opening].kind is LinkKind.FRAGMENT and not links[opening].key:
        first = next((place for place in range(opening, -1, -1) if links[place].key), first)
    return links[first:last]


def _until(links: tuple[LinkAt, ...], place: int, following: Instant) -> Instant:
    """When what this link tells ended; an open gap lasts to the link after it, or to the file after it."""
    gap = links[place].gap
    if gap is None or gap.ended is not None:
        return links[place].ended
    return links[place + 1].at if place + 1 < len(links) else following


def _since(link: LinkAt) -> Instant:
    return link.at if link.gap is None else link.gap.began


def _part(path: Path, found: Scan, chosen: tuple[LinkAt, ...]) -> Part:
    with path.open("rb") as file:
        head = file.read(found.head)
    return Part(
        path=path,
        head=head,
        init=head[: found.init],
        start=chosen[0].offset,
        end=chosen[-1].offset + chosen[-1].size,
        first=chosen[0].seq,
        last=chosen[-1].seq,
        began=_since(chosen[0]),
        shown=next((link.at for link in chosen if link.gap is None), _since(chosen[0])),
        ended=chosen[-1].ended,
        frames=sum(link.frames for link in chosen),
        recorded_ms=sum(link.duration_ms for link in chosen),
        previous=chain_after(path, found, chosen[0].seq - 1).hex(),
        chain=chain_after(path, found, chosen[-1].seq).hex(),
        signers=_signers(path, chosen),
    )


def _signers(path: Path, chosen: tuple[LinkAt, ...]) -> tuple[str, ...]:
    """Looks through the first seconds: who signs, signs every group of pictures."""
    found, looked = set[str](), [link for link in chosen if link.gap is None][:SIGNED_WITHIN]
    with path.open("rb") as file:
        for link in looked:
            file.seek(link.offset)
            for nal in nals_of(file.read(link.size)):
                found |= sei_signatures(nal)
    return tuple(sorted(found))


def rows(path: Path, after: int, until: int) -> list[Row]:
    """The links of a file with `after < seq <= until`, hashed: they lead from a cut to the next head that is published.

    Raises as `scan`.
    """
    found = scan(path, followed=False)
    return digests(path, [link for link in found.links if after < link.seq <= until])


def tail(segment: Segment, after: int, until: int) -> list[Row]:
    """As `rows`, of a segment."""
    return rows(segment.path, after, until)


def runs(cut: Cut) -> list[Cut]:
    """The cut in as many as can be one film each: parameters change between them. Gaps stay with all."""
    groups = list[list[Part]]()
    for part in cut.parts:
        before = next((one.init for one in reversed(groups[-1]) if one.init), b"") if groups else b""
        if groups and (not part.init or not before or part.init == before):
            groups[-1].append(part)
        else:
            groups.append([part])
    return [msgspec.structs.replace(cut, parts=tuple(group)) for group in groups]


def stream_mp4(cut: Cut) -> Iterator[bytes]:
    """The cut as one film that begins at zero: an index in front, and then the bytes of the links as they are.

    Raises OSError, `Refused(CONFLICT)` when parameters change within (`runs` divides it), `Refused(NOT_FOUND)` when no
    picture is in it.
    """
    inits = {part.init for part in cut.parts if part.init}
    if len(inits) > 1:
        raise Refused(Kind.CONFLICT, f"camera {cut.camera}: parameters change within the cut", parts="video.parameters")
    if not inits:
        raise Refused(Kind.NOT_FOUND, f"camera {cut.camera}: no picture in this time", began="video.nothing")
    yield front(inits.pop(), _heads(cut))
    for part in cut.parts:
        yield from read(part)


def _heads(cut: Cut) -> Iterator[Links]:
    for part in cut.parts:
        file = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield Windows(file).read, part.start, part.end
        finally:
            os.close(file)


def write_mp4(cut: Cut, out: BinaryIO) -> int:
    """Writes `stream_mp4` and returns its bytes. Raises as it does."""
    written = 0
    for piece in stream_mp4(cut):
        written += out.write(piece)
    return written


def read(part: Part) -> Iterator[bytes]:
    """The links of a part, as they lie on disk, by pieces. Raises OSError, also when the file has become shorter."""
    file = os.open(part.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        place = part.start
        while place < part.end:
            piece = os.pread(file, min(PIECE, part.end - place), place)
            if not piece:
                raise OSError(f"{part.path} ends at {place}, {part.end} expected")
            place += len(piece)
            yield piece
    finally:
        os.close(file)
