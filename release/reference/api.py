"""docs/api.md: every route of the API with what it takes and answers, made of the OpenAPI document."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from dispatcher.http.openapi import document
from release.reference.types import reached, type_of

HEAD: Final = """# The API, route by route

Made of the service's own OpenAPI document by `python -m release.reference --write`; a test compares. The document is at
`GET /v1/openapi.json`. How to use the API, with examples: [HTTP](http.md#the-api).

Every request needs a bearer token with the scope that is named, and may be answered 400, 401, 403, 404, 429 or 503,
each as [ApiProblem](#apiproblem).
"""
_EVERYWHERE: Final = {"400", "401", "403", "404", "429", "503"}


def api() -> str:
    """The page."""
    whole: Mapping[str, Any] = json.loads(msgspec.json.encode(document("")))
    operations = [(path, method, one) for path, methods in whole["paths"].items() for method, one in methods.items()]
    schemas: Mapping[str, Any] = whole["components"]["schemas"]
    routes = "".join(f"\n{_route(path, method, one)}" for path, method, one in operations)
    named = sorted(reached([one for *_, one in operations], schemas))
    return f"{HEAD}{routes}\n## Types\n" + "".join(f"\n{_type(name, schemas[name])}" for name in named)


def _route(path: str, method: str, one: Mapping[str, Any]) -> str:
    scopes = one["security"][0]["token"]
    scope = f"Scope: `{scopes[0]}`." if scopes else "Any token."
    body = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    return "".join(
        [
            f"## `{method.upper()} {path}`\n\n{one['summary']} {scope}\n",
            *_parameters(one.get("parameters", [])),
            f"\nBody: {type_of(body)}.\n" if body else "",
            f"\nAnswers: {', '.join(_answers(one['responses']))}.\n",
        ]
    )


def _parameters(parameters: list[Mapping[str, Any]]) -> Iterator[str]:
    if parameters:
        yield "\n| parameter | in | type | |\n|---|---|---|---|\n"
    for one in parameters:
        schema = one["schema"]
        default = [f"default: `{json.dumps(schema['default']).strip(chr(34))}`"] if "default" in schema else []
        says = "; ".join([_cell(schema.get("description", "")), *default])
        yield f"| `{one['name']}` | {one['in']} | {type_of(schema)} | {says} |\n"


def _answers(responses: Mapping[str, Any]) -> Iterator[str]:
    """Those that are this route's own."""
    for status, one in responses.items():
        if status not in _EVERYWHERE:
            kinds = [type_of(content["schema"]) for content in one.get("content", {}).values()]
            yield f"{status} {' or '.join(kinds)}".strip()


def _type(name: str, schema: Mapping[str, Any]) -> str:
    said = f"{schema['description']}\n" if "description" in schema else ""
    if "properties" not in schema:
        return f"### {name}\n\n{said}{chr(10) if said else ''}{type_of(schema)}\n"
    rows = "".join(
        f"| `{field}` | {type_of(one)} | {_cell(one.get('description', ''))} |\n"
        for field, one in schema["properties"].items()
    )
    return f"### {name}\n\n{said}{chr(10) if said else ''}| field | type | |\n|---|---|---|\n{rows}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
