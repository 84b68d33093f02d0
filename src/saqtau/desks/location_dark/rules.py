"""When silence opens an item, and how long it lasted.

An item's data: `silent_unit`, `last` (ms, or None when it was never heard), `gap` (s, once over), `reason`.
"""

from collections.abc import Sequence

from saqtau.kernel.clock import between
from saqtau.kernel.desk import Data
from saqtau.kernel.item import Action, Call, Fire, Item, Open
from saqtau.kernel.signal import UnitHeard, UnitSilent


def on_silent(signal: UnitSilent, family: Sequence[Item]) -> tuple[Action, ...]:
    """One item a silence."""
    if any(item.desk == "location_dark" and item.data["silent_unit"] == signal.unit for item in family):
        return ()
    return (
        Open(
            desk="location_dark",
            data={"silent_unit": signal.unit, "last": signal.last, "gap": None, "reason": None},
            region=signal.region,
            priority=3,
            lat=signal.lat,
            lon=signal.lon,
            by="unit_silent",
        ),
    )


def on_heard(signal: UnitHeard, family: Sequence[Item]) -> tuple[Action, ...]:
    """The unit is back: the item closes by itself."""
    ours = any(item.id == signal.item and item.desk == "location_dark" for item in family)
    return (Fire(item=signal.item, edge="heard", by="unit_heard"),) if ours else ()


def heard(data: Data, _form: Data, call: Call) -> Data:
    """How long the gap was; it stays on record whatever the reason."""
    return {"gap": None if data["last"] is None else between(data["last"], call.now)}


def explained(_data: Data, form: Data, call: Call) -> Data:
    """What the duty officer found out."""
    return {"reason": form.get("reason"), "explained_by": call.actor.id, "explained_at": call.now}


def line(data: Data) -> Data:
    """One line of the queue."""
    return {name: data[name] for name in ("silent_unit", "last", "reason")}
