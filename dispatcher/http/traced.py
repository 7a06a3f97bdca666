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

_NOBODY: Final[Mapping[str, str]] = {}


def traced(tracing: Tracing) -> Middleware:
    """Make the span. Whoever calls the API may have a trace already; headers of a webhook are signed by nobody."""

    @web.middleware
    async def in_a_span(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = _route(request)
        if route in UNTRACED:
            return await handler(request)
        with tracing.request(request.method, route, _NOBODY if route in ("", WEBHOOK) else request.headers) as answered:
            response = await handler(request)
            answered(response.status)
            return response

    return in_a_span


def _route(request: web.Request) -> str:
    """The route's pattern, never a path: anybody may ask for any path. "" where there is none."""
    resource = request.match_info.route.resource
    if resource is None:
        return ""
    return WEBHOOK if "{before}" in resource.canonical else resource.canonical
