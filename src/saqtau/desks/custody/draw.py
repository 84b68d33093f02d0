"""Which stretches the prosecutor looks through: drawn out of the evidence log's own checkpoint, so that nobody chooses.

The seed is the first checkpoint that the log of the region signed after the day was over. When the day's pictures were
taken nobody could know it, a witness holds it, and whoever has it draws the same again: `docs/oversee/custody.md`.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from saqtau.kernel.clock import MINUTE, Instant

STRETCH: Final = 15 * MINUTE
A_DAY: Final = {"penal_colony": 2, "police_office": 1}
"""Stretches of a place and a day that is drawn."""
ONE_IN: Final = {"penal_colony": 1, "police_office": 7}
"""On one day of so many a place is drawn at all; which day it is, is drawn too."""
_PREFIX: Final = b"saqtau random review v1"


class Drawn(msgspec.Struct, frozen=True):
    """A camera (its place in the order of their codes) and a stretch of the day."""

    camera: str
    began: Instant
    ended: Instant


def draw(root: bytes, site: str, place: str, cameras: Sequence[str], began: Instant, ended: Instant) -> list[Drawn]:
    """What is drawn of a place for the day from `began` to before `ended`; empty for a day it is spared.

    root: of the checkpoint, 32 bytes. cameras: every camera that was recorded there, in any order.
    Each figure is the first eight bytes of SHA-256(prefix NUL root site NUL began NUL counter), big-endian, modulo.
    """
    names = sorted(set(cameras))
    stretches = (ended - began) // STRETCH
    if not names or stretches < 1 or _figure(root, site, began, 0) % ONE_IN.get(place, 1):
        return []
    found: dict[tuple[str, int], Drawn] = {}
    for turn in range(A_DAY.get(place, 1)):
        name = names[_figure(root, site, began, 2 * turn + 1) % len(names)]
        at = Instant(began + _figure(root, site, began, 2 * turn + 2) % stretches * STRETCH)
        found.setdefault((name, at), Drawn(name, at, Instant(at + STRETCH)))
    return list(found.values())


def _figure(root: bytes, site: str, began: Instant, counter: int) -> int:
    said = b"\0".join((_PREFIX, root + site.encode(), str(began).encode(), str(counter).encode()))
    return int.from_bytes(hashlib.sha256(said).digest()[:8], "big")
