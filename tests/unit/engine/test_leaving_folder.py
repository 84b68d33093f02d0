"""What lies on the disk while it leaves is nobody else's, and nothing is left of a process that was killed."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from saqtau.engine.leaving_folder import claim, nameless, sweep

HELD = """
import sys
from pathlib import Path
from saqtau.engine.leaving_folder import claim
folder = claim(Path(sys.argv[1]), lambda: "other")
(folder / "film.mp4").write_bytes(b"faces" * 1000)
print("held", flush=True)
sys.stdin.read()
"""

REDACTING = """
import asyncio, sys
from pathlib import Path
from types import SimpleNamespace
from saqtau.engine.leaving_folder import claim
from saqtau.engine.recording_draft import _made
from saqtau.video.export import cut
from tests.recorded import BEGAN, record

segments = record(Path(sys.argv[2]), seconds=90)
done = cut(segments, BEGAN, BEGAN + 90_000)
line = SimpleNamespace(began=BEGAN, ended=BEGAN + 90_000, keep=())
folder = claim(Path(sys.argv[1]), lambda: "redacting")
made, data = asyncio.run(_made(done, line, folder))
print(made.frames, len(data), flush=True)
"""


def running(program, *arguments):
    path = os.pathsep.join(str(Path(one).absolute()) for one in ("src", "."))
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


@pytest.fixture
def other(tmp_path):
    """Another process that holds a folder with a film in it."""
    process = running(HELD, tmp_path / "leaving")
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def left(root):
    return sorted(str(one.relative_to(root)) for one in root.rglob("*"))


def test_who_starts_takes_nothing_from_a_process_that_lives(tmp_path, other):
    root = tmp_path / "leaving"
    folder = claim(root, lambda: "ours")
    (folder / "film.mp4").write_bytes(b"x")
    assert sweep(root) == 0
    assert left(root) == ["other", "other.lock", "other/film.mp4", "ours", "ours.lock", "ours/film.mp4"]
    assert {oct(one.stat().st_mode & 0o777) for one in (root, folder)} == {"0o700"}


def test_what_a_killed_process_left_is_gone_with_the_next_look(tmp_path, other):
    root = tmp_path / "leaving"
    os.kill(other.pid, signal.SIGKILL)
    other.wait()
    assert sweep(root) == 1
    assert left(root) == []
    assert sweep(root) == 0


def test_what_an_older_release_left_there_goes_too_and_no_link_is_followed(tmp_path):
    root, elsewhere = tmp_path / "leaving", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").write_bytes(b"x")
    (root / "copies-x").mkdir(parents=True)
    (root / "copies-x" / "0.film").write_bytes(b"x")
    (root / "stray").write_bytes(b"x")
    (root / "link").symlink_to(elsewhere)
    assert sweep(root) == 1
    assert (left(root), left(elsewhere)) == ([], ["kept"])
    assert sweep(tmp_path / "never") == 0


def test_a_name_that_is_taken_is_not_taken_again(tmp_path, other):
    names = iter(["other", "other", "free"])
    assert claim(tmp_path / "leaving", lambda: next(names)).name == "free"


def test_a_file_without_a_name_is_read_by_who_inherits_it_and_by_nobody_else(tmp_path):
    with nameless(tmp_path) as file:
        file.write(b"faces")
        file.flush()
        assert list(tmp_path.iterdir()) == []
        read = [sys.executable, "-c", f"print(open('/proc/self/fd/{file.fileno()}').read())"]
        assert subprocess.run(read, pass_fds=[file.fileno()], capture_output=True, check=True).stdout == b"faces\n"


def children(pid):
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_redaction_that_is_killed_leaves_no_film_and_no_child(tmp_path):
    root = tmp_path / "leaving"
    process = running(REDACTING, root, tmp_path / "recorded")
    try:
        while not (root.is_dir() and any(one.name == "out.webm" for one in root.rglob("*")) and children(process.pid)):
            assert process.poll() is None
            time.sleep(0.01)
        (child,) = children(process.pid)
        while not _decodes(child):
            assert process.poll() is None
            time.sleep(0.01)
        assert [one for one in root.rglob("*") if one.is_file() and not one.is_symlink() and one.stat().st_size] == []
    finally:
        process.kill()
        process.communicate()
    while _lives(child):
        time.sleep(0.01)
    assert sweep(root) == 1
    assert left(root) == []


def _decodes(pid):
    """The child has opened a film that has no name."""
    opened = 0
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            opened += "(deleted)" in str(one.readlink())
    return opened > 2  # it inherited two


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


def test_a_redaction_that_is_let_be_makes_its_copy(tmp_path):
    root = tmp_path / "leaving"
    process = running(REDACTING.replace("90", "1"), root, tmp_path / "recorded")
    told, _ = process.communicate()
    frames, size = map(int, told.split())
    assert frames == 13
    assert size > 1_000
    assert left(root) == ["redacting", "redacting.lock"]
