"""Proofs: checking them against a root (RFC 6962 2.1, as in RFC 9162 2.1.3 and 2.1.4), and C2SP tlog-proof files."""

from collections.abc import Sequence

import msgspec

from saqtau.ledger.note import MAX_NOTE, Note, parse_note
from saqtau.ledger.spelling import HASH, encode_base64, parse_base64, parse_decimal, parse_hash, refuse
from saqtau.ledger.tree import EMPTY, node_hash

MAX_HASHES = 63
"""Hashes of a proof; a tree of 2**63 leaves needs no more."""
MAX_EXTRA = 64 * 1024
"""Bytes of the extra data in a proof file."""
_MAX_TEXT = MAX_NOTE + 2 * MAX_EXTRA
_HEADER = "c2sp.org/tlog-proof@v1"


class LogProof(msgspec.Struct, frozen=True):
    """What a `.tlog-proof` file holds. `extra` is not authenticated by anything in the file."""

    index: int
    hashes: tuple[bytes, ...]  # from the leaf's sibling up
    note: Note  # the checkpoint, whose signatures the reader checks
    extra: bytes | None = None


def verify_inclusion(leaf_hash: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether the leaf with this hash is number `index` of the tree of `size` leaves with this root."""
    if not 0 <= index < size or len(leaf_hash) != HASH or any(len(step) != HASH for step in proof):
        return False
    node, last, found = index, size - 1, leaf_hash
    for step in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(step, found)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            found = node_hash(found, step)
        node >>= 1
        last >>= 1
    return last == 0 and found == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether the tree of `old` leaves with its root is a prefix of the tree of `new` leaves with its root.

    Every tree begins with the empty one, whose root is `EMPTY`; the proof is then empty, as it is for equal sizes.
    """
    if not 0 <= old <= new or any(len(step) != HASH for step in (*proof, old_root, new_root)):
        return False
    if old == new:
        return not proof and old_root == new_root and (old > 0 or old_root == EMPTY)
    if old == 0:
        return not proof and old_root == EMPTY
    steps = list(proof) if old & (old - 1) else [old_root, *proof]
    if not steps:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node >>= 1
        last >>= 1
    found_old = found_new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            found_old = node_hash(step, found_old)
            found_new = node_hash(step, found_new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            found_new = node_hash(found_new, step)
        node >>= 1
        last >>= 1
    return last == 0 and found_old == old_root and found_new == new_root


def encode_proof(index: int, hashes: Sequence[bytes], note: Note, extra: bytes | None = None) -> str:
    """The text of a `.tlog-proof` file."""
    return "".join(
        (
            f"{_HEADER}\n",
            "" if extra is None else f"extra {encode_base64(extra)}\n",
            f"index {index}\n",
            *(f"{encode_base64(step)}\n" for step in hashes),
            "\n",
            note.text,
        )
    )


def parse_proof(data: bytes) -> LogProof:
    """Read a `.tlog-proof` file; nothing is verified. Refused(INVALID) names what is wrong in it."""
    if len(data) > _MAX_TEXT:
        refuse("proof", "proof: too large", "too_large")
    head, gap, note = data.partition(b"\n\n")
    if not gap:
        refuse("proof", "proof: no empty line before the checkpoint")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError:
        refuse("proof", "proof: not ASCII before the checkpoint")
    if lines.pop(0) != _HEADER:
        refuse("proof", f"proof: does not begin with {_HEADER}", "unknown_kind")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = parse_base64(lines.pop(0).removeprefix("extra "), "extra")
        if len(extra) > MAX_EXTRA:
            refuse("extra", "proof: extra data too large", "too_large")
    if not lines or not lines[0].startswith("index "):
        refuse("index", "proof: no index")
    index = parse_decimal(lines.pop(0).removeprefix("index "), "index")
    if len(lines) > MAX_HASHES:
        refuse("hash", "proof: too many hashes", "too_many")
    hashes = tuple(parse_hash(line, "hash") for line in lines)
    return LogProof(index, hashes, parse_note(note), extra)
