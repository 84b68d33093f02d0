"""What `saqtau policy diff` says of a change, and what it must not say."""

from saqtau.cli.policy import NOT_FOUND, told

SAID = {"en": "Who is on shift sees pictures.", "ru": "На смене видят снимки.", "kk": "Ауысымда суреттер көрінеді."}


def diff(what, before=SAID, after=SAID, shifts=()):
    rule = {"id": "evidence-on-shift", "what": what, "effect": "forbid", "before": before, "after": after}
    return {"before": "a", "after": "b", "rules": [rule], "shifts": list(shifts), "lines": ["-old", "+new"]}


def test_a_changed_condition_is_never_called_harmless_because_asking_found_nothing():
    lines = list(told(diff("changed", after={one: f"{text} Or not." for one, text in SAID.items()})))
    assert NOT_FOUND in lines
    assert not any("no role" in line for line in lines)
    assert lines[-2:] == ["-old", "+new"]


def test_a_condition_that_changed_under_the_same_sentence_is_warned_of():
    assert any("WARNING: its condition changed" in line for line in told(diff("changed")))
    one_language = SAID | {"en": "Anybody sees pictures."}
    assert any("WARNING: its condition changed" in line for line in told(diff("changed", after=one_language)))


def test_where_only_words_change_that_is_said():
    lines = list(told(diff("reworded", after=SAID | {"en": "On shift one sees pictures."})))
    assert "only words change: no condition does" in lines
    assert not any("WARNING" in line for line in lines)


def test_a_shift_is_told_with_its_place():
    shift = {"role": "operator", "action": "picture.read", "purpose": "incident", "allowed": True, "where": "region 7"}
    assert "MAY NOW operator: picture.read for incident (region 7)" in list(told(diff("changed", shifts=[shift])))
