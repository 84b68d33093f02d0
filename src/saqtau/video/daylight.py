"""Whether the sun is up over a camera: a dark picture at noon is a hand's, at midnight it need not be.

Source: the low-precision formulas of the Astronomical Almanac (0.01 degrees until 2050), without refraction.
"""

import math
from typing import Final

from saqtau.kernel.clock import DAY, Instant

UP: Final = 3.0
"""Degrees above the horizon from which a picture outdoors cannot be dark by itself, in valleys and storms too."""
_J2000: Final = 946_728_000_000
"""Noon of 1 January 2000, Unix milliseconds."""


def sun(at: Instant, lat: float, lon: float) -> float:
    """Degrees of the sun's centre above the horizon; negative at night. lat, lon: degrees north and east."""
    days = (at - _J2000) / DAY
    mean = math.radians((280.460 + 0.9856474 * days) % 360)
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360)
    ecliptic = mean + math.radians(1.915 * math.sin(anomaly) + 0.020 * math.sin(2 * anomaly))
    tilt = math.radians(23.439 - 0.0000004 * days)
    ascension = math.atan2(math.cos(tilt) * math.sin(ecliptic), math.cos(ecliptic))
    declination = math.asin(math.sin(tilt) * math.sin(ecliptic))
    sidereal = math.radians((280.46062 + 360.98564737 * days + lon) % 360)
    north = math.radians(lat)
    return math.degrees(
        math.asin(
            math.sin(north) * math.sin(declination)
            + math.cos(north) * math.cos(declination) * math.cos(sidereal - ascension)
        )
    )


def is_day(at: Instant, lat: float, lon: float) -> bool:
    """Whether it is light outdoors there, beyond doubt."""
    return sun(at, lat, lon) >= UP
