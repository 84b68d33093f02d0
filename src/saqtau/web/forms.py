"""Forms as JSON Schema, the way the console draws them: with every reference resolved. Pure."""

from functools import cache
from typing import Any

import msgspec


@cache
def form_of(form: type[msgspec.Struct] | None) -> dict[str, Any] | None:
    """JSON Schema of a form with every reference resolved, as the console wants it; None for an edge without one."""
    if form is None:
        return None
    schema = msgspec.json.schema(form)
    named: dict[str, Any] = schema.pop("$defs", {})
    resolved: dict[str, Any] = _resolved(schema, named)
    return resolved


def _resolved(node: Any, named: dict[str, Any]) -> Any:
    match node:
        case {"$ref": str() as reference, **rest}:
            return {**_resolved(named[reference.rpartition("/")[2]], named), **rest}
        case dict():
            return {key: _resolved(value, named) for key, value in node.items()}
        case list():
            return [_resolved(value, named) for value in node]
        case _:
            return node
