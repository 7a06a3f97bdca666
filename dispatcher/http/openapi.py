"""The API's OpenAPI 3.1 document, made of its routes and their types."""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from types import NoneType
from typing import Any, Final, TypeAlias

import msgspec
from aiohttp import web

from dispatcher.http.asked import KEY_MAX
from dispatcher.http.guard import Guard
from dispatcher.http.problems import PROBLEM
from dispatcher.http.resources import ApiDocument, ApiProblem
from dispatcher.http.route import JSON, ApiCall, Nothing, Route
from dispatcher.http.routes import DOCUMENT, ROUTES

AnyRoute: TypeAlias = Route[Any, Any, Any]
Node: TypeAlias = dict[str, Any]  # a part of the document

_SCHEMAS: Final = "#/components/schemas/"
_EVERYWHERE: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_OF_BODIES: Final = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
_SAYS: Final = f"Errors are `{PROBLEM}`, with a name to program with under `error`. docs/http.md says more."


class DocumentApi:
    """`/v1/openapi.json`."""

    def __init__(self, guard: Guard, version: str) -> None:
        self.guard = guard
        self.document = document(version)

    def routes(self) -> list[web.RouteDef]:
        """The routes to add to an application."""
        return [DOCUMENT.served(self.guard, self._document)]

    async def _document(self, _call: ApiCall[Nothing, None]) -> ApiDocument:
        return self.document


def document(version: str, routes: Sequence[AnyRoute] = ROUTES) -> ApiDocument:
    """The document of this release of the service."""
    schemas = _schemas(routes)
    parameters = {asks: schemas.pop(asks.__name__) for asks in {route.asks for route in routes}}
    paths: dict[str, Node] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, parameters[route.asks])
    return ApiDocument(
        openapi="3.1.0",
        info={"title": "livekit-dispatcher", "version": version, "description": _SAYS},
        paths=paths,
        components={"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    )


def _schemas(routes: Sequence[AnyRoute]) -> dict[str, Node]:
    """Every type by its name, those of parameters too."""
    types = [ApiProblem, *(one for route in routes for one in (route.asks, route.takes, route.answers))]
    distinct = [one for one in dict.fromkeys(types) if one is not NoneType]
    _, components = msgspec.json.schema_components(distinct, ref_template=f"{_SCHEMAS}{{name}}")
    return dict(components)


def _operation(route: AnyRoute, asks: Node) -> Node:
    parts = [part.strip("{}") for part in route.path.split("/")[2:]]
    operation: Node = {
        "operationId": "_".join([route.method.lower(), *parts]).replace(".", "_"),
        "summary": route.says,
        "security": [{"token": [route.scope] if route.scope else []}],
        "parameters": [*_parameters(route, asks), *_headers(route)],
        "responses": dict(_responses(route)),
    }
    if route.takes is not NoneType:
        content = {JSON: {"schema": _named(route.takes)}}
        operation["requestBody"] = {"content": content, "required": not route.body_optional}
    return operation


def _parameters(route: AnyRoute, asks: Node) -> Iterator[Node]:
    for name, schema in asks["properties"].items():
        place = "path" if name in route.in_path else "query"
        yield {"name": name, "in": place, "required": name in asks["required"], "schema": schema}


def _headers(route: AnyRoute) -> Iterator[Node]:
    if route.idempotent:
        yield _IDEMPOTENCY_KEY
    if route.resumable:
        yield _LAST_EVENT_ID


def _responses(route: AnyRoute) -> Iterator[tuple[str, Node]]:
    for status in route.statuses:
        schema = _named(route.answers) if route.content_type == JSON else {"type": "string"}
        headers = {"headers": {"Idempotent-Replayed": _REPLAYED}} if route.idempotent else {}
        yield _response(status, route.content_type, schema, headers)
    of_bodies = () if route.takes is NoneType else _OF_BODIES
    for status in sorted({*_EVERYWHERE, *of_bodies, *route.problems}):
        headers = {"headers": dict.fromkeys(_HEADERS[status], _TEXT)} if status in _HEADERS else {}
        yield _response(status, PROBLEM, _named(ApiProblem), headers)


def _response(status: HTTPStatus, content_type: str, schema: Node, headers: Node) -> tuple[str, Node]:
    content = {content_type: {"schema": schema}}
    return str(status.value), {"description": status.phrase, "content": content, **headers}


def _named(one: type) -> Node:
    return {"$ref": f"{_SCHEMAS}{one.__name__}"}


_TEXT: Final[Node] = {"schema": {"type": "string"}}
_REPLAYED: Final[Node] = {"schema": {"const": "true"}, "description": "the same had been asked for before"}
_HEADERS: Final[Mapping[HTTPStatus, tuple[str, ...]]] = {
    HTTPStatus.UNAUTHORIZED: ("WWW-Authenticate",),
    HTTPStatus.TOO_MANY_REQUESTS: ("Retry-After",),
    HTTPStatus.BAD_GATEWAY: ("Retry-After",),
    HTTPStatus.SERVICE_UNAVAILABLE: ("Retry-After",),
}
_IDEMPOTENCY_KEY: Final[Node] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_MAX},
}
_LAST_EVENT_ID: Final[Node] = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "the id of the last event that was heard",
}
