"""What an item is decides who must agree, not who asks."""

import msgspec
import pytest

from saqtau.kernel.sensitive import Sensitive, sensitive


class Thing(msgspec.Struct):
    desk: str = "dispatch"
    retention: str = "dispatch_1y"
    data: dict = {}


MINORS, CUSTODY = frozenset({Sensitive.MINORS}), frozenset({Sensitive.CUSTODY})


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        (Thing(), frozenset()),
        (Thing(desk="schools"), MINORS),
        (Thing(desk="custody"), CUSTODY),
        (Thing(retention="school_30d"), MINORS),
        (Thing(retention="custody_90d"), CUSTODY),
        (Thing(data={"minor": True}), MINORS),
        (Thing(data={"minor": "perhaps"}), MINORS),
        (Thing(data={"minor": False, "minors": []}), frozenset()),
        (Thing(data={"minor": None}), frozenset()),
        (Thing(data={"minors": [{"id": 1}]}), MINORS),
        (Thing(data={"kind": "School alarm"}), MINORS),
        (Thing(data={"site_kind": "penal_colony"}), CUSTODY),
        (Thing(data={"detained": 2, "minor": 1}), MINORS | CUSTODY),
        (Thing(data={"ground": "wanted", "plate": "777AAA02"}), frozenset()),
    ],
)
def test_a_thing_is_sensitive_for_what_it_is(thing, why):
    assert sensitive(thing) == why


def test_one_of_a_family_is_enough():
    assert sensitive(Thing(), Thing(desk="schools"), Thing(desk="custody")) == MINORS | CUSTODY


def test_nothing_is_not_sensitive():
    assert sensitive() == frozenset()
