"""One request against what is remembered: read, decide, keep and sign in one transaction."""

from collections.abc import Callable
from typing import Final

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Refused
from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.note import Signer, cosign
from saqtau.ledger.spelling import encode_base64
from saqtau.ledger.witness.mirror import Mirror
from saqtau.ledger.witness.request import AddCheckpoint
from saqtau.ledger.witness.state import COSIGNED, OTHER_SIZE, UNKNOWN, Answer, Doubt, consider, of_the_log
from saqtau.ledger.witness.store import OTHER_KEY, Evidence, Store

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


def proof_of(evidence: Evidence, mirror: Mirror) -> dict[str, bytes]:
    """The files of a piece of evidence, by name: what the log signed, what it had signed before, how to see it.

    For a checkpoint below the one we cosigned the mirror adds the root that belongs at its size and the proof of that.
    """
    files = {"theirs.note": evidence.note}
    if evidence.our_note is not None:
        files["ours.note"] = evidence.our_note
    if evidence.proof:
        files["sent.txt"] = b"old %d\n" % evidence.old + evidence.proof
    told = [_SAYS.get(evidence.kind, _SAYS[OTHER_KEY]), f"log: {evidence.origin}", f"size: {evidence.size}"]
    if evidence.kind == Doubt.OLDER and evidence.proven:
        try:
            reader = mirror.reader(evidence.origin, evidence.our_size)
            root, proof = reader.root(evidence.size), reader.consistency(evidence.size)
        except Refused as refusal:
            told.append(f"The copy here does not reach {evidence.our_size}: {refusal.message}")
        else:
            files["consistency.txt"] = "".join(f"{encode_base64(one)}\n" for one in proof).encode()
            told.append(f"root that belongs at this size: {encode_base64(root)}")
            told.append("consistency.txt proves (RFC 6962 2.1.2) that root to be a prefix of the tree of ours.note.")
    files["README.txt"] = "".join(f"{line}\n" for line in told).encode()
    return files


_SAYS: Final[dict[str, str]] = {
    Doubt.FORK: "The log signed two roots for one size: theirs.note and ours.note. Both signatures are its own.",
    Doubt.OLDER: "The log signed theirs.note, which is no prefix of ours.note, signed by it as well.",
    Doubt.UNEXPLAINED: "The log signed theirs.note, and no proof came that it continues ours.note. It owes one.",
    OTHER_KEY: "The authority signed a list (theirs.note) with another key for this log than the one it began with.",
}
