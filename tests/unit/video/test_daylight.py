"""The sun, against almanac values that were not computed here."""

from datetime import UTC, datetime

import pytest

from saqtau.video.daylight import is_day, sun

ASTANA, ALMATY = (51.1694, 71.4491), (43.2380, 76.9454)


def at(*when):
    return round(datetime(*when, tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("when", "where", "degrees"),
    [
        # at local noon the sun stands 90 - latitude + declination degrees high; declination 23.44 on the solstices
        ((2026, 6, 21, 7, 16), ASTANA, 90 - 51.17 + 23.44),
        ((2026, 12, 21, 7, 12), ASTANA, 90 - 51.17 - 23.44),
        ((2026, 6, 21, 6, 54), ALMATY, 90 - 43.24 + 23.44),
        # and as deep below at local midnight of the other solstice
        ((2026, 12, 21, 19, 12), ASTANA, -(90 - 51.17 + 23.44)),
        # equinox of 20 March 2026: declination 0
        ((2026, 3, 20, 7, 22), ASTANA, 90 - 51.17),
    ],
)
def test_the_sun_stands_as_high_as_the_almanac_says(when, where, degrees):
    assert sun(at(*when), *where) == pytest.approx(degrees, abs=0.3)


def test_noon_is_day_and_midnight_is_not():
    assert is_day(at(2026, 11, 24, 7, 0), *ASTANA)
    assert not is_day(at(2026, 11, 24, 19, 0), *ASTANA)


def test_a_polar_summer_has_no_night_and_a_polar_winter_no_day():
    assert all(is_day(at(2026, 6, 21, hour), 75.0, 70.0) for hour in range(24))
    assert not any(is_day(at(2026, 12, 21, hour), 75.0, 70.0) for hour in range(24))
