"""One entry, offline: its place in the log, and that a record is the one it commits to."""

import hmac
from typing import Final

import msgspec

from saqtau.kernel.errors import Refused
from saqtau.ledger.leaf import DEK, Leaf, commitment, parse_leaf, parse_record
from saqtau.ledger.policy import LogPolicy
from saqtau.ledger.proof import LogProof, parse_proof, verify_inclusion
from saqtau.ledger.spelling import parse_decimal, refuse
from saqtau.ledger.tree import leaf_hash
from saqtau.ledger.verify.finding import Finding, Say
from saqtau.ledger.verify.signed import open_signed

MAX_FILE: Final = 2 << 20
"""Bytes of an entry file."""


class EntryFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An entry as outsiders get it. record: the bytes committed to, as text; None where it may not be opened."""

    v: int
    entry: str  # origin#index
    proof: str  # a tlog-proof whose extra line is the leaf
    record: str | None = None
    dek: str | None = None  # hex


def encode_entry(entry: EntryFile) -> bytes:
    """The file's bytes: compact JSON, keys sorted."""
    return msgspec.json.encode(entry, order="sorted")


def parse_entry(data: bytes) -> EntryFile | None:
    """Read an entry file; None when it is a bare tlog-proof. Refused(INVALID) names `entry`."""
    if len(data) > MAX_FILE:
        refuse("entry", f"longer than {MAX_FILE} bytes", "too_large")
    if not data.startswith(b"{"):
        return None
    try:
        found = msgspec.json.decode(data, type=EntryFile)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        refuse("entry", f"not the file of an entry: {error}")
    if found.v != 1:
        refuse("entry", f"version {found.v} is not known here", "unknown_kind")
    return found


def check_entry(data: bytes, keys: LogPolicy, say: Say, leaf: bytes | None = None) -> list[Finding]:
    """Check the file of one entry: a `.tlog-proof`, or JSON with record and key. Empty when it holds. Never raises.

    leaf: the entry's bytes, for proofs that do not carry them in their extra line.
    """
    try:
        file = parse_entry(data)
        proof = parse_proof(data if file is None else file.proof.encode())
        entry = leaf if leaf is not None else proof.extra
        if entry is None:
            refuse("leaf", "the proof does not carry the entry itself: give it too")
        told = parse_leaf(entry)
        named = None if file is None else _name(file.entry)
    except Refused as refusal:
        return [Finding("entry", refusal.message)]
    signed, findings = open_signed(proof.note.text.encode(), keys, say)
    if signed is None:
        return findings
    where = f"entry {proof.index}"
    if named not in {None, (signed.checkpoint.origin, proof.index)}:
        findings.append(Finding(where, f"is of {signed.checkpoint.origin}, not {file.entry if file else ''}"))
    findings += _included(proof, entry, signed.checkpoint.size, signed.checkpoint.root, where)
    if not findings:
        say(f"{where} is in the log: {told.klass.value} of {told.day}, kept for {told.retention}")
    if file is not None and file.record is not None:
        findings += _committed(file, told, where, say)
    elif not findings:
        say("its record is not in this file: nothing was checked about what it says")
    return findings


def _included(proof: LogProof, entry: bytes, size: int, root: bytes, where: str) -> list[Finding]:
    if verify_inclusion(leaf_hash(entry), proof.index, size, proof.hashes, root):
        return []
    return [Finding(where, "is not in the log at this place: entry, number or proof was changed")]


def _committed(file: EntryFile, leaf: Leaf, where: str, say: Say) -> list[Finding]:
    try:
        dek = bytes.fromhex(file.dek or "")
    except ValueError:
        dek = b""
    if len(dek) != DEK:
        return [Finding(where, "its record cannot be checked: the record's key is not 64 hexadecimal digits")]
    record = (file.record or "").encode()
    if not hmac.compare_digest(commitment(dek, record), leaf.commitment):
        return [Finding(where, "the record is not the one that the log committed to: record or key was changed")]
    try:
        parse_record(record)
    except Refused as refusal:
        return [Finding(where, f"the record is the one committed to, but can be read in two ways: {refusal.message}")]
    say(f"its record is the one the log committed to: {record.decode()}")
    return []


def _name(entry: str) -> tuple[str, int]:
    origin, mark, index = entry.rpartition("#")
    if not mark or not origin:
        refuse("entry", "an entry is called <origin>#<index>")
    return origin, parse_decimal(index, "index")
