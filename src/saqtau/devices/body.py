"""A JSON body, strictly read: a string where a number belongs is refused by the name of its field. Pure."""

import re
from typing import TypeVar

import msgspec

from saqtau.kernel.errors import Kind, Refused

T = TypeVar("T")

_MISSING = re.compile(r"Object missing required field `(\w+)`")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """What the decoder makes of a body. Raises Refused INVALID with the path of the field, e.g. `fixes[3].lat`."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        what, _, where = str(error).rpartition(" - at `")
        path = where.removesuffix("`").removeprefix("$").removeprefix(".") if what else ""
        # the name of an unknown field is the sender's word and is not repeated as a key
        if missing := _MISSING.match(str(error)):
            raise Refused(Kind.INVALID, str(error), **{f"{path}.{missing[1]}".lstrip("."): "missing"}) from error
        raise Refused(Kind.INVALID, str(error), **{path or "body": "invalid"}) from error
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Refused(Kind.INVALID, "a body that is not JSON", body="not_json") from error
