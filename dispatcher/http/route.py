"""One route of the API: what it takes and answers is declared as types, by which requests are read and documented."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, Generic, TypeAlias, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct
from msgspec.structs import replace

from dispatcher.config import Scope
from dispatcher.http.guard import Caller, Guard
from dispatcher.http.reading import read_body, read_parameters

P = TypeVar("P", bound=Struct)
B = TypeVar("B", bound=Struct | None)
A = TypeVar("A", bound=Struct)

JSON: Final = "application/json"

_PLACES: Final = {  # in a path: these may be called anything, with slashes, braces or line ends in them
    "{agent}": r"{agent:[\s\S]+}",
    "{room}": r"{room:[\s\S]+}",
    "{assignment}": r"{assignment:[\s\S]+}",
}


class Nothing(Struct, frozen=True, forbid_unknown_fields=True):
    """No parameters."""


class ApiCall(Struct, Generic[P, B], frozen=True):
    """A request, read and checked, and who makes it."""

    request: web.Request
    caller: Caller
    asked: P
    body: B


class Answered(Struct, Generic[A], frozen=True, kw_only=True):
    """An answer that is not simply 200."""

    body: A
    status: HTTPStatus = HTTPStatus.OK
    headers: Mapping[str, str] | None = None


class Route(Struct, Generic[P, B, A], frozen=True, kw_only=True):
    """A method and a path."""

    method: str
    path: str  # a field of `asks` that stands in it as {field} is a part of the path, the others are of the query
    scope: Scope | None  # None: every token
    says: str  # what it is for, in one sentence
    asks: type[P]
    takes: type[B]  # the body; NoneType: none is read
    answers: type[A]
    statuses: tuple[HTTPStatus, ...] = (HTTPStatus.OK,)
    problems: tuple[HTTPStatus, ...] = ()  # beside those that every route may have
    content_type: str = JSON
    idempotent: bool = False  # by the header Idempotency-Key
    body_optional: bool = False
    resumable: bool = False  # a stream without end; by the header Last-Event-ID

    def at(self, path: str) -> "Route[P, B, A]":
        """The same at another path."""
        return replace(self, path=path)

    @property
    def in_path(self) -> frozenset[str]:
        """The parameters that stand in the path."""
        return frozenset(name for name in self.asks.__struct_encode_fields__ if f"{{{name}}}" in self.path)

    def served(self, guard: Guard, handler: "Handler[P, B, A]") -> web.RouteDef:
        """The route, for those whose token has its scope, to add to an application."""

        async def answer(request: web.Request, caller: Caller) -> web.StreamResponse:
            asked = read_parameters(request, self.asks, self.in_path)
            body = await read_body(request, self.takes, optional=self.body_optional)
            return _response(await handler(ApiCall(request, caller, asked, body)))

        pattern = self.path
        for place, regex in _PLACES.items():
            pattern = pattern.replace(place, regex)
        guarded = guard.guarded(self.scope, answer)
        if self.method == "GET":
            return web.get(pattern, guarded, allow_head=not self.resumable)
        return web.post(pattern, guarded) if self.method == "POST" else web.delete(pattern, guarded)


Handler: TypeAlias = Callable[[ApiCall[P, B]], Awaitable[A | Answered[A] | web.StreamResponse]]


def _response(given: Struct | Answered[A] | web.StreamResponse) -> web.StreamResponse:
    if isinstance(given, web.StreamResponse):
        return given
    whole = given if isinstance(given, Answered) else Answered(body=given)
    body = msgspec.json.encode(whole.body)
    return web.Response(body=body, status=whole.status, headers=whole.headers, content_type=JSON)
