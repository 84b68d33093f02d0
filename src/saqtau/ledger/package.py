"""An export package: which files lie in it, its manifest, and its one spelling as a zip. Pure.

docs/design/ledger.md, "Files for outsiders", fixes the layout; `ledger/verify/export.py` checks it and lies inside as
`verify.py`.
"""

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from saqtau.ledger.spelling import refuse
from saqtau.ledger.verify import export as verifier
from saqtau.ledger.verify.entry import EntryFile, encode_entry
from saqtau.ledger.verify.export import (
    CHECKPOINT,
    COPY,
    ENTRIES,
    EXPORT,
    LEDGER,
    LINKS,
    MANIFEST,
    POLICY,
    PROGRAM,
    TIMESTAMP,
    VIDEO,
    Member,
)

__all__ = [
    "CHECKPOINT", "COPY", "EXPORT", "LINKS", "MANIFEST", "POLICY", "PROGRAM", "TIMESTAMP", "VIDEO", "PackageStanding",
    "pack", "unpack",
]  # fmt: skip

VERSION: Final = 1
RECORDED: Final = 2
"""Version of a manifest with recordings: a program that does not know them says so."""
MAX_PACKAGE: Final = 512 * 1024 * 1024
"""Bytes of all the files of a package."""
MAX_NAME: Final = 120
_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/){0,4}[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_JSON = msgspec.json.Encoder(order="sorted")

Files = Mapping[str, bytes]


class Streamed(msgspec.Struct, frozen=True):
    """A part that is read while it leaves. pieces: its bytes, as many as `size` says."""

    name: str
    size: int
    pieces: Callable[[], Iterator[bytes]]


class RecordedPart(msgspec.Struct, frozen=True):
    """A file of a recording, as the manifest names it: its head by SHA-256, its links by the heads of their chain."""

    name: str
    head: dict[str, Any]  # {"bytes", "sha256"}
    bytes: int
    first: int
    last: int
    began: int
    ended: int
    previous: str  # 64 hex: the chain's head before the first link
    chain: str  # and after the last


class Recorded(msgspec.Struct, frozen=True):
    """A recording, as the manifest names it. docs/reference/ledger-format.md, "Recordings in a package"."""

    camera: str
    began: int
    ended: int
    first: int
    last: int
    previous: str
    chain: str
    parts: tuple[RecordedPart, ...]
    links: str  # the part that lists its links
    gaps: tuple[tuple[Any, ...], ...] = ()  # (began, ended or null, kind, packets, by, why)
    tail: tuple[tuple[int, int, int, str], ...] = ()  # (sequence, utc ms, kind, SHA-256): on to the log's next head
    signers: tuple[str, ...] = ()  # whose signatures the camera put into its stream: `axis`, `onvif`
    card: dict[str, Any] | None = None  # {"fetched", "clock", "gap"}: out of the camera's own memory, afterwards


class PackageStanding(StrEnum):
    """Whether a witness stands behind what a package says."""

    WITNESSED = "witnessed"
    PROVISIONAL = "PROVISIONAL"


def entry_name(number: int) -> str:
    """Where the n-th entry of the chain of custody lies."""
    return f"{ENTRIES}{number:05}.json"


def file_name(export: str, standing: PackageStanding) -> str:
    """What the zip is called; a provisional one says so."""
    mark = "-PROVISIONAL" if standing is PackageStanding.PROVISIONAL else ""
    return f"saqtau-export-{export}{mark}.zip"


def entry_file(entry: str, proof: str, record: bytes | None, dek: bytes | None) -> bytes:
    """An entry with its record. record and dek: both None where it may not be opened."""
    text, key = (None, None) if record is None or dek is None else (record.decode(), dek.hex())
    return encode_entry(EntryFile(v=VERSION, entry=entry, proof=proof, record=text, dek=key))


def manifest(
    export: str,
    standing: PackageStanding,
    about: Mapping[str, Any],
    entries: Sequence[str],
    files: Files,
    video: Sequence[Recorded] = (),
) -> bytes:
    """The list of every file with its SHA-256: what the entry of the export binds to the log.

    entries: the chain of custody, "<origin>#<index>", as numbered by `entry_name`.
    files: all but the manifest, those under `ledger/` and what is streamed. Refused(INVALID) names `file`.
    """
    for name in files:
        if name == MANIFEST or name.startswith(LEDGER):
            refuse("file", f"package: {name} is not listed in its manifest")
    _check(files)
    return _JSON.encode(
        {
            "v": RECORDED if video else VERSION,
            **({"video": list(video)} if video else {}),
            "export": export,
            "standing": standing.value,
            "about": dict(about),
            "entries": list(entries),
            "files": {
                name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()
            },
        }
    )


def pack(files: Files) -> bytes:
    """The zip of these files: the same bytes for the same files. Refused(INVALID) names `file` or `package`."""
    _check(files)
    return verifier.pack(files)


Late = Callable[[], Sequence[Streamed]]
"""Parts that are made while the others leave, and lie under `COPY`: behind them all."""


def stream(files: Files, streamed: Sequence[Streamed], late: Late | None = None) -> tuple[int | None, Iterator[bytes]]:
    """The zip of these files and of parts that are read while it leaves: how many bytes it has, and they.

    late: then nobody knows how many. Refused(INVALID) names `file` or `package`. The iterator raises ValueError where a
    part has not the size it said, or a late one has its place before another.
    """
    names = [*files, *(one.name for one in streamed)]
    _check({**files, **{one.name: b"" for one in streamed}})
    if len(set(names)) != len(names) or any(name.startswith(COPY) for name in names):
        refuse("file", "package: two parts of one name, or one in the place of a copy")
    blank = [Member(one.name, one.size, 0, streamed=True) for one in streamed]
    fixed = [Member(name, len(data), zlib.crc32(data), streamed=False) for name, data in files.items()]
    members = sorted([*blank, *fixed], key=lambda one: verifier.order(one.name))
    total = None
    if late is None:
        total = sum(len(one.head) + one.size + len(one.behind) for one in members) + len(verifier.listing(members))
    return total, _pieces(members, files, {one.name: one for one in streamed}, late)


def _pieces(
    members: Sequence[Member], files: Files, streamed: Mapping[str, Streamed], late: Late | None
) -> Iterator[bytes]:
    done = list[Member]()
    for one in members:
        if one.name in files:
            yield one.head + files[one.name]
            done.append(one)
            continue
        done.append((yield from _streamed(streamed[one.name])))
    for behind in sorted(late() if late is not None else (), key=lambda one: one.name):
        if not behind.name.startswith(COPY) or verifier.order(behind.name) <= verifier.order(done[-1].name):
            raise ValueError(f"{behind.name} has its place before {done[-1].name}")
        done.append((yield from _streamed(behind)))
    yield verifier.listing(done)


def _streamed(part: Streamed) -> Generator[bytes, None, Member]:
    yield Member(part.name, part.size, 0, streamed=True).head
    crc, left = 0, part.size
    for piece in part.pieces():
        crc, left = zlib.crc32(piece, crc), left - len(piece)
        yield piece
    if left:
        raise ValueError(f"{part.name} has {part.size - left} bytes, and {part.size} were announced")
    done = Member(part.name, part.size, crc, streamed=True)
    yield done.behind
    return done


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a zip that `pack` made. Refused(INVALID) names `package` when it is not its one spelling."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            listed = archive.infolist()
            if len(listed) > verifier.MOST_PARTS or sum(one.file_size for one in listed) > MAX_PACKAGE:
                refuse("package", "package: too large", "too_large")
            files = {one.filename: archive.read(one) for one in listed}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, ValueError) as error:
        refuse("package", f"package: not a zip: {error}")
    if len(files) != len(listed) or pack(files) != data:
        refuse("package", "package: not the one spelling of its files")
    return files


def _check(files: Files) -> None:
    if len(files) > verifier.MOST_PARTS:
        refuse("package", f"package: more than {verifier.MOST_PARTS} files", "too_many")
    if sum(len(data) for data in files.values()) > MAX_PACKAGE:
        refuse("package", f"package: more than {MAX_PACKAGE >> 20} MiB", "too_large")
    for name in files:
        if len(name) > MAX_NAME or _NAME.fullmatch(name) is None:
            refuse("file", "package: a name that no file of a package has")
