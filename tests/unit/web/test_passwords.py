"""Passwords: length counts, what is guessed first does not pass, and nothing else is asked."""

import pytest

from saqtau.kernel.errors import Refused
from saqtau.web.people import check_password, hash_password, make_password, password_holds


@pytest.mark.parametrize(
    "word",
    ["Saqtau123456!", "aaaaaaaaaaaaaaa", "aigul.o-aigul.o!", "password1234567", "ПОЛИЦИЯ-алматы", "12345612345612",
     "x" * 11],
)  # fmt: skip
def test_what_a_guesser_tries_first_is_refused(word):
    with pytest.raises(Refused) as refused:
        check_password(word, "aigul.o")
    assert list(refused.value.fields) == ["password"]


@pytest.mark.parametrize(
    "word",
    ["correct-horse-battery", "тауда қар жауып тұр", "     a sentence with spaces    ", "ы" * 3 + "qazwsxed" * 15],
)
def test_any_composition_passes_up_to_128_characters(word):
    assert check_password(word, "aigul.o") == word


def test_a_password_that_we_make_passes():
    for _ in range(200):
        assert check_password(make_password(), "operator")


def test_every_character_counts_and_none_is_changed():
    kept = hash_password("A sentence with  two spaces" + "z" * 80)
    assert password_holds(kept, "A sentence with  two spaces" + "z" * 80)
    for other in (
        "a sentence with  two spaces" + "z" * 80,
        "A sentence with  two spaces" + "z" * 79,
        "A sentence with two spaces" + "z" * 80,
    ):
        assert not password_holds(kept, other)
