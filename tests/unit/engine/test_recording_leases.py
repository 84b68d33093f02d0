"""Who records what: never two, and never nobody for long."""

import subprocess
import sys

import pytest

from saqtau.engine.recording_leases import GRACE, PARTITIONS, Leases, partition_of
from saqtau.kernel.clock import Instant

NOW = Instant(1_790_000_000_000)


def test_processes_share_all_partitions_and_no_partition_is_anothers(tmp_path):
    leases = [Leases(tmp_path, index, 3) for index in range(3)]
    for one in leases:
        one.turn(NOW)
    owned = [one.owned for one in leases]
    assert sum(len(one) for one in owned) == PARTITIONS
    assert frozenset.union(*owned) == set(range(PARTITIONS))


def test_the_partitions_of_a_dead_process_are_taken_after_a_moment_and_given_back(tmp_path):
    living, dying = Leases(tmp_path, 0, 2), Leases(tmp_path, 1, 2)
    living.turn(NOW)
    dying.turn(NOW)
    lost = dying.owned
    dying.close()
    assert living.turn(Instant(NOW + 1)).taken == set()
    assert living.turn(Instant(NOW + 1 + GRACE)).taken == lost
    assert living.owned == set(range(PARTITIONS))
    back = Leases(tmp_path, 1, 2)
    assert back.turn(Instant(NOW + 9_000)).taken == set()  # still the other's
    leaving = living.turn(Instant(NOW + 9_000)).leaving
    assert leaving == lost
    for one in leaving:
        living.release(one)
    assert back.turn(Instant(NOW + 9_500)).taken == lost


def test_a_process_that_restarts_quickly_loses_nothing(tmp_path):
    living, dying = Leases(tmp_path, 0, 2), Leases(tmp_path, 1, 2)
    living.turn(NOW)
    dying.turn(NOW)
    lost = dying.owned
    dying.close()
    living.turn(Instant(NOW + 1))
    back = Leases(tmp_path, 1, 2)
    assert back.turn(Instant(NOW + 2)).taken == lost
    assert living.turn(Instant(NOW + 3 + GRACE)).taken == set()


def test_the_system_frees_what_a_killed_process_had(tmp_path):
    code = (
        "import time; from pathlib import Path; from saqtau.engine.recording_leases import Leases; "
        f"l = Leases(Path({str(tmp_path)!r}), 0, 1); print(len(l.turn(0).taken), flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == str(PARTITIONS)
        ours = Leases(tmp_path, 0, 1)
        assert ours.turn(NOW).taken == set()
        process.kill()
        process.wait()
        assert len(ours.turn(NOW).taken) == PARTITIONS


def test_a_child_does_not_keep_the_locks(tmp_path):
    leases = Leases(tmp_path, 0, 1)
    leases.turn(NOW)
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "close_fds": False}
    with subprocess.Popen([sys.executable, "-c", "print(1, flush=True); input()"], **piped) as child:
        child.stdout.readline()  # it has left our program behind
        leases.close()
        assert len(Leases(tmp_path, 0, 1).turn(NOW).taken) == PARTITIONS
        child.communicate(b"\n")


def test_cameras_spread_over_the_partitions():
    counts = [0] * PARTITIONS
    for number in range(6_400):
        counts[partition_of(f"cam-{number}")] += 1
    assert min(counts) > 50


def test_a_process_that_is_none_of_them_is_refused(tmp_path):
    with pytest.raises(ValueError, match="process 2 of 2"):
        Leases(tmp_path, 2, 2)


def test_lock_files_are_nobody_elses(tmp_path):
    Leases(tmp_path / "locks", 0, 1).turn(NOW)
    assert all(one.stat().st_mode & 0o077 == 0 for one in (tmp_path / "locks").iterdir())
