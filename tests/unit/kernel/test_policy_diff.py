"""Whoever approves a change sees what it means, not only which letters moved."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau.kernel.errors import Refused
from saqtau.kernel.policies import Policies
from saqtau.kernel.policy_diff import compare, text_diff
from saqtau.policies import texts

TEXTS, SCHEMA = texts()
OURS = Policies.parse(TEXTS, SCHEMA)
EXTRA = """
@id("clerks-watch")
@sentence("Clerks watch the queue.")
permit (principal in Role::"clerk", action == Action::"queue.watch", resource) when { context.purpose == "duty" };
"""


def changed(name, text):
    return compare(OURS, Policies.parse({**TEXTS, name: text}, SCHEMA))


def test_nothing_changed_is_nothing_to_show():
    same = compare(OURS, Policies.parse(dict(TEXTS), SCHEMA))
    assert (same.rules, same.shifts, same.lines, same.before) == ((), (), (), same.after)


def test_a_new_policy_is_shown_with_its_sentence_and_with_what_it_opens():
    told = changed("extra.cedar", EXTRA)
    assert [(one.id, one.what, one.after["en"]) for one in told.rules] == [
        ("clerks-watch", "added", "Clerks watch the queue.")
    ]
    assert [(one.role, one.action, one.purpose, one.allowed) for one in told.shifts] == [
        ("clerk", "queue.watch", "duty", True)
    ]
    assert '+@id("clerks-watch")' in told.lines


def test_a_policy_taken_away_shows_what_is_closed():
    told = compare(Policies.parse({**TEXTS, "extra.cedar": EXTRA}, SCHEMA), OURS)
    assert [(one.id, one.what) for one in told.rules] == [("clerks-watch", "removed")]
    assert [one.allowed for one in told.shifts] == [False]


def test_another_wording_is_told_apart_from_another_meaning():
    spaced = TEXTS["duty.cedar"].replace("watch the queue of their regions", "see the queue of their regions")
    assert [one.what for one in changed("duty.cedar", spaced).rules] == ["reworded"]
    meant = EXTRA.replace('"duty"', '"oversight"')
    told = compare(
        Policies.parse({**TEXTS, "extra.cedar": EXTRA}, SCHEMA), Policies.parse({**TEXTS, "extra.cedar": meant}, SCHEMA)
    )
    assert [one.what for one in told.rules] == ["changed"]
    assert {(one.purpose, one.allowed) for one in told.shifts} == {("duty", False), ("oversight", True)}


def test_whoever_approves_is_told_of_a_change_that_is_about_one_region_only():
    there = EXTRA.replace('"duty" }', '"duty" && resource has region && resource.region == 7 }')
    told = changed("extra.cedar", there)
    assert [(one.role, one.action, one.purpose, one.allowed, one.where) for one in told.shifts] == [
        ("clerk", "queue.watch", "duty", True, "region 7")
    ]
    older = EXTRA.replace('"duty" }', '"duty" && resource.age_days > 31 && principal == Person::"c1" }')
    assert [one.where for one in changed("extra.cedar", older).shifts] == ["age_days 32, person c1"]


@pytest.mark.parametrize("purpose", ["duty", "incident"])
def test_whoever_approves_is_told_of_a_change_that_is_about_cells_or_about_children_only(purpose):
    cells = f"""
@id("clerks-look-into-cells")
@sentence("Clerks watch cameras of custody.")
permit (principal in Role::"clerk", action == Action::"camera.watch", resource)
when {{ resource.custody && context.purpose == "{purpose}" }};
"""
    told = changed("extra.cedar", cells)
    assert [(one.role, one.action, one.purpose, one.allowed, one.where) for one in told.shifts] == [
        ("clerk", "camera.watch", purpose, True, "custody")
    ]
    told = changed("extra.cedar", cells.replace("custody &&", "minors &&"))
    assert [one.where for one in told.shifts] == ["minors"]


def test_a_change_that_a_law_does_not_let_through_is_no_shift():
    blind = EXTRA.replace("permit", "forbid").replace('"duty"', '"oversight"').replace('"clerk"', '"prosecutor"')
    told = changed("extra.cedar", blind)
    assert ([one.what for one in told.rules], told.shifts) == (["added"], ())


def test_a_change_that_is_more_than_can_be_shown_is_proposed_in_parts():
    many = ",".join(map(str, range(1, 90)))
    wide = EXTRA.replace('action == Action::"queue.watch"', "action").replace(
        'purpose == "duty"', f'purpose == "duty" && resource has region && [{many}].contains(resource.region)'
    )
    with pytest.raises(Refused) as told:
        changed("extra.cedar", wide)
    assert told.value.fields == {"texts": "too_much"}


lines = st.lists(st.sampled_from(["a", "b", "c", "@id"]), max_size=8).map("\n".join)


@given(
    st.dictionaries(st.sampled_from(["x.cedar", "y.cedar"]), lines),
    st.dictionaries(st.sampled_from(["x.cedar"]), lines),
)
def test_the_lines_are_there_exactly_when_the_texts_differ(before, after):
    differ = {name: text.splitlines() for name, text in before.items() if text.splitlines()} != {
        name: text.splitlines() for name, text in after.items() if text.splitlines()
    }
    assert bool(list(text_diff(before, after))) is differ


@pytest.mark.parametrize("role", ["administrator", "prosecutor"])
def test_every_role_is_asked(role):
    wide = EXTRA.replace('Role::"clerk"', f'Role::"{role}"').replace('"queue.watch"', '"policy.propose"')
    told = changed("extra.cedar", wide.replace("clerks-watch", "extra-rule"))
    assert {one.role for one in told.shifts} == {role}
