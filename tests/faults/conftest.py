"""What tests of faults share."""

import contextlib
import subprocess
import tempfile
from pathlib import Path

import pytest


@contextlib.contextmanager
def _small_disk(mebibytes):
    folder = Path(tempfile.mkdtemp(prefix="sq-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=711", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("SKIPPED: only root can make a small disk to fill; run this test as root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()


@pytest.fixture
def small_disk(request):
    """A file system of the module's `DISK` mebibytes."""
    with _small_disk(request.module.DISK) as folder:
        yield folder
