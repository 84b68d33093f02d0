"""An export package: which files lie in it, its manifest, and its one spelling as a zip. Pure.

docs/design/ledger.md, "Files for outsiders", fixes the layout; `ledger/verify/export.py` checks it and lies inside as
`verify.py`.
"""

import hashlib
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from saqtau.ledger.spelling import refuse
from saqtau.ledger.verify import export as verifier
from saqtau.ledger.verify.entry import EntryFile, encode_entry
from saqtau.ledger.verify.export import CHECKPOINT, ENTRIES, EXPORT, LEDGER, MANIFEST, POLICY, PROGRAM

__all__ = ["CHECKPOINT", "EXPORT", "MANIFEST", "POLICY", "PROGRAM", "PackageStanding", "pack", "unpack"]

VERSION: Final = 1
MAX_PACKAGE: Final = 512 * 1024 * 1024
"""Bytes of all the files of a package."""
MAX_NAME: Final = 120
_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/){0,4}[A-Za-z0-9_][A-Za-z0-9_.-]*", re.ASCII)
_JSON = msgspec.json.Encoder(order="sorted")

Files = Mapping[str, bytes]


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
    export: str, standing: PackageStanding, about: Mapping[str, Any], entries: Sequence[str], files: Files
) -> bytes:
    """The list of every file with its SHA-256: what the entry of the export binds to the log.

    entries: the chain of custody, "<origin>#<index>", as numbered by `entry_name`.
    files: all but the manifest and those under `ledger/`. Refused(INVALID) names `file`.
    """
    for name in files:
        if name == MANIFEST or name.startswith(LEDGER):
            refuse("file", f"package: {name} is not listed in its manifest")
    _check(files)
    return _JSON.encode(
        {
            "v": VERSION,
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
