"""The long run: each parser under coverage-guided fuzzing; in every run, the seeds themselves."""

import importlib.util
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
SECONDS = int(os.environ.get("SAQTAU_FUZZ_SECONDS", "60"))


@pytest.mark.parametrize("name", TARGETS)
def test_what_the_fuzzer_begins_with_breaks_nothing(name):
    function, seeds = TARGETS[name]
    assert seeds
    for seed in seeds:
        function(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_a_thousand_blind_mutations_break_nothing(name):
    function, seeds = TARGETS[name]
    dice = random.Random(name)
    for _ in range(1_000):
        data = bytearray(dice.choice(seeds))
        for _ in range(dice.randrange(1, 6)):
            place, other = dice.randrange(len(data) + 1), dice.randrange(len(data) + 1)
            match dice.randrange(4):
                case 0:
                    data[place : place + 1] = bytes([dice.randrange(256)])
                case 1:
                    del data[place : place + dice.randrange(1, 40)]
                case 2:
                    data[place:place] = data[other : other + dice.randrange(1, 40)]
                case _:
                    data[place:place] = dice.choice(
                        [b"\r\n", b"--boundary", b"<", b">", b"\x00", b"\xff\xfe", b"&#0;", b'"']
                    )
        function(bytes(data))


@pytest.mark.long
@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed: NO coverage-guided fuzzing"
)
@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_survives_the_fuzzer(name, tmp_path):
    command = [
        sys.executable,
        str(ROOT / "tests" / "fuzz" / "run.py"),
        name,
        f"-max_total_time={SECONDS}",
        "-rss_limit_mb=1024",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=SECONDS + 120)
    assert done.returncode == 0, done.stderr[-4_000:]
