"""Reading a log in a folder: `checkpoint` and `tile/…`, as a mirror keeps them and any web server serves them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import MAX_NOTE
from saqtau.ledger.spelling import HASH
from saqtau.ledger.tiles import MAX_ENTRY
from saqtau.ledger.tree import WIDTH

Read = Callable[[str], bytes]
"""Brings what lies at a path of the log (`checkpoint`, `tile/0/000.p/7`).

Refused: NOT_FOUND; TOO_LARGE where it is longer than anything of its kind; UNAVAILABLE.
"""
CHECKPOINT: Final = "checkpoint"
_ENTRIES: Final = "tile/entries/"


def limit(path: str) -> int:
    """Bytes that a file of the log at this path may have."""
    if path == CHECKPOINT:
        return MAX_NOTE
    return WIDTH * (MAX_ENTRY + 2) if path.startswith(_ENTRIES) else WIDTH * HASH


def folder_reader(folder: Path) -> Read:
    """Reads the log in this folder. Refused(NOT_FOUND) where there is no folder."""
    if not folder.is_dir():
        raise Refused(Kind.NOT_FOUND, f"{folder}: no folder of a log", log="not_found")

    def read(path: str) -> bytes:
        try:
            with (folder / path).open("rb") as file:
                data = file.read(limit(path) + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Refused(Kind.NOT_FOUND, f"{path}: is not there", log="not_found") from error
        except OSError as error:
            raise Refused(Kind.UNAVAILABLE, f"{path}: {error.strerror}", log="not_readable") from error
        if len(data) > limit(path):
            raise Refused(Kind.TOO_LARGE, f"{path}: longer than {limit(path)} bytes", log="too_large")
        return data

    return read
