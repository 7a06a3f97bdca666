"""The kinds of fields that a file may hold: one value, a duration, an expression. Values come as text."""

from collections.abc import Callable, Mapping, Sized
from pathlib import Path
from typing import Annotated, TypeVar, cast

from msgspec import Struct
from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from dispatcher.config import values
from dispatcher.config.types import Secret
from dispatcher.core.facts import Ms

T = TypeVar("T")
C = TypeVar("C", bound=Sized)


class Origin(Struct, frozen=True):
    """Where the secrets of a file are found."""

    environ: Mapping[str, str]
    folder: Path  # of the file


class Section(BaseModel):
    """Fields that stand together."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def text(read: Callable[[str], T]) -> BeforeValidator:
    """Marks one value that `read` reads; its ValueErrors say what to write instead."""

    def check(value: object) -> T:
        return read(one(value))

    return BeforeValidator(check)


def one(value: object) -> str:
    """The text of one value."""
    if not isinstance(value, str):
        raise ValueError("write one value, not a list or fields")  # noqa: TRY004  pydantic collects ValueErrors only
    return value


def some(value: C) -> C:
    """Pydantic's own min_length counts the valid ones only, and would say it of a list of mistakes too."""
    if not value:
        raise ValueError("write at least one")
    return value


def _expression(value: object) -> str:
    """An expression as it was written; `compiled` judges what it says."""
    if not isinstance(value, str) or not value:
        raise ValueError("write an expression, and put quotes round it, as in 'room.name == \"lobby\"'")
    return value


def _map_expression(value: object) -> object:
    """An expression that gives a map: YAML's own maps are none."""
    if isinstance(value, dict):
        raise ValueError('put quotes round the whole map, and round its texts: \'{"line": "sales"}\'')  # noqa: TRY004
    return _expression(value)


def _hidden(value: object, info: ValidationInfo) -> Secret:
    origin = cast("Origin", info.context)
    return values.secret(one(value), origin.environ, origin.folder)


class Span(Struct, frozen=True):
    """Marks a duration within bounds, in ms; its text has units."""

    low: Ms
    high: Ms

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        read = values.span(self.low, self.high)
        return core_schema.no_info_before_validator_function(
            lambda value: read(one(value)),
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(values.show_span),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": values.SPAN_PATTERN}


class Memory(Struct, frozen=True):
    """Marks an amount of memory in bytes, `low` at least; its text has units."""

    low: int

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        read = values.memory(self.low)
        return core_schema.no_info_before_validator_function(
            lambda value: read(one(value)),
            handler(source),
            serialization=core_schema.plain_serializer_function_ser_schema(values.show_memory),
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": values.MEMORY_PATTERN}


Name = Annotated[str, text(values.name)]
Hidden = Annotated[Secret, BeforeValidator(_hidden)]  # a secret, written in place or kept elsewhere
Kind = Annotated[str, text(values.kind)]
Cel = Annotated[str, BeforeValidator(_expression)]
CelMap = Annotated[str, BeforeValidator(_map_expression)]
