"""Policies as law: what is no policy does not load, and what loads breaks no law of the house."""

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau import policies
from saqtau.kernel.access import CONTENT, READS, ROLES, AccessRequest, Action, Facts, Purpose, Viewer, ask, decide
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.policies import LARGEST, Policies, policy_hash
from saqtau.kernel.policy_laws import ALWAYS, NEVER, breaches, lawful
from saqtau.kernel.sensitive import Sensitive
from saqtau.web.people import ROLES as HOLDABLE

TEXTS, SCHEMA = policies.texts()
GOOD = '@id("a-rule")\n@sentence("It says something.")\npermit (principal, action == Action::"queue.watch", resource);'


HEAD = GOOD[: GOOD.index("permit")]


def refused(texts, schema=SCHEMA, load=Policies.parse):
    with pytest.raises(Refused) as found:
        load(texts, schema)
    assert found.value.kind is Kind.INVALID
    return found.value


def test_the_policies_of_this_release_break_no_law():
    found = policies.load()
    assert breaches(found) == []
    assert len(found.rules) == len({rule.id for rule in found.rules})


def test_every_policy_says_in_three_languages_what_it_means():
    for rule in policies.load().rules:
        assert set(rule.sentences) == {"en", "ru", "kk"}, rule.id
        assert all(sentence.endswith(".") for sentence in rule.sentences.values()), rule.id


def test_every_action_of_the_code_is_in_the_schema_and_no_other():
    declared = set(re.findall(r'^action "([a-z_]+\.[a-z_]+)"', SCHEMA, re.MULTILINE))
    assert declared == {action.value for action in Action}


def test_the_laws_speak_of_every_role_that_a_person_can_hold():
    assert set(ROLES) == set(HOLDABLE)


BAD = {
    "no Cedar": ("permit everything", "a.cedar"),
    "no id": (GOOD.replace('@id("a-rule")\n', ""), "a.cedar"),
    "an id that nobody can cite": (GOOD.replace("a-rule", "A Rule"), "a.cedar"),
    "the name of a law": (GOOD.replace("a-rule", "law-help"), "a.cedar"),
    "conditions deep in conditions": (
        GOOD[:-1] + " when { " + " && ".join(["resource.minors"] * 1000) + " };",
        "a.cedar",
    ),
    "no sentence": (GOOD.replace('@sentence("It says something.")\n', ""), "a-rule"),
    "a sentence of nothing": (GOOD.replace("It says something.", ""), "a-rule"),
    "an unknown annotation": ("@advice" + '("x")\n' + GOOD, "a-rule"),
    "twice the same id": (GOOD + "\n" + GOOD, "a-rule"),
    "an unknown action": (GOOD.replace("queue.watch", "queue.wash"), "a-rule"),
    "an unknown fact": (GOOD[:-1] + " when { context.mood };", "a-rule"),
    "a fact that may be missing": (GOOD[:-1] + " when { context.requested_by == principal };", "a-rule"),
    "a type that does not fit": (GOOD[:-1] + ' when { resource.age_days == "old" };', "a-rule"),
    "a template": (GOOD.replace("principal,", "principal == ?principal,"), "a.cedar"),
    "letters that nobody sees": (GOOD.replace("something", "some\u202ething"), "policies"),
    "nothing": ("", "policies"),
    "too much": ("// " + "x" * LARGEST + "\n" + GOOD, "policies"),
}


@pytest.mark.parametrize("how", BAD)
def test_what_is_no_policy_does_not_load_and_says_where(how):
    text, field = BAD[how]
    assert field in refused({"a.cedar": text}).fields


def test_a_file_of_policies_is_named_like_one():
    assert "file" in refused({"../a.cedar": GOOD}).fields
    assert "schema" in refused({"a.cedar": GOOD}, schema="entity;").fields


_ADMINISTRATOR = """
@id("x-y-z") @sentence("Looser.") permit (principal in Role::"administrator", action == Action::"item.read", resource);
"""
_ON_QUEUE = 'action == Action::"queue.watch", resource)\nwhen { '
_OVERSEERS = '[Role::"prosecutor", Role::"auditor"] };\n\n@id("overseers-report")'
_ACCOUNTS = 'permit (principal in Role::"administrator", action == Action::"account.manage"'
LOOSER = {
    "the administrator may look": ("limits.cedar", "// What nobody", _ADMINISTRATOR + "// What nobody", None),
    "no case needed": ("limits.cedar", "!context.case_known", "false", "not known, opens nothing"),
    "own approval": ("limits.cedar", "context.concerns_self ||", "false &&", "Nobody approves"),
    "erasure by hand": ("limits.cedar", 'action == Action::"record.erase"', 'action == Action::"report.make"', None),
    "help on shift": ("duty.cedar", _ON_QUEUE, _ON_QUEUE + "principal.on_shift && ", "Help is never bound"),
    "a blind auditor": ("oversight.cedar", _OVERSEERS, _OVERSEERS.replace(', Role::"auditor"', ""), "read everything"),
    "anybody acts": ("maintenance.cedar", _ACCOUNTS, 'permit (principal, action == Action::"account.manage"', "know"),
}


@pytest.mark.parametrize("how", LOOSER)
def test_a_set_that_breaks_a_law_does_not_load(how):
    name, old, new, says = LOOSER[how]
    assert old in TEXTS[name]
    texts = TEXTS | {name: TEXTS[name].replace(old, new)}
    if says is None:  # a second policy still holds the law
        assert breaches(lawful(texts, SCHEMA)) == []
    else:
        assert says in refused(texts, load=lawful).message


_SEES_NOTHING = 'forbid (principal in Role::"administrator", action in Action::"content", resource);'
_DECIDED = "{ context.concerns_self || (context has requested_by && context.requested_by == principal) };"
PARTICULAR = {
    "the administrator sees some regions": (
        {"limits.cedar": TEXTS["limits.cedar"].replace(_SEES_NOTHING, _SEES_NOTHING[:-1] + " when { %s };")},
        """permit (principal in Role::"administrator", action in Action::"content", resource)
        when { resource has region && resource.region > 2 && context.purpose == "maintenance" };""",
        "if resource has region then resource.region < 3 else true",
        "administrator has no content",
    ),
    "no help in one region": (
        {},
        'forbid (principal, action == Action::"queue.watch", resource) when { principal.regions.contains(7) };',
        "",
        "Help is never bound",
    ),
    "overseers blind in one region": (
        {},
        """forbid (principal, action == Action::"item.read", resource)
        when { resource has region && resource.region == 7 && context.purpose == "oversight" };""",
        "",
        "read everything",
    ),
    "overseers blind about what is old": (
        {},
        'forbid (principal, action == Action::"access.read", resource) when { resource.age_days > 100 };',
        "",
        "read everything",
    ),
    "one person approves his own": (
        {
            "limits.cedar": TEXTS["limits.cedar"].replace(
                _DECIDED, _DECIDED[:-1] + '\nunless { principal == Person::"evil" };'
            )
        },
        GOOD.splitlines()[2],
        "",
        "Nobody approves",
    ),
    "no help for one unit": (
        {},
        """forbid (principal, action == Action::"own.watch", resource)
        when { resource has unit && resource.unit == "U9" };""",
        "",
        "Help is never bound",
    ),
    "one thing nobody oversees": (
        {},
        """forbid (principal, action == Action::"item.read", resource == Thing::"i9")
        when { context.purpose == "oversight" };""",
        "",
        "read everything",
    ),
    "calculated": (
        {},
        """forbid (principal, action == Action::"queue.watch", resource)
        when { resource has region && resource.region * 3 == 21 };""",
        "",
        "Help is never bound",
    ),
}


@pytest.mark.parametrize("how", PARTICULAR)
def test_a_set_that_breaks_a_law_about_one_region_person_or_thing_only_does_not_load_either(how):
    patch, rule, held, says = PARTICULAR[how]
    more = f'@id("x-rule")\n@sentence("Order.")\n{rule}'
    texts = TEXTS | {name: text.replace("%s", held) for name, text in patch.items()} | {"x.cedar": more}
    assert says in refused(texts, load=lawful).message


def test_what_names_more_than_can_be_asked_does_not_load():
    rule = "forbid (principal, action, resource) when { [%s].contains(resource.age_days) };"
    texts = TEXTS | {"x.cedar": HEAD + rule % ",".join(map(str, range(1, 400)))}
    assert refused(texts, load=lawful).fields == {"policies": "too_particular"}


RELEASE = policies.load()
EVERYTHING = Policies.parse({"a.cedar": HEAD + "permit (principal, action, resource);"}, SCHEMA)
NOTHING = Policies.parse({"a.cedar": HEAD + "forbid (principal, action, resource);"}, SCHEMA)
people = st.builds(
    Viewer,
    st.sampled_from(["v", "w"]),
    st.sampled_from([*ROLES, "", "Prosecutor", "clock"]),
    st.frozensets(st.integers(1, 99), max_size=3),
    st.none() | st.sampled_from(["u1", "u2"]),
)
wishes = st.builds(
    AccessRequest,
    action=st.sampled_from(Action),
    purpose=st.sampled_from(Purpose),
    object=st.sampled_from(["", "i"]),
    region=st.none() | st.integers(1, 99),
    unit=st.none() | st.sampled_from(["u1", "u2"]),
    case=st.none() | st.sampled_from(["", "c-1"]),
    sensitive=st.frozensets(st.sampled_from(Sensitive)),
    age_days=st.integers(0, 500),
    requested_by=st.none() | st.sampled_from(["v", "w"]),
    concerns=st.none() | st.sampled_from(["v", "w"]),
    facts=st.builds(Facts, **{name: st.booleans() for name in Facts.__struct_fields__}),
)


@given(people, wishes)
def test_what_the_policies_of_the_release_say_is_what_the_laws_above_them_say(viewer, wish):
    """No law opens or closes anything that this release does not: they hold what stands, and grant nothing new."""
    assert decide(RELEASE, viewer, wish).allow is ask(RELEASE, viewer, wish).allow


@given(people, wishes)
def test_no_policy_opens_or_closes_what_a_law_says_wherever_it_is(viewer, wish):
    """Under policies that permit all nothing is open that a law closes; under such that forbid all help goes on."""
    wide, narrow = decide(EVERYTHING, viewer, wish), decide(NOTHING, viewer, wish)
    release = ask(RELEASE, viewer, wish)
    if not wide.allow:
        assert wide.policies[0].startswith("law-")
        assert not narrow.allow
        assert not release.allow
    if narrow.allow:
        assert narrow.policies in {("law-help",), ("law-oversight",)}
        assert release.allow
    if viewer.role == "administrator" and wish.action in CONTENT:
        assert not wide.allow
    if wish.action is Action.ERASE_RECORD or viewer.role not in ROLES:
        assert not wide.allow
    if viewer.role in {"prosecutor", "auditor"} and wish.purpose is Purpose.OVERSIGHT and wish.action in READS:
        assert narrow.allow


@pytest.mark.parametrize("law", [*NEVER, *ALWAYS], ids=lambda law: law.__name__.strip("_"))
def test_each_question_of_the_laws_is_decided_above_the_policies_in_every_region(law):
    for viewer, wish in law():
        for region in (1, 7, 99):
            there = msgspec.structs.replace(viewer, regions=frozenset({region}) if viewer.regions else viewer.regions)
            answer = decide(
                NOTHING if law in ALWAYS else EVERYTHING, there, msgspec.structs.replace(wish, region=region)
            )
            assert answer.allow is (law in ALWAYS)
            assert answer.policies[0].startswith("law-")


def test_the_hash_names_the_words_and_not_the_spaces_at_their_ends():
    trailing = {name: text.replace("\n", "  \r\n") for name, text in TEXTS.items()}
    assert policy_hash(trailing, SCHEMA) == policy_hash(TEXTS, SCHEMA) == policies.load().hash
    name = "duty.cedar"
    other = TEXTS | {name: TEXTS[name].replace("of their regions", "of all regions", 1)}
    assert policy_hash(other, SCHEMA) != policy_hash(TEXTS, SCHEMA)
    assert policy_hash(TEXTS, SCHEMA + "//") != policy_hash(TEXTS, SCHEMA)


def test_a_forbid_that_fails_denies():
    """Cedar passes over a policy that cannot be evaluated; a passed-over forbid must not open a door."""
    failing = GOOD + (
        '\n@id("b-rule")\n@sentence("It fails.")\n'
        "forbid (principal, action, resource) when { resource.age_days * 9223372036854775807 > 0 };"
    )
    found = Policies.parse({"a.cedar": failing}, SCHEMA)
    wish = AccessRequest(action=Action.WATCH_QUEUE, purpose=Purpose.DUTY, age_days=2)
    answer = decide(found, Viewer("v", "inspector", frozenset()), wish)
    assert (answer.allow, answer.named) == (False, "policy-error")
    assert "b-rule" in answer.errors[0] or "overflow" in answer.errors[0]


@given(st.text(max_size=300) | st.text(alphabet='permitfobd (){};=,"@:', max_size=120))
def test_any_text_is_a_set_of_policies_or_a_refusal(text):
    try:
        found = Policies.parse({"a.cedar": text}, SCHEMA)
    except Refused as refusal:
        found = refusal
    assert isinstance(found, Policies) or found.kind is Kind.INVALID
