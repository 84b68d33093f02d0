"""Which desks a role is not told of: compartments of others, and for roles of one place everything but their own.

A queue shows what somebody has to act on. Who answers for cells has no business with wanted vehicles, and a control
centre none with what the prosecutor asks of a colony.
"""

from collections.abc import Iterable
from typing import Final

from saqtau.kernel.access import OVERSEERS
from saqtau.kernel.desk import Desk

WIDE: Final = frozenset({"operator", "duty_officer", "inspector"})
"""Roles whose queue is that of the whole region, but for compartments they have no business with."""


def hidden_from(desks: Iterable[Desk], role: str) -> frozenset[str]:
    """Names of the desks whose lines this role is not shown."""
    if role in OVERSEERS:
        return frozenset()
    return frozenset(
        desk.name for desk in desks if role not in desk.concerned and (desk.compartment or role not in WIDE)
    )
