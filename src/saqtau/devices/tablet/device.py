"""The patrol's tablet."""

from saqtau.devices.family import Family
from saqtau.devices.limits import Rate
from saqtau.kernel.signal import Position

DEVICE = Family(
    name="tablet",
    path="/tablet/positions",
    gives=Position,
    largest=256 << 10,
    # a batch a second, and the batches stored during a day without a network (a fix a second, 600 a batch)
    rate=Rate(per_second=5, burst=150),
    doc="Enrolled tablets: batches of numbered positions signed with ECDSA P-256.",
)
