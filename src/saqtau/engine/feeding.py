"""What a witness's answer to a checkpoint means for the log that sent it: pure.

A witness is believed in two things only: its own cosignature, which is checked, and the size it says to have seen,
which decides what proof it is sent next. Whatever else it says is told to people and tried again later.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.note import COSIGNATURE, Note, Verifier, check_cosignature, parse_signatures
from saqtau.ledger.spelling import parse_decimal

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 10.0
"""Seconds between two tries with a witness that does not cosign, at the beginning and at most."""
_SIZE_TYPE: Final = "text/x.tlog.size"


class WitnessAt(msgspec.Struct, frozen=True):
    """A witness and where it takes checkpoints."""

    verifier: Verifier
    url: str

    @property
    def name(self) -> str:
        """The name of its key."""
        return self.verifier.name


class Says(StrEnum):
    """What a witness has answered."""

    COSIGNED = "cosigned"
    SEEN_LESS = "seen_less"  # it wants the proof from an older size
    SEEN_MORE = "seen_more"  # it has cosigned more than this log has: the log was put back, or there are two
    FORK = "fork"  # the proof does not hold for what it cosigned
    NO = "no"  # it does not know the log, the key, or has troubles of its own


class Heard(msgspec.Struct, frozen=True):
    """An answer, understood. size: what the witness has seen, after SEEN_*; line: its cosignature."""

    says: Says
    size: int = 0
    line: str = ""
    told: str = ""  # for people: a word or two


def parse_witnesses(lines: Sequence[str]) -> tuple[WitnessAt, ...]:
    """Witnesses from the configuration, `vkey url` each. Raises Refused(INVALID) that names `ledger.witnesses`."""
    found: list[WitnessAt] = []
    for line in lines:
        vkey, _, url = line.partition(" ")
        try:
            verifier = Verifier.parse(vkey)
        except Refused as refusal:
            raise Refused(Kind.INVALID, f"witness {vkey!r}: {refusal.message}", **_INVALID) from refusal
        if verifier.kind != COSIGNATURE:
            raise Refused(
                Kind.INVALID, f"witness {verifier.name}: that is the key of a log, not of a witness", **_INVALID
            )
        if any(one.name == verifier.name for one in found):
            raise Refused(Kind.INVALID, f"witness {verifier.name} is named twice", **_INVALID)
        found.append(WitnessAt(verifier, url.rstrip("/")))
    return tuple(found)


_INVALID: Final = {"ledger.witnesses": "invalid"}


def understand(verifier: Verifier, note: Note, size: int, status: int, media: str, text: str) -> Heard:
    """What an answer to the checkpoint `note` of `size` leaves means."""
    match status:
        case 200:
            line = _cosignature(verifier, note, text)
            return Heard(Says.COSIGNED, size, line) if line else Heard(Says.NO, told="its cosignature does not hold")
        case 409 if media.partition(";")[0].strip() == _SIZE_TYPE:
            try:
                seen = parse_decimal(text.removesuffix("\n"), "size")
            except Refused:
                return Heard(Says.NO, told="answers 409 without a size")
            if seen > size:
                return Heard(Says.SEEN_MORE, seen, told=f"has seen {seen} entries")
            return Heard(Says.SEEN_LESS, seen, told=f"asks for the proof from {seen} entries again and again")
        case 422:
            return Heard(Says.FORK, told="the log does not continue what it cosigned")
        case 403:
            return Heard(Says.NO, told="does not accept the log's key")
        case 404:
            return Heard(Says.NO, told="does not know the log")
        case _:
            return Heard(Says.NO, told=f"answers {status}")


def longer(pause: float) -> float:
    """The pause after the next failure, seconds; 0 before the first."""
    return min(LONGEST_PAUSE, pause * 2) if pause else FIRST_PAUSE


def _cosignature(verifier: Verifier, note: Note, text: str) -> str:
    """This witness's line among those it answered, if it holds; lines of keys we do not know are passed over."""
    try:
        lines = Note(note.body, parse_signatures(text))
    except Refused:
        return ""
    if check_cosignature(verifier, lines) is None:
        return ""
    return lines.of(verifier)[-1].line
