"""Phones with the OwnTracks app."""

from saqtau.devices.family import Family
from saqtau.devices.limits import Rate
from saqtau.kernel.signal import Position

DEVICE = Family(
    name="owntracks",
    path="/owntracks/",
    gives=Position,
    largest=16 << 10,
    rate=Rate(per_second=5, burst=600),  # the app empties its store one request a location
    doc="Phones with OwnTracks in HTTP mode; not signed, so for trials and test units.",
)
