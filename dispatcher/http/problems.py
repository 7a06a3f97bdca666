"""Errors of the API, as `application/problem+json` (RFC 9457), each with a name of its own under `error`."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import web

from dispatcher.core.errors import DispatcherError

PROBLEM: str = "application/problem+json"


class ApiError(DispatcherError):
    """A request that is not answered as it was meant; `detail` says to a person why, and names the field."""

    def __init__(
        self,
        status: HTTPStatus,
        error: str,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{status}: {error}")
        self.status = status
        self.headers = headers
        self.body = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "error": error,
            **({"detail": detail} if detail else {}),
            **(more or {}),
        }

    @property
    def answer(self) -> web.Response:
        """As it is answered."""
        return web.Response(text=json.dumps(self.body), status=self.status, headers=self.headers, content_type=PROBLEM)


def bad_request(field: str, says: str) -> ApiError:
    """A parameter or field is not what it may be."""
    return ApiError(HTTPStatus.BAD_REQUEST, "bad_request", f"{field}: {says}", more={"field": field})
