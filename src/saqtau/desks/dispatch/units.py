"""What a unit may become, and who holds it. Pure; the store applies it by comparing and setting."""

import msgspec

from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Status, UnitStatus


class Holding(msgspec.Struct, frozen=True):
    """A unit's state and the item that holds it."""

    status: Status = Status.OFF_DUTY
    item: str | None = None


_BY_CREW = frozenset(
    {
        (Status.OFF_DUTY, Status.AVAILABLE),
        (Status.AVAILABLE, Status.OFF_DUTY),
        (Status.AVAILABLE, Status.BUSY),
        (Status.BUSY, Status.AVAILABLE),
        (Status.BUSY, Status.OFF_DUTY),
    }
)
"""What a crew changes by itself. Work that dispatch gave is left through the item: refuse, release, done."""


def by_crew(unit: Holding, wish: Status) -> Holding:
    """The unit after its crew's own change; the same wish twice is no change. Raises Refused(CONFLICT)."""
    if wish is unit.status:
        return unit
    if (unit.status, wish) not in _BY_CREW:
        raise Refused(Kind.CONFLICT, f"a crew cannot go from {unit.status} to {wish} by itself", status="not_from_here")
    return Holding(wish)


def by_dispatch(unit: Holding, wish: UnitStatus) -> Holding | None:
    """The unit after dispatch's signal, or None when the wished item cannot have it.

    A free unit is taken, a held one only by its own item or by a person's order. An item frees only what it holds:
    a unit that was ordered elsewhere in the meantime stays there.
    """
    own = unit.item is not None and unit.item == wish.item
    if wish.status is Status.AVAILABLE:
        return Holding(Status.AVAILABLE) if own else unit
    free = unit.status is Status.AVAILABLE and unit.item is None
    return Holding(wish.status, wish.item) if own or free or wish.override else None
