"""One request against what is remembered: read, decide, keep and sign in one transaction."""

from collections.abc import Callable

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.note import Signer, cosign
from saqtau.ledger.spelling import encode_base64
from saqtau.ledger.witness.request import AddCheckpoint
from saqtau.ledger.witness.state import COSIGNED, OTHER_SIZE, UNKNOWN, Answer, Doubt, consider, of_the_log
from saqtau.ledger.witness.store import Evidence, Store

RootAt = Callable[[str, int], bytes | None]
"""(origin, size) -> the root that the log's mirrored leaves give; None when they do not reach so far."""


class Reply(msgspec.Struct, frozen=True):
    """What goes back: the status, its text and the text's type."""

    status: int
    text: str
    media: str = "text/plain; charset=utf-8"


def add_checkpoint(store: Store, signer: Signer, request: AddCheckpoint, now: Instant, root_at: RootAt) -> Reply:
    """Answer a request; what the answer rests on is on disk when this returns.

    The record is read and changed in one transaction, so two requests cannot both be right about the old size.
    """
    with store.writing():
        log = store.log(request.checkpoint.origin)
        answer = consider(None if log is None else log.known, request)
        if log is None or answer.status == UNKNOWN:
            return Reply(UNKNOWN, "no such log here\n")
        own = of_the_log(log.known.keys, request.note).encode()
        if answer.doubt is not None:
            _hold(store, request, own, answer.doubt, now, root_at)
        if answer.status != COSIGNED:
            return refusal(answer)
        line = cosign(signer, request.note.body, now // SECOND)
        store.keep(request.checkpoint, own, line, now)
    return Reply(COSIGNED, line)


def refusal(answer: Answer) -> Reply:
    """A no; the one about the size tells the right one."""
    if answer.status == OTHER_SIZE:
        return Reply(OTHER_SIZE, f"{answer.size}\n", "text/x.tlog.size")
    return Reply(answer.status, f"{answer.told}\n")


def judge_open(store: Store, origin: str, root_at: RootAt) -> None:
    """Settle what was left open about a log, now that more of its leaves are here."""
    with store.writing():
        for one in store.evidence(origin, proven=False):
            fits = _fits(store, Checkpoint(origin, one.size, one.root), root_at)
            if fits is not None:
                store.settle(one.id, proven=not fits)


def _hold(store: Store, request: AddCheckpoint, own: bytes, doubt: Doubt, now: Instant, root_at: RootAt) -> None:
    found = request.checkpoint
    fits = False if doubt is Doubt.FORK else _fits(store, found, root_at)
    if fits:
        return
    proof = "".join(f"{encode_base64(one)}\n" for one in request.proof).encode()
    store.hold(doubt, found, own, request.old, proof, now, proven=fits is False)


def _fits(store: Store, found: Checkpoint, root_at: RootAt) -> bool | None:
    """Whether a checkpoint is one of the log that we cosigned; None when it cannot be told yet."""
    root = store.root_at(found.origin, found.size)
    if root is None:
        root = root_at(found.origin, found.size)
    return None if root is None else root == found.root


def proof_of(evidence: Evidence) -> dict[str, bytes]:
    """The files of a piece of evidence: what the log signed, what it signed before, the proof that came with it."""
    files = {"theirs.note": evidence.note, "proof.txt": b"old %d\n" % evidence.old + evidence.proof}
    if evidence.our_note is not None:
        files["ours.note"] = evidence.our_note
    return files
