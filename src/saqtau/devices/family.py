"""What every `device.py` says about its family, for the register of devices, the documentation and the bootstrap."""

import msgspec

from saqtau.devices.limits import Rate
from saqtau.kernel.signal import PlateRead, Position


class Family(msgspec.Struct, frozen=True):
    """A family of devices: where it speaks to, what it gives, what it may not exceed."""

    name: str
    path: str  # route of its input; a trailing "/" is followed by the device's token
    gives: type[PlateRead] | type[Position]
    largest: int  # bytes of a body
    rate: Rate  # requests of one device
    doc: str
