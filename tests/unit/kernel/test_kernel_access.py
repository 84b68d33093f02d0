"""Who may look, and the grant nobody can make himself."""

import copy
import pickle

import pytest

from saqtau.kernel.access import (
    LIFETIME,
    AccessRequest,
    Action,
    Decision,
    Grant,
    Purpose,
    Viewer,
    decide,
    granted,
)
from saqtau.kernel.clock import Instant

NOW = Instant(1_764_000_000_000)
HERE = frozenset({2})
ROLES = (
    "operator", "duty_officer", "patrol", "inspector", "school_officer", "prosecutor", "auditor", "clerk",
    "administrator", "analyst", "citizen", "personnel_officer", "clock", "rule", "",
)  # fmt: skip

MAY = {
    (Action.WATCH_QUEUE, Purpose.DUTY): "operator duty_officer inspector",
    (Action.WATCH_QUEUE, Purpose.OVERSIGHT): "prosecutor auditor",
    (Action.WATCH_UNITS, Purpose.DUTY): "operator duty_officer",
    (Action.WATCH_UNITS, Purpose.OVERSIGHT): "prosecutor auditor",
    (Action.READ_ITEM, Purpose.INCIDENT): "operator duty_officer inspector patrol",
    (Action.READ_ITEM, Purpose.OVERSIGHT): "prosecutor auditor",
    (Action.READ_PICTURE, Purpose.INCIDENT): "operator duty_officer inspector patrol",
    (Action.READ_PICTURE, Purpose.OVERSIGHT): "prosecutor auditor",
    (Action.READ_HISTORY, Purpose.INCIDENT): "duty_officer inspector",
    (Action.READ_HISTORY, Purpose.CASE): "inspector",
    (Action.READ_HISTORY, Purpose.OVERSIGHT): "prosecutor auditor",
    (Action.READ_REGISTER, Purpose.DUTY): "operator duty_officer inspector",
    (Action.READ_REGISTER, Purpose.MAINTENANCE): "administrator",
    (Action.READ_REGISTER, Purpose.OVERSIGHT): "prosecutor auditor",
    (Action.READ_LIST, Purpose.DUTY): "duty_officer inspector",
    (Action.READ_LIST, Purpose.OVERSIGHT): "prosecutor auditor",
    (Action.WATCH_OWN, Purpose.DUTY): "patrol",
    (Action.READ_ACCESS, Purpose.OVERSIGHT): "prosecutor auditor",
}


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("purpose", Purpose)
def test_each_role_may_exactly_what_the_table_says(action, purpose):
    request = AccessRequest(action=action, purpose=purpose, region=2, unit="u1", case="case-1")
    allowed = {role for role in ROLES if decide(Viewer("v", role, HERE, "u1"), request).allow}
    assert allowed == set(MAY.get((action, purpose), "").split())


def asks(role, action, purpose, **fields):
    viewer = Viewer("v", role, fields.pop("regions", HERE), fields.pop("own_unit", None))
    return decide(viewer, AccessRequest(action=action, purpose=purpose, **fields))


def test_an_administrator_sees_no_content():
    for action in set(Action) - {Action.READ_REGISTER}:
        for purpose in Purpose:
            assert not asks("administrator", action, purpose, region=2, case="case-1").allow


def test_the_insider_who_wants_to_look_without_being_seen_finds_no_way():
    """No purpose without a name of what it is about, none outside his duty, none by an empty or odd role."""
    history = Action.READ_HISTORY
    tries = [
        asks("inspector", history, Purpose.CASE),
        asks("inspector", history, Purpose.CASE, case=""),
        asks("inspector", history, Purpose.INCIDENT),
        asks("inspector", history, Purpose.DUTY, case="case-1"),
        asks("inspector", history, Purpose.MAINTENANCE, case="case-1"),
        asks("inspector", history, Purpose.OVERSIGHT, case="case-1"),
        asks("inspector", history, Purpose.CASE, case="case-1", region=3),
        asks("operator", history, Purpose.INCIDENT, case="item1"),
        asks("duty_officer", history, Purpose.CASE, case="case-1"),
        asks("Prosecutor", history, Purpose.OVERSIGHT),
        asks("", history, Purpose.OVERSIGHT),
    ]
    assert [one.allow for one in tries] == [False] * len(tries)


def test_a_purpose_names_what_it_is_about():
    assert asks("operator", Action.READ_ITEM, Purpose.INCIDENT).named == "purpose-names-its-case"
    assert asks("operator", Action.READ_ITEM, Purpose.INCIDENT, case="item1").allow


def test_only_the_own_region_is_seen_but_oversight_is_not_bound_to_one():
    assert asks("operator", Action.WATCH_QUEUE, Purpose.DUTY, region=3).named == "own-region"
    assert asks("prosecutor", Action.WATCH_QUEUE, Purpose.OVERSIGHT, region=3).allow


@pytest.mark.parametrize(("own", "other"), [("u1", "u2"), ("u1", None), (None, "u1")])
def test_a_patrol_sees_its_own_work_only(own, other):
    answer = asks("patrol", Action.READ_ITEM, Purpose.INCIDENT, case="i", region=2, own_unit=own, unit=other)
    assert answer.named == "patrol-sees-its-own"


def test_every_answer_names_its_policy():
    assert asks("operator", Action.WATCH_UNITS, Purpose.DUTY).named == "units.watch-for-duty"
    assert asks("clerk", Action.WATCH_UNITS, Purpose.DUTY).named == "role-and-purpose"


VIEWER = Viewer("v", "operator", HERE)
REQUEST = AccessRequest(action=Action.WATCH_QUEUE, purpose=Purpose.DUTY)


def a_grant():
    return granted(Decision(allow=True, policies=("p",)), "entry1", VIEWER, REQUEST, NOW)


def test_a_grant_names_its_entry_and_ends():
    grant = a_grant()
    assert (grant.entry, grant.viewer, grant.request, grant.expires) == ("entry1", VIEWER, REQUEST, NOW + LIFETIME)


def test_a_denied_request_leads_to_no_grant():
    with pytest.raises(TypeError):
        granted(Decision(allow=False, policies=("p",)), "entry1", VIEWER, REQUEST, NOW)


FORGERIES = {
    "own seal": lambda _: Grant(object(), "entry1", VIEWER, REQUEST, NOW),
    "no seal": lambda _: Grant(None, "entry1", VIEWER, REQUEST, NOW),
    "copy": copy.copy,
    "deep copy": copy.deepcopy,
    "pickle": pickle.dumps,
    "longer": lambda grant: setattr(grant, "expires", NOW + 10 * LIFETIME),
    "more": lambda grant: setattr(grant, "other", 1),
    "less": lambda grant: delattr(grant, "entry"),
}


@pytest.mark.parametrize("how", FORGERIES)
def test_a_grant_is_neither_forged_nor_copied_nor_changed(how):
    with pytest.raises(TypeError):
        FORGERIES[how](a_grant())


def test_a_grant_has_no_heirs():
    with pytest.raises(TypeError):
        type("Heir", (Grant,), {})
