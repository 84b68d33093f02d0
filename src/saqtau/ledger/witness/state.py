"""What the witness answers, and what it holds against the log: pure decisions.

The order of the checks is the one of C2SP tlog-witness v1.0.0. What a request shows about the log is judged beside the
answer: a log that was put back to an older state asks with a wrong old size and gets its 409, but it has then signed a
checkpoint that contradicts one we cosigned, and that signature stays with us.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.note import Note, Verifier, compose_note
from saqtau.ledger.proof import verify_consistency
from saqtau.ledger.tree import EMPTY
from saqtau.ledger.witness.request import AddCheckpoint

COSIGNED: Final = 200
MALFORMED: Final = 400
FOREIGN: Final = 403
UNKNOWN: Final = 404
OTHER_SIZE: Final = 409
NOT_CONSISTENT: Final = 422


class Known(msgspec.Struct, frozen=True):
    """The last checkpoint of a log that we cosigned; size 0 and the empty tree's root when there was none."""

    origin: str
    keys: tuple[Verifier, ...]
    size: int = 0
    root: bytes = EMPTY


class Doubt(StrEnum):
    """What a checkpoint signed by the log may show about it."""

    FORK = "fork"  # another root at a size we cosigned: the two signatures are the proof
    OLDER = "older"  # smaller than what we cosigned: harmless if it is a prefix, which the mirror tells
    UNEXPLAINED = "unexplained"  # larger, and no proof held: the log owes one


class Answer(msgspec.Struct, frozen=True):
    """What to say. size: of the last cosigned checkpoint, for a 409. doubt: only for a checkpoint the log signed."""

    status: int
    size: int = 0
    doubt: Doubt | None = None
    told: str = ""


def consider(known: Known | None, request: AddCheckpoint) -> Answer:
    """Decide about a request. known: None when the origin is none of ours. Only status 200 may be cosigned."""
    if known is None or known.origin != request.checkpoint.origin:
        return Answer(UNKNOWN, told="no such log here")
    if not signed_by(known.keys, request.note):
        return Answer(FOREIGN, told="no signature of this log's key that holds")
    new = request.checkpoint
    doubt = _doubt(known, new)
    if request.old > new.size:
        return Answer(MALFORMED, known.size, doubt, "the old size is larger than the checkpoint")
    if request.old != known.size:
        return Answer(OTHER_SIZE, known.size, doubt)
    if new.size == 0 and new.root != EMPTY:
        return Answer(NOT_CONSISTENT, known.size, Doubt.FORK, "an empty tree has another root")
    if not verify_consistency(known.size, new.size, known.root, new.root, request.proof):
        return Answer(NOT_CONSISTENT, known.size, doubt or Doubt.UNEXPLAINED, "the proof does not hold")
    return Answer(COSIGNED, new.size)


def signed_by(keys: Sequence[Verifier], note: Note) -> bool:
    """Whether a key of the log signed it, and no signature line that names one of its keys fails."""
    named = [key for key in keys if note.of(key)]
    return bool(named) and all(note.check(key) for key in named)


def of_the_log(keys: Sequence[Verifier], note: Note) -> str:
    """The note with the signatures of the log alone: what others wrote below it is not ours to keep."""
    return compose_note(note.body, (one.line for key in keys for one in note.of(key)))


def _doubt(known: Known, new: Checkpoint) -> Doubt | None:
    """What its size and root alone say, whatever old size it came with."""
    if new.size < known.size:
        return Doubt.OLDER
    if new.size == known.size and new.root != known.root:
        return Doubt.FORK
    return None
