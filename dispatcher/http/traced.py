"""A span for each request, where somebody traces: the outermost of what stands around a handler."""

from collections.abc import Mapping
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from dispatcher.telemetry.tracing import Tracing

WEBHOOK: Final = "/webhook"  # as its route is shown, whatever slashes it was called with
UNTRACED: Final = frozenset({
    "/healthz", "/readyz", "/metrics",  # every few seconds, and nothing follows from them
    "/v1/events",  # open for as long as somebody listens
})  # fmt: skip

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_NOBODY: Final[Mapping[str, str]] = {}


def traced(tracing: Tracing) -> Middleware:
    """Make the span. Whoever calls the API may have a trace already; headers of a webhook are signed by nobody."""

    @web.middleware
    async def in_a_span(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = _route(request)
        if route in UNTRACED:
            return await handler(request)
        method = request.method if request.method in _METHODS else "_OTHER"
        about = {"http.request.method": method, "http.route": route}
        headers = _NOBODY if route in ("", WEBHOOK) else request.headers
        with tracing.during(f"{method} {route}".rstrip(), about, headers=headers) as ended:
            response = await handler(request)
            ended({"http.response.status_code": response.status}, failed=response.status >= 500)
            return response

    return in_a_span


def _route(request: web.Request) -> str:
    """The route's pattern, never a path: anybody may ask for any path. "" where there is none."""
    resource = request.match_info.route.resource
    if resource is None:
        return ""
    return WEBHOOK if "{before}" in resource.canonical else resource.canonical
