"""What comes in is decoded strictly, and the OpenAPI document says the same.

Litestar converts bodies leniently (a string becomes a number), so bodies go round it through a DTO of our own.
"""

from collections.abc import Generator
from typing import Any, TypeVar

import msgspec
from litestar._openapi.schema_generation import SchemaCreator
from litestar._openapi.schema_generation.plugins.struct import StructSchemaPlugin
from litestar.dto import AbstractDTO
from litestar.dto.data_structures import DTOFieldDefinition
from litestar.openapi.spec import Reference, Schema
from litestar.typing import FieldDefinition

from saqtau.kernel.errors import Kind, Refused

BODY_LIMIT = 64 * 1024
"""Bytes of the largest body the API takes."""
DEPTH_LIMIT = 8
"""Levels of the deepest JSON the API takes."""

T = TypeVar("T")


def decode_strictly(raw: bytes, kind: type[T]) -> T:
    """The struct in a JSON body. Raises Refused(INVALID) naming the field: wrong type, unknown, missing, too deep.

    PostgreSQL keeps no NUL in text and JSON no lone surrogate in UTF-8, so both are refused here.
    """
    try:
        plain = msgspec.json.decode(raw, strict=True)
        _check(plain, 0)
        return msgspec.json.decode(raw, type=kind, strict=True)
    except msgspec.ValidationError as error:
        raise Refused(Kind.INVALID, str(error), **{field_of(str(error)): "invalid"}) from None
    except (msgspec.DecodeError, UnicodeError, ValueError) as error:
        raise Refused(Kind.INVALID, f"not JSON: {error}", body="not_json") from None
    except RecursionError:
        raise Refused(Kind.INVALID, "the body is nested too deeply", body="too_deep") from None


def field_of(message: str) -> str:
    """The field that a msgspec message speaks of: its path without the `$.`, or the name in backquotes, or `body`."""
    path = message.rpartition(" - at `$")[2].rstrip("`").lstrip(".") if " - at `$" in message else ""
    named = message.split("`")[1] if message.count("`") >= 2 and "field" in message.split("`", 1)[0] else ""
    if named:
        return f"{path}.{named}" if path else named
    return path or "body"


def _check(value: object, depth: int) -> None:
    if depth > DEPTH_LIMIT:
        raise Refused(Kind.INVALID, "the body is nested too deeply", body="too_deep")
    match value:
        case str():
            check_text(value)
        case dict():
            for key, inner in value.items():
                check_text(key)
                _check(inner, depth + 1)
        case list():
            for inner in value:
                _check(inner, depth + 1)
        case _:
            pass


def check_text(value: str, field: str = "body") -> str:
    """The text itself. Raises Refused(INVALID) when it holds NUL or a lone surrogate."""
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Refused(Kind.INVALID, f"{field} holds a character that no text has", **{field: "not_text"})
    return value


class Strict(AbstractDTO[T]):
    """Decodes a body with `decode_strictly`; says in the OpenAPI document what the struct says."""

    @classmethod
    def create_for_field_definition(cls, *_: Any, **__: Any) -> None:
        """No backend: the struct itself is the shape."""

    @classmethod
    def is_supported_model_type_field(cls, field_definition: FieldDefinition) -> bool:
        """Every struct."""
        return field_definition.is_subclass_of(msgspec.Struct)

    @classmethod
    def generate_field_definitions(cls, model_type: type[Any]) -> Generator[DTOFieldDefinition, None, None]:
        """None: the struct's own fields are used as they are."""
        del model_type
        yield from ()

    @classmethod
    def detect_nested_field(cls, field_definition: FieldDefinition) -> bool:
        """Nothing is renamed or left out inside."""
        del field_definition
        return False

    @classmethod
    def create_openapi_schema(
        cls, field_definition: FieldDefinition, handler_id: str, schema_creator: SchemaCreator
    ) -> Reference | Schema:
        """The struct's schema."""
        del handler_id
        return schema_creator.for_field_definition(field_definition)

    def decode_bytes(self, value: bytes) -> Any:
        """The struct in the body."""
        return decode_strictly(value, self.model_type)


class StrictStructs(StructSchemaPlugin):
    """Say in the OpenAPI document what msgspec enforces: unknown fields are refused; and what the struct is for."""

    def to_openapi_schema(self, field_definition: FieldDefinition, schema_creator: SchemaCreator) -> Schema:
        """The struct's schema with `additionalProperties` and its docstring."""
        schema = super().to_openapi_schema(field_definition, schema_creator)
        if field_definition.type_.__struct_config__.forbid_unknown_fields:
            schema.additional_properties = False
        schema.description = schema.description or (field_definition.type_.__doc__ or "").strip() or None
        return schema


BY_SESSION: list[dict[str, list[str]]] = [{"session": []}]
"""What a call that reads must bring, for the OpenAPI document."""
BY_TOKEN: list[dict[str, list[str]]] = [{"session": [], "csrf": []}]
"""What a call that changes something must bring."""
