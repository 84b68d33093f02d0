"""Lengths and projections of lines, on the sphere and in the plane."""

from math import asin, cos, radians, sin, sqrt

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

EARTH_RADIUS = 6_371_008.8
"""Metres; IUGG mean radius."""


def metres_between(points: F64) -> F64:
    """Great-circle metres of each step of a line. points: (k, 2) latitude, longitude; returns (k - 1,)."""
    lat, lon = np.radians(points).T
    half = np.sin(np.diff(lat) / 2) ** 2 + np.cos(lat[1:]) * np.cos(lat[:-1]) * np.sin(np.diff(lon) / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS * np.arcsin(np.sqrt(np.minimum(half, 1.0))))


def straight_metres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great-circle metres between two points (latitude, longitude), degrees."""
    lat_a, lat_b = radians(a[0]), radians(b[0])
    half = sin((lat_b - lat_a) / 2) ** 2 + cos(lat_a) * cos(lat_b) * sin(radians(b[1] - a[1]) / 2) ** 2
    return 2 * EARTH_RADIUS * asin(sqrt(min(half, 1.0)))
