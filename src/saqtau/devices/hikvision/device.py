"""Hikvision plate cameras."""

from saqtau.devices.family import Family
from saqtau.devices.limits import Rate
from saqtau.kernel.signal import PlateRead

DEVICE = Family(
    name="hikvision",
    path="/hikvision/",
    gives=PlateRead,
    largest=8 << 20,
    # four lanes at the densest flow are 3 reads/s; the burst is what a camera uploads after an outage
    rate=Rate(per_second=50, burst=500),
    doc="Plate cameras that push EventNotificationAlert over HTTP (ISAPI), with or without pictures.",
)
