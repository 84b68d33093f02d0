"""What a crew changes about its unit by itself. Pure. What dispatch changes, it tells by `UnitStatus`."""

import msgspec

from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.signal import Status


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
