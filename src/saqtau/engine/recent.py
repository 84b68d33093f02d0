"""Reads of the window, by hash: where a plate was before, for the time it may be remembered and no longer.

A slot's hashes are comparable only under its key, so an earlier read is looked for in this slot and the one before.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from saqtau.engine.window import Slot, hash_plate
from saqtau.kernel.clock import Instant
from saqtau.kernel.signal import Trust


class Seen(msgspec.Struct, frozen=True):
    """One read of a plate. `sequence`, `index`: where its pictures lie in the journal; 0 when that is not known."""

    camera: str
    at: Instant
    sure: bool
    sequence: int = 0
    index: int = 0

    @property
    def trust(self) -> Trust:
        """How far it can be trusted."""
        return Trust.SURE if self.sure else Trust.DOUBTFUL


Hashes = dict[bytes, Seen]


class Recent:
    """The last read of every plate, by partition and slot. Rebuilt from the record when a partition is claimed."""

    def __init__(self) -> None:
        self._slots: dict[int, dict[int, Hashes]] = {}

    def fill(self, partition: int, by_slot: Mapping[int, Hashes]) -> None:
        """What the record knows of a partition."""
        self._slots[partition] = dict(by_slot)

    def drop(self, partition: int) -> None:
        """Forget a partition."""
        self._slots.pop(partition, None)

    def keep(self, oldest: int) -> None:
        """Forget every slot below `oldest`."""
        for partition, slots in self._slots.items():
            self._slots[partition] = {number: hashes for number, hashes in slots.items() if number >= oldest}

    def put(self, partition: int, slot: Slot, plate: str, seen: Seen, before: Slot | None) -> tuple[bytes, Seen | None]:
        """Remember a read; returns its hash and the read before it, if the window still knows one."""
        key = hash_plate(slot.key, plate)
        slots = self._slots.setdefault(partition, {})
        here = slots.setdefault(slot.number, {})
        earlier = here.get(key)
        if earlier is None and before is not None and before.number in slots:
            earlier = slots[before.number].get(hash_plate(before.key, plate))
        if earlier is None or seen.at >= earlier.at:
            here[key] = seen
        return key, earlier


_SINCE = """
    select received, plate_key, camera, at, sure from read_recent where received >= $1 and partition = $2 order by at
"""


async def read_recent(pg: Any, partition: int, since: Instant, slot_length: int) -> dict[int, Hashes]:
    """The reads of a partition since an instant, by the slot they were received in."""
    rows = await pg.fetch(_SINCE, since, partition)
    found: dict[int, Hashes] = {}
    for received, key, camera, at, sure in rows:
        found.setdefault(received // slot_length, {})[key] = Seen(camera, at, sure)
    return found
