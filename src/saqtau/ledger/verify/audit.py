"""The whole log: every entry read, every tile computed anew, up to the root that was signed."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.leaf import parse_leaf
from saqtau.ledger.policy import LogPolicy
from saqtau.ledger.spelling import HASH
from saqtau.ledger.tiles import ENTRIES, TilePath, unpack_entries
from saqtau.ledger.tree import WIDTH, Edge, Tile, leaf_hashes
from saqtau.ledger.verify.days import Days
from saqtau.ledger.verify.finding import Finding, Say
from saqtau.ledger.verify.folder import Read
from saqtau.ledger.verify.signed import CHECKPOINT, Signed, begins_with, fresh, open_signed

MOST: Final = 20
"""Findings that are told one by one."""
SOME: Final = 200_000
"""Entries after which a sentence says how far it is."""
_HEAD: Final = re.compile(rb'\{"c":"[0-9a-f]{64}')
_COMMITTED: Final = 70
"""Bytes of a leaf up to the end of its commitment."""
_KNOWN: Final = 10_000


class Audited(msgspec.Struct, frozen=True):
    """What was found. signed: None where no known log signed the checkpoint; then nothing more was read."""

    signed: Signed | None
    findings: tuple[Finding, ...]
    classes: dict[str, int]  # leaves of each class, over all entries that could be read


def audit(
    read: Read,
    keys: LogPolicy,
    say: Say,
    *,
    against: tuple[tuple[str, bytes], ...] = (),
    now: Instant,
    within_hours: float | None = None,
) -> Audited:
    """Check a whole log. Never raises for what it finds in it; Refused(UNAVAILABLE) when the log cannot be read.

    against: other checkpoints of the same log with their names (the last one seen, the witness's); the log must begin
    with them. within_hours: the newest cosignature must be so young.
    """
    others = [(where, *open_signed(data, keys, say, where)) for where, data in against]
    signed, findings = open_signed(read(CHECKPOINT), keys, say)
    if signed is None:
        return Audited(None, tuple(findings), {})
    if within_hours is not None:
        findings += fresh(signed, now, within_hours)
    for where, other, wrong in others:
        findings += begins_with(read, signed.checkpoint, other.checkpoint, where, say) if other is not None else wrong
    walk = _Walk(read, signed.checkpoint, Days(now), say)
    findings += walk.findings()
    told = findings if len(findings) <= MOST else [*findings[:MOST], Finding("and", "more, which are not told")]
    return Audited(signed, tuple(told), dict(sorted(walk.classes.items())))


class _Walk:
    """One way through the entries, from the first to the last."""

    def __init__(self, read: Read, checkpoint: Checkpoint, days: Days, say: Say) -> None:
        self._read = read
        self._checkpoint = checkpoint
        self._days = days
        self._say = say
        self._computed = Edge()  # from the entries
        self._published: Edge | None = None  # from the tiles of level 0, kept from where they say something else
        self._differing: list[tuple[str, int]] = []  # tile of level 0, entry that does not hash to what it says
        self._wrong: list[Finding] = []
        self._above: list[Finding] = []  # tiles above the leaves that are not those of the entries
        self._above_published: list[Finding] = []  # and those that are not those of the tiles of level 0
        self._known: dict[bytes, tuple[str, str]] = {}  # what follows the commitment in a leaf -> its class and day
        self.classes: Counter[str] = Counter()

    def findings(self) -> list[Finding]:
        """Everything that does not hold in entries and tiles."""
        size = self._checkpoint.size
        for first in range(0, size, WIDTH):
            if not self._bundle(first, min(WIDTH, size - first)):
                return self._wrong
            if first % SOME < WIDTH <= first:
                self._say(f"{first:,} of {size:,} entries read")
        self._tiles(self._computed.partial(), self._above)
        if self._published is not None:
            self._tiles(self._published.partial(), self._above_published)
        found = list(dict.fromkeys([*self._verdict(), *self._wrong, *self._days.findings()]))
        if not found:
            self._say(f"all {size:,} entries were read and every tile computed from them: they lead to the signed root")
            self._say(f"by class: {', '.join(f'{name} {count:,}' for name, count in sorted(self.classes.items()))}")
        return found

    def _bundle(self, first: int, width: int) -> bool:
        """A bundle of entries and the tile over it; False when neither is there: nothing more can be computed."""
        index = first // WIDTH
        hashes = self._hashes(TilePath(0, index, width))
        entries = self._entries(TilePath(ENTRIES, index, width))
        if entries is None:
            if hashes is None:
                return False
            computed = hashes
        else:
            computed = leaf_hashes(entries)
            self._leaves(first, entries)
        published = computed if hashes is None else hashes
        if published != computed and self._published is None:
            self._published = self._computed
        if published != computed:
            path = TilePath(0, index, width).text
            differing = [(path, first + at) for at in range(width) if published[at] != computed[at]]
            self._differing += differing[: MOST + 1 - len(self._differing)]
        self._computed, full = self._computed.append(computed)
        self._tiles(full, self._above)
        if self._published is not None:
            self._published, full = self._published.append(published)
            self._tiles(full, self._above_published)
        return True

    def _entries(self, path: TilePath) -> list[bytes] | None:
        try:
            entries = unpack_entries(self._bring(path))
        except Refused as refusal:
            self._missed(path, refusal)
            return None
        if len(entries) < path.width:
            self._tell(path.text, f"holds {len(entries)} entries where {path.width} belong")
            return None
        return entries[: path.width]

    def _hashes(self, path: TilePath) -> list[bytes] | None:
        try:
            data = self._bring(path)
        except Refused as refusal:
            self._missed(path, refusal)
            return None
        if len(data) not in {HASH * path.width, HASH * WIDTH}:
            self._tell(path.text, f"{len(data)} bytes where {HASH * path.width} belong")
            return None
        return [data[at : at + HASH] for at in range(0, HASH * path.width, HASH)]

    def _missed(self, path: TilePath, refusal: Refused) -> None:
        if refusal.kind in {Kind.UNAVAILABLE, Kind.DENIED}:
            raise refusal
        what = "is not there" if refusal.kind is Kind.NOT_FOUND else refusal.message
        self._tell(path.text, what)

    def _bring(self, path: TilePath) -> bytes:
        """A partial tile that is gone is taken from the full one, as the specification wants it."""
        try:
            return self._read(path.text)
        except Refused as refusal:
            if refusal.kind is not Kind.NOT_FOUND or path.width == WIDTH:
                raise
            try:
                return self._read(TilePath(path.level, path.index).text)
            except Refused:
                raise refusal from None

    def _tell(self, where: str, what: str) -> None:
        if len(self._wrong) <= MOST:
            self._wrong.append(Finding(where, what))

    def _leaves(self, first: int, entries: list[bytes]) -> None:
        """Each entry is a leaf in its one spelling; what follows the commitment is the same in many, and read once."""
        known, days, classes, day = self._known, self._days, self.classes, ""
        for at, entry in enumerate(entries, first):
            rest = entry[_COMMITTED:]
            found = known.get(rest) if _HEAD.match(entry) is not None else None
            if found is None:
                try:
                    leaf = parse_leaf(entry)
                except Refused as refusal:
                    self._tell(f"entry {at}", refusal.message)
                    continue
                found = (leaf.klass.value, leaf.day)
                if len(known) < _KNOWN:
                    known[rest] = found
            classes[found[0]] += 1
            if found[1] != day:
                day = found[1]
                days.see(at, day)

    def _tiles(self, tiles: Iterable[Tile], above: list[Finding]) -> None:
        """Tiles above the leaves, as computed, against what is published."""
        for tile in tiles:
            if not tile.level or len(above) > MOST:
                continue
            path = TilePath(tile.level, tile.index, tile.width)
            published = self._hashes(path)
            computed = [tile.hashes[at : at + HASH] for at in range(0, len(tile.hashes), HASH)]
            if published is not None and published != computed:
                wrong = next(at for at, one in enumerate(computed) if published[at] != one)
                span = WIDTH**tile.level
                begin = (tile.index * WIDTH + wrong) * span
                what = f"hash {wrong} is not that of the tiles below it, over entries {begin} to {begin + span - 1}"
                above.append(Finding(path.text, what))

    def _verdict(self) -> Iterator[Finding]:
        """Who is wrong where entries and tiles differ: the side that does not lead to the signed root."""
        root = self._checkpoint.root
        entries_hold = self._computed.root() == root
        tiles_hold = self._published is not None and self._published.root() == root
        for path, entry in self._differing:
            if entries_hold:
                yield Finding(path, f"its hash of entry {entry} is another; the entry is the one that was signed")
            elif tiles_hold:
                yield Finding(f"entry {entry}", f"was changed: the signed root and {path} hold the hash of another")
            else:
                yield Finding(f"entry {entry}", f"does not hash to what {path} holds")
        yield from self._above if entries_hold or not tiles_hold else self._above_published
        if not entries_hold and not tiles_hold:
            other = self._computed.root().hex()
            yield Finding(
                CHECKPOINT, f"was not made over these entries: they lead to the root {other}, not {root.hex()}"
            )
