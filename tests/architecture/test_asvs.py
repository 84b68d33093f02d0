"""The table of ASVS claims nothing that no test holds."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs/reference/asvs.md").read_text("utf-8")
ROW = re.compile(r"\| (\d+\.\d+\.\d+) \| ([123]) \| ([a-z ]+) \| (.+?) \| (.*?) ?\|")
WHOLE = {
    "6.1": 3, "6.2": 12, "6.3": 8, "6.4": 6, "6.5": 8, "6.6": 4, "6.7": 2, "6.8": 4, "7.1": 3, "7.2": 4, "7.3": 2,
    "7.4": 5, "7.5": 3, "7.6": 2, "8.1": 4, "8.2": 4, "8.3": 3, "8.4": 2, "9.1": 3, "9.2": 4, "10.1": 2, "10.2": 3,
    "10.5": 5, "10.6": 2, "14.2": 8, "16.1": 1, "16.2": 5, "16.3": 4, "16.4": 3, "16.5": 4,
}  # fmt: skip
"""How many requirements each section of the standard has that the page speaks of."""
CLAIMS = {"met", "partly"}


def rows():
    return [match.groups() for line in TABLE.splitlines() if (match := ROW.fullmatch(line))]


@cache
def named_in(file):
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_line_of_the_table_is_understood():
    assert len(rows()) == sum(line.startswith("| ") and line[2].isdigit() for line in TABLE.splitlines())


def test_every_requirement_of_the_sections_has_one_row():
    wanted = {f"{section}.{number}" for section, count in WHOLE.items() for number in range(1, count + 1)} | {"2.3.5"}
    found = [row[0] for row in rows()]
    assert sorted(found) == sorted(wanted)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_every_claim_has_a_test_and_every_test_is_there(row):
    number, _, verdict, said, named = row
    assert verdict in CLAIMS | {"not met", "not applicable"}, number
    assert len(said) >= 4, number
    tests = re.findall(r"`([^`]+)`", named)
    assert bool(tests) == (verdict in CLAIMS), f"{number}: a claim has a test, and what is no claim has none"
    for test in tests:
        file, name = test.split("::")
        assert (ROOT / file).is_file(), test
        assert name in named_in(file), test
