"""Nobody can find out a withheld number: any other small number gives the same report, byte by byte."""

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.report.month import month

from saqtau.jurisdiction import load
from saqtau.report.document import LANGUAGES, compose
from saqtau.report.figures import ALERTS, ERASURES, FEW, LOOKS, REVIEWS, Cell, Figures, published, shown, total
from saqtau.report.page import to_html

LAW = load("kz")
counts = st.one_of(st.integers(0, 12), st.integers(0, 10**7))
small = st.integers(1, FEW - 1)
PURPOSES = ("duty", "incident", "case", "oversight")
ROLES = ("operator", "inspector", "prosecutor")


def _partition(*parts: tuple[str, ...]) -> st.SearchStrategy[tuple[Cell, ...]]:
    keys = st.tuples(*(st.sampled_from(part) for part in parts))
    return st.dictionaries(keys, counts, max_size=12).map(
        lambda found: tuple(Cell(key, count) for key, count in sorted(found.items()))
    )


partitions = st.fixed_dictionaries(
    {
        "looks": _partition((*LOOKS, "denied"), PURPOSES, ROLES),
        "reviews": _partition(REVIEWS),
        "alerts": _partition(ALERTS),
        "erasures": _partition(ERASURES),
        "cameras": _partition(("1", "2", "20")),
    }
)


def _pages(figures: Figures) -> list[bytes]:
    return [to_html(compose(published(figures), language, LAW)) for language in LANGUAGES]


@settings(max_examples=60)
@given(partitions, st.data())
def test_any_other_small_count_makes_the_same_report(found: dict[str, tuple[Cell, ...]], data: st.DataObject) -> None:
    other = {
        name: tuple(Cell(one.key, data.draw(small)) if 0 < one.count < FEW else one for one in partition)
        for name, partition in found.items()
    }
    assert _pages(month(**found)) == _pages(month(**other))


@given(_partition(PURPOSES, ROLES))
def test_a_large_count_is_told_as_it_is_and_the_sum_is_made_of_what_is_shown(partition: tuple[Cell, ...]) -> None:
    seen = shown(partition)
    assert [one.count for one in seen] == [None if 0 < one.count < FEW else one.count for one in partition]
    found = total(seen)
    assert found.count == sum(one.count for one in partition if one.count >= FEW)
    assert found.withheld == sum(0 < one.count < FEW for one in partition)
