"""Plates, misreads and pictures for any seed."""

import io
import re
from random import Random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from saqtau.devices.plate import spell
from saqtau.kernel.clock import Instant
from saqtau.simulate.plates import CROP, SCENE, SHAPE, crop, misread, random_plate, scene
from saqtau.simulate.sightings import see
from saqtau.simulate.traffic import Passage

seeds = st.integers(0, 2**32)
regions = st.integers(1, 20)


@given(seeds, regions)
def test_a_random_plate_has_the_shape_of_its_country_and_is_normalised(seed, region):
    plate = random_plate(Random(seed), region)
    assert re.fullmatch(SHAPE, plate)
    assert plate.endswith(f"{region:02}")
    assert spell(plate).plate == plate


@given(seeds, regions)
def test_a_misread_is_another_plate_of_the_same_shape_that_differs_where_it_says(seed, region):
    plate = random_plate(Random(seed), region)
    read, place = misread(plate, np.random.default_rng(seed))
    assert re.fullmatch(SHAPE, read)
    assert [k for k in range(8) if read[k] != plate[k]] == [place]


@given(seeds, st.floats(1, 250))
def test_a_sighting_is_sure_only_of_what_was_there(seed, speed):
    plate = random_plate(Random(seed), 10)
    report = see(Passage(0, 3, Instant(5), speed), plate, np.random.default_rng(seed))
    if report is None:
        return
    assert report.truth == plate
    assert len(report.believed) == len(plate)
    assert 0 < min(report.believed) <= max(report.believed) < 100
    assert 0 < report.confidence < 100
    assert abs(report.speed - speed) < 8
    if report.plate != plate:
        (place,) = [k for k in range(8) if report.plate[k] != plate[k]]
        assert report.believed[place] < 75


def test_a_tenth_is_missed_and_a_fiftieth_misread():
    random = np.random.default_rng(1)
    reports = [see(Passage(0, 0, Instant(1), 60.0), "123ABC10", random) for _ in range(20_000)]
    seen = [report for report in reports if report is not None]
    assert 0.085 < 1 - len(seen) / len(reports) < 0.115
    assert 0.016 < sum(report.plate != report.truth for report in seen) / len(reports) < 0.024


@given(st.text("ABCDEFGHKLMNOPRSTUVXYZ0123456789", min_size=1, max_size=12), st.floats(0, 1), seeds)
def test_pictures_can_be_decoded_whatever_the_plate(plate, blur, seed):
    small = Image.open(io.BytesIO(crop(plate, blur=blur)))
    small.load()
    assert (small.format, small.size) == ("JPEG", CROP)
    large = Image.open(io.BytesIO(scene(plate, "C001 2026-11-24 09:00:00", paint=seed, seed=seed)))
    large.load()
    assert (large.format, large.size) == ("JPEG", SCENE)
