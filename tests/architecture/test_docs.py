"""The documentation is true where a program can tell: links, commands, diagrams, words of the command line."""

import re
import shlex
from itertools import pairwise

import pytest
import typer
from tests.architecture.source import ROOT

from saqtau.cli import app
from saqtau.kernel.desk import discover, mermaid

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "deploy").rglob("*.md")]
)
DESIGN = sorted((ROOT / "docs" / "design").glob("*.md"))
LAWS = "laws.md"
DESKS = list(discover("saqtau.desks"))

_FENCE = re.compile(r"^( *)(`{3,})([^\n`]*)\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_COMMAND = re.compile(r"^\s*(?:\S*\.venv/bin/)?saqtau\s+(.+)$")
_SPAN = re.compile(r"`((?:\.venv/bin/)?saqtau [a-z][^`]*)`")
_MACHINE = re.compile(r"(?<![\w.])/(?:work|root)/|(?<![\w.])/tmp/\w")


def page_id(path):
    return str(path.relative_to(ROOT))


def prose(text):
    return _FENCE.sub("", text)


def anchors(text):
    """Anchors of the headings, as they are made of them on a code forge."""
    found = re.findall(r"^#+ +(.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


def links(text):
    return [link for link in _LINK.findall(prose(text)) if "://" not in link and not link.startswith("mailto:")]


def broken(path, text):
    """Links of a page that lead nowhere."""
    wrong = []
    for link in links(text):
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        there = target.is_relative_to(ROOT.resolve()) and target.exists()
        if not there or (anchor and target.suffix == ".md" and anchor not in anchors(target.read_text())):
            wrong.append(link)
    return wrong


def commands(text):
    """Each saqtau command a page shows: lines of blocks without a language or of a shell, and spans of the text."""
    for block in _FENCE.finditer(text):
        if block[3].strip() in {"", "sh", "bash", "shell", "console"}:
            for line in block[4].splitlines():
                if found := _COMMAND.match(line):
                    yield found[1]
    for span in _SPAN.findall(prose(text)):
        yield span.partition("saqtau ")[2]


def misspelled(command):
    """What is wrong with a command, None when the command line has this verb and these options."""
    words = shlex.split(command, comments=True)
    here = typer.main.get_command(app)
    while hasattr(here, "commands"):
        if here.invoke_without_command and (not words or words[0].startswith("-")):
            break
        verb = words.pop(0) if words else ""
        if verb not in here.commands:
            return f"no verb {verb!r}"
        here = here.commands[verb]
    known = {name: one for one in here.params for name in (*one.opts, *one.secondary_opts)}
    for word, following in pairwise([*words, None]):
        name = word.partition("=")[0]
        if not name.startswith("-"):
            continue
        if (option := known.get(name)) is None:
            return f"no option {name}"
        flag = getattr(option, "is_flag", False)
        if not flag and "=" not in word and (following is None or following.startswith("-")):
            return f"{name} wants a value"
    return None


def verbs(group, before=()):
    for name, command in group.commands.items():
        if not hasattr(command, "commands") or command.invoke_without_command:
            yield " ".join((*before, name))
        if hasattr(command, "commands"):
            yield from verbs(command, (*before, name))


VERBS = sorted(verbs(typer.main.get_command(app)))


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_link_of_a_page_leads_somewhere(page):
    assert broken(page, page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_command_of_a_page_can_be_typed(page):
    wrong = {command: why for command in commands(page.read_text()) if (why := misspelled(command)) is not None}
    assert wrong == {}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_is_explained_to_who_operates_it(verb):
    assert f"`saqtau {verb}" in (ROOT / "docs" / "operate" / "index.md").read_text()


def test_every_verb_of_the_makefile_that_asks_saqtau_can_be_typed():
    text = (ROOT / "Makefile").read_text().replace("$(FOLDER)", ".saqtau")
    asked = re.findall(r"-m saqtau\.cli (.+)", text)
    assert asked, "the Makefile asks saqtau for nothing"
    assert {command: why for command in asked if (why := misspelled(command)) is not None} == {}


@pytest.mark.parametrize("desk", DESKS, ids=lambda desk: desk.name)
def test_every_desk_has_its_page_with_its_diagram_and_the_list_names_it(desk):
    page = ROOT / "docs" / "desks" / f"{desk.name}.md"
    assert f"```mermaid\n{mermaid(desk)}```" in page.read_text()
    assert f"desks/{desk.name}.md" in links((ROOT / "docs" / "index.md").read_text())


def test_the_list_names_every_page():
    index = ROOT / "docs" / "index.md"
    listed = {(index.parent / link.partition("#")[0]).resolve() for link in links(index.read_text())}
    pages = {page for page in (ROOT / "docs").resolve().rglob("*.md") if page.name != "index.md"}
    pages |= {page for page in (ROOT / "docs").resolve().rglob("index.md") if page.parent.name != "docs"}
    assert sorted(page_id(page) for page in pages - listed) == []


@pytest.mark.parametrize("page", [page for page in DESIGN if page.name != LAWS], ids=page_id)
def test_a_design_note_says_what_it_does_not_do(page):
    text = page.read_text()
    assert "## Goals" in text
    assert "## Non-goals" in text
    if not page.name.startswith("plan-"):
        assert "## Alternatives considered" in text
        assert "## Caveats" in text


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_no_page_names_a_place_on_somebodys_machine(page):
    assert _MACHINE.findall(page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_a_file_of_the_source_that_a_page_names_is_there(page):
    named = re.findall(r"`((?:src|tests|bench|console|deploy)/[\w./-]+\.(?:py|toml|sql|ts|js|md))`", page.read_text())
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_a_module_that_the_tour_names_is_there():
    found = re.findall(r"`((?:devices|engine|desks|roads|web|kernel|bootstrap)/[\w./]+\.py)`", tour())
    assert len(found) > 25
    assert [name for name in found if not (ROOT / "src" / "saqtau" / name).is_file()] == []


def tour():
    return (ROOT / "docs" / "tour.md").read_text()


# what these checks find, they can find


def test_a_broken_link_and_a_broken_anchor_are_found():
    text = "# A heading\n[a](tour.md) [b](nowhere.md) [c](tour.md#next) [d](tour.md#nowhere) [e](../../../etc)\n"
    wrong = ["nowhere.md", "tour.md#nowhere", "../../../etc"]
    assert broken(ROOT / "docs" / "index.md", f"{text}[f](https://x.kz)\n```\n[g](in-a-block.md)\n```\n") == wrong


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("run --demonstration", None),
        ("map import city.osm.pbf   # any extract", None),
        ("user add aigul --role operator --region 2", None),
        ("user add aigul --role=operator", None),
        ("demo", "no verb 'demo'"),
        ("map", "no verb ''"),
        ("map export", "no verb 'export'"),
        ("run --demo", "no option --demo"),
        ("verify --folder there", None),
        ("verify log mirror --policy oversight.policy", None),
        ("verify --vkey a+b+c", "no option --vkey"),
        ("verify everything", "no verb 'everything'"),
        ("user add aigul --role --region 2", "--role wants a value"),
        ("run --folder", "--folder wants a value"),
    ],
)
def test_a_misspelled_command_is_found(command, why):
    assert misspelled(command) == why


def test_commands_are_found_in_blocks_of_a_shell_and_in_the_text():
    text = "`saqtau verify` and\n```\n.venv/bin/saqtau run  # it\nls\n```\n```toml\nsaqtau none\n```\n"
    assert list(commands(text)) == ["run  # it", "verify"]
