"""A JSON body, strictly read: a string where a number belongs is refused by the name of its field. Pure."""

from typing import TypeVar

import msgspec

from saqtau.kernel.errors import Kind, Refused

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """What the decoder makes of a body. Raises Refused INVALID with the path of the field, e.g. `fixes[3].lat`."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        what, _, where = str(error).rpartition(" - at `")
        field = where.removesuffix("`").removeprefix("$").removeprefix(".") if what else ""
        raise Refused(Kind.INVALID, str(error), **{field or "body": "invalid"}) from error
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Refused(Kind.INVALID, "a body that is not JSON", body="not_json") from error
