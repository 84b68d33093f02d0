"""The tables of attacks and the tests of attacks are the same lists."""

import ast
import re

from tests.architecture.source import ROOT

PAGE = ROOT / "docs" / "oversee" / "attacks.md"
TESTS = ROOT / "tests" / "faults" / "test_attacks.py"
STOPPED = "## What is stopped"


def rows(text):
    """Cells of each row of the only table of a text, the header aside."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def found_later():
    return rows(PAGE.read_text().split(STOPPED)[0])


def there(path=TESTS):
    found = ast.parse(path.read_text())
    return {one.name for one in found.body if isinstance(one, ast.AsyncFunctionDef) and one.name.startswith("test_")}


def test_each_attack_names_a_test_that_is_there_and_each_test_an_attack():
    named = [re.fullmatch(r"`(test_\w+)`", row[3])[1] for row in found_later()]
    assert len(named) == len(set(named))
    assert set(named) == there()


def test_each_attack_says_the_outsiders_command_and_how_long_it_takes():
    for attack, found_by, within, _ in found_later():
        assert re.search(r"`saqtau (?:verify|witness) ", found_by), attack
        assert re.search(r"at once|feed|checkpoint", within), attack


def test_each_attack_that_is_stopped_names_a_test_that_is_there():
    stopped = rows(PAGE.read_text().split(STOPPED)[1])
    assert stopped
    for attack, _, named in stopped:
        path, _, test = named.strip("`").partition("::")
        assert test in there(ROOT / path), attack
