"""Reads a request's parameters and body as the types that a route declares; errors name the field that is wrong."""

import re
from collections.abc import Collection, Mapping
from functools import cache
from http import HTTPStatus
from types import NoneType
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from msgspec import Struct

from dispatcher.http.problems import ApiError, bad_request, unprocessable

T = TypeVar("T")
P = TypeVar("P", bound=Struct)

BODY_MAX: Final = 65_536  # bytes of a request's body

_NAMED: Final = re.compile(r" field `(.*)`$")  # msgspec names one that is missing or unknown so,
_PLACE: Final = re.compile(r" - at `\$\.(.*)`$")  # and the place of a wrong value so


def read_parameters(request: web.Request, expected: type[P], in_path: Collection[str]) -> P:
    """The path's and the query's. Raises ApiError: one is unknown, missing, given twice, or not what it may be."""
    query, known = request.query, set(expected.__struct_encode_fields__)
    for name in query:
        if name not in known or name in in_path:
            allowed = ", ".join(sorted(known - set(in_path))) or "none"
            raise bad_request(_text(name), f"no such parameter; there is {allowed}")
        if len(query.getall(name)) > 1:
            raise bad_request(name, "given twice")
    given = {name: request.match_info[name] for name in in_path} | dict(query)
    for name, value in given.items():
        if not _is_text(value):
            raise bad_request(name, "no UTF-8")
    try:
        return msgspec.convert(given, expected, strict=False)
    except msgspec.ValidationError as error:
        name, says = _told(error)
        raise bad_request(name, _allowed(expected).get(name, says)) from None


async def read_body(request: web.Request, expected: type[T], *, optional: bool) -> T:
    """The body, read with a bound; with `optional`, none is one that names nothing. Raises ApiError."""
    if expected is NoneType:
        return expected()
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > BODY_MAX:
            raise ApiError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", f"at most {BODY_MAX} bytes")
    try:
        return msgspec.json.decode(body or b"{}" if optional else body, type=expected)
    except msgspec.ValidationError as error:
        raise unprocessable(*_told(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise ApiError(HTTPStatus.BAD_REQUEST, "bad_request", "the body is no JSON", more={"field": "body"}) from None


def _told(error: msgspec.ValidationError) -> tuple[str, str]:
    """The field that is wrong, and what is wrong with it."""
    says = str(error)
    if place := _PLACE.search(says):
        return place[1], says[: place.start()]
    named = _NAMED.search(says)
    return named[1] if named else "body", says


@cache
def _allowed(expected: type[Struct]) -> Mapping[str, str]:
    """What each parameter may be, where its schema says so in few words."""
    _, components = msgspec.json.schema_components([expected], ref_template="{name}")
    fields = {name: _resolved(one, components) for name, one in components[expected.__name__]["properties"].items()}
    words = {name: _words(one) for name, one in fields.items()}
    return {name: says for name, says in words.items() if says}


def _resolved(field: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    return components[field["$ref"]] if "$ref" in field else field


def _words(field: Mapping[str, Any]) -> str:
    if "enum" in field:
        return f"one of {', '.join(map(str, field['enum']))}"
    if "minimum" in field:
        return f"{field['minimum']} to {field['maximum']}"
    return "at least one character" if "minLength" in field and "maxLength" not in field else ""


def _is_text(value: str) -> bool:
    """Whether it is text: aiohttp keeps bytes that are no UTF-8 as halves of surrogates."""
    return _text(value) == value


def _text(value: str) -> str:
    return value.encode(errors="replace").decode()
