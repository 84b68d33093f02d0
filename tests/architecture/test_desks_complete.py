"""A folder a desk, always the same few files, one page of its own, and words in three languages."""

import json
from enum import Enum

import msgspec
import pytest
from tests.architecture.source import ROOT, SOURCE

from saqtau.kernel.desk import discover, mermaid

DESKS = list(discover("saqtau.desks"))
LANGUAGES = ("kk", "ru", "en")


@pytest.mark.parametrize("desk", DESKS, ids=lambda desk: desk.name)
@pytest.mark.parametrize("file", ["__init__.py", "desk.py", "rules.py", "forms.py", "README.md"])
def test_every_desk_has_the_files_of_a_desk(desk, file):
    assert (SOURCE / "desks" / desk.name / file).is_file()


def test_every_folder_of_the_room_is_a_desk_of_that_name():
    folders = {path.name for path in (SOURCE / "desks").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders == {desk.name for desk in DESKS}


@pytest.mark.parametrize("desk", DESKS, ids=lambda desk: desk.name)
def test_the_page_of_a_desk_shows_the_desk_as_it_is(desk):
    page = (ROOT / "docs" / "desks" / f"{desk.name}.md").read_text()
    assert f"```mermaid\n{mermaid(desk)}```" in page, f"docs/desks/{desk.name}.md shows another diagram"
    for name, state in desk.states.items():
        assert f"| {name} | {state.owner or 'end'} | {state.within or ''} |" in page
    for edge in desk.edges:
        assert f"`{edge.name}`" in page, f"{edge.name} is not explained"


@pytest.fixture(scope="module", params=LANGUAGES)
def words(request):
    return json.loads((SOURCE / "locales" / f"{request.param}.json").read_text())


def wanted(desk):
    """Each word a desk needs, as the keys it may stand under: its own, or one that desks share."""
    yield (f"desk.{desk.name}",)
    yield from ((f"state.{desk.name}.{state}", f"state.{state}") for state in desk.states)
    for edge in (*desk.edges, *desk.openings):
        yield f"edge.{desk.name}.{edge.name}", f"edge.{edge.name}"
        for field in msgspec.structs.fields(edge.requires) if edge.requires else ():
            yield f"form.{desk.name}.{edge.name}.{field.name}", f"fact.{field.name}"
            if isinstance(field.type, type) and issubclass(field.type, Enum):
                for one in field.type:
                    yield f"choice.{desk.name}.{edge.name}.{field.name}.{one.value}", f"value.{one.value}"


@pytest.mark.parametrize("desk", DESKS, ids=lambda desk: desk.name)
def test_every_state_edge_and_field_has_its_word(desk, words):
    missing = [keys for keys in wanted(desk) if not any(words.get(key) for key in keys)]
    assert missing == []
