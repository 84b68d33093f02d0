"""One confusable character, only where the reader doubted, only against a small list."""

import pytest

from saqtau.desks.dangerous_drivers.confusable import LARGEST_LIST, alternatives, near

URGENT = frozenset({"777AAA02", "888BBB01"})


@pytest.mark.parametrize(
    ("plate", "doubts", "found"),
    [
        ("777AAAO2", (6,), ("777AAA02",)),
        ("777AAAD2", (6,), ("777AAA02",)),
        ("777AAAO2", (), ()),  # the reader was sure
        ("777AAAO2", (5,), ()),  # it doubted something else
        ("777AAAX2", (6,), ()),  # nobody takes a 0 for an X
        ("777AAAOZ", (6, 7), ()),  # two characters
        ("777AAA02", (0, 1, 2, 3, 4, 5, 6, 7), ()),  # the plate itself is not near
        ("B88BBB01", (0,), ("888BBB01",)),
        ("777AAAO2", (99, -1), ()),  # positions that do not exist
    ],
)
def test_what_is_near(plate, doubts, found):
    assert near(plate, doubts, URGENT) == found


def test_a_big_list_has_no_near_plates():
    big = URGENT | {f"X{number}" for number in range(LARGEST_LIST)}
    assert near("777AAAO2", (6,), big) == ()
    assert near("777AAAO2", (6,), URGENT | {f"X{number}" for number in range(LARGEST_LIST - 2)}) == ("777AAA02",)


@pytest.mark.parametrize("pair", ["0O", "0D", "0Q", "1I", "1L", "8B", "5S", "2Z", "6G"])
def test_the_usual_pairs_are_confused_both_ways(pair):
    assert pair[0] in alternatives(pair[1])
    assert pair[1] in alternatives(pair[0])


def test_nothing_is_confused_with_itself():
    assert all(one not in alternatives(one) for one in "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
