"""Chance chooses what the prosecutor looks through, and whoever has the checkpoint draws the same."""

import base64
import contextlib
import hashlib
import io
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from saqtau.desks.custody.draw import STRETCH, draw
from saqtau.kernel.clock import DAY, Instant

BEGAN = Instant(1_790_000_000_000 // DAY * DAY)
ENDED = Instant(BEGAN + DAY)
CAMERAS = [f"c{number}" for number in range(40)]


def root(number):
    return hashlib.sha256(str(number).encode()).digest()


def test_the_same_checkpoint_draws_the_same_in_whatever_order_the_cameras_come():
    once = draw(root(1), "colony", "penal_colony", CAMERAS, BEGAN, ENDED)
    assert once == draw(root(1), "colony", "penal_colony", CAMERAS[::-1], BEGAN, ENDED)
    assert once == draw(root(1), "colony", "penal_colony", CAMERAS * 2, BEGAN, ENDED)
    assert [(one.camera, one.began - BEGAN) for one in once] == [("c34", 83700000), ("c6", 24300000)]


def test_another_checkpoint_place_or_day_draws_something_else():
    others = [
        draw(root(2), "colony", "penal_colony", CAMERAS, BEGAN, ENDED),
        draw(root(1), "colony2", "penal_colony", CAMERAS, BEGAN, ENDED),
        draw(root(1), "colony", "penal_colony", CAMERAS, Instant(BEGAN + DAY), Instant(ENDED + DAY)),
    ]
    assert draw(root(1), "colony", "penal_colony", CAMERAS, BEGAN, ENDED) not in others


def test_a_colony_is_drawn_every_day_and_an_office_about_once_a_week():
    colony = [draw(root(day), "site", "penal_colony", CAMERAS, BEGAN, ENDED) for day in range(700)]
    office = [draw(root(day), "site", "police_office", CAMERAS, BEGAN, ENDED) for day in range(700)]
    assert all(colony)
    assert 70 < sum(map(bool, office)) < 130


def test_no_camera_and_no_hour_is_spared():
    drawn = [one for day in range(3_000) for one in draw(root(day), "s", "penal_colony", CAMERAS, BEGAN, ENDED)]
    assert {one.camera for one in drawn} == set(CAMERAS)
    assert len({one.began for one in drawn}) == DAY // STRETCH


@given(st.binary(min_size=32, max_size=32), st.lists(st.text(min_size=1, max_size=8)), st.integers(0, 3 * DAY))
def test_what_is_drawn_lies_in_the_day_and_is_of_a_camera_that_is_there(seed, cameras, length):
    for one in draw(seed, "site", "penal_colony", cameras, BEGAN, Instant(BEGAN + length)):
        assert one.camera in cameras
        assert BEGAN <= one.began < one.ended <= BEGAN + length
        assert one.ended - one.began == STRETCH


def test_the_few_lines_of_the_overseers_page_draw_the_same():
    page = (Path(__file__).parents[2] / "docs" / "oversee" / "custody.md").read_text("utf-8")
    lines = page.partition("```python\n")[2].partition("```")[0]
    given = {
        "<root of the seed>": base64.b64encode(root(1)).decode(),
        "colony-7": "colony",
        "1795474800000": str(BEGAN),
        '["c-01", "c-02", "c-03"]': str(CAMERAS),
    }
    for said, meant in given.items():
        assert said in lines
        lines = lines.replace(said, meant)
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        exec(lines, {})
    drawn = draw(root(1), "colony", "penal_colony", CAMERAS, BEGAN, ENDED)
    assert told.getvalue().splitlines() == [f"{one.camera} {one.began}" for one in drawn]
