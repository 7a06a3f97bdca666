"""What the OpenAPI document says of an answer: for the tests, each answer of which has to fit it."""

import json
from functools import cache
from typing import Any, Final

import msgspec
from aiohttp import web
from jsonschema import Draft202012Validator

from dispatcher.http.openapi import document

DOCUMENT: Final[dict[str, Any]] = json.loads(msgspec.json.encode(document("test")))


def disagreement(request: web.Request, answer: web.StreamResponse) -> str | None:
    """Where the answer is another one than the document allows; None: nowhere."""
    resource = request.match_info.route.resource
    assert resource is not None
    method = "get" if request.method == "HEAD" else request.method.lower()
    operation = DOCUMENT["paths"].get(resource.canonical, {}).get(method)
    asked = f"{request.method} {request.path_qs}: {answer.status}"
    if operation is None:
        return f"{asked}: the document has no {method} {resource.canonical}"
    said = operation["responses"].get(str(answer.status))
    if said is None or answer.content_type not in said["content"]:
        return f"{asked} {answer.content_type} is not in the document"
    if unsaid := {name for name in said.get("headers", {}) if name != "Idempotent-Replayed"} - set(answer.headers):
        return f"{asked} lacks {unsaid}"
    if not isinstance(answer, web.Response):
        return None
    assert isinstance(answer.body, bytes)
    error = next(
        _schema(said["content"][answer.content_type]["schema"]["$ref"]).iter_errors(json.loads(answer.body)), None
    )
    return error and f"{asked}: {error.json_path}: {error.message}"


@cache
def _schema(reference: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": reference, "components": DOCUMENT["components"]})
