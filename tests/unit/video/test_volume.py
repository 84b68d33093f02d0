"""A volume: what it may still take, and that it is the disk it says."""

import shutil

import pytest

from saqtau.kernel.errors import Refused
from saqtau.video.volume import LEAST_FREE, MARK, Room, Volume


def test_a_new_volume_keeps_its_name(tmp_path):
    volume = Volume(tmp_path / "v")
    assert volume.open("one", None) == "one"
    assert Volume(tmp_path / "v").open("two", "one") == "one"
    assert Volume(tmp_path / "v").open("three", None) == "one"


def test_a_folder_whose_disk_is_not_mounted_is_not_written_to(tmp_path):
    Volume(tmp_path / "v").open("one", None)
    (tmp_path / "v" / MARK).unlink()  # what an empty mount point looks like
    with pytest.raises(Refused) as refused:
        Volume(tmp_path / "v").open("two", "one")
    assert refused.value.fields == {"folder": "not_mounted"}
    assert not (tmp_path / "v" / MARK).exists()
    with pytest.raises(Refused):
        Volume(tmp_path / "gone").open("two", "one")
    assert not (tmp_path / "gone").exists()


def test_another_disk_under_the_same_folder_is_told(tmp_path):
    Volume(tmp_path / "v").open("other", None)
    with pytest.raises(Refused):
        Volume(tmp_path / "v").open("two", "one")


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Refused) as refused:
        Volume(tmp_path / "file" / "v").open("one", None)
    assert refused.value.fields == {"folder": "not_writable"}


def test_what_was_written_is_synced(tmp_path):
    volume = Volume(tmp_path / "v")
    volume.open("one", None)
    (tmp_path / "v" / "file").write_bytes(b"x" * 1000)
    volume.sync()
    volume.close()
    with pytest.raises(OSError):  # a sync that did nothing must not look like one
        volume.sync()


def test_a_budget_bounds_what_is_recorded(tmp_path):
    volume = Volume(tmp_path, budget=1000)
    volume.note(900)
    assert (volume.room().left, volume.room().excess) == (100, 0)
    volume.grew(150)
    assert (volume.room().left, volume.room().excess) == (0, 50)
    volume.grew(-5000)
    assert volume.used() == 0


def test_a_budget_larger_than_the_disk_is_what_the_disk_has(tmp_path):
    volume = Volume(tmp_path, budget=1 << 60)
    volume.note(5)
    free = shutil.disk_usage(tmp_path).free
    assert abs(volume.room().may - (free + 5 - LEAST_FREE)) < 1 << 30  # others write to this disk too


def test_without_a_budget_some_of_the_disk_stays_free(tmp_path):
    room = Volume(tmp_path).room()
    disk = shutil.disk_usage(tmp_path)
    assert room.may <= max(disk.free - min(disk.total // 10, 100 << 30) + (1 << 30), 0)


def test_a_forecast():
    room = Room(used=86_400 * 50, may=86_400 * 100, free=10**9)
    assert room.days(100.0) == 1.0
    assert room.seconds_left(100.0) == 43_200.0
    assert room.days(0) is None
    assert room.seconds_left(0) is None
