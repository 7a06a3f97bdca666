"""JSON Schema in words, for tables."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

SCHEMAS: Final = "#/components/schemas/"
_WORDS: Final = {"string": "text", "integer": "whole number", "boolean": "true or false", "null": "null"}


def type_of(schema: Mapping[str, Any]) -> str:
    """What a value may be: a name of a type with its link, or a word."""
    if "$ref" in schema:
        name = str(schema["$ref"]).removeprefix(SCHEMAS)
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema:
        return " or ".join(map(type_of, schema["anyOf"]))
    if "enum" in schema:
        return ", ".join(f"`{one}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        each = schema.get("prefixItems") or [schema.get("items", {})]  # of a pair, or of a list
        return f"list of {', '.join(map(type_of, each))}"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), Mapping):
        return f"map to {type_of(schema['additionalProperties'])}"
    return _WORDS.get(str(schema.get("type", "")), str(schema.get("type", "anything")))


def reached(found: Any, schemas: Mapping[str, Any]) -> set[str]:  # noqa: ANN401 - any part of the document
    """The names of all types that it leads to, and that those lead to."""
    names: set[str] = set()
    waiting = list(_named(found))
    while waiting:
        if (name := waiting.pop()) not in names:
            names.add(name)
            waiting += _named(schemas[name])
    return names


def _named(found: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(found, Mapping):
        if "$ref" in found:
            yield str(found["$ref"]).removeprefix(SCHEMAS)
        for one in found.values():
            yield from _named(one)
    elif isinstance(found, Sequence) and not isinstance(found, str):
        for one in found:
            yield from _named(one)
