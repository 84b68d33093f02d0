"""Who may look, and the grant nobody can make himself."""

import copy
import pickle

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau import policies
from saqtau.kernel.access import (
    LIFETIME,
    UNBOUND,
    AccessRequest,
    Action,
    Decision,
    Facts,
    Grant,
    Purpose,
    Viewer,
    decide,
    granted,
    helps,
    is_elsewhere,
)
from saqtau.kernel.clock import Instant
from saqtau.kernel.policies import Policies
from saqtau.kernel.policy_laws import CONTENT, DECIDES, READS, ROLES
from saqtau.kernel.register import PlaceKind
from saqtau.kernel.sensitive import Sensitive, sensitive_of

NOW = Instant(1_764_000_000_000)
HERE = frozenset({2})
POLICIES = policies.load()
KNOWN = Facts(on_shift=True, case_known=True, incident_known=True, incident_open=True, about_place=True)

POLICE = "operator duty_officer inspector"
OVERSEERS = "prosecutor auditor"
EVERYBODY = " ".join(ROLES)
DESKS = "operator duty_officer patrol inspector school_officer custody_supervisor clerk case_officer personnel_officer"
MAY = {
    (Action.WATCH_QUEUE, Purpose.DUTY): f"{POLICE} school_officer custody_supervisor",
    (Action.WATCH_UNITS, Purpose.DUTY): "operator duty_officer",
    (Action.WATCH_OWN, Purpose.DUTY): "patrol",
    (Action.READ_ITEM, Purpose.INCIDENT): f"{POLICE} patrol school_officer",  # the table asks about minors
    (Action.READ_PICTURE, Purpose.INCIDENT): f"{POLICE} patrol",
    (Action.READ_HISTORY, Purpose.INCIDENT): "duty_officer inspector",
    (Action.READ_HISTORY, Purpose.CASE): "inspector",
    (Action.READ_REGISTER, Purpose.DUTY): POLICE,
    (Action.READ_REGISTER, Purpose.MAINTENANCE): "administrator",
    (Action.READ_LIST, Purpose.DUTY): "duty_officer inspector",
    (Action.READ_EXPORT, Purpose.DUTY): "inspector duty_officer",
    (Action.READ_BREAK_GLASS, Purpose.DUTY): "duty_officer",
    **{(action, Purpose.OVERSIGHT): OVERSEERS for action in READS},
    **{(Action.READ_POLICY, purpose): EVERYBODY for purpose in (Purpose.DUTY, Purpose.MAINTENANCE, Purpose.OWN)},
    (Action.ACT_ON_ITEM, Purpose.DUTY): DESKS,
    (Action.ACT_ON_ITEM, Purpose.OVERSIGHT): "prosecutor",
    (Action.SET_DUTY, Purpose.DUTY): "patrol",
    (Action.ENROL_DEVICE, Purpose.DUTY): "patrol",
    (Action.MANAGE_DEVICE, Purpose.DUTY): "duty_officer",
    (Action.MANAGE_DEVICE, Purpose.MAINTENANCE): "administrator",
    (Action.MANAGE_ACCOUNT, Purpose.MAINTENANCE): "administrator",
    (Action.PROPOSE_POLICY, Purpose.MAINTENANCE): "administrator",
    (Action.APPROVE_POLICY, Purpose.OVERSIGHT): "prosecutor",
    (Action.REQUEST_EXPORT, Purpose.CASE): "inspector",
    (Action.APPROVE_EXPORT, Purpose.CASE): "duty_officer",
    (Action.APPROVE_EXPORT, Purpose.OVERSIGHT): "prosecutor",
    (Action.PLACE_HOLD, Purpose.CASE): "inspector",
    (Action.PLACE_HOLD, Purpose.OVERSIGHT): "prosecutor",
    (Action.LIFT_HOLD, Purpose.OVERSIGHT): "prosecutor",
    (Action.OPEN_BREAK_GLASS, Purpose.EMERGENCY): POLICE,
    (Action.REVIEW_BREAK_GLASS, Purpose.DUTY): "duty_officer",
    (Action.REVIEW_BREAK_GLASS, Purpose.OVERSIGHT): "prosecutor",
    (Action.MAKE_REPORT, Purpose.OVERSIGHT): OVERSEERS,
    (Action.WATCH_CAMERA, Purpose.DUTY): "school_officer",
    (Action.WATCH_CAMERA, Purpose.INCIDENT): POLICE,
    (Action.WATCH_CAMERA, Purpose.CASE): "inspector",
    (Action.PLAY_RECORDING, Purpose.DUTY): "school_officer",
    (Action.PLAY_RECORDING, Purpose.INCIDENT): POLICE,
    (Action.PLAY_RECORDING, Purpose.CASE): "inspector",
    (Action.READ_CAMERA, Purpose.DUTY): f"{POLICE} school_officer",
    (Action.READ_CAMERA, Purpose.MAINTENANCE): "administrator",
    (Action.MANAGE_CAMERA, Purpose.MAINTENANCE): "administrator",
    (Action.READ_WATCHERS, Purpose.DUTY): "school_officer",
}
"""Who may what, by hand: the policies are held against this, and not the other way round."""


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("purpose", Purpose)
def test_each_role_may_exactly_what_the_table_says(action, purpose):
    request = AccessRequest(
        action=action, purpose=purpose, region=2, unit="u1", case="case-1", requested_by="another", facts=KNOWN,
        sensitive=frozenset({Sensitive.MINORS}),
    )  # fmt: skip
    allowed = {role for role in ROLES if decide(POLICIES, Viewer("v", role, HERE, "u1"), request).allow}
    assert allowed == set(MAY.get((action, purpose), "").split())


def asks(role, action, purpose, **fields):
    viewer = Viewer("v", role, fields.pop("regions", HERE), fields.pop("own_unit", None))
    return decide(POLICIES, viewer, AccessRequest(action=action, purpose=purpose, **{"facts": KNOWN, **fields}))


def test_the_insider_who_wants_to_look_without_being_seen_finds_no_way():
    """No purpose without a name of what it is about, none outside his duty, none by an empty or odd role."""
    history, picture = Action.READ_HISTORY, Action.READ_PICTURE
    tries = [
        asks("inspector", history, Purpose.CASE),
        asks("inspector", history, Purpose.CASE, case=""),
        asks("inspector", history, Purpose.CASE, case="invented", facts=Facts(on_shift=True)),
        asks("inspector", history, Purpose.INCIDENT),
        asks("inspector", history, Purpose.DUTY, case="case-1"),
        asks("inspector", history, Purpose.MAINTENANCE, case="case-1"),
        asks("inspector", history, Purpose.OVERSIGHT, case="case-1"),
        asks("inspector", history, Purpose.EMERGENCY, case="case-1"),
        asks("inspector", history, Purpose.CASE, case="case-1", region=3),
        asks("inspector", history, Purpose.CASE, case="case-1", age_days=401),
        asks("inspector", history, Purpose.INCIDENT, case="item1", age_days=32),
        asks("inspector", history, Purpose.CASE, case="case-1", facts=Facts(case_known=True)),  # off shift
        asks("operator", picture, Purpose.INCIDENT, case="item1", facts=Facts(incident_known=True)),  # off shift
        asks("operator", history, Purpose.INCIDENT, case="item1"),
        asks("duty_officer", history, Purpose.CASE, case="case-1"),
        asks("Prosecutor", history, Purpose.OVERSIGHT),
        asks("", history, Purpose.OVERSIGHT),
    ]
    assert [one.allow for one in tries] == [False] * len(tries)


ON_DUTY = {
    "street": {
        Action.WATCH_CAMERA: "operator duty_officer", Action.PLAY_RECORDING: "", Action.READ_CAMERA: POLICE,
        Action.READ_WATCHERS: "duty_officer",
    },
    "school": {
        Action.WATCH_CAMERA: "school_officer", Action.PLAY_RECORDING: "school_officer",
        Action.READ_CAMERA: f"{POLICE} school_officer", Action.READ_WATCHERS: "school_officer",
    },
    "police_office": {
        Action.WATCH_CAMERA: "custody_supervisor", Action.PLAY_RECORDING: "custody_supervisor",
        Action.READ_CAMERA: f"{POLICE} custody_supervisor", Action.READ_WATCHERS: "custody_supervisor",
    },
}  # fmt: skip
ON_DUTY["penal_colony"] = ON_DUTY["police_office"]


@pytest.mark.parametrize("place", PlaceKind)
def test_on_duty_a_camera_is_for_those_who_answer_for_its_place(place):
    for action, roles in ON_DUTY[place].items():
        allowed = {role for role in ROLES if asks(role, action, Purpose.DUTY, sensitive=sensitive_of(place)).allow}
        assert allowed == set(roles.split()), (place, action)


def test_pictures_of_cameras_are_for_a_shift_a_region_and_a_named_incident():
    live, past = Action.WATCH_CAMERA, Action.PLAY_RECORDING
    off = Facts(incident_known=True, incident_open=True, case_known=True)
    tries = [
        asks("operator", live, Purpose.DUTY, facts=off),
        asks("operator", live, Purpose.DUTY, region=3),
        asks("operator", live, Purpose.INCIDENT),
        asks("operator", past, Purpose.INCIDENT, case="invented", facts=Facts(on_shift=True)),
        asks("operator", past, Purpose.INCIDENT, case="item1", age_days=32),
        asks("operator", past, Purpose.CASE, case="case-1"),
        asks("school_officer", past, Purpose.DUTY, sensitive=frozenset({Sensitive.MINORS}), age_days=32),
        asks("school_officer", live, Purpose.DUTY, sensitive=frozenset({Sensitive.CUSTODY})),
        asks("patrol", live, Purpose.INCIDENT, case="item1", own_unit="u1"),
        asks("administrator", live, Purpose.MAINTENANCE),
    ]
    assert [one.allow for one in tries] == [False] * len(tries)
    assert asks("operator", past, Purpose.INCIDENT, case="item1", age_days=31).allow


SENSITIVE = [place for place in PlaceKind if sensitive_of(place)]


@pytest.mark.parametrize("place", SENSITIVE)
@pytest.mark.parametrize("action", [Action.WATCH_CAMERA, Action.PLAY_RECORDING])
def test_what_is_named_opens_a_school_or_a_cell_only_where_it_has_to_do_with_it(action, place):
    elsewhere = msgspec.structs.replace(KNOWN, about_place=False)
    for purpose in (Purpose.INCIDENT, Purpose.CASE):
        asked = {"case": "known", "sensitive": sensitive_of(place)}
        assert asks("inspector", action, purpose, **asked).allow
        denied = asks("inspector", action, purpose, **asked, facts=elsewhere)
        assert denied.policies == ("camera-at-its-place",)
        assert asks("inspector", action, purpose, case="known", facts=elsewhere).allow, "a street is nobody's place"
    duty = "school_officer" if place is PlaceKind.SCHOOL else "custody_supervisor"
    assert asks(duty, action, Purpose.DUTY, sensitive=sensitive_of(place), facts=elsewhere).allow
    assert asks("prosecutor", action, Purpose.OVERSIGHT, sensitive=sensitive_of(place), facts=elsewhere).allow


def test_what_is_elsewhere_is_told_apart_from_what_is_not_known():
    wish = AccessRequest(
        action=Action.WATCH_CAMERA, purpose=Purpose.CASE, case="known", sensitive=frozenset({Sensitive.MINORS}),
        facts=Facts(on_shift=True, case_known=True),
    )  # fmt: skip
    assert is_elsewhere(wish)
    for change in (
        {"facts": KNOWN}, {"facts": Facts(on_shift=True)}, {"sensitive": frozenset()}, {"case": None},
        {"purpose": Purpose.DUTY}, {"action": Action.READ_CAMERA},
    ):  # fmt: skip
        assert not is_elsewhere(msgspec.structs.replace(wish, **change)), change


def test_a_purpose_names_what_it_is_about():
    assert "purpose-names-its-case" in asks("operator", Action.READ_ITEM, Purpose.INCIDENT).policies
    assert asks("operator", Action.READ_ITEM, Purpose.INCIDENT, case="item1").allow
    unknown = asks("operator", Action.READ_ITEM, Purpose.INCIDENT, case="item1", facts=Facts())
    assert unknown.policies == ("incident-exists",)


def test_only_the_own_region_is_seen_but_oversight_is_not_bound_to_one():
    assert asks("operator", Action.WATCH_QUEUE, Purpose.DUTY, region=3).policies == ("own-region",)
    assert asks("prosecutor", Action.WATCH_QUEUE, Purpose.OVERSIGHT, region=3).allow


def test_a_broken_glass_opens_its_thing_anywhere_but_nothing_of_custody_and_not_off_shift():
    broken = Facts(on_shift=True, break_glass=True)
    wish = {"region": 7, "object": "item1", "facts": broken}
    assert asks("operator", Action.READ_PICTURE, Purpose.EMERGENCY, **wish).allow
    custody = frozenset({Sensitive.CUSTODY})
    assert not asks("operator", Action.READ_PICTURE, Purpose.EMERGENCY, **wish, sensitive=custody).allow
    assert not asks(
        "operator", Action.READ_PICTURE, Purpose.EMERGENCY, **wish | {"facts": Facts(break_glass=True)}
    ).allow
    assert not asks("operator", Action.READ_PICTURE, Purpose.EMERGENCY, **wish | {"facts": Facts(on_shift=True)}).allow


@pytest.mark.parametrize(("own", "other"), [("u1", "u2"), ("u1", None), (None, "u1"), (None, None)])
def test_a_patrol_sees_its_own_work_only(own, other):
    answer = asks("patrol", Action.READ_ITEM, Purpose.INCIDENT, case="i", region=2, own_unit=own, unit=other)
    assert answer.policies == ("patrol-sees-its-own",)


def test_an_export_is_received_by_who_asked_and_approved_by_somebody_else():
    receive, approve = Action.RECEIVE_EXPORT, Action.APPROVE_EXPORT
    assert asks("inspector", receive, Purpose.CASE, case="c-1", requested_by="v").allow
    assert not asks("inspector", receive, Purpose.CASE, case="c-1", requested_by="w").allow
    assert asks("duty_officer", approve, Purpose.CASE, case="c-1", requested_by="w").allow
    assert asks("duty_officer", approve, Purpose.CASE, case="c-1", requested_by="v").policies == (
        "nobody-decides-his-own",
    )
    assert not asks("prosecutor", approve, Purpose.OVERSIGHT, requested_by="w").allow  # a street is the police's


def test_help_is_what_goes_on_while_the_ledger_cannot_write():
    def wish(action, purpose=Purpose.DUTY, **more):
        return helps(AccessRequest(action=action, purpose=purpose, **more))

    assert wish(Action.WATCH_QUEUE)
    assert wish(Action.READ_REGISTER, object="cameras")
    assert wish(Action.READ_ITEM, Purpose.INCIDENT, facts=KNOWN)
    assert not wish(Action.READ_ITEM, Purpose.INCIDENT, facts=Facts(incident_known=True))  # it has ended
    assert not wish(Action.WATCH_QUEUE, Purpose.OVERSIGHT)
    assert not wish(Action.READ_REGISTER, object="officers")
    assert not any(wish(one) for one in (Action.READ_PICTURE, Action.READ_HISTORY, Action.REQUEST_EXPORT))


def test_every_decision_names_its_policies_and_their_set():
    allowed, denied = (
        asks("operator", Action.WATCH_UNITS, Purpose.DUTY),
        asks("clerk", Action.WATCH_UNITS, Purpose.DUTY),
    )
    assert (allowed.policies, allowed.named) == (("units-on-duty",), "units-on-duty")
    assert (denied.policies, denied.named) == ((), "nothing-permits")
    assert allowed.policy_set == denied.policy_set == POLICIES.hash


def test_an_answer_that_is_given_again_is_the_one_that_would_be_found():
    """Whoever is asked twice says the same, and who differs in anything a policy may look at is asked anew."""
    texts, schema = policies.texts()
    named = '@id("one-person") @sentence("One.") permit (principal == Person::"w", action, resource);'
    for found in (POLICIES, Policies.parse(texts | {"z.cedar": named}, schema)):
        assert found.general is (found is POLICIES)
        for viewer in (Viewer("v", "duty_officer", HERE), Viewer("w", "duty_officer", HERE)):
            for asked_by in ("v", "w", None):
                wish = AccessRequest(
                    action=Action.APPROVE_EXPORT, purpose=Purpose.CASE, case="c-1", requested_by=asked_by, facts=KNOWN
                )
                anew = Policies.parse(found.texts, schema)
                assert decide(found, viewer, wish) == decide(found, viewer, wish) == decide(anew, viewer, wish)


@pytest.mark.parametrize("rule", [
    'permit (principal, action, resource) when { principal //\n in Person //\n ::"op1" };',
    'permit (principal //\n == Person::"op1", action, resource);',
    'forbid (principal, action, resource) unless { [Person ::\n"op1"].contains(principal) };',
    'permit (principal, action, resource) when { {who: Person::"op1"}.who == principal };',
])  # fmt: skip
def test_what_one_person_may_is_not_given_to_another_however_the_policy_is_written(rule):
    """Cedar lets a comment stand between any two words: what is named is looked for in what it parsed."""
    texts, schema = policies.texts()
    wish = AccessRequest(action=Action.READ_LIST, purpose=Purpose.DUTY)
    one, other = Viewer("op1", "operator", HERE), Viewer("op2", "operator", HERE)
    opened = 'permit (principal in Role::"operator", action, resource);' if rule.startswith("forbid") else rule
    more = texts | {
        "x.cedar": f'@id("for-one") @sentence("One.") {rule}',
        "y.cedar": f'@id("opened") @sentence("Some.") {opened}',
    }
    found = Policies.parse(more, schema)
    assert not found.general
    assert [decide(found, who, wish).allow for who in (one, other, one)] == [True, False, True]


def test_what_is_no_text_is_denied():
    assert not asks("prosecutor", Action.READ_ITEM, Purpose.OVERSIGHT, object="\ud800").allow


words = st.text(max_size=12)
requests = st.builds(
    AccessRequest,
    action=st.sampled_from(Action),
    purpose=st.sampled_from(Purpose),
    object=words,
    region=st.none() | st.integers(1, 20),
    unit=st.none() | words,
    case=st.none() | words,
    sensitive=st.frozensets(st.sampled_from(Sensitive)),
    age_days=st.integers(0, 5000),
    requested_by=st.none() | st.sampled_from(["v", "w"]),
    concerns=st.none() | st.sampled_from(["v", "w"]),
    facts=st.builds(Facts, **{name: st.booleans() for name in Facts.__struct_fields__}),
)


@given(requests, st.sampled_from(ROLES), st.frozensets(st.integers(1, 20), max_size=3), st.none() | words)
def test_whatever_is_asked_the_answer_is_a_clean_one_and_no_fact_that_is_taken_away_opens_a_door(
    request, role, regions, unit
):
    viewer = Viewer("v", role, regions, unit)
    answer = decide(POLICIES, viewer, request)
    assert answer.errors == ()
    for name in Facts.__struct_fields__:
        less = msgspec.structs.replace(request, facts=msgspec.structs.replace(request.facts, **{name: False}))
        assert answer.allow or not decide(POLICIES, viewer, less).allow
    if role == "administrator" and request.action in CONTENT:
        assert not answer.allow
    if request.region is not None and request.region not in regions and role not in UNBOUND:
        assert not answer.allow or request.purpose is Purpose.EMERGENCY
    if request.action in DECIDES and "v" in {request.requested_by, request.concerns}:
        assert not answer.allow


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
