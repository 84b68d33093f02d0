"""Log and witness do not live in one folder: whoever keeps both can rewrite both.

Folders are compared where they really are, so a link leads nowhere else.
"""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.witness.store import FILE

KEY: Final = "witness.key"
_POLICE: Final = ("postgres", "nats", "secrets")
"""Folders that every data folder of Saqtau has (`engine.place.open_place`)."""
_DEPTH: Final = 2
"""How far down a folder inside another one is looked for."""


def is_log(folder: Path) -> bool:
    """Whether it is a data folder of Saqtau, which keeps the log."""
    return all((folder / name).is_dir() for name in _POLICE)


def is_witness(folder: Path) -> bool:
    """Whether a witness lives in it."""
    return (folder / KEY).exists() or (folder / FILE).exists()


def refuse_log_near(witness: Path) -> None:
    """Raise Refused(CONFLICT) when the folder of a witness is, holds, or lies in a folder of a log."""
    for part in (witness, *_inside(witness, 1)):
        if (found := _near(part, is_log)) is not None:
            raise Refused(
                Kind.CONFLICT,
                f"{witness}: the log lives in {found}; a witness needs a folder, a key and a keeper of its own",
                folder="log_and_witness",
            )


def refuse_witness_near(log: Path) -> None:
    """Raise Refused(CONFLICT) when the folder of a log is, holds, or lies in a folder of a witness."""
    if (found := _near(log, is_witness)) is not None:
        raise Refused(
            Kind.CONFLICT,
            f"{log}: a witness lives in {found}; the log needs a folder of its own",
            folder="log_and_witness",
        )


def _near(folder: Path, is_one: Callable[[Path], bool]) -> Path | None:
    real = folder.resolve()
    for other in (real, *real.parents, *_inside(real, _DEPTH)):
        if is_one(other):
            return other
    return None


def _inside(folder: Path, depth: int) -> Iterator[Path]:
    """Folders below, also through links, each where it really is."""
    if depth == 0:
        return
    try:
        found = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return  # not there yet, or closed to us: then neither can we run a log or a witness in it
    for one in found:
        yield one.resolve()
        yield from _inside(one, depth - 1)
