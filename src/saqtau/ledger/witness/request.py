"""What is posted to `add-checkpoint` (C2SP tlog-witness v1.0.0): an old size, a consistency proof, a checkpoint."""

from collections.abc import Sequence
from typing import Final

import msgspec

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.checkpoint import parse as parse_checkpoint
from saqtau.ledger.note import Note, parse_note
from saqtau.ledger.proof import MAX_HASHES
from saqtau.ledger.spelling import encode_base64, parse_decimal, parse_hash, refuse

BODY_LIMIT: Final = 128 * 1024
"""Bytes of a request: sixty-three hashes and a note with sixteen post-quantum signatures fit."""
_OLD: Final = "old "


class AddCheckpoint(msgspec.Struct, frozen=True):
    """A request that can be understood. Nothing of it is checked yet."""

    old: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


def parse_request(data: bytes) -> AddCheckpoint:
    """A request from its bytes. Raises Refused: TOO_LARGE (`body`), INVALID naming what is wrong."""
    if len(data) > BODY_LIMIT:
        raise Refused(Kind.TOO_LARGE, f"more than {BODY_LIMIT} bytes", body="too_large")
    head, blank, text = data.partition(b"\n\n")
    if not blank:
        refuse("checkpoint", "no empty line before the checkpoint", "missing")
    if not head.isascii():
        refuse("old", "the lines before the checkpoint are not ASCII")
    first, *lines = head.decode("ascii").split("\n")
    if not first.startswith(_OLD):
        refuse("old", "the first line is not `old` and a size")
    old = parse_decimal(first.removeprefix(_OLD), "old")
    if len(lines) > MAX_HASHES:
        refuse("proof", f"more than {MAX_HASHES} lines of proof", "too_long")
    note = parse_note(text)
    return AddCheckpoint(old, tuple(parse_hash(line, "proof") for line in lines), note, _checkpoint(note))


def compose_request(old: int, proof: Sequence[bytes], note: bytes) -> bytes:
    """The bytes to post. note: a checkpoint with its log's signature."""
    lines = [f"old {old}\n", *(f"{encode_base64(one)}\n" for one in proof), "\n"]
    return "".join(lines).encode() + note


def _checkpoint(note: Note) -> Checkpoint:
    """The checkpoint, also one that says the empty tree has some root: to that the answer is 422, not 400."""
    try:
        return parse_checkpoint(note)
    except Refused:
        origin, _, rest = note.body.partition("\n")
        size, _, root = rest.removesuffix("\n").partition("\n")
        if not origin or size != "0":
            raise
        return Checkpoint(origin, 0, parse_hash(root, "root"))
