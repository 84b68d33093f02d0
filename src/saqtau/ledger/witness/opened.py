"""The overseer's own copy of what cameras recorded and how they were, beside the mirrored leaves.

`open/<bundle>` holds lines (`open_records`), packed once its 256 entries are full, each proven against its leaf before
it is written; `open/next` says up to which entry they were asked for; `arrivals` says when leaves came, so that an
account that was entered hours later than the minute it speaks of is seen to be late. Nothing here is ever rewritten.
"""

import gzip
import os
import zlib
from pathlib import Path
from typing import Final

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.leaf import parse_leaf
from saqtau.ledger.open_records import OPEN, OpenRecord, encode, fitting
from saqtau.ledger.tiles import ENTRIES, TilePath, unpack_entries
from saqtau.ledger.tree import WIDTH

FOLDER: Final = "open"
PACKED: Final = ".gz"
ARRIVALS: Final = "arrivals"
_NEXT: Final = "next"
_PAGE: Final = 1 << 16
_APART: Final = 30 * SECOND
"""Arrivals are written so far apart at least: a leaf came at the line's instant, or up to so much before it."""


def next_of(place: Path) -> int:
    """The first entry whose open record was not asked for yet. Raises Refused(UNAVAILABLE)."""
    try:
        return int((place / FOLDER / _NEXT).read_text())
    except FileNotFoundError:
        return 0
    except (OSError, ValueError) as error:
        raise Refused(Kind.UNAVAILABLE, f"{place / FOLDER / _NEXT}: {error}", open="not_readable") from error


def keep(place: Path, first: int, stop: int, records: list[OpenRecord]) -> int:
    """Keep the records of the mirrored entries `first` to before `stop`, of one bundle; how many leaves lack theirs.

    Raises Refused: CONFLICT (`open`: one is not what its leaf committed to, or of no leaf here; nothing is kept),
    NOT_FOUND (the leaves are not here), OSError.
    """
    bundle = first // WIDTH
    leaves = _leaves(place, bundle, stop - bundle * WIDTH)
    wanted = {index for index in range(first, stop) if parse_leaf(leaves[index - bundle * WIDTH]).klass in OPEN}
    for one in records:
        if one.index not in wanted:
            raise Refused(Kind.CONFLICT, f"entry {one.index}: nobody asked for its record", open="false")
        try:
            fitting(leaves[one.index - bundle * WIDTH], one)
        except Refused as refusal:
            raise Refused(Kind.CONFLICT, refusal.message, open="false") from refusal
    folder = place / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    if records:
        _append(folder / str(bundle), encode(records))
    if stop % WIDTH == 0:
        _pack(folder / str(bundle))
    fresh = folder / f".{_NEXT}"
    with fresh.open("w") as file:
        file.write(f"{stop}\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / _NEXT)
    return len(wanted) - len({one.index for one in records})


def read_lines(place: Path, bundle: int) -> bytes:
    """The lines of a bundle, packed or not; empty where there are none. Raises OSError, Refused(INVALID) (`open`)."""
    path = place / FOLDER / str(bundle)
    found = b""
    if (packed := path.with_suffix(PACKED)).exists():
        try:
            found = gzip.decompress(packed.read_bytes())
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise Refused(Kind.INVALID, f"{packed.name}: {error}", open="damaged") from error
    if path.exists():
        found += path.read_bytes()
    return found


def _pack(path: Path) -> None:
    """A bundle that is full is never added to: packed it is a fifth."""
    if not path.exists():
        return
    fresh = path.with_suffix(".new")
    with fresh.open("wb") as file:
        file.write(gzip.compress(path.read_bytes(), 9, mtime=0))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path.with_suffix(PACKED))
    path.unlink()


def arrived(place: Path, now: Instant, size: int) -> None:
    """The first `size` leaves are here. Raises OSError."""
    path = place / ARRIVALS
    last = _last_line(path)
    if last is None or now - last >= _APART:
        _append(path, f"{now} {size}\n".encode())


def _last_line(path: Path) -> int | None:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 100))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    return int(lines[-1].split()[0]) if lines and lines[-1].split()[0].isdigit() else None


def _leaves(place: Path, bundle: int, width: int) -> list[bytes]:
    for path in (TilePath(ENTRIES, bundle, WIDTH), TilePath(ENTRIES, bundle, width)):
        try:
            return unpack_entries((place / path.text).read_bytes())
        except FileNotFoundError:
            continue
    for found in sorted((place / TilePath(ENTRIES, bundle, WIDTH).text).parent.glob(f"{bundle % 1000:03d}.p/*")):
        leaves = unpack_entries(found.read_bytes())
        if len(leaves) >= width:
            return leaves
    raise Refused(Kind.NOT_FOUND, f"bundle {bundle} of {place.name} is not mirrored", open="no_leaves")


def _append(path: Path, data: bytes) -> None:
    """Append lines, durably. What a crash left of a line is cut off: it was never counted."""
    with path.open("a+b") as file:
        size = file.seek(0, os.SEEK_END)
        whole = size
        while whole:
            file.seek(max(0, whole - _PAGE))
            page = file.read(min(_PAGE, whole))
            if (cut := page.rfind(b"\n")) >= 0:
                whole = max(0, whole - _PAGE) + cut + 1
                break
            whole = max(0, whole - _PAGE)
        if whole < size:
            file.truncate(whole)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
