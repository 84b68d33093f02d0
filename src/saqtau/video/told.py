"""What a camera tells of itself: somebody is at it, its signal is lost, a contact closed, its clock was set.

Told is not seen: a device may say what it likes. It is entered with the word "told", and never instead of a look at the
picture. Pure.
"""

from collections.abc import Collection, Iterable, Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum
from typing import Final

import msgspec

from saqtau.kernel.clock import SECOND, Instant

JUMP: Final = 5 * SECOND
"""A device's clock that moves by so much against ours between two answers was set: it tells whole seconds."""
SOURCES: Final = 16
"""Sources of one word that a camera can have; what it tells of further ones is left out."""


class Word(StrEnum):
    """What a camera can tell."""

    TAMPER = "told_tamper"  # its own analysis says that it is covered, turned, or its scene is another one
    SIGNAL = "told_signal_loss"  # an encoder has no signal from the camera behind it
    INPUT = "told_input"  # a contact: the door of a cabinet, an alarm button. What hangs on it, the house knows
    CLOCK = "told_clock"  # its clock was set
    MUCH = "told_too_much"  # it told more than anybody reads: what follows is not heard for a while


INSTANTS: Final = frozenset({Word.CLOCK, Word.MUCH})
"""Words that are over as soon as they are told."""
ASKS: Final = frozenset({Word.TAMPER, Word.SIGNAL})
"""Words that somebody has to look at."""


class Heard(msgspec.Struct, frozen=True):
    """A state of the device. source: which sensor, rule or contact; letters, digits and `_.-` only."""

    word: Word
    on: bool
    source: str = ""


class Batch(msgspec.Struct, frozen=True):
    """An answer. drift: ms its clock is ahead of ours. settled: all states have been told since we began to listen."""

    heard: tuple[Heard, ...]
    drift: int | None = None
    settled: bool = False


class Change(msgspec.Struct, frozen=True):
    """What is new. on: it began, else it ended. confirmed: the camera said so; else it only says it no more."""

    word: Word
    on: bool
    source: str = ""
    confirmed: bool = True
    moved: int | None = None  # ms, of CLOCK


Key = tuple[Word, str]


def changes(open_: Collection[Key], heard: Iterable[Heard]) -> list[Change]:
    """What differs from what is open, in the order told. A state that came and went in one answer is told twice."""
    now, found = set(open_), []
    for one in heard:
        key = (one.word, one.source)
        if one.on == (key in now):
            continue
        if one.on and sum(word is one.word for word, _ in now) >= SOURCES:
            continue
        found.append(Change(one.word, one.on, one.source))
        if one.on:
            now.add(key)
        else:
            now.discard(key)
    return found


def silent(open_: Mapping[Key, Instant], said: AbstractSet[Key]) -> list[Change]:
    """States that are open and that the camera, asked for all its states, said nothing of: they are over."""
    return [Change(word, on=False, source=source, confirmed=False) for word, source in sorted(open_.keys() - said)]


def clock_set(before: int | None, drift: int | None) -> Change | None:
    """Whether the device's clock was set between two answers."""
    if before is None or drift is None or abs(drift - before) <= JUMP:
        return None
    return Change(Word.CLOCK, on=True, moved=drift - before)
