"""Whatever a desk may show, a person reads in his own language: states, steps, questions and their answers."""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import msgspec
import pytest

from saqtau.kernel.desk import Desk, discover
from saqtau.kernel.errors import Kind
from saqtau.kernel.signal import Flag, Shortfall, Status

LANGUAGES = ("kk", "ru", "en")
WORDS = {
    language: json.loads((files("saqtau") / "locales" / f"{language}.json").read_text("utf-8"))
    for language in LANGUAGES
}
DESKS = tuple(discover("saqtau.desks"))


def _questions(schema: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """Each field of a form with the answers it may choose from."""
    named = schema.get("$defs", {})
    for form in named.values():
        for field, kind in form.get("properties", {}).items():
            answers = named.get(kind.get("$ref", "").rpartition("/")[2], kind)
            yield field, list(answers.get("enum", ()))


def _asked(desk: Desk) -> Iterator[tuple[str, ...]]:
    """Keys the console would ask for, each with the key it falls back to."""
    yield (f"desk.{desk.name}",)
    for state in desk.states:
        yield f"state.{desk.name}.{state}", f"state.{state}"
    for edge in (*desk.edges, *desk.openings):
        yield f"edge.{desk.name}.{edge.name}", f"edge.{edge.name}"
        yield from ((f"role.{by}",) for by in ((edge.by,) if isinstance(edge.by, str) else edge.by))
        if edge.requires is None:
            continue
        for field, answers in _questions(msgspec.json.schema(edge.requires)):
            yield f"form.{desk.name}.{edge.name}.{field}", f"fact.{field}"
            for answer in answers:
                yield f"choice.{desk.name}.{edge.name}.{field}.{answer}", f"value.{answer}"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("desk", DESKS, ids=lambda desk: desk.name)
def test_every_state_step_and_question_of_a_desk_has_words(desk: Desk, language: str) -> None:
    lacking = [keys for keys in _asked(desk) if not any(key in WORDS[language] for key in keys)]
    assert lacking == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_status_flag_and_shortfall_has_words(language: str) -> None:
    asked = [
        *(f"error.{kind}" for kind in Kind),
        *(f"status.{status}" for status in Status),
        *(f"value.{flag}" for flag in Flag),
        *(f"shortfall.{shortfall}" for shortfall in Shortfall),
    ]
    assert [key for key in asked if key not in WORDS[language]] == []


def test_the_check_sees_a_desk_without_words() -> None:
    assert any("edge.dispatch.accept" in keys for desk in DESKS for keys in _asked(desk))
    assert not any(key in WORDS["kk"] for key in ("state.dispatch.no_such_state", "state.no_such_state"))
