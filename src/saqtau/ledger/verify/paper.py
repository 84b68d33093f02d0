"""A checkpoint typed from paper, for instance from a printed monthly report: the log must still begin with it."""

import binascii

from saqtau.kernel.errors import Refused
from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.policy import LogPolicy
from saqtau.ledger.spelling import HASH, parse_base64, refuse
from saqtau.ledger.verify.finding import Finding, Say
from saqtau.ledger.verify.folder import CHECKPOINT, Read
from saqtau.ledger.verify.signed import begins_with, open_signed

PAPER = "the checkpoint on paper"


def parse_typed(origin: str, size: str, root: str) -> Checkpoint:
    """What a person typed. size may have spaces and commas; root is 64 hexadecimal digits, in groups or not, or base64.

    Refused(INVALID) names `origin`, `size` or `root`, and says what about it.
    """
    if not origin.strip():
        refuse("origin", "the log's name is missing", "required")
    digits = "".join(letter for letter in size if letter not in " ,._\u00a0\u202f")
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        refuse("size", f"size: {size!r} is no number of entries")
    return Checkpoint(origin.strip(), int(digits), _root("".join(root.split())))


def _root(text: str) -> bytes:
    if len(text) in {44, 43}:
        return parse_base64(text.ljust(44, "="), "root")
    bare = text.replace("-", "").replace(":", "")
    try:
        data = binascii.unhexlify(bare)
    except (binascii.Error, ValueError):
        data = b""
    if len(data) != HASH:
        refuse("root", f"root: 64 hexadecimal digits (or 44 characters of base64) belong here, {len(bare)} were typed")
    return data


def check_paper(read: Read, keys: LogPolicy, typed: Checkpoint, say: Say) -> list[Finding]:
    """Whether the log begins with the entries that the paper was printed over. Empty when it does.

    Refused(UNAVAILABLE, NOT_FOUND) when the log's checkpoint cannot be read.
    """
    signed, findings = open_signed(read(CHECKPOINT), keys, say)
    if signed is None:
        return findings
    try:
        typed.body()
    except Refused as refusal:
        return [*findings, Finding(PAPER, refusal.message)]
    return findings + begins_with(read, signed.checkpoint, typed, PAPER, say)
