"""The public report: three languages, the same bytes each time, and nothing in it that names the few."""

import io
import json
import re
from importlib.resources import files

import msgspec
import pytest
from PIL import Image
from tests.unit.report.month import ORIGIN, ROOT, month

from saqtau.jurisdiction import load
from saqtau.report.document import LANGUAGES, Language, Words, compose, number, term
from saqtau.report.figures import (
    ALERTS,
    ERASURES,
    LOOKS,
    REVIEWS,
    Before,
    Cell,
    cells,
    kind_of,
    published,
    share,
    shown,
    total,
)
from saqtau.report.page import to_html
from saqtau.report.paper import to_pdf, to_pictures

LAW = load("kz")
WORDS = {
    language: json.loads(files("saqtau.report").joinpath(f"words/{language}.json").read_text("utf-8"))
    for language in LANGUAGES
}


def _holes(text: str) -> list[str]:
    return sorted(re.findall(r"\{(\w+)\}", text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_the_same_things(language: str) -> None:
    assert WORDS[language].keys() == WORDS["en"].keys()
    for key, text in WORDS[language].items():
        assert text.strip(), key
        assert _holes(text) == _holes(WORDS["en"][key]), key
        forms = key.startswith("term.")  # each language has as many as it needs
        assert forms or text.count("|") == WORDS["en"][key].count("|"), key


def test_what_can_be_counted_has_words() -> None:
    asked = [
        *(f"kind.{kind}" for kind in LOOKS),
        *(f"review.{outcome}" for outcome in REVIEWS),
        *(f"alert.{outcome}" for outcome in ALERTS),
        *(f"erasure.{what}" for what in ERASURES),
    ]
    assert [key for key in asked if key not in WORDS["kk"]] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_tells_what_the_month_was(language: str) -> None:
    page = to_html(compose(published(month()), language, LAW)).decode()
    assert f'<html lang="{language}">' in page
    assert "12\N{NO-BREAK SPACE}408" in page
    assert ORIGIN in page
    assert ROOT in page  # inside the checkpoint, letter by letter
    assert " ".join(["abababab"] * 8) in page
    assert "saqtau report --month 2026-11 --recompute" in page
    assert WORDS[language]["draft"] not in page
    assert "{" not in re.sub(r"(?s)<style>.*?</style>", "", page)  # no hole was left open


def test_an_unfinished_month_is_stamped_a_draft() -> None:
    page = to_html(compose(published(month(finished=False)), "kk", LAW)).decode()
    assert WORDS["kk"]["draft"] in page


def test_a_small_number_is_withheld_and_its_sum_says_that_it_misses_something() -> None:
    page = to_html(compose(published(month()), "en", LAW)).decode()
    assert "<td>Refused wishes</td>" not in page
    assert re.search(r"Inspector</td><td class=\"figure\">1–4</td>", page)
    assert ">13–16<" in page


def test_a_line_of_a_checkpoint_is_never_cut_on_paper_however_long_it_is() -> None:
    long = month().logs[0].note + "\N{EM DASH} " + "witness" * 30 + " " + "A" * 104 + "\n"
    blocks = compose(published(month(logs=(msgspec.structs.replace(month().logs[0], note=long),))), "en", LAW)
    whole = to_pictures(blocks)
    edge = [Image.open(io.BytesIO(page)).convert("L") for page in whole]
    assert all(page.crop((page.width - 20, 0, page.width, page.height)).getextrema() == (255, 255) for page in edge)


def test_the_share_is_told_only_of_what_is_shown() -> None:
    named = "that name a verified case or incident: {}"
    assert named.format("99\N{NO-BREAK SPACE}%") in to_html(compose(published(month()), "en", LAW)).decode()
    few = month(looks=(Cell(("view", "incident", "operator"), 900), Cell(("view", "case", "inspector"), 2)))
    assert named.format("cannot be shown") in to_html(compose(published(few), "en", LAW)).decode()


def test_a_month_in_which_nothing_happened_is_a_report_too() -> None:
    empty = month(looks=(), reviews=(), alerts=(), erasures=(), cameras=(), policies=(), logs=())
    for language in LANGUAGES:
        document = compose(published(empty), language, LAW)
        assert to_html(document)
        assert to_pdf(document).startswith(b"%PDF")


def test_markup_in_data_stays_text() -> None:
    page = to_html(compose(published(month(authority="<script>x</script>")), "en", LAW)).decode()
    assert "<script>" not in page
    assert to_pdf(compose(published(month(authority='#panic("x") $ * _')), "en", LAW)).startswith(b"%PDF")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_same_figures_make_the_same_bytes(language: str) -> None:
    made = [compose(published(month()), language, LAW) for _ in range(2)]
    assert to_html(made[0]) == to_html(made[1])
    assert to_pdf(made[0]) == to_pdf(made[1])


def test_kazakh_letters_are_drawn_and_not_missing() -> None:
    """A letter that no font has is drawn as the same empty box, whatever letter it is."""

    def drawn(letter: str) -> bytes:
        document = compose(published(month(authority=letter * 30)), "kk", LAW)
        return to_pictures(document)[0]

    pictures = {letter: drawn(letter) for letter in "ӘҒҚҢӨҰҮҺІәғқңөұүһі\uf8ff"}
    assert len(set(pictures.values())) == len(pictures)


def test_numbers_are_grouped_so_that_they_can_be_read() -> None:
    assert number(1234567) == "1\N{NO-BREAK SPACE}234\N{NO-BREAK SPACE}567"


def test_counts_of_one_cell_are_added_and_empty_cells_left_out() -> None:
    assert cells([(("a",), 2), (("b",), 0), (("a",), 3)]) == (Cell(("a",), 5),)


def test_a_share_needs_five_and_nothing_withheld() -> None:
    assert share(total(shown([Cell(("x",), 5)])), total(shown([Cell(("x",), 5), Cell(("y",), 5)]))) == 50
    assert share(total(shown([Cell(("x",), 5)])), total(shown([Cell(("x",), 5), Cell(("y",), 4)]))) is None
    assert share(total(()), total(())) is None


@pytest.mark.parametrize(
    ("klass", "action", "kind"),
    [
        ("view", "queue.watch", "live"),
        ("view", "picture.read", "view"),
        ("search", "history.read", "search"),
        ("export", "export.receive", "export"),
        ("export", "export.request", None),
        ("view", "register.read", "other"),
        ("deny", "picture.read", "denied"),
        ("close", "picture.read", None),
        ("breakglass", "break_glass.open", "breakglass"),
        ("login", "", None),
    ],
)
def test_an_entry_is_counted_once_or_is_no_look(klass: str, action: str, kind: str | None) -> None:
    assert kind_of(klass, action) == kind


@pytest.mark.parametrize(
    ("language", "iso", "told"),
    [
        ("en", "PT1S", "at once"),
        ("ru", "P1095D", "3\N{NO-BREAK SPACE}года"),
        ("ru", "P3650D", "10\N{NO-BREAK SPACE}лет"),
        ("ru", "P11D", "11\N{NO-BREAK SPACE}дней"),
        ("ru", "P21D", "21\N{NO-BREAK SPACE}день"),
        ("kk", "P30D", "30\N{NO-BREAK SPACE}күн"),
        ("en", "P1D", "1\N{NO-BREAK SPACE}day"),
        ("en", "P365DT12H", "1\N{NO-BREAK SPACE}year 12\N{NO-BREAK SPACE}hours"),
        ("en", "P2M", "P2M"),
    ],
)
def test_a_term_is_told_in_words(language: Language, iso: str, told: str) -> None:
    assert term(Words(language), iso) == told


def test_every_class_of_the_law_has_words() -> None:
    for language in LANGUAGES:
        document = compose(published(month(retention=tuple(LAW.retention.classes.items()))), language, LAW)
        (section,) = [one for one in document.sections if one.title == Words(language)("retention")]
        assert section.table is not None
        for name, (told, time) in zip(LAW.retention.classes, section.table.rows, strict=True):
            assert told != name.replace("_", " "), (language, name)
            assert not time.startswith("P"), (language, name)


def test_a_share_that_cannot_be_shown_does_not_contradict_the_row_above_it() -> None:
    for language in LANGUAGES:
        found = published(month(reviews=(Cell(("in_time",), 2),)))
        (section,) = [one for one in compose(found, language, LAW).sections if one.title == Words(language)("break")]
        assert section.after == ()


def test_a_log_whose_end_alone_is_unwitnessed_tells_what_was_witnessed() -> None:
    (log,) = month().logs
    seen = log.witnesses
    behind = msgspec.structs.replace(log, witnesses=(), before=Before(181_000, seen))
    never = msgspec.structs.replace(log, witnesses=())
    told = []
    for one in (behind, never):
        document = compose(published(month(logs=(one,))), "en", LAW)
        (section,) = [part for part in document.sections if part.title == Words("en")("logs")]
        assert section.table is not None
        told.append(section.table.rows[0][3])
    size = "181\N{NO-BREAK SPACE}000"
    assert told[0].startswith(f"not the latest entries yet; the first {size} by prosecutor.example/witness, 2026-")
    assert told[1] == "nobody yet"
