"""What moves is hidden for good, what was marked is shown, and nothing is shown where nothing was recorded."""

import json
import subprocess
import sys

import cv2
import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.recorded import record

from saqtau.kernel.errors import Refused
from saqtau.video.redact import COLUMNS, FPS, ROWS, Film, Order, Shown, _kept, _spread, redact

SHARES = st.floats(0, 1)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    (segment,) = record(tmp_path_factory.mktemp("street"), seconds=4)
    return str(segment.path)


def pictures(path):
    capture, found = cv2.VideoCapture(str(path)), []
    while (read := capture.read())[0]:
        found.append(read[1].astype(np.int16))
    capture.release()
    return found


def different(one, other, rows, columns):
    """Share of the points of a region that are clearly another colour."""
    return float((np.abs(one[rows, columns] - other[rows, columns]).max(axis=2) > 60).mean())


def made(street, folder, shown=()):
    out = folder / "out.webm"
    done = redact(Order((Film(street, 0),), str(out), 4_000, shown))
    return done, pictures(out)


def test_cars_are_squares_and_houses_stay(street, tmp_path):
    done, copy = made(street, tmp_path)
    assert done.frames == len(copy) == int(4 * FPS) + 1
    whole, hidden = pictures(street)[50], copy[25]
    cars, sky = (slice(235, 285), slice(250, 400)), (slice(70, 90), slice(330, 620))
    assert different(whole, hidden, *cars) > 0.1
    assert different(whole, hidden, *sky) < 0.02
    assert 0.1 < done.hidden < 0.8


def test_the_marked_subject_is_shown_between_its_marks_and_not_after(street, tmp_path):
    box = (0.3, 0.55, 0.75, 0.85)
    _, copy = made(street, tmp_path, (Shown(1_000, *box), Shown(2_500, *box)))
    whole, inside = pictures(street), (slice(215, 290), slice(200, 470))
    assert different(whole[50], copy[25], *inside) < 0.05
    assert different(whole[90], copy[45], *inside) > 0.1


def test_where_nothing_was_recorded_the_picture_is_grey(street, tmp_path):
    out = tmp_path / "out.webm"
    redact(Order((Film(street, 0),), str(out), 8_000))
    assert np.abs(pictures(out)[-1] - 96).max() < 24


@given(SHARES, SHARES, SHARES, SHARES, st.integers(0, 10_000), st.integers(0, 20_000))
def test_nothing_is_kept_outside_its_marks(left, top, right, bottom, last, at):
    left, right, top, bottom = *sorted((left, right)), *sorted((top, bottom))
    mask = _kept((Shown(0, left, top, right, bottom), Shown(last + 1, left, top, right, bottom)), at)
    assert mask.any() <= (at <= last + 1)
    rows, columns = np.nonzero(mask)
    assert all(left * COLUMNS <= column and column + 1 <= right * COLUMNS for column in columns)
    assert all(top * ROWS <= row and row + 1 <= bottom * ROWS for row in rows)


def test_what_is_hidden_once_stays_hidden_a_second_before_and_after():
    found = np.zeros((60, ROWS, COLUMNS), np.bool_)
    found[30, 20, 40] = True
    spread = _spread(found)[:, 20, 40]
    assert list(np.flatnonzero(spread)) == list(range(30 - round(FPS), 30 + round(FPS) + 1))


def test_a_file_without_a_picture_is_refused_also_by_the_process(tmp_path):
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"\0\0\0\x08free" * 50)
    order = Order((Film(str(bad), 0),), str(tmp_path / "out.webm"), 1_000)
    with pytest.raises(Refused) as refused:
        redact(order)
    assert refused.value.fields == {"film": "undecodable"}
    (tmp_path / "order.json").write_bytes(msgspec.json.encode(order))
    ask = [sys.executable, "-m", "saqtau.video.redact", tmp_path / "order.json"]
    done = subprocess.run(ask, capture_output=True, text=True, check=False)
    assert (done.returncode, "no picture of this time" in done.stderr) == (1, True)


def test_the_process_says_what_it_made(street, tmp_path):
    order = Order((Film(street, 0),), str(tmp_path / "out.webm"), 400)
    (tmp_path / "order.json").write_bytes(msgspec.json.encode(order))
    ask = [sys.executable, "-m", "saqtau.video.redact", tmp_path / "order.json"]
    done = subprocess.run(ask, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["frames"] == 6


def test_a_copy_longer_than_a_person_can_look_at_is_refused(street, tmp_path):
    with pytest.raises(Refused) as refused:
        redact(Order((Film(street, 0),), str(tmp_path / "out.webm"), 3_600_000))
    assert refused.value.fields == {"film": "too_long"}
