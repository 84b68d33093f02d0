"""Imports point downwards only, and the check that says so can fail."""

import os
import shutil
import subprocess
import sys

import pytest
from tests.architecture.source import ROOT, SOURCE

LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(folder):
    return subprocess.run(
        [sys.executable, "-c", LINT, "--no-cache", "--no-logo", "--config", str(ROOT / ".importlinter")],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_contract_is_kept():
    done = lint(SOURCE.parent)
    assert done.returncode == 0, done.stdout[-4000:]


PLANTED = {
    "a desk that imports another": ("desks/dispatch/planted.py", "import saqtau.desks.dangerous_drivers.rules\n"),
    "a kernel that imports a desk": ("kernel/planted.py", "import saqtau.desks.dispatch.rules\n"),
    "a desk that reads a clock": ("desks/dispatch/planted.py", "import time\n"),
    "a desk that opens a socket": ("desks/cloned_plates/planted.py", "import socket\n"),
    "an engine that imports the web": ("engine/planted.py", "import saqtau.web.app\n"),
    "a device that imports the engine": ("devices/planted.py", "import saqtau.engine.store\n"),
    "a ledger that imports the engine": ("ledger/planted.py", "import saqtau.engine.store\n"),
    "a ledger that imports the roads": ("ledger/planted.py", "import saqtau.roads.graph\n"),
    "a ledger on litestar": ("ledger/planted.py", "import litestar\n"),
    "an engine on litestar": ("engine/planted.py", "import litestar\n"),
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(SOURCE, folder / "saqtau", ignore=shutil.ignore_patterns("__pycache__", "dist", "*.json"))
    return folder


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_breach_is_reported(copy, what):
    file, text = PLANTED[what]
    planted = copy / "saqtau" / file
    planted.write_text(text)
    try:
        done = lint(copy)
    finally:
        planted.unlink()
    assert done.returncode == 1
    assert "planted" in done.stdout
    assert "BROKEN" in done.stdout
