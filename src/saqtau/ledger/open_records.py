"""Records that speak of no person, as they are copied to an overseer: what cameras recorded, and how they were.

A record is sealed like any other; its key is handed out with it, so that whoever copies the log holds the accounts of
darkness himself, for as long as he likes, and can prove each against its leaf. As lines of JSON, one a record:

    {"dek":"<64 hex>","index":<entry>,"record":"<the canonical text that the leaf commits to>"}
"""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from saqtau.ledger.leaf import DEK, MAX_RECORD, LeafClass, commitment, parse_leaf, parse_record
from saqtau.ledger.spelling import refuse

OPEN: Final = frozenset({LeafClass.SEGMENT, LeafClass.HEALTH})
"""Classes whose records an overseer's copy holds. No name of a person may ever stand in them."""
LARGEST: Final = 2 * MAX_RECORD + 256
"""Bytes of a line."""
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class OpenRecord(msgspec.Struct, frozen=True):
    """A record with its key. `record`: exactly the bytes committed to."""

    index: int
    record: bytes
    dek: bytes


class _Line(msgspec.Struct, forbid_unknown_fields=True):
    dek: str
    index: int
    record: str


_line = msgspec.json.Decoder(_Line)


def encode(records: Iterable[OpenRecord]) -> bytes:
    """Lines of these records."""
    lines = (_Line(one.dek.hex(), one.index, one.record.decode()) for one in records)
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def parse_line(data: bytes) -> OpenRecord:
    """One line, without its end. Refused(INVALID) names `open`, `index`, `dek` or `record`."""
    if len(data) > LARGEST:
        refuse("open", "open record: longer than any can be", "too_large")
    try:
        line = _line.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        refuse("open", "open record: not the fields of one")
    if not 0 <= line.index < 2**62:
        refuse("index", "open record: no index of an entry")
    if _HEX.fullmatch(line.dek) is None or len(bytes.fromhex(line.dek)) != DEK:
        refuse("dek", "open record: not a key")
    return OpenRecord(line.index, line.record.encode(), bytes.fromhex(line.dek))


def parse_lines(data: bytes) -> list[OpenRecord]:
    """All lines; a last one that was torn when it was written is left out. Raises as `parse_line`."""
    return [parse_line(line) for line in data[: data.rfind(b"\n") + 1].splitlines()]


def fitting(leaf: bytes, found: OpenRecord) -> dict[str, Any]:
    """The record's fields, if it is the record of that leaf. Refused(INVALID) names `commitment` or `record`."""
    if parse_leaf(leaf).commitment != commitment(found.dek, found.record):
        refuse("commitment", f"entry {found.index}: the record is not the one that the leaf committed to")
    return parse_record(found.record)
