"""Plates that differ from a read by one character which readers confuse.

Only at positions that the reader itself marked uncertain, only against the small urgent list: against a big list
every plate is near another one and a match says nothing. What is found is shown to a person, never acted upon.
"""

from collections.abc import Collection, Container

LARGEST_LIST = 10_000
"""Above this many plates nothing is near."""

_LOOKS_LIKE = ("0ODQC", "1ILT7", "8B3", "5S", "2Z7", "6GC", "4A", "UV", "MN", "KX", "PR", "EF", "HN")
_OTHERS: dict[str, str] = {
    letter: "".join(sorted({other for group in _LOOKS_LIKE if letter in group for other in group} - {letter}))
    for letter in "".join(_LOOKS_LIKE)
}


def alternatives(character: str) -> str:
    """The characters that a reader takes for this one."""
    return _OTHERS.get(character, "")


def near(plate: str, doubts: Container[int], urgent: Collection[str]) -> tuple[str, ...]:
    """Plates of the urgent list that are one confusable, doubtful character away, in order; never the plate itself.

    plate: normalised, 1..12 characters. doubts: positions the reader was unsure of. urgent: a set of plates.
    Empty when the list holds more than `LARGEST_LIST`.
    """
    if len(urgent) > LARGEST_LIST:
        return ()
    wishes = (
        plate[:position] + other + plate[position + 1 :]
        for position, character in enumerate(plate)
        if position in doubts
        for other in alternatives(character)
    )
    return tuple(sorted({wish for wish in wishes if wish in urgent}))
