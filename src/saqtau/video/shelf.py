"""The files of a camera on a volume, found again: after a crash the last ones are not in the index."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_NAME: Final = re.compile(r"[0-9]{6}-([0-9]{10,20})\.cmf")
_YEAR: Final = re.compile(r"[0-9]{4}")
_TWO: Final = re.compile(r"[0-9]{2}")


def first_of(path: Path) -> int | None:
    """The first sequence of a segment, by its name; None for another file."""
    found = _NAME.fullmatch(path.name)
    return None if found is None else int(found[1])


def files_from(volume: Path, camera: str, first: int) -> list[Path]:
    """Files of a camera whose first sequence is `first` or later, in that order. Raises OSError.

    Walks back day by day and stops at the first day with an earlier file, so it costs a few listings.
    """
    found: list[tuple[int, Path]] = []
    for day in _days(volume / camera):
        here = [(number, path) for path in day.iterdir() if (number := first_of(path)) is not None]
        found += [(number, path) for number, path in here if number >= first]
        if any(number < first for number, _ in here):
            break
    return [path for _, path in sorted(found)]


def newest(volume: Path, camera: str) -> Path | None:
    """The file with the highest first sequence. Raises OSError."""
    for day in _days(volume / camera):
        here = [(number, path) for path in day.iterdir() if (number := first_of(path)) is not None]
        if here:
            return max(here)[1]
    return None


def _days(folder: Path) -> Iterator[Path]:
    """The folders of days, the last first."""
    for year in _down(folder, _YEAR):
        for month in _down(year, _TWO):
            yield from _down(month, _TWO)


def _down(folder: Path, name: re.Pattern[str]) -> list[Path]:
    try:
        return sorted((path for path in folder.iterdir() if name.fullmatch(path.name)), reverse=True)
    except FileNotFoundError:  # no such camera here, or the last file of that day has just gone
        return []
