"""One spelling of a plate."""

import pytest

from saqtau.devices.plate import Spelling, spell


@pytest.mark.parametrize(
    "written", ["123ABC02", "123 abc 02", "123-ABC-02", "123АВС02", "123 АВС|02", "１２３ABC02", "\ufeff123ABC02\r\n"]
)
def test_every_way_to_write_a_plate_is_one_plate(written):
    assert spell(written) == Spelling("123ABC02")


@pytest.mark.parametrize(
    "written", ["", "   ", "unknown", "Unknown", "no plate", "NONE", "车牌", "无车牌", "???", "----"]
)
def test_nothing_read_is_no_plate(written):
    assert spell(written) is None


def test_a_character_that_was_not_read_never_makes_another_vehicle_s_plate():
    # dropping it would give 123AC02, a plate that exists
    assert spell("123A?C02") == Spelling("123AQC02", (4,))
    assert spell("12_ABC02") == Spelling("12QABC02", (2,))


def test_a_foreign_letter_is_a_doubt():
    assert spell("京A12345") == Spelling("QA12345", (0,))
