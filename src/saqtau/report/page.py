"""The document as one HTML file: no script, nothing fetched, readable at 200 %, by ear, and printed."""

from collections.abc import Iterable
from html import escape
from typing import Final

from saqtau.report.document import Document, Section, Table

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 1.05rem/1.5 'Noto Sans', system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0; } h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; }
.draft { border: 2px solid; padding: .5rem 1rem; font-weight: 700; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid #8886; }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.sum { font-weight: 700; } .code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; font-size: .85em; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border: 1px solid #8886; padding: .75rem; font-size: .8rem; }
@media print { body { max-width: none; padding: 0; } h2, tr, pre { break-inside: avoid; } }
"""


def to_html(document: Document) -> bytes:
    """The file's bytes."""
    head = [
        "<!doctype html>",
        f'<html lang="{document.language}">',
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{escape(document.title)}: {escape(document.subtitle)}</title>",
        f"<style>{_STYLE}</style>",
        "<main>",
        f"<h1>{escape(document.title)}</h1>",
        f"<p>{escape(document.subtitle)}<br>{escape(document.authority)}</p>",
    ]
    if document.draft is not None:
        head.append(f'<p class="draft">{escape(document.draft)}</p>')
    head.append(f"<p>{escape(document.small)}</p>")
    body = [line for at, section in enumerate(document.sections) for line in _section(section, at)]
    return "\n".join([*head, *body, "</main>", "</html>", ""]).encode()


def _section(section: Section, at: int) -> Iterable[str]:
    yield f'<section aria-labelledby="s{at}"><h2 id="s{at}">{escape(section.title)}</h2>'
    for text in section.text:
        yield f"<p>{escape(text)}</p>"
    if section.table is not None:
        yield from _table(section.table, at)
    if section.points:
        yield "<ul>"
        for point in section.points:
            yield f"<li>{escape(point)}</li>"
        yield "</ul>"
    for block in section.blocks:
        yield f"<pre>{escape(block)}</pre>"
    for text in section.after:
        yield f"<p>{escape(text)}</p>"
    yield "</section>"


def _table(table: Table, at: int) -> Iterable[str]:
    yield f'<div class="scroll" tabindex="0" role="region" aria-labelledby="s{at}"><table>'
    heads = (f'<th scope="col"{_kind(table, place)}>{escape(head)}</th>' for place, head in enumerate(table.heads))
    yield f"<thead><tr>{''.join(heads)}</tr></thead><tbody>"
    for line, row in enumerate(table.rows):
        mark = ' class="sum"' if line in table.strong else ""
        cells = (f"<td{_kind(table, place)}>{escape(cell)}</td>" for place, cell in enumerate(row))
        yield f"<tr{mark}>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"


def _kind(table: Table, place: int) -> str:
    if place in table.figures:
        return ' class="figure"'
    return ' class="code"' if place in table.codes else ""
