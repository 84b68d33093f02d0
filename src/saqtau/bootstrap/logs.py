"""What a process writes to its log. No plate, no token: of an exception neither its locals nor its values.

An exception's own words may quote what it choked on (a row, an argument, a key); only those of the engine and of our
refusals are told. The place in the code always is.
"""

import logging
import sys
import traceback
from types import TracebackType
from typing import Any

import structlog

from saqtau.engine.failures import told

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def trace(exc_info: ExcInfo) -> str:
    """Where an exception came from and what kind it is, its causes first."""
    error: BaseException | None = exc_info[1]
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        parts.append("".join(traceback.format_tb(error.__traceback__)) + told(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nled to\n".join(reversed(parts))


class _Plain(logging.Formatter):
    """The standard library's records, of uvicorn and of the devices, without values either."""

    def formatException(self, ei: Any) -> str:  # noqa: N802 - the standard library's name
        return trace(ei)


def configure(*, screen: bool = False) -> None:
    """Set up both kinds of logging of this process. screen: for a person who looks on, else JSON."""
    renderer: Any = (
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        if screen
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.ExceptionRenderer(trace),
            renderer,
        ]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Plain("%(levelname)s %(name)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
