"""One plate at two places: a person compares the crops."""

import pytest
from tests.desks.house import OPERATOR, T0, House, crew

from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Open

PAIR = {
    "plate": "777AAA02",
    "first": {"camera": "0300", "camera_name": "North", "at": T0 - 60_000},
    "second": {"camera": "0417", "camera_name": "South", "at": T0, "read": "r1"},
}


@pytest.fixture
def house():
    house = House()
    house.act(Open(desk="cloned_plates", data=PAIR, region=2, priority=6))
    return house


@pytest.mark.parametrize(
    ("edge", "form"),
    [
        ("misread", {"which": "second", "plate_seen": "777AAA03"}),
        ("cloned", {"note": "two vehicles"}),
        ("clock_error", {"camera": "0300"}),
    ],
)
def test_the_operator_says_what_the_crops_show(house, edge, form):
    item = house.fire(house.only("cloned_plates").id, edge, OPERATOR, form)
    assert item.state == edge
    assert form.items() <= item.data["answer"].items()
    assert item.data["answered_by"] == "operator1"


def test_nobody_else_answers(house):
    with pytest.raises(Refused) as refusal:
        house.fire(house.only("cloned_plates").id, "cloned", crew("u1"), {})
    assert refusal.value.kind is Kind.DENIED


def test_an_answer_that_names_no_read_is_refused_by_field(house):
    with pytest.raises(Refused) as refusal:
        house.fire(house.only("cloned_plates").id, "misread", OPERATOR, {"which": "third"})
    assert (refusal.value.kind, dict(refusal.value.fields)) == (Kind.INVALID, {"which": "invalid"})


def test_what_nobody_checked_is_erased(house):
    house.wait(4 * 3600)
    assert (house.only("cloned_plates").state, house.only("cloned_plates").retention) == ("lapsed", "erase_now")


def test_its_line_tells_how_far_apart_the_reads_were(house):
    desk = house.desks.current["cloned_plates"]
    assert desk.line(house.only("cloned_plates").data)["seconds"] == 60
