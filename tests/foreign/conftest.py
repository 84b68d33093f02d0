"""Programs that nobody here wrote. `make foreign` brings them; without them these tests are skipped, but not in CI."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOREIGN = ROOT / ".foreign"


def absent(what):
    """Skipped with a word what is missing; in CI a failure, since there it must not be missing."""
    told = f"{what}: `make foreign` brings it"
    if os.environ.get("CI") == "true":
        pytest.fail(told)
    pytest.skip(told)


@pytest.fixture(scope="session")
def go():
    """Runs our Go program over golang.org/x/mod; returns (exit code, what it said)."""
    program = FOREIGN / "logcheck"
    if not program.is_file():
        absent("logcheck, the program over golang.org/x/mod (Debian: golang-go golang-golang-x-mod-dev)")

    def run(*words):
        done = subprocess.run([program, *map(str, words)], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode in {0, 1}, done.stderr
        return done.returncode, done.stdout

    return run


@pytest.fixture(scope="session")
def python():
    """The folder of the foreign Python packages: put on the path of a process of their own, never of ours."""
    folder = FOREIGN / "python"
    if not folder.is_dir():
        absent("aics-tlog, aics-witness, tlog-scales")
    return folder


@pytest.fixture(scope="session")
def module(python):
    """Starts `python -m NAME` of a foreign package, or `python -c CODE`; returns the process."""

    def start(*words, **how):
        environment = {**os.environ, "PYTHONPATH": str(python), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, *map(str, words)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, env=environment, **{**pipes, **how})

    return start


@pytest.fixture(scope="session")
def ask(module):
    """Runs it to its end; returns (exit code, what it said on standard output)."""

    def run(*words, entered=None):
        process = module(*words, stdin=subprocess.PIPE)
        said, complained = process.communicate(entered, timeout=120)
        return process.returncode, said or complained

    return run
