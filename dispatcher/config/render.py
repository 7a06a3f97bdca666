"""The configuration shown to people: in force, as YAML without secrets; and its JSON Schema, for editors."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias

import yaml

from dispatcher.config.environment import HIDDEN, Environment
from dispatcher.config.model import File, LimitFields, ProjectFields, RuleFields
from dispatcher.config.types import Project
from dispatcher.config.values import MEMORY_PATTERN, show_memory, show_span

Json: TypeAlias = "str | int | bool | list[Json] | dict[str, Json] | None"

_SET: Final = {True: "set, not shown", False: "not set"}
_SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"


def shown(fields: File, projects: Sequence[Project], environment: Environment) -> str:
    """Every field with its value, as a file that says the same; what only the environment can say, as comments."""
    said = fields.model_dump(mode="json", by_alias=True)
    declared = fields.projects or (ProjectFields(),)
    said["projects"] = [_project(own, one) for own, one in zip(declared, projects, strict=True)]
    said["rules"] = [_rule(rule) for rule in fields.rules]
    return (
        "\n".join(_environment(environment)) + "\n" + yaml.safe_dump(_full(said), sort_keys=False, allow_unicode=True)
    )


def _project(own: ProjectFields, one: Project) -> Json:
    """What it is connected to, and what it says itself."""
    said: dict[str, Json] = own.model_dump(mode="json", by_alias=True, exclude_unset=True)
    rules: list[Json] = [_rule(rule) for rule in own.rules]
    keys: dict[str, Json] = {key: str(secret) for key, secret in one.keys.items()}
    return {**said, "name": one.name, "url": one.url, "keys": keys, "rules": rules}


def _rule(own: RuleFields) -> Json:
    """Every field, but of the limits those that it says itself: a project's `defaults` may change the others."""
    said: dict[str, Json] = own.model_dump(mode="json", by_alias=True)
    here = {name: said[name] for name in own.said()}
    return {name: value for name, value in said.items() if name not in LimitFields.model_fields} | here


def _full(value: Json) -> Json:
    """Without the fields of mappings that are empty: an expression, a fallback that nobody wrote."""
    if isinstance(value, list):
        return [_full(item) for item in value]
    if isinstance(value, dict):
        return {name: _full(item) for name, item in value.items() if item not in ("", [])}
    return value


def _environment(environment: Environment) -> Iterator[str]:
    yield f"# DISPATCHER_HOST: {environment.host}"
    yield f"# DISPATCHER_PORT: {environment.port}"
    yield f"# DISPATCHER_ADMIN_PORT: {'not set' if environment.admin_port is None else environment.admin_port}"
    yield from (f"# {name}: {_SET[name in environment.given]}" for name in HIDDEN)


def schema() -> str:
    """The JSON Schema of a file. Editors point out misspelt fields with it; `dispatcher check` knows more."""
    made = File.model_json_schema(by_alias=True)
    definitions = made["$defs"]
    for section in (made, *definitions.values()):
        section.pop("title", None)
        for field in section["properties"].values():
            _mend(field)
    agent = definitions["Agent"]
    ways = [{"required": [way]} for way in ("name", "launch", "cel", "split")]
    definitions["Agent"] = {"anyOf": [{"type": "string", "minLength": 1}, agent | {"oneOf": ways}]}
    definitions["Share"]["oneOf"] = [{"required": [way]} for way in ("name", "launch")]
    definitions["LauncherFields"]["anyOf"] = [{"required": some} for some in (["urls"], ["command", "limit"])]
    definitions["ProbedAgent"] = {"anyOf": [{"type": "string", "minLength": 1}, definitions["ProbedAgent"]]}
    definitions["UiFields"] = {"anyOf": [{"type": "boolean"}, definitions["UiFields"]]}
    return json.dumps({"$schema": _SCHEMA, "title": "livekit-dispatcher", **made}, indent=2, ensure_ascii=False) + "\n"


def _mend(field: dict[str, Any]) -> None:
    """Durations and sizes have units; a name may look like a number: we read text, an editor what YAML makes of it."""
    field.pop("title", None)
    if field.get("pattern") == MEMORY_PATTERN:
        field["default"] = show_memory(field["default"])
    elif "pattern" in field:
        field["default"] = show_span(field["default"])
    elif field.get("type") == "string" and "enum" not in field:
        field["type"] = ["string", "number", "boolean"]
