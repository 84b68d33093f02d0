"""What a check says: sentences about what was checked, and findings about what did not hold."""

from collections.abc import Callable

import msgspec

Say = Callable[[str], None]
"""Told each sentence as soon as it is known."""


class Finding(msgspec.Struct, frozen=True):
    """Something that does not hold: where it is, and what is wrong there.

    unknown: it cannot be checked, for want of a key; no accusation, and no assurance.
    """

    where: str
    what: str
    unknown: bool = False

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


def silent(line: str) -> None:
    """For those who only want the findings."""
