"""Errors of the API, as `application/problem+json` (RFC 9457), each with a name of its own under `error`."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec
from aiohttp import web
from msgspec import UNSET

from dispatcher.core.errors import DispatcherError
from dispatcher.http.resources import ApiProblem

PROBLEM: Final = "application/problem+json"


class ApiError(DispatcherError):
    """A request that is not answered as it was meant; `detail` says to a person why, and names the field."""

    def __init__(
        self,
        status: HTTPStatus,
        error: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status}: {error}")
        self.status = status
        self.headers = headers
        self.body = ApiProblem(
            title=status.phrase, status=status.value, error=error, detail=detail or UNSET, **(more or {})
        )

    @property
    def answer(self) -> web.Response:
        """As it is answered."""
        body = msgspec.json.encode(self.body)
        return web.Response(body=body, status=self.status, headers=self.headers, content_type=PROBLEM)


def bad_request(field: str, says: str) -> ApiError:
    """A parameter is not what it may be."""
    return ApiError(HTTPStatus.BAD_REQUEST, "bad_request", f"{field}: {says}", more={"field": field})


def unprocessable(field: str, says: str) -> ApiError:
    """A field of the body is not what it may be."""
    return ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, "unprocessable", f"{field}: {says}", more={"field": field})
