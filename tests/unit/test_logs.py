"""No plate and no token reaches a log, whatever goes wrong: not by a local, not by an exception's own words."""

import subprocess
import sys

import pytest

PLATE, TOKEN = "777AAA02", "s3cret-of-a-camera"

CASES = {
    "a key that is missing": "{}[plate]",
    "a value that is wrong": "int(plate)",
    "a wrong argument": "raise asyncpg.DataError(f'invalid input for query argument $1: {plate}')",
    "a row that PostgreSQL refused": "raise refused_row(plate)",
    "an input that was refused": "raise Refused(Kind.INVALID, f'no plate {plate}', plate='unknown')",
    "a text that cannot be stored": "refuse(plate)",
    "a cause of a cause": "chain(plate)",
    "a group": "raise ExceptionGroup(plate, [ValueError(plate)])",
    "text that is no JSON": "msgspec.json.decode(plate.encode())",
}
PROGRAM = """
import logging, sys, asyncpg, msgspec, structlog
from saqtau.bootstrap import logs
from saqtau.engine.failures import refusals, told
from saqtau.kernel.errors import Kind, Refused

def refused_row(plate):
    error = asyncpg.CheckViolationError('new row violates check constraint "c"')
    error.detail = f"Failing row contains ({plate})."
    return error

def refuse(plate):
    with refusals():
        raise asyncpg.DataError(plate)

def chain(plate):
    try:
        {}[plate]
    except KeyError as error:
        raise RuntimeError("no such thing: " + plate) from error

def fail(line, plate, token):
    exec(line)

plate, token, *lines = sys.stdin.read().splitlines()
logs.configure(screen=%s)
for line in lines:
    try:
        fail(line, plate, token)
    except Exception as error:
        structlog.get_logger().exception("it failed", error=told(error))
        logging.getLogger("devices").exception("it failed")
"""


def said(*lines, screen=False):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM % screen], input="\n".join((PLATE, TOKEN, *lines)), capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    return done.stdout, done.stderr


@pytest.mark.parametrize("screen", [False, True])
def test_no_exception_takes_a_plate_or_a_token_into_the_log(screen):
    for found in said(*CASES.values(), screen=screen):
        assert found.count("it failed") == len(CASES)
        for kind in ("KeyError", "ValueError", "DataError", "CheckViolationError", "Refused", "ExceptionGroup"):
            assert kind in found
        assert "in fail" in found, "where it failed is told"
        assert PLATE not in found
        assert TOKEN not in found


def test_what_the_engine_says_of_its_own_trouble_is_told():
    out, error = said("raise OSError(28, 'No space left on device')")
    assert out.count("No space left on device") == 2
    assert "No space left on device" in error
