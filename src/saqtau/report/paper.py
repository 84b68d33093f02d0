"""The document as PDF, by typst with the fonts it carries in itself: the same bytes on every machine."""

from importlib.resources import files
from typing import Any, Literal

import msgspec

from saqtau.kernel.errors import Kind, Refused
from saqtau.report.document import Document


def to_pdf(document: Document) -> bytes:
    """The file's bytes, tagged for screen readers. Raises Refused(UNAVAILABLE) when typst cannot set it."""
    return _compiled(document, "pdf")[0]


def to_pictures(document: Document, ppi: float = 72) -> list[bytes]:
    """The pages as PNG, to look at them."""
    return _compiled(document, "png", ppi)


def _compiled(document: Document, form: Literal["pdf", "png"], ppi: float | None = None) -> list[bytes]:
    import typst

    template = files(__package__).joinpath("paper.typ").read_bytes()
    try:
        made: Any = typst.compile(
            template,
            format=form,
            ppi=ppi,
            ignore_system_fonts=True,
            font_paths=[],
            timestamp=0,  # of making: it says nothing that the document does not say, and would differ each time
            sys_inputs={"document": msgspec.json.encode(document).decode()},
        )
    except typst.TypstError as error:
        raise Refused(Kind.UNAVAILABLE, f"the report cannot be set on paper: {error}", report="typst") from error
    return made if isinstance(made, list) else [made]  # a list as soon as there are two pages as pictures
