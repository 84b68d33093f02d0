"""ONVIF plate cameras: Profile M events over MQTT."""

from saqtau.devices.family import Family
from saqtau.devices.limits import Rate
from saqtau.kernel.signal import PlateRead

DEVICE = Family(
    name="onvif",
    path="mqtt:",
    gives=PlateRead,
    largest=4 << 20,
    # as the cameras that push; who is faster is read more slowly
    rate=Rate(per_second=50, burst=500),
    doc="Plate cameras that publish onvif-ej events over MQTT 3.1.1 (Profile M), with or without pictures.",
)
