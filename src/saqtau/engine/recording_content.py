"""What goes into the package of a recording besides the ledger: the camera's own bytes, its gaps, how to read it."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import msgspec

from saqtau.engine.export_content import LANGUAGES, SCHEMA_FILE
from saqtau.engine.recording_exports import RecordingLine
from saqtau.engine.recording_leaves import Head
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Refused
from saqtau.kernel.policies import policy_hash
from saqtau.kernel.sensitive import Sensitive
from saqtau.ledger.package import COPY, LINKS, PROGRAM, VIDEO, Recorded, RecordedPart, Streamed
from saqtau.ledger.verify import export as verifier
from saqtau.video import export
from saqtau.video.chain import Row
from saqtau.video.export import Cut, Part
from saqtau.video.gap import Gap, GapKind
from saqtau.video.segment import Segment, digests, scan

REDACTED: Final = "content/redacted.webm"
AT_ONCE: Final = 256
"""Links that are hashed in one step of what leaves: a minute."""

_SEGMENTS: Final = """
    select s.camera, s.path, s.first, s.last, s.began, case when s.closed then s.ended else greatest(s.ended, $4) end
            as ended, s.bytes, s.frames, s.recorded_ms, s.previous, s.chain, s.closed,
        (select g.kind from video_gap g where g.camera = s.camera and g.began between s.began and s.ended
            and (g.ended is null or g.ended > s.ended) order by g.began desc limit 1) as dark
    from video_segment s where s.camera = $1 and s.began < $3 and s.first >= coalesce((
        select max(first) from video_segment where camera = $1 and began <= $2), 0)
    order by s.first
"""
_AFTER: Final = "select path from video_segment where camera = $1 and last > $2 and first <= $3 order by first"
_GAPS: Final = """
    select camera, began, ended, kind, packets, by, why from video_gap
    where camera = $1 and began < $3 and (ended is null or ended > $2) order by began, id limit 10000
"""


class Source(msgspec.Struct, frozen=True):
    """Where a part of a package lies: its head, then bytes `start` to before `end` of a file.

    init: how many bytes of the head tell a player how to decode it. first, last: its links.
    """

    name: str
    path: str
    head: bytes
    start: int
    end: int
    init: int = 0
    first: int = 0
    last: int = -1

    def streamed(self) -> Streamed:
        """As a part that is read while it leaves."""
        return Streamed(self.name, len(self.head) + self.end - self.start, self._pieces)

    def _pieces(self) -> Iterator[bytes]:
        yield self.head
        with Path(self.path).open("rb") as file:
            file.seek(self.start)
            left = self.end - self.start
            while left and (piece := file.read(min(left, export.PIECE))):
                left -= len(piece)
                yield piece


async def find_segments(
    pg: Any, camera: str, place: str, began: Instant, ended: Instant, now: Instant
) -> list[Segment]:
    """Files that may hold something of this time, also the one before it, which may have ended in a gap."""
    found = []
    for row in await pg.fetch(_SEGMENTS, camera, began, ended, now):
        dark = () if row["dark"] is None else (Gap(camera, row["ended"], None, GapKind(row["dark"])),)
        found.append(
            Segment(
                camera, place, Path(row["path"]), row["first"], row["last"], row["began"], row["ended"], row["bytes"],
                row["last"] - row["first"] + 1, row["frames"], row["previous"], row["chain"], row["recorded_ms"], dark,
                row["closed"],
            )
        )  # fmt: skip
    return found


async def find_gaps(pg: Any, camera: str, began: Instant, ended: Instant) -> list[Gap]:
    """Gaps of this time that the record knows, with who switched off and why."""
    rows = await pg.fetch(_GAPS, camera, began, ended)
    return [Gap(row[0], row[1], row[2], GapKind(row[3]), row[4], row[5], row[6]) for row in rows]


async def files_after(pg: Any, camera: str, last: int, until: int) -> list[Path]:
    """Files with the links behind `last`, up to `until`."""
    return [Path(row["path"]) for row in await pg.fetch(_AFTER, camera, last, until)]


def lead_on(paths: Sequence[Path], last: int, until: int) -> list[Row]:
    """The links behind a cut, without their bytes, up to one whose head the log has. Raises as `scan`."""
    return [row for path in paths for row in export.rows(path, last, until)]


def folder_of(camera: str) -> str:
    """A camera's folder in a package: its code, which may begin with a sign that no name there begins with."""
    return camera if camera[0].isalnum() else f"_{camera}"


def sources(cut: Cut) -> list[Source]:
    """The parts of a recording, and where they lie."""
    folder = f"{VIDEO}{folder_of(cut.camera)}"
    return [
        Source(
            f"{folder}/{part.first:010}.cmf", str(part.path), part.head, part.start, part.end, len(part.init),
            part.first, part.last,
        )
        for part in cut.parts
    ]  # fmt: skip


def links_name(camera: str) -> str:
    """What the list of a recording's links is called."""
    return f"{LINKS}{folder_of(camera)}.txt"


def listed(camera: str, sources: Sequence[Source]) -> Streamed:
    """The list of the recording's links, hashed while it leaves: with it a change is told to the link."""
    return listed_as(links_name(camera), sources)


def listed_as(name: str, sources: Sequence[Source]) -> Streamed:
    """As `listed`, under this name."""
    size = sum(one.last - one.first + 1 for one in sources) * verifier.LINE
    return Streamed(name, size, lambda: (piece for one in sources for piece in _lines(one)))


def _lines(source: Source) -> Iterator[bytes]:
    """Its lines; blank ones where the file on the disk no longer has such a link: what leaves shows that."""
    try:
        found = {one.seq: one for one in scan(Path(source.path), followed=False).links}
    except (OSError, Refused):
        found = {}
    for begun in range(source.first, source.last + 1, AT_ONCE):
        seqs = range(begun, min(begun + AT_ONCE, source.last + 1))
        there = [found[seq] for seq in seqs if seq in found]
        hashed = {row.seq: row for row in digests(Path(source.path), there)} if there else {}
        yield b"".join(_line(seq, hashed.get(seq), found[seq].size if seq in found else 0) for seq in seqs)


def _line(seq: int, row: Row | None, size: int) -> bytes:
    blank = verifier.row_line(verifier.Link(seq, 0, 0, bytes(32)))
    line = blank if row is None else verifier.row_line(verifier.Link(seq, row.at, int(row.kind), row.digest, size=size))
    return line if len(line) == verifier.LINE else blank


def film_of(camera: str, sources: Sequence[Source]) -> Cut:
    """The same once more, as far as a film needs it."""
    zero = Instant(0)
    parts = (
        Part(Path(one.path), one.head, one.head[: one.init], one.start, one.end, 0, 0, zero, zero, zero, 0, 0, "", "")
        for one in sources
    )
    return Cut(camera, zero, zero, tuple(parts), ())


def describe(cut: Cut, gaps: Sequence[Gap], tail: Sequence[Row]) -> Recorded:
    """The recording, as the manifest names it."""
    listed = [*cut.gaps, *(gap for gap in gaps if all(_key(gap) != _key(one) for one in cut.gaps))]
    return Recorded(
        camera=cut.camera,
        began=cut.parts[0].began,
        ended=cut.parts[-1].ended,
        first=cut.parts[0].first,
        last=cut.parts[-1].last,
        previous=cut.parts[0].previous,
        chain=cut.parts[-1].chain,
        parts=tuple(map(_part, cut.parts, sources(cut))),
        links=links_name(cut.camera),
        gaps=tuple(
            (gap.began, gap.ended, gap.kind.value, gap.packets, gap.by, gap.why)
            for gap in sorted(listed, key=lambda gap: gap.began)
        ),
        tail=tuple((row.seq, row.at, int(row.kind), row.digest.hex()) for row in tail),
        signers=tuple(sorted({signer for part in cut.parts for signer in part.signers})),
    )


def _key(gap: Gap) -> tuple[Instant, GapKind]:
    return gap.began, gap.kind


def _part(part: Part, source: Source) -> RecordedPart:
    head = {"bytes": len(part.head), "sha256": hashlib.sha256(part.head).hexdigest()}
    size = len(part.head) + part.end - part.start
    return RecordedPart(
        source.name, head, size, part.first, part.last, part.began, part.ended, part.previous, part.chain
    )


def copy_name(camera: str, number: int) -> str:
    """What the n-th signed copy is called."""
    return f"{COPY}{folder_of(camera)}/{number:02}.mp4"


def reading(redacted: bool, texts: Mapping[str, str], schema: str) -> dict[str, bytes]:
    """How to read and check it, and the rules that were in force."""
    found = {f"policies/{name}": text.encode() for name, text in {**texts, SCHEMA_FILE: schema}.items()}
    found["policies/POLICY_SHA256"] = f"{policy_hash(texts, schema)}\n".encode()
    kind = "redacted" if redacted else "recording"
    for language in LANGUAGES:
        found[f"README.{language}.txt"] = (files("saqtau.engine") / "readme" / f"{kind}.{language}.txt").read_bytes()
    found[PROGRAM] = (files("saqtau.ledger.verify") / "export.py").read_bytes()
    return found


def about(
    line: RecordingLine, concerns: frozenset[Sensitive], policy: str, digest: str, heads: Sequence[Head]
) -> dict[str, Any]:
    """What the manifest says of the export."""
    return {
        "camera": f"{line.camera}, {line.name}",
        "place": line.place.value,
        "region": line.region,
        "began": line.began,
        "ended": line.ended,
        "concerns": sorted(concerns),
        "case": line.case,
        "purpose": line.purpose,
        "recipient": line.recipient,
        "reason": line.reason,
        "asked": {"by": line.asked_by, "role": line.asked_role, "at": line.asked_at, "entry": line.entry},
        "agreed": [msgspec.to_builtins(one) for one in line.signatures],
        "minutes": len(heads),
        "policies": {"id": policy, "sha256": digest},
        "software": f"saqtau {version('saqtau')}",
    }
