"""Where files lie, and how the last ones are found again."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from saqtau.kernel.clock import DAY, Instant
from saqtau.video.segment_file import path_of
from saqtau.video.shelf import files_from, first_of, newest

NOW = Instant(1_764_000_000_000)


def put(volume, camera, first, began):
    path = path_of(volume, camera, first, began)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


@given(st.integers(0, 10**12), st.integers(0, 4_000_000_000_000))
def test_the_name_gives_the_sequence_back(first, began):
    assert first_of(path_of(Path(), "cam", first, Instant(began))) == first


def test_the_files_after_one_are_found_over_the_end_of_days_and_years(tmp_path):
    paths = [put(tmp_path, "cam", day * 100, Instant(NOW + day * DAY)) for day in range(60)]
    assert files_from(tmp_path, "cam", 5700) == paths[57:]
    assert files_from(tmp_path, "cam", 0) == paths
    assert newest(tmp_path, "cam") == paths[-1]


def test_a_clock_that_was_set_back_hides_no_file(tmp_path):
    put(tmp_path, "cam", 1, NOW)
    late = put(tmp_path, "cam", 2, Instant(NOW + 2 * DAY))
    after = put(tmp_path, "cam", 3, Instant(NOW + DAY))
    assert files_from(tmp_path, "cam", 2) == [late, after]


def test_strangers_among_the_files_are_passed_over(tmp_path):
    put(tmp_path, "cam", 1, NOW)
    folder = (path_of(tmp_path, "cam", 1, NOW)).parent
    (folder / "notes.txt").write_text("")
    (tmp_path / "cam" / "lost+found").mkdir()
    assert len(files_from(tmp_path, "cam", 0)) == 1
    assert files_from(tmp_path, "nobody", 0) == []
    assert newest(tmp_path, "nobody") is None
