"""A report whose witness the same machine has started says so."""

import html

import msgspec
import pytest
from tests.unit.report.month import month

from saqtau.config import DEMONSTRATION_WITNESS
from saqtau.jurisdiction import load
from saqtau.report.document import LANGUAGES, compose
from saqtau.report.figures import Seen, published
from saqtau.report.page import to_html

LAW = load("kz")
WORDS = {"kk": "көрсетілім куәгері", "ru": "для показа", "en": "is a demonstration's"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_witness_of_a_demonstration_is_not_taken_for_an_outsider(language: str) -> None:
    figures = published(month())
    log = msgspec.structs.replace(figures.logs[0], witnesses=(Seen(DEMONSTRATION_WITNESS, 1_796_083_199_400),))
    seen = msgspec.structs.replace(figures, logs=(log,))
    page = html.unescape(to_html(compose(seen, language, LAW)).decode())
    assert WORDS[language] in page
    assert WORDS[language] not in to_html(compose(figures, language, LAW)).decode()
