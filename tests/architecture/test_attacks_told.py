"""The table of attacks and the tests of attacks are the same list."""

import ast
import re

from tests.architecture.source import ROOT

PAGE = ROOT / "docs" / "oversee" / "attacks.md"
TESTS = ROOT / "tests" / "faults" / "test_attacks.py"


def rows(text):
    """Cells of each row of the table, the header aside."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def there():
    found = ast.parse(TESTS.read_text())
    return {one.name for one in found.body if isinstance(one, ast.AsyncFunctionDef) and one.name.startswith("test_")}


def test_each_attack_names_a_test_that_is_there_and_each_test_an_attack():
    named = [re.fullmatch(r"`(test_\w+)`", row[3])[1] for row in rows(PAGE.read_text())]
    assert len(named) == len(set(named))
    assert set(named) == there()


def test_each_attack_says_the_outsiders_command_and_how_long_it_takes():
    for attack, found_by, within, _ in rows(PAGE.read_text()):
        assert re.search(r"`saqtau (?:verify|witness) ", found_by), attack
        assert re.search(r"at once|feed|checkpoint", within), attack
