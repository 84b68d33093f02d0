"""Tiles (C2SP tlog-tiles): their paths, bundles of entries, and proofs read from them.

A reader is handed a function that brings one tile; where tiles lie (tables, a folder, HTTP) is the caller's business.
What it brings is not verified here: a proof made from false tiles fails against the signed root, which is the check.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Sequence

import msgspec

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.spelling import HASH, refuse
from saqtau.ledger.tree import BITS, EMPTY, WIDTH, node_hash, pair_hashes

ENTRIES = -1
"""The level that stands for bundles of entries."""
MAX_LEVEL = 63
MAX_ENTRY = 2**16 - 1
"""Bytes of one entry."""
MAX_PATH = 80
_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


class TilePath(msgspec.Struct, frozen=True):
    """Which tile: its level (or ENTRIES), its index within the level, and its width (1 to 256)."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def text(self) -> str:
        """`tile/<level>/<index>[.p/<width>]`, relative to the log's prefix."""
        if self.level == ENTRIES:
            return entries_path(self.index, self.width)
        return tile_path(self.level, self.index, self.width)


def tile_path(level: int, index: int, width: int = WIDTH) -> str:
    """Path of a tile of hashes, e.g. `tile/0/x001/x234/067` or `tile/1/000.p/17`."""
    return f"tile/{level}/{_index(index)}{_suffix(width)}"


def entries_path(index: int, width: int = WIDTH) -> str:
    """Path of a bundle of entries, e.g. `tile/entries/x001/067.p/3`."""
    return f"tile/entries/{_index(index)}{_suffix(width)}"


def parse_path(text: str) -> TilePath:
    """Read a path that begins with `tile/`; only the one spelling of it. Refused(INVALID) names `path`."""
    found = _PATH.fullmatch(text) if len(text) <= MAX_PATH else None
    if found is None:
        refuse("path", "tile: not a path of a tile")
    level = ENTRIES if found[1] == "entries" else int(found[1])
    index = int(found[2].replace("/", "").replace("x", ""))
    path = TilePath(level, index, int(found[3] or WIDTH))
    if level > MAX_LEVEL or (found[3] and path.width >= WIDTH) or path.text != text:
        refuse("path", "tile: not the one spelling of a tile's path")
    return path


def pack_entries(entries: Sequence[bytes]) -> bytes:
    """Entries as a bundle: a 16-bit big-endian length before each. Refused(INVALID) names `entry` (> 65,535 bytes)."""
    if any(len(entry) > MAX_ENTRY for entry in entries):
        refuse("entry", f"entry: longer than {MAX_ENTRY} bytes", "too_large")
    return b"".join([len(entry).to_bytes(2, "big") + entry for entry in entries])


def unpack_entries(data: bytes, count: int | None = None) -> list[bytes]:
    """The entries of a bundle, exactly `count` where it is given. Refused(INVALID) names `entries`."""
    entries, at, end = list[bytes](), 0, len(data)
    while at < end:
        start = at + 2
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
        if start > end or at > end:
            refuse("entries", "entries: the last one is cut")
    if count is not None and len(entries) != count:
        refuse("entries", f"entries: {len(entries)} where {count} belong")
    return entries


class TileCache:
    """The tiles of one log used last, each with all hashes within it (16 KB); the least used goes first."""

    def __init__(self, tiles: int = 1024) -> None:
        self._room = tiles
        self._kept: OrderedDict[tuple[int, int, int], bytes] = OrderedDict()

    def get(self, key: tuple[int, int, int]) -> bytes | None:
        """The heap of a tile (level, index, width), or None."""
        try:
            self._kept.move_to_end(key)
            return self._kept[key]
        except KeyError:
            return None

    def put(self, key: tuple[int, int, int], heap: bytes) -> None:
        """Keep a tile's heap."""
        self._kept[key] = heap
        if len(self._kept) > self._room:
            self._kept.popitem(last=False)


class TileReader:
    """Proofs, roots and entries of a log whose tiles exist for a tree of `size` leaves.

    read: brings a tile's bytes, or raises Refused(NOT_FOUND); a partial tile that is gone is taken from the full one.
    cache: of this log alone; share it between readers of one log so that a growing log is not read again.
    """

    def __init__(self, read: Callable[[TilePath], bytes], size: int, cache: TileCache | None = None) -> None:
        if size < 0:
            refuse("size", "tiles: a tree cannot have fewer than no leaves")
        self._read = read
        self.size = size
        self._cache = TileCache() if cache is None else cache

    def root(self, size: int | None = None) -> bytes:
        """The root of the tree when it had `size` leaves. Refused(INVALID) names `size` beyond the reader's."""
        size = self._within(size)
        return self._range(0, size) if size else EMPTY

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """RFC 6962 2.1.1: the audit path of leaf `index` in the tree of `size` leaves. Refused(INVALID): `index`."""
        size = self._within(size)
        if not 0 <= index < size:
            refuse("index", f"inclusion: leaf {index} is not in a tree of {size}")
        return self._path(0, index, size)

    def consistency(self, old: int, size: int | None = None) -> list[bytes]:
        """RFC 6962 2.1.2: proof that the tree of `old` leaves is a prefix of that of `size`. Refused(INVALID): `old`.

        Empty for `old` = 0 and for equal sizes.
        """
        size = self._within(size)
        if not 0 <= old <= size:
            refuse("old", f"consistency: {old} is not a prefix of a tree of {size}")
        if old in {0, size}:
            return []
        height = (old & -old).bit_length() - 1
        index = (old - 1) >> height
        path = self._path(height, index, size)
        return path if index == 0 else [self._node(height, index), *path]

    def hashes(self, first: int, count: int) -> list[bytes]:
        """Leaf hashes `first` to `first + count`. Refused(INVALID) names `first` beyond the reader's size."""
        self._stretch(first, count)
        return [self._node(0, index) for index in range(first, first + count)]

    def entries(self, first: int, count: int) -> list[bytes]:
        """Entries `first` to `first + count` as served; the caller compares them with the tree's leaf hashes."""
        self._stretch(first, count)
        found: list[bytes] = []
        for tile in range(first // WIDTH, -(-(first + count) // WIDTH)):
            width = min(WIDTH, self.size - tile * WIDTH)
            bundle = unpack_entries(self._bring(TilePath(ENTRIES, tile, width)))
            if len(bundle) not in {width, WIDTH}:
                refuse("entries", f"{entries_path(tile, width)}: {len(bundle)} entries where {width} belong")
            start = max(first - tile * WIDTH, 0)
            found += bundle[start : min(first + count - tile * WIDTH, width)]
        return found

    def _within(self, size: int | None) -> int:
        if size is None:
            return self.size
        if not 0 <= size <= self.size:
            refuse("size", f"tiles: {size} is beyond the {self.size} leaves that are there")
        return size

    def _stretch(self, first: int, count: int) -> None:
        if first < 0 or count < 0 or first + count > self.size:
            refuse("first", f"tiles: {first} and {count} more are beyond the {self.size} leaves that are there")

    def _path(self, height: int, index: int, size: int) -> list[bytes]:
        """Siblings on the way up from a complete subtree that is part of the tree of `size` leaves."""
        last = (size - 1) >> height
        inner = (index ^ last).bit_length()
        path = [self._node(height + up, (index >> up) ^ 1) for up in range(inner - 1)]
        if inner:
            path.append(self._range(((index >> (inner - 1)) ^ 1) << (height + inner - 1), size))
        rest, up = index >> inner, height + inner
        while rest:
            if rest & 1:
                path.append(self._node(up, rest - 1))
            rest >>= 1
            up += 1
        return path

    def _range(self, start: int, end: int) -> bytes:
        """The root over leaves [start, end), where start is a multiple of a power of two not below end - start."""
        root, left = b"", end - start
        while left:
            height = (left & -left).bit_length() - 1
            left -= 1 << height
            node = self._node(height, (start + left) >> height)
            root = node_hash(node, root) if root else node
        return root

    def _node(self, height: int, index: int) -> bytes:
        """The root of the complete subtree of 2**height leaves at `index`."""
        level, within = divmod(height, BITS)
        tile, offset = divmod(index, WIDTH >> within)
        heap = self._heap(level, tile)
        at = HASH * ((WIDTH >> within) + offset)
        return heap[at : at + HASH]

    def _heap(self, level: int, tile: int) -> bytes:
        width = min(WIDTH, (self.size >> (BITS * level)) - tile * WIDTH)
        key = (level, tile, width)
        heap = self._cache.get(key)
        if heap is None:
            heap = _heap_of(self._bring(TilePath(level, tile, width)), key)
            self._cache.put(key, heap)
        return heap

    def _bring(self, path: TilePath) -> bytes:
        try:
            return self._read(path)
        except Refused as refusal:
            if refusal.kind is not Kind.NOT_FOUND or path.width == WIDTH:
                raise
        return self._read(TilePath(path.level, path.index))


def _heap_of(data: bytes, key: tuple[int, int, int]) -> bytes:
    """All complete subtrees of a tile as a heap: node i has the children 2i and 2i+1, its hashes begin at 256."""
    level, index, width = key
    if len(data) not in {HASH * width, HASH * WIDTH}:
        refuse("tile", f"{tile_path(level, index, width)}: {len(data)} bytes where {HASH * width} belong")
    row = [data[at : at + HASH] for at in range(0, HASH * width, HASH)]
    rows = []
    room = WIDTH
    while room:
        rows.append(b"".join(row).ljust(HASH * room, b"\0"))
        row = pair_hashes(row[: len(row) // 2 * 2])
        room //= 2
    return bytes(HASH) + b"".join(reversed(rows))


def _index(index: int) -> str:
    text = f"{index % 1000:03d}"
    while index := index // 1000:
        text = f"x{index % 1000:03d}/{text}"
    return text


def _suffix(width: int) -> str:
    return "" if width == WIDTH else f".p/{width}"
