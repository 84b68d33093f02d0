"""Policies as law: what is no policy does not load, and what loads breaks no law of the house."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau import policies
from saqtau.kernel.access import AccessRequest, Action, Purpose, Viewer, decide
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.policies import LARGEST, Policies, policy_hash
from saqtau.kernel.policy_laws import ROLES, breaches, lawful
from saqtau.web.people import ROLES as HOLDABLE

TEXTS, SCHEMA = policies.texts()
GOOD = '@id("a-rule")\n@sentence("It says something.")\npermit (principal, action == Action::"queue.watch", resource);'


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
    answer = decide(found, Viewer("v", "operator", frozenset()), wish)
    assert (answer.allow, answer.named) == (False, "policy-error")
    assert "b-rule" in answer.errors[0] or "overflow" in answer.errors[0]


@given(st.text(max_size=300) | st.text(alphabet='permitfobd (){};=,"@:', max_size=120))
def test_any_text_is_a_set_of_policies_or_a_refusal(text):
    try:
        found = Policies.parse({"a.cedar": text}, SCHEMA)
    except Refused as refusal:
        found = refusal
    assert isinstance(found, Policies) or found.kind is Kind.INVALID
