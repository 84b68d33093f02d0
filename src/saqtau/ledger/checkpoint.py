"""Checkpoints (C2SP tlog-checkpoint v1.0.0): origin, size and root of a log as the body of a signed note."""

import msgspec

from saqtau.ledger.note import Note, has_control
from saqtau.ledger.spelling import HASH, encode_base64, parse_decimal, parse_hash, refuse
from saqtau.ledger.tree import EMPTY

MAX_LINE = 1024
"""Characters of an origin or of an extension line."""
MAX_EXTENSIONS = 16


class Checkpoint(msgspec.Struct, frozen=True):
    """What a log says of itself: so many leaves, and this root over them."""

    origin: str
    size: int
    root: bytes  # 32
    extensions: tuple[str, ...] = ()  # of others' logs only; ours have none, since nobody audits them

    def body(self) -> str:
        """The text that is signed. Refused(INVALID) when it could not be read back."""
        lines = (self.origin, str(self.size), encode_base64(self.root), *self.extensions)
        body = "".join(f"{line}\n" for line in lines)
        if parse_checkpoint(body) != self:
            refuse("origin", "checkpoint: a line has a newline in it")
        return body


def parse(note: Note) -> Checkpoint:
    """The checkpoint in a note, whose signatures the caller checks. Errors as `parse_checkpoint`."""
    return parse_checkpoint(note.body)


def parse_checkpoint(body: str) -> Checkpoint:
    """Read a checkpoint's body. Refused(INVALID) names `origin`, `size`, `root` or `extension`."""
    if has_control(body):
        refuse("origin", "checkpoint: has a control character")
    if not body.endswith("\n"):
        refuse("root", "checkpoint: its last line is cut")
    origin, *rest = body[:-1].split("\n")
    if not 0 < len(origin) <= MAX_LINE:
        refuse("origin", "checkpoint: origin empty or too long")
    if not rest:
        refuse("size", "checkpoint: no size")
    size = parse_decimal(rest[0], "size")
    if len(rest) < 2:
        refuse("root", "checkpoint: no root")
    root = parse_hash(rest[1], "root")
    extensions = tuple(rest[2:])
    if len(root) != HASH or (size == 0 and root != EMPTY):
        refuse("root", "checkpoint: not the root of an RFC 6962 tree of this size")
    if len(extensions) > MAX_EXTENSIONS or not all(0 < len(line) <= MAX_LINE for line in extensions):
        refuse("extension", "checkpoint: extension lines empty, too long or too many")
    return Checkpoint(origin, size, root, extensions)
