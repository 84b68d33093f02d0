"""A checkpoint with its signatures, against the keys one was handed."""

import datetime as dt
from collections.abc import Callable
from typing import Final

import msgspec

from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.checkpoint import Checkpoint, parse
from saqtau.ledger.note import Note, parse_note
from saqtau.ledger.policy import NONE, LogPolicy, Verdict, of_keys, parse_policy
from saqtau.ledger.proof import verify_consistency
from saqtau.ledger.tiles import TilePath, TileReader
from saqtau.ledger.verify.finding import Finding, Say
from saqtau.ledger.verify.folder import Read

CHECKPOINT: Final = "checkpoint"


class Signed(msgspec.Struct, frozen=True):
    """A checkpoint that a known log signed."""

    checkpoint: Checkpoint
    note: Note
    verdict: Verdict


def keys_of(vkey: str | None, policy: bytes | None) -> LogPolicy:
    """The keys that count: a tlog-policy file, or the log's key alone. Refused(INVALID) names what is wrong."""
    if policy is not None:
        found = parse_policy(policy)
        if vkey is not None and vkey not in {log.verifier.vkey for log in found.logs}:
            raise Refused(Kind.INVALID, "the key given is not in the policy given", vkey="other")
        return found
    if vkey is None:
        raise Refused(Kind.INVALID, "say whose signatures count: --policy FILE or --vkey KEY", policy="required")
    return of_keys({vkey: None}, {}, 0)


def open_signed(data: bytes, keys: LogPolicy, say: Say, where: str = CHECKPOINT) -> tuple[Signed | None, list[Finding]]:
    """The checkpoint in these bytes, None where it is not one that a known log signed; and what does not hold."""
    try:
        note = parse_note(data)
        checkpoint = parse(note)
    except Refused as refusal:
        return None, [Finding(where, refusal.message)]
    verdict = keys.satisfied(note)
    if verdict.log is None:
        return None, [_unsigned(where, verdict.reason, checkpoint)]
    say(f"{where}: {checkpoint.origin}, {checkpoint.size:,} entries, root {checkpoint.root.hex()}")
    say(f"signed by the log's key {verdict.log.name}+{verdict.log.key_id.hex()}")
    for name, seconds in verdict.witnessed.items():
        say(f"cosigned by the witness {name} at {spell_time(Instant(seconds * SECOND))}")
    if keys.quorum == NONE:
        say("no witness was asked for: so far only the log vouches for itself")
    found = Signed(checkpoint, note, verdict)
    if verdict.accepted:
        return found, []
    many = len(verdict.witnessed)
    return found, [Finding(where, f"not witnessed as the policy asks: {many} known witnesses cosigned it")]


def _unsigned(where: str, reason: str, checkpoint: Checkpoint) -> Finding:
    match reason:
        case "origin":
            return Finding(where, f"the key of the log {checkpoint.origin} is not among those given", unknown=True)
        case "wrong_signature":
            told = "a signature under a known key does not fit the text: the checkpoint was changed after it was signed"
            return Finding(where, told)
        case _:
            return Finding(where, "the log's key has not signed it")


def fresh(signed: Signed, now: Instant, hours: float) -> list[Finding]:
    """A finding when no known witness cosigned within these hours before `now`: an old one may be shown again."""
    latest = max(signed.verdict.witnessed.values(), default=None)
    if latest is None:
        return [Finding(CHECKPOINT, "no known witness says when it was made")]
    age = (now - latest * SECOND) / (3600 * SECOND)
    if age <= hours:
        return []
    return [Finding(CHECKPOINT, f"its newest cosignature is {age:.1f} hours old: an old state of the log, shown again")]


def begins_with(read: Read, log: Checkpoint, older: Checkpoint, where: str, say: Say) -> list[Finding]:
    """Whether the log, read up to the (signed) checkpoint `log`, begins with what `older` said of it. Never raises."""
    if older.origin != log.origin:
        return [Finding(where, f"is of the log {older.origin}, not of {log.origin}")]
    if older.size > log.size:
        told = f"says {older.size:,} entries, the log shows only {log.size:,}"
        return [Finding(where, f"{told}: it was rolled back, or an old state of it is shown")]
    reader = TileReader(tile_reader(read), log.size)
    try:
        proof, same = reader.consistency(older.size), reader.root(older.size)
    except Refused as refusal:
        return [Finding(where, f"cannot be compared: {refusal.message}")]
    if verify_consistency(older.size, log.size, older.root, log.root, proof):
        say(f"{where}: its {older.size:,} entries are the first of the log's {log.size:,}")
        return []
    if not verify_consistency(older.size, log.size, same, log.root, proof):
        return [Finding(where, "cannot be compared: the log's tiles do not lead to its signed root")]
    told = f"the log's first {older.size:,} entries are not the ones it was made over"
    return [Finding(where, f"{told}: the log was rewritten, or it is a fork")]


def tile_reader(read: Read) -> Callable[[TilePath], bytes]:
    """The same reader, by the path's parts."""
    return lambda path: read(path.text)


def spell_time(at: Instant) -> str:
    """An instant for people: `2026-11-24 12:00:01 UTC`."""
    return dt.datetime.fromtimestamp(at // SECOND, dt.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
