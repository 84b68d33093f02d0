"""A copy of each log in the witness's own folder, so that the police cannot destroy it either.

The entries are fetched, and nothing else: their hashes, tiles and root are computed here, and only what gives the root
that was cosigned is moved to its place. The folder has the layout of C2SP tlog-tiles, so that any verifier of that
format reads it: `checkpoint`, `tile/<level>/...`, `tile/entries/...`. Files are on disk before the next size is told.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.tiles import ENTRIES, TilePath, TileReader, pack_entries, tile_path, unpack_entries
from saqtau.ledger.tree import WIDTH, Edge, Tile, leaf_hashes, row_widths

FOLDER: Final = "logs"
_PENDING: Final = ".pending"
_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9.-]")


class Mirror:
    """The copies below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / FOLDER

    def place(self, origin: str) -> Path:
        """The folder of a log; its name can be read and belongs to this origin alone."""
        mark = hashlib.sha256(origin.encode()).hexdigest()[:12]
        return self._folder / f"{_UNUSUAL.sub('_', origin)[:100].lstrip('.')}-{mark}"

    def reader(self, origin: str, size: int) -> TileReader:
        """Roots and proofs from the `size` leaves that are here. It raises Refused(NOT_FOUND) for what is not."""
        place = self.place(origin)
        return TileReader(lambda path: _read(place / path.text), size)

    def root_at(self, origin: str, size: int, mirrored: int) -> bytes | None:
        """The root over the first `size` leaves; None when fewer are here, or the copy is damaged."""
        if size > mirrored:
            return None
        try:
            return self.reader(origin, mirrored).root(size)
        except Refused:
            return None

    def edge(self, origin: str, size: int) -> Edge:
        """What is needed to append to the `size` leaves that are here. Raises Refused when they are not."""
        place = self.place(origin)
        rows = [
            _read(place / tile_path(level, size >> (8 * (level + 1)), width)) if width else b""
            for level, width in enumerate(row_widths(size))
        ]
        return Edge.unpack(b"".join(rows), size)

    def begin(self, origin: str, size: int) -> "Draft":
        """Start to copy what comes after `size` leaves; what an earlier try left is thrown away. Raises as `edge`."""
        return Draft(self.place(origin), self.edge(origin, size))


class Draft:
    """Leaves that are fetched and not yet believed: they lie aside until the root is right."""

    def __init__(self, place: Path, edge: Edge) -> None:
        self._place = place
        self._aside = place / _PENDING
        self._edge = edge
        shutil.rmtree(self._aside, ignore_errors=True)
        self._aside.mkdir(parents=True, mode=0o700)

    @property
    def size(self) -> int:
        """Leaves so far."""
        return self._edge.size

    def add(self, bundle: bytes, width: int) -> None:
        """The next bundle, of which the first `width` entries belong to the tree; some of them may be here already.

        Raises Refused(INVALID) when it is no bundle or has fewer.
        """
        index, known = divmod(self._edge.size, WIDTH)
        entries = unpack_entries(bundle)[:width]
        if len(entries) < width:
            raise Refused(Kind.INVALID, f"{len(entries)} entries where {width} belong", entries="missing")
        self._edge, full = self._edge.append(leaf_hashes(entries[known:]))
        self._write(TilePath(ENTRIES, index, width), pack_entries(entries))
        self._tiles(full)

    def finish(self, root: bytes, checkpoint: bytes) -> bool:
        """Move everything to its place if this is the root; otherwise throw it away and say False."""
        if self._edge.root() != root:
            self.forget()
            return False
        self._tiles(self._edge.partial())
        touched: set[Path] = set()
        for found in [path for path in self._aside.rglob("*") if path.is_file()]:
            target = self._place / found.relative_to(self._aside)
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            found.replace(target)
            touched.update(parent for parent in target.parents if parent.is_relative_to(self._place))
            if ".p" not in target.parent.suffix:
                shutil.rmtree(target.with_name(f"{target.name}.p"), ignore_errors=True)
        for folder in touched:
            _sync(folder)
        fresh = self._aside / "checkpoint"
        _write(fresh, checkpoint)
        fresh.replace(self._place / "checkpoint")
        _sync(self._place)
        self.forget()
        return True

    def forget(self) -> None:
        """Throw away what lies aside."""
        shutil.rmtree(self._aside, ignore_errors=True)

    def _tiles(self, tiles: Sequence[Tile]) -> None:
        for tile in tiles:
            self._write(TilePath(tile.level, tile.index, tile.width), tile.hashes)

    def _write(self, path: TilePath, data: bytes) -> None:
        target = self._aside / path.text
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _write(target, data)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Refused(Kind.NOT_FOUND, f"{path.name}: not mirrored", tile="missing") from None
    except OSError as error:
        raise Refused(Kind.UNAVAILABLE, f"{path}: {error.strerror}", tile="not_readable") from error


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
