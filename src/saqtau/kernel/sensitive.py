"""Which items concern people the law protects besides: minors, and people in custody.

Decided from what an item is (desk, class of retention, facts), never by whoever asks. In doubt it is sensitive.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, Protocol

from saqtau.kernel.register import PlaceKind


class Sensitive(StrEnum):
    """Why more than the police must agree."""

    MINORS = "minors"
    CUSTODY = "custody"


class Described(Protocol):
    """What is looked at of an item."""

    @property
    def desk(self) -> str: ...  # noqa: D102 - said above
    @property
    def retention(self) -> str: ...  # noqa: D102 - said above
    @property
    def data(self) -> Mapping[str, Any]: ...  # noqa: D102 - said above


_DESKS: Final = {"schools": Sensitive.MINORS, "custody": Sensitive.CUSTODY}
_PREFIXES: Final = {
    "school": Sensitive.MINORS,
    "minor": Sensitive.MINORS,
    "custody": Sensitive.CUSTODY,
    "penal": Sensitive.CUSTODY,
}
"""How classes of retention, and the values of `kind`, `site_kind`, `subject_class`, begin."""
_FACTS: Final = {
    "minor": Sensitive.MINORS,
    "minors": Sensitive.MINORS,
    "custody": Sensitive.CUSTODY,
    "detained": Sensitive.CUSTODY,
}
"""Facts that make an item sensitive by being there with any value but these:"""
_NO: Final = (None, False, 0, "", "no", "none")
_KINDS: Final = ("kind", "site_kind", "subject_class")


def sensitive(*items: Described) -> frozenset[Sensitive]:
    """Why these items (an item, its parent and its children) need the prosecutor besides; empty when they do not."""
    return frozenset(reason for item in items for reason in _reasons(item))


_PLACES: Final = {
    PlaceKind.SCHOOL: frozenset({Sensitive.MINORS}),
    PlaceKind.OFFICE: frozenset({Sensitive.CUSTODY}),
    PlaceKind.COLONY: frozenset({Sensitive.CUSTODY}),
}


def sensitive_of(place: PlaceKind) -> frozenset[Sensitive]:
    """Why pictures of such a place need the prosecutor besides; empty for a street."""
    return _PLACES.get(place, frozenset())


def _reasons(item: Described) -> Iterable[Sensitive]:
    if item.desk in _DESKS:
        yield _DESKS[item.desk]
    kinds = [str(item.data[name]) for name in _KINDS if item.data.get(name) is not None]
    for text in (item.retention, *kinds):
        yield from (reason for prefix, reason in _PREFIXES.items() if text.casefold().startswith(prefix))
    for name, reason in _FACTS.items():
        value = item.data.get(name)
        if value not in (*_NO, [], {}):
            yield reason
