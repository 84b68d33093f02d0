from datetime import date

import pytest

from saqtau.jurisdiction import load, read_jurisdiction
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import KEEP_DAYS, NOT_RECORDED, PlaceKind
from saqtau.kernel.terms import parse_term

KZ = load("kz")
TABLES = (
    KZ.bounds,
    KZ.speeds,
    KZ.limits,
    KZ.tolerance,
    KZ.dangerous_speed,
    KZ.persistent_violator,
    KZ.reads,
    KZ.recording,
    KZ.custody,
    KZ.holidays,
    KZ.regions,
)


def test_every_table_names_its_source_and_is_in_force_today_or_says_until_when():
    for table in TABLES:
        assert len(table.source) > 20
        assert table.in_force(date(2026, 11, 24))
        assert not table.in_force(date(1990, 1, 1))


def test_the_twenty_regions_have_names_in_three_languages():
    assert [region.code for region in KZ.regions.list] == list(range(1, 21))
    assert all(region.kk and region.ru and region.en for region in KZ.regions.list)


def test_holidays_lie_in_their_year_in_order_and_once():
    days = [holiday.date for holiday in KZ.holidays.days]
    assert days == sorted(set(days))
    assert all(KZ.holidays.in_force(day) for day in days)


def test_terms_can_be_read():
    assert parse_term(KZ.reads.window).millis == 30 * 60_000
    assert parse_term(KZ.persistent_violator.within).millis == 365 * 86_400_000


def test_a_misspelt_table_is_refused_by_name():
    with pytest.raises(Refused, match="tolerence") as refused:
        read_jurisdiction('name = "xx"\nzone = "UTC"\n[tolerence]\nkmh = 3')
    assert refused.value.kind is Kind.INVALID


@pytest.mark.parametrize("name", ["zz", "../kz", "", "kz.toml"])
def test_an_unknown_country_is_not_found(name):
    with pytest.raises(Refused) as refused:
        load(name)
    assert refused.value.kind is Kind.NOT_FOUND


def test_every_kind_of_place_has_its_days_and_every_closed_room_its_reason():
    assert {place.value for place in PlaceKind} == set(KZ.recording.days)
    assert all(1 <= days.least <= days.usual <= days.most <= KEEP_DAYS for days in KZ.recording.days.values())
    assert {room.value for room in NOT_RECORDED} <= set(KZ.custody.not_recorded)
