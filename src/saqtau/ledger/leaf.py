"""Leaves and records. A leaf is public to the overseer for ever and says nothing about a person; the record is sealed.

docs/reference/ledger-format.md gives the bytes with a worked example.
"""

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from saqtau.ledger.spelling import HASH, refuse

VERSION = 1
MAX_LEAF = 512
"""Bytes of a leaf."""
MAX_RECORD = 256 * 1024
"""Bytes of a record in canonical form."""
DEK = 32
"""Bytes of the key of one record."""
_RETENTION = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_HEX = re.compile(r"[0-9a-f]{64}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CANONICAL = msgspec.json.Encoder(order="sorted")
_RECORD = msgspec.json.Decoder(dict[str, Any])


class LeafClass(StrEnum):
    """What kind of act a leaf stands for; the list is closed."""

    VIEW = "view"
    SEARCH = "search"
    EXPORT = "export"
    DENY = "deny"  # an act that the policy refused
    LOGIN = "login"
    ADMIN = "admin"
    POLICY = "policy"  # a change of the policies
    ERASE = "erase"  # a key was destroyed
    HOLD = "hold"  # an entry is kept for a case beyond its day
    DEVICE = "device"  # enrolled, revoked
    BREAKGLASS = "breakglass"
    REVIEW = "review"  # of a break-glass
    WITNESS = "witness"  # a witness was added, taken away, was not there
    CLOSE = "close"  # what an access really delivered
    ACT = "act"  # an edge of an item, taken by a person
    PICTURE = "picture"
    REPORT = "report"
    SEGMENT = "segment"  # what the cameras of a site recorded in a minute
    HEALTH = "health"  # a camera was covered, turned, is well again; an archive does not reach back far enough


class Leaf(msgspec.Struct, frozen=True):
    """What stands in the log for ever."""

    commitment: bytes  # 32, to the record
    klass: LeafClass
    day: str  # YYYY-MM-DD, UTC; never finer, since the tiles are read by others
    retention: str  # code of how long the record can be read


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    c: str
    klass: str = msgspec.field(name="class")
    day: str
    rc: str
    v: int


_WIRE = msgspec.json.Decoder(_Wire)


def encode_leaf(leaf: Leaf) -> bytes:
    """The bytes of a leaf: compact JSON, keys sorted. Refused(INVALID) names `c`, `day` or `rc`."""
    _check(leaf.commitment, leaf.day, leaf.retention)
    return _spell(leaf)


def parse_leaf(data: bytes) -> Leaf:
    """Read a leaf, in its one spelling. Refused(INVALID) names `leaf`, `v`, `class`, `c`, `day` or `rc`."""
    if len(data) > MAX_LEAF:
        refuse("leaf", "leaf: too large", "too_large")
    try:
        wire = _WIRE.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        refuse("leaf", "leaf: not the fields of a leaf")
    if wire.v != VERSION:
        refuse("v", f"leaf: version {wire.v} is not known here", "unknown_kind")
    if wire.klass not in _CLASSES:
        refuse("class", "leaf: no class of the closed list", "unknown_kind")
    if _HEX.fullmatch(wire.c) is None:
        refuse("c", "leaf: the commitment is not 64 hexadecimal digits")
    leaf = Leaf(bytes.fromhex(wire.c), LeafClass(wire.klass), wire.day, wire.rc)
    _check(leaf.commitment, leaf.day, leaf.retention)
    if _spell(leaf) != data:
        refuse("leaf", "leaf: not the one spelling of its fields")
    return leaf


def canonical(record: Mapping[str, Any]) -> bytes:
    """A record as bytes: compact UTF-8 JSON, keys sorted at every depth. Refused(INVALID) names `record`.

    The commitment is made over these bytes and they are what is sealed, so nobody has to spell a record again.
    """
    try:
        data = _CANONICAL.encode(record)
    except (TypeError, ValueError, msgspec.MsgspecError, RecursionError) as error:
        refuse("record", f"record: cannot be written as JSON: {error}")
    if len(data) > MAX_RECORD:
        refuse("record", f"record: longer than {MAX_RECORD} bytes", "too_large")
    return data


def parse_record(data: bytes) -> dict[str, Any]:
    """A record's fields, from its one spelling: none is given twice, so that everybody reads the same.

    Refused(INVALID) names `record`.
    """
    try:
        record = _RECORD.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        refuse("record", "record: not the fields of a record")
    if canonical(record) != data:
        refuse("record", "record: not the one spelling of its fields")
    return record


def commitment(dek: bytes, record: bytes) -> bytes:
    """HMAC-SHA256 of the record's bytes under SHA256("commit" || DEK), 32 bytes: without the DEK it says nothing."""
    return hmac.digest(hashlib.sha256(b"commit" + dek).digest(), record, "sha256")


_CLASSES = frozenset(LeafClass)


def _spell(leaf: Leaf) -> bytes:
    return (
        f'{{"c":"{leaf.commitment.hex()}","class":"{leaf.klass.value}","day":"{leaf.day}",'
        f'"rc":"{leaf.retention}","v":{VERSION}}}'
    ).encode("ascii")


def _check(committed: bytes, day: str, retention: str) -> None:
    if len(committed) != HASH:
        refuse("c", "leaf: the commitment is not 32 bytes")
    if _RETENTION.fullmatch(retention) is None:
        refuse("rc", "leaf: not a retention code")
    try:
        dt.date.fromisoformat(day if _DAY.fullmatch(day) else "")
    except ValueError:
        refuse("day", "leaf: not a day")
