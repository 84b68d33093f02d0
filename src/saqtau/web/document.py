"""The OpenAPI document as a file: `python -m saqtau.web.document docs/reference/openapi.json`."""

import sys
from pathlib import Path
from typing import Any

import msgspec

from saqtau.kernel.clock import Instant
from saqtau.kernel.desk import gather
from saqtau.web.app import create_app
from saqtau.web.parts import Parts


def openapi() -> dict[str, Any]:
    """The document. The application it is asked of has nothing to answer with and is never started."""
    nothing: Any = None
    parts = Parts(
        pg=nothing, nc=nothing, js=nothing, pictures=nothing, access=nothing, keys=nothing, desks=gather(),
        clock=lambda: Instant(0), ids=lambda: "", blobs=nothing,
    )  # fmt: skip
    schema: dict[str, Any] = create_app(parts).openapi_schema.to_schema()
    return schema


def openapi_text() -> bytes:
    """The document as it is kept: indented, with a line's end."""
    return msgspec.json.format(msgspec.json.encode(openapi()), indent=2) + b"\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(openapi_text())
