"""Where films and packages lie while they leave: a folder a process, and none outlives its process.

What is written there has no name (`nameless`): the system frees it the moment the process dies, whatever kills it. The
folder is for the rest: links that are made on the way, and file systems that cannot make a file without a name at once.
Each process has a folder of its own and holds a lock beside it; a folder whose lock is free is nobody's and is emptied
by whichever part starts next, and once a minute (`sweep`).
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from typing import BinaryIO, Final, cast

import structlog

from saqtau.kernel.ids import Ids

log = structlog.get_logger("saqtau.leaving")

EVERY: Final = 60.0
"""Seconds between two looks for what a killed process left."""
_LOCK: Final = ".lock"
_PRIVATE: Final = 0o700


def claim(root: Path, ids: Ids) -> Path:
    """A folder of this process's own below `root`. It is ours until the process ends. Raises OSError.

    Its lock is made first: whoever sees the folder sees that it is somebody's.
    """
    root.mkdir(mode=_PRIVATE, exist_ok=True)
    while True:
        name = ids()
        lock = root / (name + _LOCK)
        descriptor = _locked(lock, os.O_CREAT | os.O_EXCL)
        if descriptor < 0:
            continue  # somebody sweeps, and took it between its making and its locking
        folder = root / name
        folder.mkdir(mode=_PRIVATE)
        return folder


def sweep(root: Path) -> int:
    """Remove what is nobody's; how many folders that were. Raises OSError when `root` cannot be read."""
    if not root.is_dir():
        return 0
    found = 0
    for name in {one.name.removesuffix(_LOCK) for one in root.iterdir()}:
        lock = root / (name + _LOCK)
        descriptor = _locked(lock, os.O_CREAT)
        if descriptor < 0:
            continue
        try:
            found += _remove(root / name)
            lock.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
    if found:
        log.warning("emptied what a process left that was killed", folders=found)
    return found


def nameless(folder: Path | None) -> BinaryIO:
    """A file for reading and writing that only we can reach, on the disk of `folder` (None: the system's).

    It is gone when it is closed or we are. Another program that inherits it reads it as `/proc/self/fd/N`.
    """
    return cast("BinaryIO", tempfile.TemporaryFile(dir=folder))


def _remove(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
        return 1
    path.unlink(missing_ok=True)
    return 0


def _locked(path: Path, how: int) -> int:
    """The descriptor of a file that we have locked and that is still there under its name; -1 when another has it."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | how, 0o600)
    except FileExistsError:
        return -1
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return -1
